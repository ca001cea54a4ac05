"""Who may see and do what. A row somebody may not see does not exist for them (404)."""

from functools import wraps

from flask import abort
from flask_login import current_user
from sqlalchemy import false, true

from portal.extensions import db, login_manager
from portal.models import Case, Image, Lesion, Patient


def require_role(*roles):
    """Decorator: the view is open to these roles only; anonymous goes to login, others get 403."""

    def decorate(view):
        @wraps(view)
        def guarded(*args, **kwargs):
            if not current_user.is_authenticated:
                return login_manager.unauthorized()
            if current_user.role not in roles:
                abort(403)
            return view(*args, **kwargs)

        guarded.roles = roles
        return guarded

    return decorate


def in_clinics_of(user, clinic_column):
    """SQL condition: the row's clinic is one this user works for; an admin sees every clinic."""
    if user.role == "admin":
        return true()
    clinic_ids = [clinic.id for clinic in user.clinics]
    return clinic_column.in_(clinic_ids) if clinic_ids else false()


def visible_cases(user):
    """SELECT of the cases this user may see."""
    return db.select(Case).where(in_clinics_of(user, Case.clinic_id))


def get_case_or_404(case_id):
    return _one_or_404(visible_cases(current_user).where(Case.id == case_id))


def get_image_or_404(image_id):
    visible = db.select(Image).join(Case, Image.case_id == Case.id)
    return _one_or_404(visible.where(in_clinics_of(current_user, Case.clinic_id), Image.id == image_id))


def get_patient_or_404(patient_id):
    visible = db.select(Patient).where(in_clinics_of(current_user, Patient.clinic_id))
    return _one_or_404(visible.where(Patient.id == patient_id))


def get_lesion_or_404(lesion_id):
    visible = db.select(Lesion).join(Lesion.patient)
    return _one_or_404(visible.where(in_clinics_of(current_user, Patient.clinic_id), Lesion.id == lesion_id))


def _one_or_404(statement):
    row = db.session.scalar(statement)
    if row is None:
        abort(404)
    return row
