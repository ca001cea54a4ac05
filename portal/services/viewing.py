"""The trace that looking leaves, as patients may ask who saw them; and what of it was told to the patient."""

from portal.database import begin_write, utc_now
from portal.extensions import db
from portal.models import Case
from portal.services import audit
from portal.services.rows import lock


def record_list(*, action, cases):
    """Write down whose cases the person of this request saw in a list; an empty one showed nobody's."""
    ids = [str(case.id) for case in cases]
    if ids:
        audit.record_alone(action=action, details={"cases": ids})


def record_case_view(*, case, viewer):
    """Write down that ``viewer`` opens this case; to a health worker a decision without an act is news no more."""
    begin_write(db.session)
    if viewer.role == "health_worker":
        # Who holds the row may add a decision just now: then it stays news, and nobody waits for the page.
        unseen = db.select(Case).where(Case.id == case.id, Case.seen_review_count < Case.review_count)
        found = db.session.scalar(unseen.with_for_update(skip_locked=True))
        if found and found.is_all_told:
            found.seen_review_count = found.review_count
    audit.record(action="case.view", target=case, clinic_id=case.clinic_id, actor=viewer)
    db.session.commit()


def note_told(*, case, actor, review_number):
    """Write down that ``actor`` has told the patient the decision of that number; a newer one stays news."""
    begin_write(db.session)
    lock(case)
    told = min(review_number, case.review_count)
    if told > case.seen_review_count:
        case.seen_review_count = told
        case.told_at, case.told_by = utc_now(), actor
        _record_told("case.told", case, actor, told)
    db.session.commit()


def take_back_told(*, case, actor, review_number):
    """Write down that nobody told the patient after all; of a decision that is not the last one, nothing."""
    begin_write(db.session)
    lock(case)
    if case.is_told and review_number == case.review_count:
        # Not one less: an earlier decision may be all there is to tell, where the last ones asked for no act.
        case.seen_review_count = 0
        case.told_at = case.told_by = None
        _record_told("case.told_taken_back", case, actor, review_number)
    db.session.commit()


def _record_told(action, case, actor, review_number):
    details = {"review": review_number}
    audit.record(action=action, target=case, clinic_id=case.clinic_id, actor=actor, details=details)
