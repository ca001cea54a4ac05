"""Clinics: the places where photos are taken. One that closes keeps its patients and cases."""

from flask_babel import gettext as _

from portal.database import begin_write
from portal.errors import DomainError
from portal.extensions import db
from portal.models import Clinic
from portal.services import audit


def create_clinic(*, name, first_read_required=False):
    """Raises DomainError when the name is empty or taken."""
    name = name.strip()
    begin_write(db.session)
    _check_name(name)
    clinic = Clinic(name=name, first_read_required=first_read_required)
    db.session.add(clinic)
    db.session.flush()
    audit.record(
        action="clinic.create",
        target=clinic,
        clinic_id=clinic.id,
        details={"first_read_required": first_read_required},
    )
    db.session.commit()
    return clinic


def update_clinic(*, clinic, name, first_read_required):
    """Rename the clinic, or change whether clinicians write a first read there."""
    name = name.strip()
    begin_write(db.session)
    _check_name(name, clinic)
    details = {"renamed": clinic.name != name, "first_read_required": first_read_required}
    clinic.name, clinic.first_read_required = name, first_read_required
    audit.record(action="clinic.update", target=clinic, clinic_id=clinic.id, details=details)
    db.session.commit()


def set_clinic_active(*, clinic, is_active):
    """A closed clinic is offered for no new account; its rows stay readable for those assigned to it."""
    begin_write(db.session)
    clinic.is_active = is_active
    action = "clinic.activate" if is_active else "clinic.deactivate"
    audit.record(action=action, target=clinic, clinic_id=clinic.id)
    db.session.commit()


def _check_name(name, clinic=None):
    if not 1 <= len(name) <= 120:
        raise DomainError(_("Enter a name of up to 120 characters."), field="name")
    holder = db.session.scalar(db.select(Clinic).where(Clinic.name == name))
    if holder is not None and holder is not clinic:
        raise DomainError(_("A clinic with this name exists."), field="name")
