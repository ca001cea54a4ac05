"""Lease, finish, fail and sweep, as rows go through them; the model's own answer is made up here."""

import io
from datetime import timedelta

import pytest
from PIL import Image as Picture
from sqlalchemy.exc import IntegrityError

from ml.classifier import Factor
from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent, Case, Prediction
from portal.services import cases, classification
from portal.services.reviews import record_review
from tests import factories
from tests.answers import THRESHOLDS, made_up_answer
from tests.processes import RedisServer

pytestmark = pytest.mark.databases


def finish(claim, prediction=None):
    return classification.finish_case(claim, prediction or made_up_answer(), thresholds=THRESHOLDS, is_validated=False)


def let_lease_expire(case):
    case.lease_expires_at = case.ring_at = utc_now() - timedelta(seconds=1)
    db.session.commit()


def test_a_claim_carries_what_the_model_needs(app):
    case = factories.make_case(lesion=factories.make_lesion(body_site="face"))
    claim = classification.claim_case(case.id)
    assert (claim.age_years, claim.sex, claim.body_site) == (62, "female", "face")
    assert claim.photo == case.dermoscopic_image.content
    assert (case.status, case.attempts) == ("running", 1)
    lease = (case.lease_expires_at - case.status_changed_at).total_seconds()
    assert lease == app.config["LEASE_SECONDS"] > app.extensions["celery"].conf.task_time_limit


def test_a_case_is_claimed_once(app):
    case = factories.make_case()
    assert classification.claim_case(case.id) is not None
    assert classification.claim_case(case.id) is None
    assert case.attempts == 1


@pytest.mark.parametrize("status", ["classified", "reviewed", "failed", "retake"])
def test_what_does_not_wait_is_not_claimed(app, status):
    assert classification.claim_case(factories.make_case(status).id) is None


def test_a_result_is_stored_whole(app):
    case = factories.make_case()
    assert finish(classification.claim_case(case.id), made_up_answer(melanoma=0.4)) is True
    row = case.prediction
    assert (case.status, case.tier, case.tier_rank, case.lease_expires_at, case.ring_at) == (
        "classified",
        "urgent",
        0,
        None,
        None,
    )
    assert [reason["code"] for reason in case.tier_reasons] == ["model_melanoma", "model_malignancy"]
    assert (row.model_version, row.is_validated, row.thresholds) == ("made-up-1", False, THRESHOLDS)
    assert row.probabilities["mel"] == 0.4 and row.prediction_set == ["nv"]
    with Picture.open(io.BytesIO(row.activation_map)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (8, 8))
        assert (picture.getpixel((0, 0)), picture.getpixel((7, 7))) == (0, 255)
    event = db.session.scalar(db.select(AuditEvent).where(AuditEvent.action == "case.classify"))
    assert event.actor_id is None and event.details == {"model_version": "made-up-1", "tier": "urgent"}


def test_the_exact_age_stays_with_the_case_alone(app):
    case = factories.make_case(age_years=97)
    factors = (Factor("image", None, 0.2, 0.3), Factor("age", "97", 0.3, 0.4), Factor("sex", "male", 0.4, 0.4))
    finish(classification.claim_case(case.id), made_up_answer(factors=factors))
    assert [factor["value"] for factor in case.prediction.factors] == [None, None, "male"]


def test_the_model_never_lowers_the_tier(app):
    nurse = factories.make_user()
    asked = factories.new_case_values(checklist=["change_in_size", "irregular_shape", "oozing"])
    case = cases.submit_case(submitter=nurse, **asked)
    before = case.tier
    finish(classification.claim_case(case.id), made_up_answer(melanoma=0.0001))
    assert case.tier == before == "urgent"


def test_a_lost_claim_writes_nothing(app):
    case = factories.make_case()
    late = classification.claim_case(case.id)
    let_lease_expire(case)
    current = classification.claim_case(case.id)
    assert finish(late) is False
    assert (case.status, case.prediction) == ("running", None)
    assert finish(current) is True
    assert finish(current) is False
    assert db.session.scalar(db.select(db.func.count()).select_from(Prediction)) == 1


def test_a_worker_that_was_given_up_writes_nothing_into_a_later_try(app):
    case = factories.make_case()
    late = [_claim_and_lose(case) for _attempt in range(3)]
    classification.sweep()
    cases.retry_case(case=case)
    current = classification.claim_case(case.id)
    assert case.attempts == 1
    for claim in late:
        classification.fail_case(claim, "model_error", is_final=True)
        assert finish(claim) is False
    assert (case.status, case.prediction) == ("running", None)
    assert finish(current) is True


def test_nor_beside_a_decision_that_came_after_it_was_given_up(app):
    case = factories.make_case()
    late = [_claim_and_lose(case) for _attempt in range(3)]
    classification.sweep()
    _decide(case)
    assert [finish(claim) for claim in late] == [False] * 3
    assert (case.status, case.prediction) == ("reviewed", None)


def _claim_and_lose(case):
    claim = classification.claim_case(case.id)
    let_lease_expire(case)
    return claim


def test_a_late_failure_changes_nothing(app):
    case = factories.make_case()
    late = classification.claim_case(case.id)
    let_lease_expire(case)
    finish(classification.claim_case(case.id))
    classification.fail_case(late, "model_error", is_final=True)
    assert case.status == "classified"


def test_a_photo_asked_anew_meanwhile_is_not_overruled(app):
    case = factories.make_case()
    claim = classification.claim_case(case.id)
    clinician = factories.make_user("clinician", clinic=case.clinic)
    cases.ask_retake(case=case, clinician=clinician, reason="blurred")
    assert finish(claim) is False and case.status == "retake"


def _decide(case):
    clinician = factories.make_user("clinician", clinic=case.clinic)
    said = {"diagnosis": "nv", "agrees": None, "disposition": "no_action", "expected_review_count": 0}
    return record_review(case=case, reviewer=clinician, **said)


def test_a_decision_made_meanwhile_stands_and_the_late_view_is_kept_beside_it(app):
    case = factories.make_case()
    claim = classification.claim_case(case.id)
    review = _decide(case)
    assert finish(claim, made_up_answer(melanoma=0.4)) is True
    assert (case.status, case.review_count, case.lease_expires_at, case.ring_at) == ("reviewed", 1, None, None)
    assert (case.prediction.model_version, case.tier) == ("made-up-1", "urgent")
    assert (review.prediction_id, review.agrees, review.disposition) == (None, None, "no_action")
    assert finish(claim) is False


def test_a_decided_case_is_not_read_failed_or_rung_for(app):
    case = factories.make_case()
    claim = classification.claim_case(case.id)
    _decide(case)
    classification.fail_case(claim, "model_error", is_final=True)
    assert (case.status, case.failure_reason, case.ring_at) == ("reviewed", None, None)
    waiting = factories.make_case()
    _decide(waiting)
    assert classification.claim_case(waiting.id) is None
    classification.sweep()
    assert (waiting.status, waiting.prediction) == ("reviewed", None)


def test_a_model_version_is_stored_once_and_another_beside_it(app):
    case = factories.make_case()
    finish(classification.claim_case(case.id))
    case.change_status("queued")
    db.session.commit()
    claim = classification.claim_case(case.id)
    with pytest.raises(IntegrityError):
        finish(claim)
    db.session.rollback()
    finish(claim, made_up_answer(model_version="made-up-2"))
    assert case.prediction.model_version == "made-up-2"
    assert db.session.scalar(db.select(db.func.count()).select_from(Prediction)) == 2


def test_the_third_failure_is_the_last(app):
    case = factories.make_case()
    for attempt in (1, 2):
        classification.fail_case(classification.claim_case(case.id), "model_error")
        assert (case.status, case.attempts, case.failure_reason) == ("queued", attempt, None)
    classification.fail_case(classification.claim_case(case.id), "took_too_long")
    assert (case.status, case.failure_reason) == ("failed", "took_too_long")
    assert classification.claim_case(case.id) is None
    assert db.session.scalar(db.select(AuditEvent.details).where(AuditEvent.action == "case.fail")) == {
        "reason": "took_too_long"
    }


def test_what_no_attempt_can_mend_fails_at_once(app):
    case = factories.make_case()
    classification.fail_case(classification.claim_case(case.id), "photo_unreadable", is_final=True)
    assert (case.status, case.failure_reason) == ("failed", "photo_unreadable")
    # Nobody has judged it: it must not sink below the routine cases.
    assert (case.tier, [reason["code"] for reason in case.tier_reasons]) == ("cannot_assess", ["model_failed"])


def test_what_is_tried_again_is_not_said_to_have_failed(app):
    case = cases.submit_case(submitter=factories.make_user(), **factories.new_case_values(checklist=[]))
    asked = case.tier, case.tier_rank, case.tier_reasons
    classification.fail_case(classification.claim_case(case.id), "photo_unreadable", is_final=True)
    assert case.tier == "cannot_assess"
    cases.retry_case(case=case)
    assert (case.tier, case.tier_rank, case.tier_reasons) == asked


def test_the_sweep_gives_up_a_case_whose_third_worker_died(app):
    case = factories.make_case()
    for _attempt in range(3):
        _claim_and_lose(case)
    classification.sweep()
    assert (case.status, case.failure_reason) == ("failed", "worker_lost")


def test_the_sweep_rings_for_what_is_due_and_waits_longer_each_time(app, redis_server):
    now = utc_now()
    due = factories.make_case(ring_at=now, status_changed_at=now - timedelta(minutes=2))
    fresh = factories.make_case(ring_at=now + timedelta(seconds=15))
    dead = factories.make_case("running", ring_at=now, lease_expires_at=now, status_changed_at=now)
    factories.make_case("classified")
    classification.sweep()
    assert redis_server.client.llen("cases") == 2
    assert timedelta(minutes=1.9) < due.ring_at - utc_now() <= timedelta(minutes=2.1)
    assert fresh.ring_at == now + timedelta(seconds=15)
    assert timedelta(seconds=10) < dead.ring_at - utc_now() <= timedelta(seconds=15)
    classification.sweep()
    assert redis_server.client.llen("cases") == 2


@pytest.mark.parametrize("one_waits", [False, True])
def test_a_message_that_was_lost_is_sent_again_once_none_waits(app, redis_server, one_waits):
    later, lost_at = utc_now() + timedelta(hours=1), utc_now() - classification.LOST_AFTER - timedelta(seconds=1)
    lost = factories.make_case(ring_at=later, status_changed_at=lost_at)
    on_its_way = factories.make_case(ring_at=later, status_changed_at=utc_now())
    if one_waits:
        redis_server.client.lpush("cases", "another case's")
    classification.sweep()
    assert redis_server.client.llen("cases") == 1
    assert (lost.ring_at < later) is not one_waits and on_its_way.ring_at == later


def test_the_wait_ends_at_ten_minutes(app):
    case = factories.make_case(ring_at=utc_now(), status_changed_at=utc_now() - timedelta(hours=5))
    classification.sweep()
    assert timedelta(minutes=9.9) < case.ring_at - utc_now() <= timedelta(minutes=10)


def test_submitting_rings_at_once(app, redis_server: RedisServer):
    cases.submit_case(submitter=factories.make_user(), **factories.new_case_values())
    assert redis_server.client.llen("cases") == 1


def test_a_case_is_stored_while_redis_is_away(app):
    case = cases.submit_case(submitter=factories.make_user(), **factories.new_case_values())
    assert db.session.get(Case, case.id).status == "queued"


def test_the_model_gets_the_threads_of_the_setting(app, monkeypatch):
    monkeypatch.setattr(classification, "_load", lambda directory, threads: (directory, threads))
    app.config |= {"MODEL_DIR": "here", "MODEL_THREADS": 3}
    assert classification.load_classifier() == ("here", 3)


class Forgetful:
    """A classifier whose errors quote what it was given."""

    def predict(self, _photo, **facts):
        raise ValueError(f"cannot read {facts['site']}") from KeyError("Ada Example")


def test_an_error_is_logged_by_kind_and_place_and_never_by_its_text(app, monkeypatch, caplog):
    case = factories.make_case(lesion=factories.make_lesion(body_site="scalp"))
    monkeypatch.setattr(classification, "load_classifier", Forgetful)
    classification.classify(case.id)
    assert (case.status, case.attempts) == ("queued", 1)
    assert f"case {case.id} was not read: ValueError at classification.py:" in caplog.text
    assert not any(word in caplog.text for word in ("scalp", "Ada Example", "Traceback"))
