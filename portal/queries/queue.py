"""The clinician's queue: risk first, then the longest waiting."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import current_app
from itsdangerous import Signer
from sqlalchemy import and_, case, func, literal, not_, or_, tuple_
from sqlalchemy.orm import contains_eager, selectinload

from portal.extensions import db
from portal.models import BEING_READ, TIERS, Case, Image, Lesion, Patient, Review
from portal.permissions import in_clinics_of
from portal.queries.cases import has_newer_case
from portal.queries.first_reads import awaits_first_read, shown_reasons, shown_tier

PAGE_SIZE = 25

# What the status filter offers, and the case states behind each word.
STATUS_GROUPS = {
    "waiting": ("classified", "failed", *BEING_READ),
    "to_review": ("classified", "failed"),
    "reading": BEING_READ,
    "failed": ("failed",),
    "retake": ("retake",),
    "reviewed": ("reviewed",),
}
# The model usually needs seconds. Who is still unread after this is offered for review as it is.
READING_PATIENCE = timedelta(minutes=2)
FIRST_READ = "first_read"  # stands where the tier would, until the impression is written


@dataclass(frozen=True)
class QueueFilters:
    """None or "" where nothing was chosen; status is a key of STATUS_GROUPS."""

    status: str = "waiting"
    tier: str | None = None  # one of TIERS or FIRST_READ
    clinic_id: int | None = None
    site: str | None = None
    text: str = ""

    def as_args(self, **changed):
        """The query string these filters come from, with some of them changed; what was not chosen is left out."""
        chosen = {"tier": self.tier, "clinic": self.clinic_id, "site": self.site, "q": self.text, **changed}
        if chosen.setdefault("status", self.status) == "waiting":
            del chosen["status"]
        return {name: value for name, value in chosen.items() if value}

    @property
    def is_done(self):
        """Reviewed cases are read back from the latest; all others wait their turn."""
        return self.status == "reviewed"


@dataclass(frozen=True)
class QueueRow:
    case: Case
    is_silent: bool  # the model's view is not shown before the first read

    @property
    def tier(self):
        return shown_tier(self.case, self.is_silent)

    @property
    def reasons(self):
        return shown_reasons(self.case, self.is_silent)


@dataclass(frozen=True)
class QueuePage:
    rows: list[QueueRow]
    next_after: tuple[str, UUID] | None  # place and id of the case to continue after, or None on the last page
    counts: dict[str, int]  # tier or FIRST_READ -> cases under the other filters
    oldest_at: object  # when the longest waiting of all those was sent, or None


def load_queue(user, filters, after=None):
    """One page of the queue; ``after`` is the next_after of the page before.

    Its last case may stand elsewhere by now: it goes on from where that stood.
    """
    counts, oldest_at = _counts(user, filters)
    silent = awaits_first_read(user).label("is_silent")
    statement = (
        _filtered(db.select(Case, silent), user, filters)
        .options(
            contains_eager(Case.clinic),
            contains_eager(Case.lesion).contains_eager(Lesion.patient),
            selectinload(Case.images).load_only(Image.id, Image.kind, Image.case_id),
            selectinload(Case.taken_by),
        )
        .order_by(*_order(filters))
        .limit(PAGE_SIZE + 1)
    )
    if filters.is_done:
        statement = statement.options(selectinload(Case.reviews).joinedload(Review.reviewer))
    if after and (position := _position(user, after[1], filters, place=after[0])):
        statement = statement.where(_beyond(position, filters))
    found = [QueueRow(*row) for row in db.session.execute(statement)]
    rows = found[:PAGE_SIZE]
    last = rows[-1].case if len(found) > PAGE_SIZE else None
    return QueuePage(rows, last and (_place(last, filters), last.id), counts, oldest_at)


def find_next_case_id(user, filters, now, *, after=None, before=None):
    """The nearest case that nobody else has, after or before the given one; without either the first. None at the end.

    Cases that wait for the model are passed over for READING_PATIENCE, as its view may still come.
    """
    statement = _free_cases(user, filters, now)
    backwards = before is not None
    if position := _position(user, before or after, filters):
        statement = statement.where(_beyond(position, filters, backwards=backwards))
    return db.session.scalar(statement.order_by(*_order(filters, backwards=backwards)).limit(1))


def find_more_urgent_case_id(user, filters, now, *, than, since):
    """The first free case above the tier of case ``than`` that could not be seen yet at ``since``, or None.

    What stood in the queue before was passed over on purpose.
    """
    position = None if filters.is_done else _position(user, than, filters)
    if position is None:
        return None
    is_new = or_(
        Case.status_changed_at > since,
        and_(Case.status.in_(BEING_READ), Case.submitted_at > since - READING_PATIENCE),
    )
    statement = _free_cases(user, filters, now).where(Case.tier_rank < position.tier_rank, is_new)
    return db.session.scalar(statement.order_by(*_order(filters)).limit(1))


def latest_change_at(user, filters):
    """When a case under these filters, but of any tier, last came in or changed its state, or None."""
    statement = _filtered(db.select(func.max(Case.status_changed_at)), user, replace(filters, tier=None))
    return db.session.scalar(statement)


def last_review_at(user):
    """When a clinician last decided a case this user may see, or None."""
    statement = db.select(func.max(Review.created_at)).join(Review.case)
    return db.session.scalar(statement.where(in_clinics_of(user, Case.clinic_id)))


def _free_cases(user, filters, now):
    free = or_(Case.taken_by_id.is_(None), Case.taken_by_id == user.id, Case.taken_until <= now)
    is_due = or_(Case.status.not_in(BEING_READ), Case.submitted_at <= now - READING_PATIENCE)
    return _filtered(db.select(Case.id), user, filters).where(free, is_due)


def _filtered(statement, user, filters):
    statement = statement.join(Case.clinic).join(Case.lesion).join(Lesion.patient)
    statement = statement.where(in_clinics_of(user, Case.clinic_id), Case.status.in_(STATUS_GROUPS[filters.status]))
    if filters.status == "retake":
        statement = statement.where(not_(has_newer_case))
    if filters.clinic_id:
        statement = statement.where(Case.clinic_id == filters.clinic_id)
    if filters.site:
        statement = statement.where(Lesion.body_site == filters.site)
    if filters.text:
        statement = statement.where(Patient.reference.icontains(filters.text, autoescape=True))
    if filters.tier:
        statement = statement.where(_tier_shown(user) == filters.tier)
    return statement


def _tier_shown(user):
    # A tier filter that told the model's tier would break the silence before the first read.
    return case((awaits_first_read(user), literal(FIRST_READ)), else_=Case.tier)


def _counts(user, filters):
    untiered = replace(filters, tier=None)
    tier = _tier_shown(user).label("tier")
    statement = _filtered(db.select(tier, func.count(), func.min(Case.submitted_at)), user, untiered).group_by(tier)
    found = db.session.execute(statement).all()
    return {tier: count for tier, count, _ in found}, min((oldest for *_, oldest in found), default=None)


def _columns(filters):
    return (Case.status_changed_at, Case.id) if filters.is_done else (Case.tier_rank, Case.submitted_at, Case.id)


def _order(filters, *, backwards=False):
    descending = filters.is_done != backwards
    return [column.desc() if descending else column.asc() for column in _columns(filters)]


def _position(user, case_id, filters, *, place=None):
    """Where in the order the case stands, or stood when its ``place`` was told; None for a case that is not there."""
    statement = db.select(*_columns(filters)).where(Case.id == case_id, in_clinics_of(user, Case.clinic_id))
    found = db.session.execute(statement).first()
    told = _read_place(place, case_id, filters) if found and place else None
    return found if told is None else (told, *found[1:])


def _place(case, filters):
    """Of the values the case is sorted by the one that may change, as text for an address.

    A tier that could be read there would break the silence before the first read.
    """
    return case.status_changed_at.isoformat() if filters.is_done else _sign(case.tier_rank, case.id)


def _read_place(place, case_id, filters):
    """The value that a ``_place`` stands for, or None."""
    if not filters.is_done:
        return next((rank for rank in range(len(TIERS) + 1) if _sign(rank, case_id) == place), None)
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(place).astimezone(UTC)


def _sign(rank, case_id):
    return Signer(current_app.secret_key, salt="queue place").get_signature(f"{rank} {case_id}").decode()


def _beyond(position, filters, *, backwards=False):
    columns = tuple_(*_columns(filters))
    values = tuple_(*(literal(value, column.type) for value, column in zip(position, _columns(filters), strict=True)))
    return columns < values if filters.is_done != backwards else columns > values
