"""How long patients' data stays: made anonymous or deleted, on request or by age, with a certificate each time."""

from datetime import timedelta

from flask import current_app

from portal.database import begin_write, commit_erasure, utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import AuditEvent, Case, FirstRead, Image, Lesion, Patient, Prediction, Review
from portal.models.review import due_seconds
from portal.queries.cases import is_unfinished
from portal.services import audit

# Greater ages are rare enough to tell who somebody is.
GREATEST_AGE_TOLD = 90

STILL_IN_LOG = (
    "Somebody was reading, so the database's -wal file still holds old pages. "
    "The next time a patient is deleted or made anonymous, it is emptied."
)

# How long ago a portal in use has written something. The last weeks do not count: a wrong clock may have dated them.
IN_USE_AGO = timedelta(days=30), timedelta(days=90)

WITHOUT_OBJECTS = {"synchronize_session": False}


def anonymise_patient(*, patient, actor=None):
    """Erase who the patient is; spots, close-up photos, the model's views and the decisions stay.

    Gone are name, reference, birth year, comments, notes and overview photos. Returns the certificate, a dict.
    """
    begin_write(db.session)
    db.session.refresh(patient, with_for_update=True)
    if patient.anonymised_at:
        raise DomainError("This patient is anonymous already.")
    _lock_cases(patient.id)
    certificate = _certify("patient.anonymise", patient, actor)
    patient.name = ""
    patient.reference = f"anonymous-{patient.id.hex[:12]}"
    patient.birth_year = None
    patient.anonymised_at = utc_now()
    cases = db.select(Case.id).where(Case.lesion_id.in_(_lesions_of(patient.id)))
    told = db.case((Case.age_years > GREATEST_AGE_TOLD, GREATEST_AGE_TOLD), else_=Case.age_years)
    _execute(db.update(Case).where(Case.id.in_(cases)).values(comment="", age_years=told))
    for case in db.session.scalars(db.select(Case).where(Case.id.in_(cases), Case.facts_then.is_not(None))):
        age = case.facts_then["age"]
        case.facts_then = case.facts_then | {"age": age and min(age, GREATEST_AGE_TOLD)}
    _execute(db.update(Review).where(Review.case_id.in_(cases)).values(note=""))
    _execute(db.delete(Image).where(Image.case_id.in_(cases), Image.kind == "overview"))
    return _commit(certificate)


def delete_patient(*, patient, actor=None):
    """Delete a patient with everything that hangs on it. Returns the certificate, a dict."""
    begin_write(db.session)
    db.session.refresh(patient, with_for_update=True)
    return _delete(patient, actor)


def delete_expired_patient(patient_id):
    """The same for a patient who is past the retention period; None for one who came back, or is gone, meanwhile."""
    begin_write(db.session)
    expired = _expired().where(Patient.id == patient_id)
    patient = db.session.scalar(expired.with_for_update(of=Patient))
    if patient is not None:
        # A new case locks the patient too and a review its case, and either may have come while we waited for them.
        _lock_cases(patient_id)
        patient = db.session.scalar(expired)
    if patient is None:
        db.session.rollback()
        return None
    return _delete(patient, None)


def _delete(patient, actor):
    patient_id, lesions = patient.id, _lesions_of(patient.id)
    _lock_cases(patient_id)
    certificate = _certify("patient.delete", patient, actor)
    # Photos, predictions, impressions and reviews go with their case.
    _execute(db.delete(Case).where(Case.lesion_id.in_(lesions)))
    _execute(db.delete(Lesion).where(Lesion.patient_id == patient_id))
    _execute(db.delete(Patient).where(Patient.id == patient_id))
    return _commit(certificate)


def _commit(certificate):
    """The certificate, which also says so when the old rows could not be taken out of every file."""
    return certificate if commit_erasure(db.session) else certificate | {"remains": STILL_IN_LOG}


def list_expired_patients():
    """Ids of the patients past RETENTION_DAYS of whom nothing is unfinished."""
    return db.session.scalars(_expired().with_only_columns(Patient.id)).all()


def require_likely_clock():
    """Refuse where the audit trail is silent about the time a while ago: the clock may have been set years ahead."""
    now = utc_now()
    latest, earliest = (now - ago for ago in IN_USE_AGO)
    if not db.session.scalar(db.select(db.exists().where(AuditEvent.at.between(earliest, latest)))):
        raise DomainError(
            f"Nothing was deleted. This computer's clock says {now:%Y-%m-%d}, and the audit trail has no entry between "
            f"{earliest:%Y-%m-%d} and {latest:%Y-%m-%d}. If the date is wrong, set the clock. "
            "If it is right, and the portal was not in use then, add --clock-is-right."
        )


def count_unfinished_patients():
    """How many are past RETENTION_DAYS and stay, as no case ends without a human."""
    kept = _past_period().where(_has_unfinished_case())
    return db.session.scalar(db.select(db.func.count()).select_from(kept.subquery()))


def _expired():
    return _past_period().where(~_has_unfinished_case())


def _past_period():
    """The patients whose registration, last photo, last decision and last day to be seen again are all so far back."""
    days = current_app.config["RETENTION_DAYS"]
    if days is None:
        raise DomainError("No retention period is set: name one in RETENTION_DAYS.")
    oldest = utc_now() - timedelta(days=days)
    recent = _cases().where(Case.submitted_at >= oldest)
    unsettled = _cases().join(Case.reviews).where(due_seconds >= int(oldest.timestamp()))
    return db.select(Patient).where(Patient.created_at < oldest, ~recent.exists(), ~unsettled.exists())


def _has_unfinished_case():
    return _cases().where(is_unfinished).exists()


def _cases():
    """Of the patient that the query around it is about."""
    return db.select(Case.id).join(Case.lesion).where(Lesion.patient_id == Patient.id)


def _lock_cases(patient_id):
    """Before the end of the audit trail, as a review does: the other way round two could wait for each other."""
    cases = db.select(Case.id).where(Case.lesion_id.in_(_lesions_of(patient_id))).order_by(Case.id)
    db.session.execute(cases.with_for_update())


def _certify(action, patient, actor):
    """Write to the audit trail what is done, and hand out a copy that the trail's own seal vouches for."""
    rows = _count_rows(patient.id)
    audit.record(action=action, target=patient, clinic_id=patient.clinic_id, actor=actor, details={"rows": rows})
    event = db.session.scalar(db.select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1))
    return {
        "action": action,
        "patient_id": str(patient.id),
        "clinic_id": patient.clinic_id,
        "at": event.at.isoformat(),
        "rows": rows,
        "audit_event": event.id,
        "audit_hash": event.hash,
    }


def _count_rows(patient_id):
    lesions = _lesions_of(patient_id)
    cases = db.select(Case.id).where(Case.lesion_id.in_(lesions))
    parts = {
        "lesion": Lesion.id.in_(lesions),
        "case": Case.id.in_(cases),
        **{kind.__tablename__: kind.case_id.in_(cases) for kind in (Image, Prediction, FirstRead, Review)},
    }
    return {
        name: db.session.scalar(db.select(db.func.count()).select_from(db.metadata.tables[name]).where(condition))
        for name, condition in parts.items()
    }


def _lesions_of(patient_id):
    return db.select(Lesion.id).where(Lesion.patient_id == patient_id)


def _execute(statement):
    db.session.execute(statement, execution_options=WITHOUT_OBJECTS)
