"""Which cases a clinician reads before the model speaks."""

from sqlalchemy import and_, exists, false

from portal.extensions import db
from portal.models import Case, Clinic, FirstRead

# Voices of triage that are not the model's: these may be shown before the first read.
HUMAN_REASONS = frozenset({"checklist", "worried", "quality", "dark_skin", "looks_dark"})


def awaits_first_read(user):
    """SQL condition: this user has yet to write an impression of the case, so the model stays silent.

    It ends with the case's first review, from when on the decision is on record.
    The statement must join Case.clinic.
    """
    if user.role != "clinician":
        return false()
    has_read = exists().where(FirstRead.case_id == Case.id, FirstRead.reader_id == user.id)
    return and_(Clinic.first_read_required, Case.prediction_id.is_not(None), Case.review_count == 0, ~has_read)


def must_read_first(case, user):
    """Whether this user has yet to write an impression of the case before the model's view is shown."""
    return case.id in cases_to_read_first([case], user)


def cases_to_read_first(cases, user):
    """The ids of those cases that this user has yet to write an impression of."""
    statement = db.select(Case.id).join(Case.clinic).where(Case.id.in_([case.id for case in cases]))
    return set(db.session.scalars(statement.where(awaits_first_read(user))))


def shown_reasons(case, is_silent):
    """The case's triage reasons as stored; while the model is silent, only what people said and what was measured."""
    return [reason for reason in case.tier_reasons if not is_silent or reason["code"] in HUMAN_REASONS]


def shown_tier(case, is_silent):
    """The case's tier; while the model is silent, the one its other reasons ask for, or None."""
    if not is_silent:
        return case.tier
    return next((reason["tier"] for reason in shown_reasons(case, is_silent)), None)
