"""Patients and their lesions: registration, and what was noted wrongly."""

from datetime import datetime

from flask_babel import gettext as _

from ml.labels import SEXES, SITES
from portal.database import begin_write, utc_now
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import OLDEST_YEARS, UNKNOWN_SITE, Case, Lesion, Patient
from portal.services import audit, classification


def add_patient(*, clinic, reference, name="", birth_year=None, sex=None, skin_type=None, creator=None):
    """A new patient of ``clinic``, within the running write transaction; the caller commits.

    Raises DomainError with the field that cannot be.
    """
    details = _checked(reference, name, birth_year, sex, skin_type)
    # Before the new row points to its clinic: whoever renames that holds the end of the trail, which this waits for.
    if known := _find_holder(clinic.id, details["reference"]):
        message = _(
            "%(reference)s is registered already. Choose this patient from the list.", reference=known.reference
        )
        raise DomainError(message, field="reference")
    patient = Patient(clinic=clinic, created_by_id=creator.id if creator else None, **details)
    db.session.add(patient)
    audit.record(action="patient.register", target=patient, clinic_id=clinic.id, actor=creator)
    return patient


def correct_patient(*, patient, editor, expected, **details):
    """Note otherwise what was noted wrongly; returns the names of the details that changed.

    ``details``: all of Patient.details; ``expected``: the details_mark that the editor saw.
    What was read or decided stays and keeps the facts of that time. What was not read yet is read with the new
    ones, and as the skin type counts in the tier, an undecided case is sorted again.
    Raises DomainError with the field that cannot be, Conflict when somebody changed the details since.
    """
    details = _checked(**details)
    begin_write(db.session)
    db.session.refresh(patient, with_for_update=True)
    if patient.anonymised_at:
        raise DomainError(_("This patient's record was closed. Register the patient anew."), field="reference")
    if patient.details_mark != expected:
        raise Conflict(_("Somebody corrected this patient while you had the form open. These are the details now."))
    changed = sorted(name for name, value in details.items() if value != getattr(patient, name))
    if not changed:
        return changed
    in_cases = db.select(Case).join(Case.lesion).where(Lesion.patient_id == patient.id).order_by(Case.id)
    cases = db.session.scalars(in_cases.with_for_update(of=Case)).all()
    if "reference" in changed and (other := _find_holder(patient.clinic_id, details["reference"], but=patient)):
        message = _("%(reference)s is another patient's reference.", reference=other.reference)
        raise DomainError(message, field="reference")
    facts_then = {case.id: case.facts for case in cases}
    for name in changed:
        setattr(patient, name, details[name])
    tiers = {case.id: case.tier for case in cases}
    for case in cases:
        _carry_over(case, facts_then[case.id], changed)
    sorted_again = {str(case.id): case.tier for case in cases if case.tier != tiers[case.id]}
    audit.record(
        action="patient.correct",
        target=patient,
        clinic_id=patient.clinic_id,
        actor=editor,
        details={"fields": changed, "tiers": sorted_again},
    )
    db.session.commit()
    return changed


def _carry_over(case, facts_then, changed):
    """Have a case follow the details of its patient, which have just changed."""
    if "birth_year" in changed:
        case.age_years = age_in(case.submitted_at, case.patient.birth_year)
    if case.status not in ("queued", "failed") and case.facts_then is None and case.facts != facts_then:
        case.facts_then = facts_then
    if "skin_type" in changed:
        classification.sort_again(case)


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


def _checked(reference, name, birth_year, sex, skin_type):
    """Patient.details of these values, or DomainError with the field that cannot be."""
    reference = (reference or "").strip()
    if not reference or len(reference) > 40:
        raise DomainError(_("Give the patient's reference, at most 40 characters."), field="reference")
    this_year = utc_now().year
    if birth_year is not None and not this_year - OLDEST_YEARS <= birth_year <= this_year:
        raise DomainError(_("Check the birth year."), field="birth_year")
    if sex is not None and sex not in SEXES:
        raise DomainError(_("Choose one of the listed answers."), field="sex")
    if skin_type is not None and skin_type not in range(1, 7):
        raise DomainError(_("Choose one of the listed answers."), field="skin_type")
    name = (name or "").strip()[:120]
    return {"reference": reference, "name": name, "birth_year": birth_year, "sex": sex, "skin_type": skin_type}


def _find_holder(clinic_id, reference, but=None):
    """The clinic's patient, ``but`` this one, who has the reference in whatever letters, as a search takes them too.

    None: nobody has, and nobody gets it before the running write transaction ends.
    """
    audit.hold_end()
    is_same = db.func.lower(Patient.reference) == db.func.lower(reference)
    holders = db.select(Patient).where(Patient.clinic_id == clinic_id, is_same).limit(1)
    return db.session.scalar(holders.where(Patient.id != but.id) if but else holders)
