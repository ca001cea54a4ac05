"""The list of cases a health worker has sent."""

from sqlalchemy import and_, case, exists, func, literal, not_, tuple_
from sqlalchemy.orm import aliased, joinedload, selectinload

from portal.extensions import db
from portal.models import BEING_READ, Case, Image, Lesion
from portal.permissions import in_clinics_of

PAGE_SIZE = 25

# Most pressing for the one who sent it first.
GROUPS = ("needs_you", "waiting", "done")

_newer = aliased(Case)
is_replaced = exists().where(_newer.replaces_id == Case.id)
_needs_you = (Case.status == "failed") | and_(Case.status == "retake", not_(is_replaced))
group_of_case = case(
    (_needs_you, "needs_you"),
    (Case.status.in_((*BEING_READ, "classified")), "waiting"),
    else_="done",
)


def count_cases(user, *, of_clinic=False):
    """{group: number of cases}, for the cases this user sent or, ``of_clinic``, all of the clinic."""
    scope = _scope(user, of_clinic)
    statement = db.select(group_of_case, func.count()).where(scope).group_by(group_of_case)
    return {**dict.fromkeys(GROUPS, 0), **dict(db.session.execute(statement).all())}


def list_cases(user, *, group=None, of_clinic=False, after=None):
    """([(case, group)] newest first, id to continue after or None); ``after`` is the last id of the page before."""
    statement = (
        db.select(Case, group_of_case)
        .where(_scope(user, of_clinic))
        .order_by(Case.submitted_at.desc(), Case.id.desc())
        .options(
            joinedload(Case.lesion).joinedload(Lesion.patient),
            joinedload(Case.submitted_by),
            selectinload(Case.images).load_only(Image.id, Image.kind, Image.case_id),
            selectinload(Case.reviews),
        )
        .limit(PAGE_SIZE + 1)
    )
    if group in GROUPS:
        statement = statement.where(group_of_case == group)
    columns = (Case.submitted_at, Case.id)
    if start := after and db.session.execute(db.select(*columns).where(Case.id == after, _scope(user, True))).first():
        values = (literal(value, column.type) for value, column in zip(start, columns, strict=True))
        statement = statement.where(tuple_(*columns) < tuple_(*values))
    found = db.session.execute(statement).all()
    rows = [tuple(row) for row in found[:PAGE_SIZE]]
    return rows, rows[-1][0].id if len(found) > PAGE_SIZE else None


def _scope(user, of_clinic):
    visible = in_clinics_of(user, Case.clinic_id)
    return visible if of_clinic else and_(visible, Case.submitted_by_id == user.id)
