"""Logging in and out. Tries are counted in the database before they are evaluated, so that no number of
processes evaluates more than the limit, and a restart or an emptied Redis forgets nothing."""

import hashlib
import ipaddress

from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import delete, func, text, update

from portal import passwords
from portal.database import begin_write, utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import LoginAttempt, LoginSession, User
from portal.models.login import hash_token, new_token
from portal.services import audit, two_factor

CODE_FAILURES_PER_ACCOUNT = 10


class TooManyTries(DomainError):
    """The address, or the account's second step, has used up its tries for now."""

    status_code = 429


def log_in(*, email, password, address, user_agent):
    """Check a password and open a login session.

    Returns the LoginSession with its clear ``token``; while ``two_factor_passed`` is False it opens
    nothing but the second step. Raises TooManyTries, or DomainError when the pair does not match an
    active account (one message for all of these, in the same time).
    """
    email = email.strip().lower()
    attempt_id = _count_attempt(address=address, subject=email)
    user_id, password_hash = _find_account(email)
    if not passwords.verify_password(password_hash, password):
        _record_failure(user_id)
        raise DomainError(_("Email or password is wrong."))
    begin_write(db.session)
    user = db.session.get(User, user_id)
    if not user.is_active or user.password_hash != password_hash:
        _record_failure(user_id)
        raise DomainError(_("Email or password is wrong."))
    if passwords.is_outdated(password_hash):
        user.password_hash = passwords.hash_password(password)
    db.session.get(LoginAttempt, attempt_id).succeeded = True
    login_session = _add_session(user, address, user_agent, two_factor_passed=not user.has_two_factor)
    audit.record(action="login.code_asked" if user.has_two_factor else "login.succeeded", target=user, actor=user)
    db.session.commit()
    return login_session


def pass_second_step(*, login_session, code, address):
    """Accept a code of the app or a recovery code; the session gets a new token and opens the portal."""
    user_id = login_session.user_id
    subject = f"code {user_id}"
    attempt_id = _count_attempt(address=address, subject=subject, subject_limit=CODE_FAILURES_PER_ACCOUNT)
    begin_write(db.session)
    user = db.session.scalar(db.select(User).where(User.id == user_id).with_for_update())
    kind = two_factor.use_code(user, code)
    if kind is None or login_session.ended_at is not None:
        _record_failure(user_id)
        raise DomainError(_("This code is wrong or was used before. Wait for the next one."), field="code")
    db.session.get(LoginAttempt, attempt_id).succeeded = True
    _renew(login_session)
    audit.record(action="login.succeeded", target=user, actor=user, details={"second_step": kind})
    db.session.commit()
    return login_session


def open_session(*, user, address=None, user_agent=None):
    """A fresh login session for somebody who just proved who they are, for instance by a new password."""
    begin_write(db.session)
    login_session = _add_session(user, address, user_agent, two_factor_passed=True)
    audit.record(action="login.succeeded", target=user, actor=user)
    db.session.commit()
    return login_session


def log_out(*, login_session):
    begin_write(db.session)
    login_session.ended_at = utc_now()
    audit.record(action="logout", target=login_session.user, actor=login_session.user)
    db.session.commit()


def end_session(*, user, session_id):
    """End one of the user's own sessions, on a device left behind."""
    begin_write(db.session)
    end_sessions(user, LoginSession.id == session_id)
    audit.record(action="session.ended", target=user)
    db.session.commit()


def end_other_sessions(*, login_session):
    begin_write(db.session)
    end_sessions(login_session.user, LoginSession.id != login_session.id)
    audit.record(action="session.others_ended", target=login_session.user)
    db.session.commit()


def end_sessions(user, *conditions):
    """End the user's open sessions inside the caller's transaction."""
    open_ones = (LoginSession.user_id == user.id, LoginSession.ended_at.is_(None))
    db.session.execute(update(LoginSession).where(*open_ones, *conditions).values(ended_at=utc_now()))


def note_activity(*, login_session):
    """Move the idle clock."""
    begin_write(db.session)
    login_session.last_active_at = utc_now()
    db.session.commit()


def _add_session(user, address, user_agent, *, two_factor_passed):
    token = new_token()
    login_session = LoginSession(
        user=user,
        token_hash=hash_token(token),
        two_factor_passed=two_factor_passed,
        address=address,
        user_agent=(user_agent or "")[:200],
    )
    login_session.token = token
    db.session.add(login_session)
    return login_session


def _renew(login_session):
    login_session.token = new_token()
    login_session.token_hash = hash_token(login_session.token)
    login_session.two_factor_passed = True
    login_session.created_at = login_session.last_active_at = utc_now()


def _find_account(email):
    row = db.session.execute(db.select(User.id, User.password_hash).where(User.email == email)).first()
    db.session.rollback()  # no transaction stays open while the password is compared
    return row or (None, None)


def _record_failure(user_id):
    begin_write(db.session)
    audit.record(action="login.failed", target=db.session.get(User, user_id) if user_id else None)
    db.session.commit()


def _count_attempt(*, address, subject, subject_limit=None):
    """Take one of the address's tries; it counts as failed until it is marked as succeeded."""
    now = utc_now()
    since = now - current_app.config["LOGIN_WINDOW"]
    network = _network_of(address)
    subject_hash = hashlib.sha256(subject.encode()).hexdigest()
    begin_write(db.session)
    _wait_for_turn(network)
    db.session.execute(delete(LoginAttempt).where(LoginAttempt.at <= since))
    failures = _count_failures(LoginAttempt.address == network)
    limit = current_app.config["LOGIN_FAILURES_PER_ADDRESS"]
    is_refused = failures >= limit
    if subject_limit is not None:
        is_refused = is_refused or _count_failures(LoginAttempt.email_hash == subject_hash) >= subject_limit
    if is_refused:
        db.session.rollback()
        minutes = round(current_app.config["LOGIN_WINDOW"].total_seconds() / 60)
        raise TooManyTries(_("Too many wrong tries. Wait %(minutes)s minutes, then try again.", minutes=minutes))
    if failures == limit - 1:
        audit.record(action="login.limit_reached")
    attempt = LoginAttempt(address=network, email_hash=subject_hash, at=now)
    db.session.add(attempt)
    db.session.commit()
    return attempt.id


def _count_failures(condition):
    failed = db.select(func.count()).select_from(LoginAttempt).where(condition, LoginAttempt.succeeded.is_(False))
    return db.session.scalar(failed)


def _wait_for_turn(network):
    # SQLite's write transactions queue by themselves.
    if db.session.get_bind().dialect.name == "postgresql":
        db.session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"login {network}"})


def _network_of(address):
    """What is counted as one address: an IPv4 address, or the /64 that one IPv6 subscriber owns."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if parsed.version == 6 and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
