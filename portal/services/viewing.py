"""The trace that looking leaves: patients may ask who saw them."""

from portal.database import begin_write
from portal.extensions import db
from portal.services import audit


def record_view(*, action, target=None, clinic_id=None, details=None):
    """Write down that the person of this request looked at something; objects loaded before are read anew."""
    begin_write(db.session)
    audit.record(action=action, target=target, clinic_id=clinic_id, details=details)
    db.session.commit()
