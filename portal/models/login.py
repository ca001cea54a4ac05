import hashlib
import secrets

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.user import User


def hash_token(token):
    """What is stored of a random token: a copy of the database opens no session."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token():
    return secrets.token_urlsafe(32)


class LoginSession(db.Model):
    """One login; ended by logout, password change, deactivation, idleness or age."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    two_factor_passed: Mapped[bool] = mapped_column(default=True)
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    last_active_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    ended_at = mapped_column(UtcDateTime)
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(200))
    user: Mapped[User] = relationship()

    token = None  # the clear token, known only within the request


class AccountToken(db.Model):
    """A one-time link to set a password."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    expires_at = mapped_column(UtcDateTime, nullable=False)
    used_at = mapped_column(UtcDateTime)
    user: Mapped[User] = relationship()


class LoginAttempt(db.Model):
    """A password or code that was tried; counted per address in the database, so that no restart forgets it."""

    __table_args__ = (
        Index("ix_login_attempt_address_at", "address", "at"),
        Index("ix_login_attempt_email_hash_at", "email_hash", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(45))
    # Of the email, or of whose code it was; the column has the name of the time when there were no codes.
    subject_hash: Mapped[str] = mapped_column("email_hash", String(64))
    succeeded: Mapped[bool] = mapped_column(default=False)
    at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
