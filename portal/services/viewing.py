"""The trace that looking leaves: patients may ask who saw them."""

from portal.database import begin_write
from portal.extensions import db
from portal.models import Case
from portal.services import audit


def record_view(*, action, target=None, clinic_id=None, details=None):
    """Write down that the person of this request looked at something; objects loaded before are read anew."""
    begin_write(db.session)
    audit.record(action=action, target=target, clinic_id=clinic_id, details=details)
    db.session.commit()


def record_case_view(*, case, viewer):
    """Write down that ``viewer`` opens this case; to a health worker its decisions are news no more."""
    begin_write(db.session)
    if viewer.role == "health_worker":
        # Who holds the row may add a decision just now: then it stays news, and nobody waits for the page.
        unseen = db.select(Case).where(Case.id == case.id, Case.seen_review_count < Case.review_count)
        if found := db.session.scalar(unseen.with_for_update(skip_locked=True)):
            found.seen_review_count = found.review_count
    audit.record(action="case.view", target=case, clinic_id=case.clinic_id, actor=viewer)
    db.session.commit()
