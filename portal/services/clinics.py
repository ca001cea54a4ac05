"""Clinics: the places where photos are taken. One that closes keeps its patients and cases."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal.database import begin_write
from portal.errors import Conflict
from portal.extensions import db
from portal.models import Clinic
from portal.services import audit, rows
from portal.services.names import checked_name


def create_clinic(*, name, first_read_required=False):
    """Raises DomainError when the name is empty or taken."""
    name = checked_name(name)
    begin_write(db.session)
    clinic = add_clinic(name, first_read_required=first_read_required)
    db.session.commit()
    return clinic


def add_clinic(name, *, first_read_required=False):
    """A new clinic inside the caller's transaction."""
    audit.hold_end()  # before the name: somebody who waits for the name must not hold the trail that its owner needs
    clinic = Clinic(name=name, first_read_required=first_read_required)
    db.session.add(clinic)
    with _unique_name():
        db.session.flush()
    audit.record(
        action="clinic.create",
        target=clinic,
        clinic_id=clinic.id,
        details={"first_read_required": first_read_required},
    )
    return clinic


def update_clinic(*, clinic, expected, name, first_read_required):
    """Rename the clinic, or change whether clinicians write a first read there.

    ``expected``: the details_mark that the editor saw; Conflict when somebody changed the clinic since.
    """
    name = checked_name(name)
    begin_write(db.session)
    if rows.lock(clinic).details_mark != expected:
        raise Conflict(_("Somebody changed this clinic while you had the form open. This is how it is now."))
    details = {"renamed": clinic.name != name, "first_read_required": first_read_required}
    clinic.name, clinic.first_read_required = name, first_read_required
    with _unique_name():
        audit.record(action="clinic.update", target=clinic, clinic_id=clinic.id, details=details)
    db.session.commit()


def set_clinic_active(*, clinic, is_active):
    """A closed clinic takes no new account and no new case; its rows stay readable for those assigned to it."""
    begin_write(db.session)
    rows.lock(clinic).is_active = is_active
    action = "clinic.activate" if is_active else "clinic.deactivate"
    audit.record(action=action, target=clinic, clinic_id=clinic.id)
    db.session.commit()


def _unique_name():
    return rows.unique(taken=_l("A clinic with this name exists."), field="name")
