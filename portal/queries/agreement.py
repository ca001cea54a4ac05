"""How often clinicians and the model agree, and what seeing the model's view changes."""

from dataclasses import dataclass, fields

from sqlalchemy import and_, case, func
from sqlalchemy.orm import aliased

from portal.extensions import db
from portal.models import Case, FirstRead, Prediction, Review, User
from portal.permissions import in_clinics_of


@dataclass(frozen=True)
class Counts:
    """Each clinician's first decision on a case whose model view was shown; first reads where one was written."""

    decided: int = 0
    agreed: int = 0  # the clinician said: I agree
    read_first: int = 0
    first_agreed: int = 0  # the impression before the model spoke was the model's class
    changed: int = 0  # the decision is not the impression
    moved_to_model: int = 0  # ... but the model's class
    moved_from_model: int = 0  # the impression was the model's class, the decision is not

    def __add__(self, other):
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True)
class Agreement:
    total: Counts
    by_class: dict[str, Counts]  # by the class the model named
    by_clinician: dict[User, Counts]  # by name


def find_agreement(user, *, since, until):
    """The Agreement over decisions made in since <= time < until (aware datetimes).

    A clinician gets their own figures alone, an admin everybody's.
    """
    groups = db.session.execute(_counts_by_class_and_clinician(user, since, until)).all()
    readers = {row.id: row for row in db.session.scalars(db.select(User).where(User.id.in_({g[1] for g in groups})))}
    by_class, by_clinician = {}, {}
    for predicted_class, reviewer_id, *numbers in groups:
        counts = Counts(*(int(number or 0) for number in numbers))
        by_class[predicted_class] = by_class.get(predicted_class, Counts()) + counts
        reader = readers[reviewer_id]
        by_clinician[reader] = by_clinician.get(reader, Counts()) + counts
    return Agreement(
        total=sum(by_class.values(), Counts()),
        by_class=dict(sorted(by_class.items())),
        by_clinician=dict(sorted(by_clinician.items(), key=lambda pair: (pair[0].name, pair[0].id))),
    )


def _counts_by_class_and_clinician(user, since, until):
    earlier = aliased(Review)
    is_first_decision = ~(
        db.select(earlier.id)
        .where(earlier.case_id == Review.case_id, earlier.reviewer_id == Review.reviewer_id)
        .where(earlier.number < Review.number)
        .exists()
    )
    first, final, model = FirstRead.diagnosis, Review.diagnosis, Prediction.predicted_class
    statement = (
        db.select(
            model,
            Review.reviewer_id,
            func.count(Review.id),
            _count(Review.agrees.is_(True)),
            func.count(FirstRead.id),
            _count(first == model),
            _count(first != final),
            _count(and_(first != final, final == model)),
            _count(and_(first != final, first == model)),
        )
        .join(Prediction, Prediction.id == Review.prediction_id)
        .join(Case, Case.id == Review.case_id)
        .outerjoin(FirstRead, and_(FirstRead.case_id == Review.case_id, FirstRead.reader_id == Review.reviewer_id))
        .where(Review.created_at >= since, Review.created_at < until, is_first_decision)
        .where(in_clinics_of(user, Case.clinic_id))
        .group_by(model, Review.reviewer_id)
    )
    return statement if user.role == "admin" else statement.where(Review.reviewer_id == user.id)


def _count(condition):
    return func.sum(case((condition, 1), else_=0))
