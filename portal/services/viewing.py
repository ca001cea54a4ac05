"""The trace that looking leaves, as patients may ask who saw them; and what of it was told to the patient."""

from portal.database import begin_write
from portal.extensions import db
from portal.models import Case
from portal.services import audit


def record_view(*, action, target=None, clinic_id=None, details=None):
    """Write down that the person of this request looked at something; objects loaded before are read anew."""
    begin_write(db.session)
    audit.record(action=action, target=target, clinic_id=clinic_id, details=details)
    db.session.commit()


def record_list(*, action, cases):
    """Write down whose cases the person of this request saw in a list; an empty one showed nobody's."""
    ids = [str(case.id) for case in cases]
    if ids:
        record_view(action=action, details={"cases": ids})


def record_case_view(*, case, viewer):
    """Write down that ``viewer`` opens this case; to a health worker a decision without an act is news no more."""
    begin_write(db.session)
    if viewer.role == "health_worker":
        # Who holds the row may add a decision just now: then it stays news, and nobody waits for the page.
        unseen = db.select(Case).where(Case.id == case.id, Case.seen_review_count < Case.review_count)
        found = db.session.scalar(unseen.with_for_update(skip_locked=True))
        if found and not found.is_untold:
            found.seen_review_count = found.review_count
    audit.record(action="case.view", target=case, clinic_id=case.clinic_id, actor=viewer)
    db.session.commit()


def note_told(*, case, teller, review_number):
    """Write down that ``teller`` has told the patient the decision of that number; a newer one stays news."""
    begin_write(db.session)
    db.session.refresh(case, with_for_update=True)
    told = min(review_number, case.review_count)
    if told > case.seen_review_count:
        case.seen_review_count = told
        details = {"review": told}
        audit.record(action="case.told", target=case, clinic_id=case.clinic_id, actor=teller, details=details)
    db.session.commit()
