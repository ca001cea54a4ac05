"""What clinicians write down: a first impression, and decisions. Each is added, none is changed."""

from flask_babel import gettext as _

from portal.database import begin_write
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import DIAGNOSES, DISPOSITIONS, MONITOR_WEEKS_MAX, FirstRead, Review
from portal.queries.first_reads import must_read_first
from portal.services import audit


def record_first_read(*, case, reader, diagnosis):
    """The reader's impression before the model's view is shown; one a case and reader.

    Conflict when there is one already, or when the view is open: what is said after it is no first impression.
    """
    _check_diagnosis(diagnosis)
    begin_write(db.session)
    db.session.refresh(case, with_for_update=True)
    if _has_first_read(case, reader):
        raise Conflict(_("Your first impression of this case is recorded already."))
    _check_review_count(case, 0)
    if not must_read_first(case, reader):
        raise Conflict(_("This case needs no first impression any more. Go on to your decision."))
    read = FirstRead(case_id=case.id, reader_id=reader.id, diagnosis=diagnosis)
    db.session.add(read)
    audit.record(action="first_read.record", target=read, clinic_id=case.clinic_id, actor=reader)
    db.session.commit()
    return read


def record_review(
    *,
    case,
    reviewer,
    expected_review_count,
    knows_retake=False,
    diagnosis,
    agrees,
    disposition,
    monitor_weeks=None,
    note="",
):
    """Add a decision; the case is reviewed and free for others, whether or not the model has read the photo.

    ``expected_review_count``: the reviews the reviewer saw; Conflict when somebody added one since.
    ``knows_retake``: the reviewer saw that a new photo is asked for; else Conflict where it is.
    ``agrees``: with the model's view; None, and kept None, where there is none.
    ``monitor_weeks``: 1..104, for the disposition "monitor" only.
    """
    _check_diagnosis(diagnosis)
    _check_disposition(disposition, monitor_weeks)
    begin_write(db.session)
    db.session.refresh(case, with_for_update=True)
    _check_review_count(case, expected_review_count)
    if case.status == "retake" and not knows_retake:
        raise Conflict(_("Somebody asked for a new photo while you had this case open. Read why first."))
    if must_read_first(case, reviewer):
        raise DomainError(_("Write down your first impression before you decide."))
    if case.prediction_id is not None and agrees is None:
        raise DomainError(_("Say whether you agree with the computer's view."), field="agrees")
    review = Review(
        case_id=case.id,
        number=case.review_count + 1,
        reviewer_id=reviewer.id,
        prediction_id=case.prediction_id,
        diagnosis=diagnosis,
        agrees=agrees if case.prediction_id is not None else None,
        disposition=disposition,
        monitor_weeks=monitor_weeks if disposition == "monitor" else None,
        note=(note or "").strip()[:4000],
    )
    db.session.add(review)
    case.review_count = review.number
    case.change_status("reviewed")
    case.release()
    details = {"number": review.number, "disposition": disposition}
    audit.record(action="review.record", target=case, clinic_id=case.clinic_id, actor=reviewer, details=details)
    db.session.commit()
    return review


def _check_review_count(case, expected):
    if case.review_count != expected:
        raise Conflict(_("Somebody reviewed this case while you had it open. Read their decision first."))


def _check_diagnosis(diagnosis):
    if diagnosis not in DIAGNOSES:
        raise DomainError(_("Choose a diagnosis."), field="diagnosis")


def _check_disposition(disposition, monitor_weeks):
    if disposition not in DISPOSITIONS:
        raise DomainError(_("Choose what happens next."), field="disposition")
    if disposition == "monitor" and monitor_weeks not in range(1, MONITOR_WEEKS_MAX + 1):
        raise DomainError(_("Say in how many weeks to look again, 1 to 104."), field="monitor_weeks")


def _has_first_read(case, reader):
    statement = db.select(FirstRead.id).where(FirstRead.case_id == case.id, FirstRead.reader_id == reader.id)
    return db.session.scalar(statement) is not None
