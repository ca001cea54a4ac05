"""From a queued case to its prediction: outbox, lease and sweep.

The case's row is the truth and Redis a doorbell. A worker claims a case for LEASE_SECONDS and writes its result
only while the claim is still its own, so a message may be lost, doubled or late, and a worker may die at any
moment: the sweep rings again for whatever is due, and nothing is read into the record twice.
"""

import io
import logging
import uuid
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache

import numpy as np
from celery.exceptions import SoftTimeLimitExceeded
from flask import current_app
from kombu.exceptions import OperationalError as BrokerError
from PIL import Image as Picture
from redis import RedisError

from portal import triage
from portal.database import begin_write, utc_now
from portal.errors import describe
from portal.extensions import db
from portal.models import BEING_READ, Case, Image, Lesion, Patient, Prediction
from portal.services import audit

# A publish that arrived needs no second ring so soon; the gap doubles, or a backlog would flood the queue.
FIRST_RING_AFTER = timedelta(seconds=15)
LAST_RING_AFTER = timedelta(minutes=10)
LOST_AFTER = timedelta(seconds=5)  # a message younger than that may just be on its way from Redis to a worker
SWEEP_BATCH = 500

# Nobody waits longer than this for a doorbell.
IMPATIENT = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "max_retries": 0}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The right to write one case's result, until it is given up or somebody claims it anew."""

    case_id: uuid.UUID
    key: str
    photo: bytes  # JPEG
    age_years: int | None
    sex: str | None
    body_site: str


def ring(*case_ids):
    """Tell the workers about these cases, at best effort: a missed ring costs time, never a case."""
    _publish("portal.tasks.classify_case", [[str(case_id)] for case_id in case_ids])


def ring_for_sweep():
    """Ask the workers for one sweep; an unheard ring is dropped when the next one is due."""
    _publish("portal.tasks.sweep", [[]], expires=current_app.config["SWEEP_SECONDS"])


def classify(case_id):
    """Claim one case, read its photo and store the result. Safe to call for any case, any number of times."""
    try:
        classifier = load_classifier()  # before the claim: a worker that cannot load its model uses up no attempt
    except (OSError, ValueError) as error:
        # In one line: it is said for every case of every sweep until somebody mends it.
        log.error("case %s waits: the model cannot be loaded: %s", case_id, error)
        return
    claim = claim_case(case_id)
    if claim is None:
        return
    from ml.preprocess import UnreadableImage

    try:
        prediction = classifier.predict(claim.photo, age=claim.age_years, sex=claim.sex, site=claim.body_site)
        finish_case(claim, prediction, thresholds=classifier.thresholds, is_validated=classifier.is_validated)
    except UnreadableImage:
        fail_case(claim, "photo_unreadable", is_final=True)
    except SoftTimeLimitExceeded:
        fail_case(claim, "took_too_long")
    except Exception as error:
        log.error("case %s was not read: %s", case_id, describe(error))
        fail_case(claim, "model_error")


def load_classifier():
    """The model of MODEL_DIR, opened once a process."""
    return _load(current_app.config["MODEL_DIR"], current_app.config["MODEL_THREADS"])


def claim_case(case_id):
    """A Claim, or None when the case is done, in other hands, or out of attempts."""
    begin_write(db.session)
    now, key = utc_now(), uuid.uuid4().hex
    expires = now + timedelta(seconds=current_app.config["LEASE_SECONDS"])
    claimed_id = db.session.scalar(
        db.update(Case)
        .where(
            Case.id == case_id,
            (Case.status == "queued") | ((Case.status == "running") & (Case.lease_expires_at <= now)),
            Case.attempts < current_app.config["MAX_ATTEMPTS"],
        )
        .values(
            status="running",
            status_changed_at=now,
            attempts=Case.attempts + 1,
            claim_key=key,
            lease_expires_at=expires,
            ring_at=expires,
            facts_then=None,
        )
        .returning(Case.id)
        .execution_options(synchronize_session=False)
    )
    if claimed_id is None:
        db.session.rollback()
        return None
    # With the claim, so that a correction of the patient's details comes before it or after.
    facts = db.select(Case.age_years, Patient.sex, Lesion.body_site).join(Case.lesion).join(Lesion.patient)
    age_years, sex, body_site = db.session.execute(facts.where(Case.id == case_id)).one()
    db.session.commit()
    return Claim(case_id, key, _read_photo(case_id), age_years, sex, body_site)


def finish_case(claim, prediction, *, thresholds, is_validated):
    """Store an ml.classifier.Prediction and the tier it leads to; False when the claim is no longer ours.

    A clinician who decided meanwhile did so without it: the prediction is kept beside the decision, which stands.
    """
    begin_write(db.session)
    case = _claimed(claim, or_decided=True)
    if case is None:
        db.session.rollback()
        return False
    row = _add_prediction(case, prediction, thresholds, is_validated)
    case.prediction_id = row.id
    case.set_triage(_decide(case, prediction=row, thresholds=row.thresholds))
    if case.status == "running":
        case.change_status("classified")
    details = {"model_version": row.model_version, "tier": case.tier}
    audit.record(action="case.classify", target=case, clinic_id=case.clinic_id, details=details)
    db.session.commit()
    return True


def sort_again(case):
    """The tier of an undecided case by the patient's details of today, within the running write transaction."""
    if case.status == "classified":
        case.set_triage(_decide(case, prediction=case.prediction, thresholds=case.prediction.thresholds))
    elif case.status in (*BEING_READ, "failed"):
        case.set_triage(_decide(case, prediction=None, model_failed=case.status == "failed"))


def fail_case(claim, reason, *, is_final=False):
    """This attempt failed; ``reason`` (a key of FAILURES) is shown once no attempt is left."""
    begin_write(db.session)
    case = _claimed(claim)
    if case is None:
        db.session.rollback()
        return
    if is_final or case.attempts >= current_app.config["MAX_ATTEMPTS"]:
        _give_up(case, reason)
    else:
        case.change_status("queued", ring_at=utc_now())  # the next sweep's turn: a passing trouble may pass
        case.facts_then = None  # it was not read with them
    db.session.commit()


def sweep():
    """Ring for every case that is due, and give up those whose worker died for the last time.

    Once no message waits in Redis, every queued case is due: those that were sent and are gone were lost with
    the worker that held them, or with Redis itself.
    """
    is_due = Case.status.in_(BEING_READ) & (Case.ring_at <= utc_now())
    if not _messages_wait():
        is_due |= (Case.status == "queued") & (Case.status_changed_at <= utc_now() - LOST_AFTER)
    if db.session.scalar(db.select(Case.id).where(is_due).limit(1)) is None:
        return
    begin_write(db.session)
    due = db.select(Case).where(is_due).order_by(Case.ring_at).limit(SWEEP_BATCH)
    waiting = []
    for case in db.session.scalars(due.with_for_update(skip_locked=True)):
        if case.status == "running" and case.attempts >= current_app.config["MAX_ATTEMPTS"]:
            _give_up(case, "worker_lost")
        else:
            waited = utc_now() - case.status_changed_at
            case.ring_at = utc_now() + min(max(waited, FIRST_RING_AFTER), LAST_RING_AFTER)
            waiting.append(case.id)
    db.session.commit()
    ring(*waiting)


def _messages_wait():
    """Whether a case's message is in Redis and not with a worker; True when Redis does not say."""
    celery = current_app.extensions["celery"]
    try:
        with celery.connection_for_write(transport_options=IMPATIENT) as connection:
            return connection.default_channel.client.llen(celery.conf.task_default_queue) > 0
    except (BrokerError, RedisError, OSError):
        return True


def _publish(task, calls, **options):
    celery = current_app.extensions["celery"]
    try:
        # A connection of its own: a pooled one may be as old as the last Redis, and waits for ever for a hung one.
        with celery.connection_for_write(transport_options=IMPATIENT) as connection:
            for arguments in calls:
                celery.send_task(task, arguments, connection=connection, retry=False, **options)
    except (BrokerError, RedisError, OSError) as error:
        log.warning("%s was not published: %s", task, type(error).__name__)


@cache
def _load(directory, threads):
    # Only a worker's child imports the model runtime: loaded before a fork, it hangs the child.
    from ml.classifier import Classifier

    return Classifier.load(directory, threads=threads)


def _read_photo(case_id):
    content = db.session.scalar(db.select(Image.content).where(Image.case_id == case_id, Image.kind == "dermoscopic"))
    db.session.rollback()  # the model runs outside of any transaction
    return content


def _claimed(claim, *, or_decided=False):
    is_ours = Case.status == "running"
    if or_decided:
        is_ours |= (Case.status == "reviewed") & Case.prediction_id.is_(None)
    return db.session.scalar(
        db.select(Case).where(Case.id == claim.case_id, is_ours, Case.claim_key == claim.key).with_for_update()
    )


def _add_prediction(case, prediction, thresholds, is_validated):
    row = Prediction(
        case_id=case.id,
        model_version=prediction.model_version,
        is_validated=is_validated,
        predicted_class=prediction.predicted_class,
        confidence=prediction.confidence,
        malignancy_risk=prediction.malignancy_risk,
        melanoma_probability=prediction.melanoma_probability,
        probabilities=prediction.probabilities,
        image_probabilities=prediction.image_probabilities,
        prediction_set=list(prediction.prediction_set),
        out_of_distribution=prediction.out_of_distribution,
        out_of_distribution_score=prediction.out_of_distribution_score,
        # An exact age, written once, would outlast the patient's being made anonymous; the case has it.
        factors=[asdict(factor) | ({"value": None} if factor.name == "age" else {}) for factor in prediction.factors],
        thresholds=thresholds,
        activation_map=_to_png(prediction.activation_map),
        latency_ms=prediction.latency_ms,
    )
    db.session.add(row)
    db.session.flush()
    return row


def _to_png(activation_map):
    """8-bit grey PNG of a float map (h, w) in 0..1."""
    buffer = io.BytesIO()
    Picture.fromarray((activation_map * 255).round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _give_up(case, reason):
    case.change_status("failed")
    case.failure_reason, case.facts_then, case.claim_key = reason, None, None
    case.set_triage(_decide(case, prediction=None, model_failed=True))
    audit.record(action="case.fail", target=case, clinic_id=case.clinic_id, details={"reason": reason})


def _decide(case, **model):
    return triage.decide(
        checklist_score=case.checklist_score,
        is_worried=case.is_worried,
        quality_problems=case.photo_quality.get("problems", ()),
        skin_type=case.patient.skin_type,
        typology_angle=case.photo_quality.get("typology_angle"),
        **model,
    )
