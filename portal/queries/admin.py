"""What the administrator's lists read: people, clinics, the audit trail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, or_
from sqlalchemy.orm import joinedload, selectinload

from portal.extensions import db
from portal.models import AuditEvent, Case, Clinic, LoginSession, User
from portal.models.user import user_clinic

PAGE_SIZE = 50


@dataclass(frozen=True)
class UserRow:
    user: User
    last_login_at: datetime | None


@dataclass(frozen=True)
class ClinicRow:
    clinic: Clinic
    people: int
    cases: int


def find_users(*, text="", role=None, clinic_id=None, after=None):
    """(rows, id to continue after or None): people by name, found by a part of their name or email."""
    logins = (LoginSession.user_id == User.id, LoginSession.two_factor_passed.is_(True))
    last_login_at = db.select(func.max(LoginSession.created_at)).where(*logins).scalar_subquery()
    found = db.select(User, last_login_at).options(selectinload(User.clinics))
    found = found.where(*_is_named(text))
    if role:
        found = found.where(User.role == role)
    if clinic_id:
        found = found.where(User.clinics.any(Clinic.id == clinic_id))
    by_name = func.lower(User.name)
    last = db.session.get(User, after) if after else None
    if last is not None:
        last_name = func.lower(last.name)
        found = found.where(or_(by_name > last_name, and_(by_name == last_name, User.id > last.id)))
    found = found.order_by(by_name, User.id).limit(PAGE_SIZE + 1)
    rows = [UserRow(user=user, last_login_at=at) for user, at in db.session.execute(found)]
    return _page(rows, lambda row: row.user.id)


def find_clinic_rows():
    """Every clinic with how many people have an account there, open or closed, and how many cases it sent."""
    people = db.select(func.count()).where(user_clinic.c.clinic_id == Clinic.id).scalar_subquery()
    cases = db.select(func.count()).where(Case.clinic_id == Clinic.id).scalar_subquery()
    rows = db.session.execute(db.select(Clinic, people, cases).order_by(Clinic.is_active.desc(), Clinic.name))
    return [ClinicRow(clinic=clinic, people=people, cases=cases) for clinic, people, cases in rows]


def find_open_clinics():
    return db.session.scalars(db.select(Clinic).where(Clinic.is_active.is_(True)).order_by(Clinic.name)).all()


@dataclass(frozen=True)
class AuditFilters:
    """ "" or None where nothing was chosen."""

    action: str = ""
    actor: str = ""  # an account's email, or a part of the name or email
    target: str = ""  # a row's id, or its type and its id: "clinic 1"

    def as_args(self):
        return {"action": self.action or None, "actor": self.actor or None, "target": self.target or None}


def find_audit_events(filters, before=None):
    """(events, id to continue before or None): the trail, newest first."""
    found = db.select(AuditEvent).options(joinedload(AuditEvent.actor)).order_by(AuditEvent.id.desc())
    if filters.action:
        found = found.where(AuditEvent.action == filters.action)
    if filters.actor:
        found = found.join(AuditEvent.actor).where(*_is_actor(filters.actor))
    if words := filters.target.split():
        found = found.where(AuditEvent.target_id == words[-1], *(AuditEvent.target_type == kind for kind in words[:-1]))
    if before:
        found = found.where(AuditEvent.id < before)
    return _page(list(db.session.scalars(found.limit(PAGE_SIZE + 1))), lambda event: event.id)


def find_audit_actions():
    """Every action of the trail, by name: one step of an index each, where DISTINCT would read the whole trail."""
    first = db.select(func.min(AuditEvent.action).label("action")).cte("seen", recursive=True)
    following = db.select(func.min(AuditEvent.action)).where(AuditEvent.action > first.c.action).scalar_subquery()
    seen = first.union_all(db.select(following).where(first.c.action.is_not(None)))
    return db.session.scalars(db.select(seen.c.action).where(seen.c.action.is_not(None)).order_by(seen.c.action)).all()


def _is_actor(text):
    """Conditions on User: a whole email is one person, not also those whose email ends like it."""
    is_account = User.email == text.strip().lower()
    return [is_account] if db.session.scalar(db.select(exists().where(is_account))) else _is_named(text)


def _is_named(text):
    """Conditions on User: every word of ``text`` is a part of the name or the email."""
    return [
        or_(*(column.icontains(word, autoescape=True) for column in (User.name, User.email))) for word in text.split()
    ]


def _page(rows, key):
    shown = rows[:PAGE_SIZE]
    return shown, key(shown[-1]) if len(rows) > PAGE_SIZE else None
