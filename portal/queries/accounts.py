"""What the account pages read."""

from dataclasses import dataclass
from datetime import datetime

from flask import current_app

from portal.database import utc_now
from portal.extensions import db
from portal.models import LoginSession


@dataclass(frozen=True)
class OpenSession:
    id: int
    user_agent: str
    address: str
    created_at: datetime
    last_active_at: datetime
    is_current: bool


def find_open_sessions(user):
    """The user's login sessions that still open pages, the latest used first."""
    now = utc_now()
    rows = db.session.scalars(
        db.select(LoginSession)
        .where(
            LoginSession.user_id == user.id,
            LoginSession.ended_at.is_(None),
            LoginSession.two_factor_passed.is_(True),
            LoginSession.last_active_at > now - current_app.config["IDLE_TIMEOUT"],
            LoginSession.created_at > now - current_app.config["SESSION_LIFETIME"],
        )
        .order_by(LoginSession.last_active_at.desc())
    )
    return [
        OpenSession(
            id=row.id,
            user_agent=row.user_agent or "",
            address=row.address or "",
            created_at=row.created_at,
            last_active_at=row.last_active_at,
            is_current=row.id == user.login_session.id,
        )
        for row in rows
    ]
