"""Logging in and out, and what ends a login session."""

from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import delete, func, tuple_, update

from portal import passwords
from portal.database import begin_write, utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import AccountToken, LoginSession, User
from portal.models.login import hash_token, new_token
from portal.services import audit, rows, two_factor
from portal.services.attempts import count_attempt, mark_failed, mark_succeeded


def log_in(*, email, password, address, user_agent):
    """Check a password and open a login session.

    Returns the LoginSession with its clear ``token``; while ``two_factor_passed`` is False it opens
    nothing but the second step. Raises TooManyTries, or DomainError when the pair does not match an
    active account (one message for all of these, in the same time).
    """
    email = email.strip().lower()
    attempt_id = count_attempt(address=address, subject=email)
    user_id, password_hash = _find_account(email)
    if not passwords.verify_password(password_hash, password):
        _record_failure(attempt_id, user_id)
        raise DomainError(_("Email or password is wrong."))
    # An outdated hash is made anew before the transaction: it takes a fifth of a second, and others wait to write.
    renewed = passwords.hash_password(password) if passwords.is_outdated(password_hash) else password_hash
    begin_write(db.session)
    # A new password ends the sessions it finds: this one is there before, or is refused after.
    user = rows.lock(db.session.get(User, user_id))
    if not user.is_active or user.password_hash != password_hash:
        _record_failure(attempt_id, user_id)
        raise DomainError(_("Email or password is wrong."))
    user.password_hash = renewed
    mark_succeeded(attempt_id)
    login_session = _add_session(user, address, user_agent, two_factor_passed=not user.has_two_factor)
    audit.record(action="login.code_asked" if user.has_two_factor else "login.succeeded", target=user, actor=user)
    db.session.commit()
    return login_session


def pass_second_step(*, login_session, code, address):
    """Accept a code of the app or a recovery code; the session gets a new token and opens the portal."""
    user_id = login_session.user_id
    attempt_id = two_factor.count_code(user_id=user_id, address=address)
    begin_write(db.session)
    user = rows.lock(db.session.get(User, user_id))
    kind = two_factor.use_code(user, code)
    if kind is None or login_session.ended_at is not None:
        _record_failure(attempt_id, user_id)
        raise two_factor.wrong_code()
    mark_succeeded(attempt_id)
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
    audit.record(action="session.end", target=user)
    db.session.commit()


def end_other_sessions(*, login_session):
    begin_write(db.session)
    end_sessions(login_session.user, LoginSession.id != login_session.id)
    audit.record(action="session.end_others", target=login_session.user)
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
    _clear_expired()
    return login_session


def _clear_expired():
    """Sessions and links that open nothing any more, but for each person's last login: the list of people shows it."""
    now = utc_now()
    has_passed = LoginSession.two_factor_passed.is_(True)
    last = db.select(LoginSession.user_id, func.max(LoginSession.created_at)).where(has_passed)
    login = tuple_(LoginSession.user_id, LoginSession.created_at)
    is_shown = has_passed & login.in_(last.group_by(LoginSession.user_id))
    is_old = LoginSession.created_at <= now - current_app.config["SESSION_LIFETIME"]
    for model, is_over in ((LoginSession, is_old & ~is_shown), (AccountToken, AccountToken.expires_at <= now)):
        # What somebody is changing is left to the next login: nobody waits for it.
        found = db.select(model.id).where(is_over).with_for_update(of=model, skip_locked=True)
        db.session.execute(delete(model).where(model.id.in_(found)), execution_options={"synchronize_session": False})


def _renew(login_session):
    login_session.token = new_token()
    login_session.token_hash = hash_token(login_session.token)
    login_session.two_factor_passed = True
    login_session.created_at = login_session.last_active_at = utc_now()


def _find_account(email):
    row = db.session.execute(db.select(User.id, User.password_hash).where(User.email == email)).first()
    db.session.rollback()  # no transaction stays open while the password is compared
    return row or (None, None)


def _record_failure(attempt_id, user_id):
    begin_write(db.session)
    audit.record(action="login.failed", target=db.session.get(User, user_id) if user_id else None)
    mark_failed(attempt_id)
    db.session.commit()
