"""The list of cases a health worker has sent."""

from datetime import timedelta

from sqlalchemy import and_, case, exists, func, literal, not_, or_, tuple_
from sqlalchemy.orm import aliased, joinedload, selectinload

from portal.database import utc_now
from portal.extensions import db
from portal.models import BEING_READ, Case, Clinic, Image, Lesion, Patient, Review
from portal.permissions import in_clinics_of

PAGE_SIZE = 25

# The most pressing for the one who sent it first.
GROUPS = ("needs_you", "waiting", "done")
TO_CALL = "to_call"  # a row's place in the list, of those that need you

_newer = aliased(Case)
has_newer_case = exists().where(
    _newer.lesion_id == Case.lesion_id,
    or_(
        _newer.submitted_at > Case.submitted_at,
        and_(_newer.submitted_at == Case.submitted_at, _newer.id > Case.id),
    ),
)
takes_photos = exists().where(Clinic.id == Case.clinic_id, Clinic.is_active)
_lesion, _patient = aliased(Lesion), aliased(Patient)
_is_anonymous = exists().where(
    _lesion.id == Case.lesion_id, _patient.id == _lesion.patient_id, _patient.anonymised_at.is_not(None)
)
_needs_photo = and_(
    Case.status.in_(("failed", "retake")),
    not_(has_newer_case),
    not_(_is_anonymous),  # no new photo of them is taken
    takes_photos,
)


def _decision(number):
    """The disposition of the case's review of that number."""
    return db.select(Review.disposition).where(Review.case_id == Case.id, Review.number == number).scalar_subquery()


_latest = _decision(Case.review_count)
_is_news = and_(
    Case.status == "reviewed",
    Case.seen_review_count < Case.review_count,
    # A spot that was photographed again has been looked at again.
    not_(and_(_latest == "monitor", has_newer_case)),
    not_(_is_anonymous),  # nobody can be told
)
# Somebody may have acted on what was decided before, whether they noted that they told it or not.
_asked_before = exists().where(
    Review.case_id == Case.id,
    Review.number >= Case.seen_review_count,
    Review.number < Case.review_count,
    Review.disposition != "no_action",
)
_is_withdrawn = and_(_is_news, _latest == "no_action", _asked_before)
# A clinician has still to decide, a new photo to come or the patient to be told.
is_unfinished = or_(
    Case.status.not_in(("reviewed", "retake")),
    and_(Case.status == "retake", not_(has_newer_case), not_(_is_anonymous)),
    and_(_is_news, _latest != "no_action"),
    _is_withdrawn,
)
# A photo that nobody could judge may be anything: only a known emergency goes before it.
_NEWS = {"urgent_referral": 6, "routine_referral": 4, "biopsy": 3, "treat": 2, "monitor": 1, "no_action": 0}
_NEEDS_PHOTO, _WITHDRAWN = 5, 2
# So long may a case wait for a clinician before the one who sent it should call; what is routine may wait longer.
CALL_AFTER = {"urgent": timedelta(days=1), "soon": timedelta(days=7), "cannot_assess": timedelta(days=7)}
_CALL_URGENCIES = {"urgent": 6, "soon": 4, "cannot_assess": 4}
_URGENCIES = range(max(_NEWS.values()) + 1)


def find_newer_case(case):
    """The newest case of the spot, when it is not this one, else None; with it a request for a new photo ends."""
    of_spot = db.select(Case).where(Case.lesion_id == case.lesion_id)
    newest = db.session.scalars(of_spot.order_by(Case.submitted_at.desc(), Case.id.desc()).limit(1)).one()
    return newest if newest.id != case.id else None


def _waits_too_long(now):
    return and_(
        or_(Case.status.in_((*BEING_READ, "classified")), and_(Case.status == "failed", not_(has_newer_case))),
        or_(*(and_(Case.tier == tier, Case.submitted_at < now - wait) for tier, wait in CALL_AFTER.items())),
        not_(_is_anonymous),
    )


def _urgency_of_case(now):
    """How pressing a case is for the one who sent it; 0 where it asks for no act."""
    return case(
        (_waits_too_long(now), case(_CALL_URGENCIES, value=Case.tier)),
        (_needs_photo, _NEEDS_PHOTO),
        (_is_withdrawn, _WITHDRAWN),
        (_is_news, case(_NEWS, value=_latest)),
        else_=0,
    )


def _group_of_case(urgency):
    return case(
        (urgency > 0, "needs_you"),
        (Case.status.in_((*BEING_READ, "classified")), "waiting"),
        else_="done",
    )


def count_cases(user, *, of_clinic=False):
    """{group: number of cases}, for the cases this user sent or, ``of_clinic``, all of the clinic."""
    group = _group_of_case(_urgency_of_case(utc_now())).label("place")
    statement = db.select(group, func.count()).where(_scope(user, of_clinic)).group_by(group)
    return {**dict.fromkeys(GROUPS, 0), **dict(db.session.execute(statement).all())}


def latest_change_at(user, *, of_clinic=False):
    """When one of those cases last came in or changed its state, or None."""
    return db.session.scalar(db.select(func.max(Case.status_changed_at)).where(_scope(user, of_clinic)))


def list_cases(user, *, group=None, of_clinic=False, after=None):
    """([(case, place)], (urgency, id) to continue after or None): what needs the user first, then the newest.

    ``place`` is the case's group, or TO_CALL of those that need the user to call the clinician.
    ``after`` is that pair of the page before: its last case may have been opened since, and asks for no act any more.
    """
    now = utc_now()
    urgency = _urgency_of_case(now)
    group_of_case, order = _group_of_case(urgency), (urgency, Case.submitted_at, Case.id)
    place = case((_waits_too_long(now), TO_CALL), else_=group_of_case)
    statement = (
        db.select(Case, place, urgency)
        .where(_scope(user, of_clinic))
        .order_by(*(column.desc() for column in order))
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
    if after and (start := _position(user, order, *after)):
        values = (literal(value, column.type) for value, column in zip(start, order, strict=True))
        statement = statement.where(tuple_(*order) < tuple_(*values))
    found = db.session.execute(statement).all()
    rows = [(case, place) for case, place, _urgency in found[:PAGE_SIZE]]
    last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
    return rows, last and (last[2], last[0].id)


def _position(user, order, urgency, case_id):
    """Where in the order the page after this case begins, or None."""
    found = db.session.execute(db.select(*order).where(Case.id == case_id, _scope(user, True))).first()
    return found and (urgency if urgency in _URGENCIES else found[0], *found[1:])


def _scope(user, of_clinic):
    visible = in_clinics_of(user, Case.clinic_id)
    return visible if of_clinic else and_(visible, Case.submitted_by_id == user.id)
