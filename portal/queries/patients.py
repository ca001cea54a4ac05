"""Finding patients, and one patient's lesions over time."""

from dataclasses import dataclass

from sqlalchemy import func, literal, or_, tuple_
from sqlalchemy.orm import joinedload, selectinload

from portal.extensions import db
from portal.models import Case, Image, Lesion, Patient
from portal.permissions import in_clinics_of
from portal.queries.case_page import VISIT_OPTIONS, Visit
from portal.queries.first_reads import cases_to_read_first

PAGE_SIZE = 25
SUGGESTION_COUNT = 10


@dataclass(frozen=True)
class PatientRow:
    patient: Patient
    lesion_count: int
    last_case_at: object  # or None before the first photo


@dataclass(frozen=True)
class LesionRow:
    lesion: Lesion
    visits: list[Visit]  # the earliest first


@dataclass(frozen=True)
class KnownLesion:
    """What helps to find a spot again: where it is, and what was photographed last."""

    lesion: Lesion
    last_at: object = None  # or None before the first photo
    image_id: object = None


def find_patients(user, text, after=None):
    """(PatientRows in order of reference, id to continue after or None) for a reference or name."""
    statement = _matching(db.select(Patient), user, text).options(joinedload(Patient.clinic)).limit(PAGE_SIZE + 1)
    position = db.select(Patient.reference, Patient.id)
    position = position.where(Patient.id == after, in_clinics_of(user, Patient.clinic_id))
    if start := db.session.execute(position).first():
        columns = (Patient.reference, Patient.id)
        values = (literal(value, column.type) for value, column in zip(start, columns, strict=True))
        statement = statement.where(tuple_(*columns) > tuple_(*values))
    found = db.session.scalars(statement).all()
    patients = found[:PAGE_SIZE]
    # Of these alone: counted within the search, it would be of all patients of all clinics.
    counts = (
        db.select(Lesion.patient_id, func.count(Lesion.id.distinct()), func.max(Case.submitted_at))
        .outerjoin(Lesion.cases)
        .where(Lesion.patient_id.in_([patient.id for patient in patients]))
        .group_by(Lesion.patient_id)
    )
    counted = {patient_id: row for patient_id, *row in db.session.execute(counts)}
    rows = [PatientRow(patient, *counted.get(patient.id, (0, None))) for patient in patients]
    return rows, patients[-1].id if len(found) > PAGE_SIZE else None


def suggest_patients(user, text):
    """([(patient, [KnownLesion])] of the first few whom a new case may be about, whether there are more).

    Whose reference is the text comes first, then those whose reference begins with it: of a short reference that is
    part of many others, nothing more can be typed.
    """
    reference = Patient.reference
    ranks = (func.lower(reference) != func.lower(text), ~reference.istartswith(text, autoescape=True))
    matching = _matching(db.select(Patient), user, text).where(Patient.anonymised_at.is_(None))
    matching = matching.order_by(None).order_by(*ranks, reference, Patient.id).options(selectinload(Patient.lesions))
    found = db.session.scalars(matching.limit(SUGGESTION_COUNT + 1)).all()
    patients = found[:SUGGESTION_COUNT]
    known = {row.lesion.id: row for row in known_lesions([lesion for each in patients for lesion in each.lesions])}
    rows = [(patient, [known[lesion.id] for lesion in patient.lesions]) for patient in patients]
    return rows, len(found) > SUGGESTION_COUNT


def known_lesions(lesions):
    """A KnownLesion for each, in the same order."""
    photos = (
        db.select(Case.lesion_id, Case.submitted_at, Image.id)
        .join(Image, (Image.case_id == Case.id) & (Image.kind == "dermoscopic"))
        .where(Case.lesion_id.in_([lesion.id for lesion in lesions]))
        .order_by(Case.submitted_at)
    )
    latest = {lesion_id: photo for lesion_id, *photo in db.session.execute(photos)}
    return [KnownLesion(lesion, *latest.get(lesion.id, ())) for lesion in lesions]


def lesion_rows(patient, user):
    """The patient's lesions by number, each with its visits."""
    lesions = db.session.scalars(
        db.select(Lesion)
        .where(Lesion.patient_id == patient.id)
        .order_by(Lesion.number)
        .options(selectinload(Lesion.cases).options(*VISIT_OPTIONS))
    ).all()
    silent_ids = cases_to_read_first([case for lesion in lesions for case in lesion.cases], user)
    return [
        LesionRow(lesion, [Visit(case, user, case.id in silent_ids) for case in lesion.cases]) for lesion in lesions
    ]


def _matching(statement, user, text):
    statement = statement.where(in_clinics_of(user, Patient.clinic_id)).order_by(Patient.reference, Patient.id)
    for word in text.split():
        matches = (column.icontains(word, autoescape=True) for column in (Patient.reference, Patient.name))
        statement = statement.where(or_(*matches))
    return statement


def pick_pair(rows, case_ids):
    """The two Visits to compare, the earlier first, or None unless two of the patient's cases are named."""
    visits = [visit for row in rows for visit in row.visits if visit.case.id in case_ids and visit.image]
    visits.sort(key=lambda visit: visit.case.submitted_at)
    return tuple(visits) if len(visits) == 2 else None
