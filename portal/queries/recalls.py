"""The spots of a clinic that a clinician wants to see again."""

from datetime import timedelta

from flask_babel import to_user_timezone
from sqlalchemy import and_, func, literal, tuple_
from sqlalchemy.orm import joinedload, selectinload

from portal.extensions import db
from portal.models import Case, Image, Lesion, Patient, Review
from portal.models.review import due_seconds
from portal.permissions import in_clinics_of
from portal.queries.cases import has_newer_case, takes_photos

PAGE_SIZE = 25
NOTICE = timedelta(days=7)  # due this soon is listed too, early enough to call the patient

_LATEST_SECOND = 2**40  # an address may say more than a column holds


def count_due(user, now):
    """The spots of this user's clinics that are late, or due within NOTICE."""
    return db.session.scalar(_due(db.select(func.count()).select_from(Case), user, now))


def list_due(user, now, *, after=None):
    """([(latest case of a spot, "late" or "soon")] the longest due first, (due, id) to continue after or None).

    ``after`` is that pair of the page before: its last spot may have been looked at since, or be due another day.
    """
    statement = (
        _due(db.select(Case, due_seconds), user, now)
        .order_by(due_seconds, Case.id)
        .options(
            joinedload(Case.lesion).joinedload(Lesion.patient),
            selectinload(Case.images).load_only(Image.id, Image.kind, Image.case_id),
            selectinload(Case.reviews).joinedload(Review.reviewer),
        )
        .limit(PAGE_SIZE + 1)
    )
    if after and after[0] is not None and 0 <= after[0] <= _LATEST_SECOND:
        columns = (due_seconds, Case.id)
        values = (literal(value, column.type) for value, column in zip(after, columns, strict=True))
        statement = statement.where(tuple_(*columns) > tuple_(*values))
    found = db.session.execute(statement).all()
    today = to_user_timezone(now).date()
    # Late from the next day on: who comes on the day, at whatever hour, is not late.
    rows = [
        (case, "late" if to_user_timezone(case.latest_review.due_at).date() < today else "soon")
        for case, _due_at in found[:PAGE_SIZE]
    ]
    last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
    return rows, last and (last[1], last[0].id)


def _due(statement, user, now):
    return (
        statement.join(Review, and_(Review.case_id == Case.id, Review.number == Case.review_count))
        .join(Case.lesion)
        .join(Lesion.patient)
        .where(
            in_clinics_of(user, Case.clinic_id),
            Case.status == "reviewed",
            Review.disposition == "monitor",
            due_seconds <= int((now + NOTICE).timestamp()),
            ~has_newer_case,
            Patient.anonymised_at.is_(None),  # nobody can be called, and no new case would be taken
            takes_photos,
        )
    )
