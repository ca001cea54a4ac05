"""Tries of passwords and codes, counted in the database before they are evaluated: no number of processes
evaluates more than the limit, and a restart or an emptied Redis forgets nothing."""

import hashlib
import ipaddress

from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import delete, func, text

from portal import passwords
from portal.database import begin_write, utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import LoginAttempt
from portal.services import audit


class TooManyTries(DomainError):
    """The address, or the account's second step, has used up its tries for now."""

    status_code = 429


def count_attempt(*, address, subject, subject_limit=None):
    """Take one of the address's tries and return its id; it counts as failed until it is marked as succeeded.

    ``subject`` is what is tried (stored as a hash); with ``subject_limit`` its failures from all addresses count too.
    Raises TooManyTries, and then nothing may be evaluated.
    """
    now = utc_now()
    window = current_app.config["LOGIN_WINDOW"]
    network = network_of(address)
    subject_hash = hashlib.sha256(subject.encode()).hexdigest()
    begin_write(db.session)
    _wait_for_turn(network, subject_hash if subject_limit is not None else None)
    # A clock that was ahead shuts nobody out until then; one that is a little ahead may be another computer's.
    is_over = (LoginAttempt.at <= now - window) | (LoginAttempt.at > now + window)
    db.session.execute(delete(LoginAttempt).where(is_over))
    is_refused = _count_failures(LoginAttempt.address == network) >= current_app.config["LOGIN_FAILURES_PER_ADDRESS"]
    if subject_limit is not None:
        is_refused = is_refused or _count_failures(LoginAttempt.subject_hash == subject_hash) >= subject_limit
    if is_refused:
        db.session.rollback()
        minutes = round(window.total_seconds() / 60)
        raise TooManyTries(_("Too many wrong tries. Wait %(minutes)s minutes, then try again.", minutes=minutes))
    attempt = LoginAttempt(address=network, subject_hash=subject_hash, at=now)
    db.session.add(attempt)
    db.session.commit()
    return attempt.id


def mark_succeeded(attempt_id):
    """Inside the caller's write transaction: this try was right and counts no more."""
    attempt = db.session.get(LoginAttempt, attempt_id)
    if attempt is not None:  # older than the window, and cleared by somebody else's try
        attempt.succeeded = True


def mark_failed(attempt_id):
    """Inside the caller's write transaction: this try was wrong. The one that uses up the address's is audited."""
    attempt = db.session.get(LoginAttempt, attempt_id)
    if attempt is None:
        return
    # Later ones, which may be under evaluation, are not its own: each number is reached by one try alone.
    so_far = _count_failures((LoginAttempt.address == attempt.address) & (LoginAttempt.id <= attempt.id))
    if so_far == current_app.config["LOGIN_FAILURES_PER_ADDRESS"]:
        audit.record(action="login.limit_reached")


def confirm_password(*, user, password, address, field):
    """Somebody logged in proves that it is still them; raises DomainError at ``field`` when the password is wrong."""
    attempt_id = count_attempt(address=address, subject=user.email)
    password_hash = user.password_hash
    db.session.rollback()  # no transaction stays open while the password is compared
    if not passwords.verify_password(password_hash, password):
        begin_write(db.session)
        mark_failed(attempt_id)
        db.session.commit()
        raise DomainError(_("This is not your password."), field=field)
    begin_write(db.session)
    mark_succeeded(attempt_id)
    db.session.commit()


def network_of(address):
    """What is counted as one address: an IPv4 address, or the /64 that one IPv6 subscriber owns."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if parsed.version == 6 and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def _count_failures(condition):
    failed = db.select(func.count()).select_from(LoginAttempt).where(condition, LoginAttempt.succeeded.is_(False))
    return db.session.scalar(failed)


def _wait_for_turn(network, subject_hash=None):
    """Whoever is counted together counts one after the other, until the end of the transaction."""
    # SQLite's write transactions queue by themselves.
    if db.session.get_bind().dialect.name == "postgresql":
        # A space of locks for each kind, and always in this order, so that no two wait for each other.
        lock = text("SELECT pg_advisory_xact_lock(hashtext(:kind), hashtext(:name))")
        for kind, name in (("login network", network), ("login subject", subject_hash)):
            if name is not None:
                db.session.execute(lock, {"kind": kind, "name": name})
