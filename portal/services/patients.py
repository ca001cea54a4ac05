"""Patients and their lesions: registration."""

from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError

from ml.labels import SEXES, SITES
from portal.database import utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import OLDEST_YEARS, UNKNOWN_SITE, Lesion, Patient
from portal.services import audit


def add_patient(*, clinic, reference, name="", birth_year=None, sex=None, skin_type=None, creator=None):
    """A new patient of ``clinic``, within the running write transaction; the caller commits.

    Raises DomainError with the field that cannot be.
    """
    reference = (reference or "").strip()
    _check_person(reference, birth_year, sex, skin_type)
    patient = Patient(
        clinic=clinic,
        reference=reference,
        name=(name or "").strip()[:120],
        birth_year=birth_year,
        sex=sex,
        skin_type=skin_type,
        created_by_id=creator.id if creator else None,
    )
    db.session.add(patient)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        raise DomainError(
            _("%(reference)s is registered already. Choose this patient from the list.", reference=reference),
            field="reference",
        ) from None
    audit.record(action="patient.register", target=patient, clinic_id=clinic.id, actor=creator)
    return patient


def add_lesion(*, patient, body_site, body_view=None, map_x=None, map_y=None):
    """The patient's next lesion, within the running write transaction; the caller commits.

    ``map_x`` and ``map_y`` are shares (0..1) of the body map's width and height.
    """
    if body_site not in (*SITES, UNKNOWN_SITE):
        raise DomainError(_("Say where on the body the spot is."), field="body_site")
    db.session.refresh(patient, with_for_update=True)  # two lesions at once get two numbers
    last = db.session.scalar(db.select(db.func.max(Lesion.number)).where(Lesion.patient_id == patient.id))
    lesion = Lesion(
        patient=patient,
        number=(last or 0) + 1,
        body_site=body_site,
        body_view=body_view or None,
        map_x=map_x,
        map_y=map_y,
    )
    db.session.add(lesion)
    return lesion


def age_in(moment: datetime, birth_year):
    """Age in whole years, give or take one: the portal asks for no birthday."""
    return max(0, moment.year - birth_year) if birth_year else None


def _check_person(reference, birth_year, sex, skin_type):
    if not reference or len(reference) > 40:
        raise DomainError(_("Give the patient's reference, at most 40 characters."), field="reference")
    this_year = utc_now().year
    if birth_year is not None and not this_year - OLDEST_YEARS <= birth_year <= this_year:
        raise DomainError(_("Check the birth year."), field="birth_year")
    if sex is not None and sex not in SEXES:
        raise DomainError(_("Choose one of the listed answers."), field="sex")
    if skin_type is not None and skin_type not in range(1, 7):
        raise DomainError(_("Choose one of the listed answers."), field="skin_type")
