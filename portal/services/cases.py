"""A case from the photo to the clinician's hands: submit, retry, take, release, ask for a new photo."""

import io
from dataclasses import asdict
from datetime import timedelta

from flask import current_app
from flask_babel import gettext as _
from PIL import Image as Picture
from sqlalchemy.exc import IntegrityError

from portal import triage
from portal.database import begin_write, utc_now
from portal.errors import Conflict, DomainError
from portal.explanations import RETAKES
from portal.extensions import db
from portal.images import UnusablePhoto, clean_photo
from portal.models import CHECKLIST, Case, Image, Patient
from portal.quality import measure_quality
from portal.queries.cases import find_newer_case, has_newer_case
from portal.services import audit, classification, patients


class AlreadySent(Conflict):
    """The form made ``case`` before, and something in it was not yet as it is now."""

    def __init__(self, case):
        super().__init__(_("This was sent already, as it was then. Open it, or start a new one."))
        self.case = case


def submit_case(
    *,
    submitter,
    submission_key,
    patient,
    lesion,
    checklist,
    is_worried,
    comment,
    consent,
    dermoscopic,
    overview=None,
    replaces=None,
):
    """Store a visit whole and ring for a worker; the same ``submission_key`` again returns the first case.

    ``patient`` is a Patient or a dict of add_patient's values, by default at the submitter's clinic;
    ``lesion`` is a Lesion of that patient or a dict of body_site, body_view, map_x, map_y;
    ``dermoscopic`` and ``overview`` are the bytes of uploaded files;
    ``replaces`` is the case whose photo was asked for again; any new photo of the spot answers an open request.
    Raises DomainError with the field that cannot be, AlreadySent when the first case of the key says something else,
    Conflict when ``replaces`` has its new photo already.
    """
    first = _find_submission(submission_key, submitter)
    if not consent:
        raise DomainError(_("Ask the patient for consent before you send."), field="consent")
    db.session.rollback()  # photos are decoded outside of any transaction
    photos = {"dermoscopic": _clean(dermoscopic, "dermoscopic")}
    if overview:
        photos["overview"] = _clean(overview, "overview")
    answers = {
        "checklist": [item for item in CHECKLIST if item in checklist],
        "is_worried": is_worried,
        "comment": (comment or "").strip()[:1000],
    }
    sent = {"patient": patient, "lesion": lesion, "replaces": replaces, "answers": answers, "photos": photos}
    if first is not None:
        return _confirm_repeat(first, **sent)
    quality = measure_quality(Picture.open(io.BytesIO(photos["dermoscopic"].content)))

    begin_write(db.session)
    try:
        lesion = _find_or_add_lesion(submitter, patient, lesion)
        replaces = _answered_request(replaces, lesion)
        case = _new_case(submitter, lesion, answers, quality)
        case.submission_key = submission_key
        case.replaces = replaces
        case.images = [Image(kind=kind, **asdict(photo)) for kind, photo in photos.items()]
        db.session.add(case)
        audit.record(action="case.submit", target=case, clinic_id=lesion.patient.clinic_id, actor=submitter)
        db.session.commit()
    except (IntegrityError, DomainError):
        # A form sent twice at once gets this far twice; whatever stood in the way was then the first one's row.
        db.session.rollback()
        first = _find_submission(submission_key, submitter)
        if first is None:
            raise
        return _confirm_repeat(first, **sent)
    classification.ring(case.id)
    return case


def retry_case(*, case, actor=None):
    """Have a failed case read again from the start."""
    _lock(case)
    if case.status != "failed":
        raise Conflict(_("This case is not waiting for another try."))
    case.change_status("queued", ring_at=utc_now() + classification.FIRST_RING_AFTER)
    case.attempts = 0
    case.failure_reason = None
    classification.sort_again(case)
    audit.record(action="case.retry", target=case, clinic_id=case.clinic_id, actor=actor)
    db.session.commit()
    classification.ring(case.id)


def take_case(*, case, clinician):
    """Show the others that ``clinician`` reads this case, for TAKEN_MINUTES from now."""
    _lock(case)
    _check_undecided(case)
    now = utc_now()
    if case.is_taken(now) and case.taken_by_id != clinician.id:
        raise Conflict(_("%(name)s has this case open.", name=case.taken_by.name))
    if not case.is_taken(now):
        audit.record(action="case.take", target=case, clinic_id=case.clinic_id, actor=clinician)
    case.taken_by_id = clinician.id
    case.taken_until = now + timedelta(minutes=current_app.config["TAKEN_MINUTES"])
    db.session.commit()


def release_case(*, case, clinician):
    """Give back a case ``clinician`` has taken; somebody else's stays taken."""
    _lock(case)
    if case.taken_by_id == clinician.id:
        case.release()
        audit.record(action="case.release", target=case, clinic_id=case.clinic_id, actor=clinician)
    db.session.commit()


def ask_retake(*, case, clinician, reason):
    """The photo cannot be used: ask the health worker for another, saying what to change (a key of RETAKES).

    Conflict where the spot has a newer photo: it would answer the request at once, and nobody would be asked.
    """
    if reason not in RETAKES:
        raise DomainError(_("Say what to change about the photo."), field="reason")
    _lock(case)
    _check_undecided(case)
    if find_newer_case(case):
        raise Conflict(_("There is a newer photo of this spot, so the clinic is not asked for another."))
    case.change_status("retake")
    case.retake_reason = reason
    case.failure_reason = None
    case.release()
    details = {"reason": reason}
    audit.record(action="case.ask_retake", target=case, clinic_id=case.clinic_id, actor=clinician, details=details)
    db.session.commit()


def _find_submission(submission_key, submitter):
    case = db.session.scalar(db.select(Case).where(Case.submission_key == submission_key))
    if case is not None and case.submitted_by_id != submitter.id:
        raise DomainError(_("This form was used before. Load the page again."))
    return case


def _confirm_repeat(first, *, patient, lesion, replaces, answers, photos):
    """``first``, if the form that comes again says what it said then; else AlreadySent."""
    is_same = (
        _is_row(first.patient, patient)
        and _is_row(first.lesion, lesion)
        and (replaces is None or first.replaces_id == replaces.id)
        and all(getattr(first, name) == value for name, value in answers.items())
        and {image.kind: image.sha256 for image in first.images}
        == {kind: photo.sha256 for kind, photo in photos.items()}
    )
    if not is_same:
        raise AlreadySent(first)
    return first


def _is_row(row, sent):
    """Whether what was sent, a row or a dict of what to store, is ``row``."""
    if isinstance(sent, dict):
        return all(getattr(row, name) == value for name, value in sent.items())
    return row.id == sent.id


def _clean(data, field):
    try:
        return clean_photo(data or b"")
    except UnusablePhoto as error:
        error.field = field
        raise


def _find_or_add_lesion(submitter, patient, lesion):
    if isinstance(patient, dict):
        patient = patients.add_patient(**{"clinic": submitter.clinic, "creator": submitter, **patient})
    if isinstance(lesion, dict):
        return patients.add_lesion(patient=patient, **lesion)
    if lesion.patient_id != patient.id:
        raise DomainError(_("This spot belongs to another patient. Choose it again."), field="body_site")
    db.session.refresh(lesion.patient, with_for_update=True)  # a correction comes before this case or after it
    return lesion


def _new_case(submitter, lesion, answers, quality):
    patient: Patient = lesion.patient
    if patient.anonymised_at:
        raise DomainError(_("This patient's record was closed. Register the patient anew."), field="reference")
    if not patient.clinic.is_active:
        raise DomainError(_("This clinic is closed. It takes no new photos."))
    now = utc_now()
    sent_at = _after_the_last(lesion, now)
    score = triage.checklist_score(answers["checklist"])
    asked = triage.decide(
        checklist_score=score,
        is_worried=answers["is_worried"],
        prediction=None,
        quality_problems=quality["problems"],
        skin_type=patient.skin_type,
        typology_angle=quality.get("typology_angle"),
    )
    case = Case(
        clinic=patient.clinic,
        lesion=lesion,
        submitted_by=submitter,
        submitted_at=sent_at,
        consent_at=now,
        age_years=patients.age_in(sent_at, patient.birth_year),
        checklist_score=score,
        photo_quality=quality,
        status_changed_at=now,
        ring_at=now + classification.FIRST_RING_AFTER,
        **answers,
    )
    case.set_triage(asked)
    return case


def _after_the_last(lesion, now):
    """``now``; where the clock was set back, just after the spot's last photo: the time says which is the newest."""
    return max([now, *(case.submitted_at + timedelta.resolution for case in lesion.cases)])


def _answered_request(replaces, lesion):
    """The request for a new photo that this photo answers: the one named, or else the spot's open one, if any."""
    if replaces is None:
        requests = db.select(Case).where(Case.lesion_id == lesion.id, Case.status == "retake", ~has_newer_case)
        return db.session.scalar(requests.with_for_update(of=Case))
    db.session.refresh(replaces, with_for_update=True)
    if replaces.lesion_id != lesion.id:
        raise DomainError(_("The new photo must be of the same spot."), field="body_site")
    if replaces.status != "retake" or find_newer_case(replaces):
        raise Conflict(_("No new photo is needed for this case any more."))
    return replaces


def _check_undecided(case):
    if case.status == "retake":
        raise Conflict(_("Somebody asked for a new photo while you had this case open."))
    if case.status == "reviewed":
        raise Conflict(_("This case was decided while you had it open."))


def _lock(case):
    """Begin a write transaction with this case as it is now, closed to other writers."""
    begin_write(db.session)
    db.session.refresh(case, with_for_update=True)
