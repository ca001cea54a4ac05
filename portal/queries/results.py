"""What the results page and the CSV read: cases of a period, clinic and status, newest first."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import String, and_, cast, func
from sqlalchemy.orm import aliased, contains_eager, joinedload, selectinload

from portal.errors import DomainError
from portal.extensions import db
from portal.models import STATUSES, TIERS, Case, Clinic, Lesion, Patient, Prediction, Review, User

PREVIEW_ROWS = 10

submitter = aliased(User, name="submitter")
reviewer = aliased(User, name="reviewer")


@dataclass(frozen=True)
class ResultFilters:
    """None where nothing was chosen. ``submitted_from`` is included, ``submitted_before`` is not; both aware UTC."""

    submitted_from: datetime | None = None
    submitted_before: datetime | None = None
    clinic_id: int | None = None
    status: str | None = None

    @classmethod
    def from_args(cls, args):
        """From the query: ``from`` and ``to`` (days, both included, or ISO 8601), ``clinic`` (name or id), ``status``.

        Raises DomainError for what cannot be read, so that no export silently holds other rows than asked for.
        """
        status = args.get("status") or None
        if status is not None and status not in STATUSES:
            raise DomainError(_("There is no such status: %(status)s.", status=status), field="status")
        return cls(
            submitted_from=_parse_time(args.get("from"), "from"),
            submitted_before=_parse_time(args.get("to"), "to", is_end=True),
            clinic_id=_find_clinic_id(args.get("clinic")),
            status=status,
        )

    def as_details(self):
        """For the audit trail."""
        return {
            "from": self.submitted_from and self.submitted_from.isoformat(),
            "before": self.submitted_before and self.submitted_before.isoformat(),
            "clinic": self.clinic_id,
            "status": self.status,
        }

    def conditions(self):
        if self.submitted_from is not None:
            yield Case.submitted_at >= self.submitted_from
        if self.submitted_before is not None:
            yield Case.submitted_at < self.submitted_before
        if self.clinic_id is not None:
            yield Case.clinic_id == self.clinic_id
        if self.status is not None:
            yield Case.status == self.status


def select_result_rows(filters):
    """SELECT of one row a case, with the prediction its tier rests on and its latest review, oldest first."""
    return (
        db.select(
            Case.id,
            Clinic.name.label("clinic"),
            Patient.reference.label("patient_ref"),
            Lesion.number.label("lesion_number"),
            Lesion.body_site,
            Case.age_years,
            Patient.sex,
            Case.submitted_at,
            submitter.email.label("submitted_by"),
            Case.status,
            Case.tier,
            Prediction.model_version,
            Prediction.predicted_class,
            Prediction.confidence,
            Prediction.probabilities,
            Prediction.malignancy_risk,
            Prediction.prediction_set,
            Case.checklist_score,
            Review.diagnosis.label("review_diagnosis"),
            Review.disposition.label("review_disposition"),
            Review.agrees,
            reviewer.email.label("reviewed_by"),
            Review.created_at.label("reviewed_at"),
        )
        .select_from(Case)
        .join(Clinic, Case.clinic_id == Clinic.id)
        .join(Lesion, Case.lesion_id == Lesion.id)
        .join(Patient, Lesion.patient_id == Patient.id)
        .join(submitter, Case.submitted_by_id == submitter.id)
        .outerjoin(Prediction, Case.prediction_id == Prediction.id)
        .outerjoin(Review, and_(Review.case_id == Case.id, Review.number == Case.review_count))
        .outerjoin(reviewer, Review.reviewer_id == reviewer.id)
        .where(*filters.conditions())
        .order_by(Case.submitted_at, Case.id)
    )


def select_result_count(filters):
    return db.select(func.count()).select_from(Case).where(*filters.conditions())


def count_results(filters):
    return db.session.scalar(select_result_count(filters))


def find_latest_results(filters):
    """The newest cases of the filters, as many as the page previews."""
    return db.session.scalars(
        db.select(Case)
        .join(Case.lesion)
        .join(Lesion.patient)
        .options(
            contains_eager(Case.lesion).contains_eager(Lesion.patient),
            joinedload(Case.clinic),
            joinedload(Case.prediction),
            selectinload(Case.reviews),
        )
        .where(*filters.conditions())
        .order_by(Case.submitted_at.desc(), Case.id)
        .limit(PREVIEW_ROWS)
    ).all()


def count_by_day(filters):
    """{ISO date: cases} in UTC, days without a case left out, earliest first."""
    day = cast(func.date(Case.submitted_at), String)
    counted = db.select(day, func.count()).where(*filters.conditions()).group_by(day).order_by(day)
    return {str(date): count for date, count in db.session.execute(counted)}


def count_by_tier(filters):
    """{tier: cases} for every tier, most pressing first; cases not sorted yet under None."""
    counted = db.select(Case.tier, func.count()).where(*filters.conditions()).group_by(Case.tier)
    counts = {tier: count for tier, count in db.session.execute(counted)}
    return {tier: counts.get(tier, 0) for tier in (*TIERS, None)}


def find_clinics():
    """Every clinic by name, closed ones too."""
    return db.session.scalars(db.select(Clinic).order_by(Clinic.name)).all()


def _find_clinic_id(text):
    if not text:
        return None
    clinic_id = db.session.scalar(db.select(Clinic.id).where(Clinic.name == text))
    if clinic_id is None and text.isdecimal() and len(text) < 10:
        clinic_id = db.session.scalar(db.select(Clinic.id).where(Clinic.id == int(text)))
    if clinic_id is None:
        raise DomainError(_("There is no such clinic: %(clinic)s.", clinic=text), field="clinic")
    return clinic_id


def _parse_time(text, name, *, is_end=False):
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in an address arrives as a blank
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        return at + timedelta(days=1) if is_end and _is_day(text) else at
    except (ValueError, OverflowError) as error:
        raise DomainError(_("This is not a date: %(text)s. Write it as 2026-11-23.", text=text), field=name) from error


def _is_day(text):
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
