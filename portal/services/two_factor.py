"""Two-factor login by time-based codes (RFC 6238) and one-time recovery codes."""

import hashlib
import secrets
import unicodedata
from base64 import b32encode
from datetime import UTC
from hmac import compare_digest

import pyotp
from flask_babel import gettext as _
from sqlalchemy import update

from portal.database import begin_write, utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import LoginSession
from portal.services import audit, rows
from portal.services.attempts import confirm_password, count_attempt, mark_failed, mark_succeeded

STEP_SECONDS = 30
CODE_FAILURES_PER_ACCOUNT = 10
RECOVERY_CODE_COUNT = 10
RECOVERY_CODE_BYTES = 15  # 120 bits: enough for a plain hash (OWASP ASVS 5.0, 6.5.2); 24 letters


def begin_two_factor(*, user):
    """Give the user a new secret, not in force until confirmed; returns it in base32.

    A secret that waits for its first code stays the same, so that reloading the page keeps the picture valid.
    """
    begin_write(db.session)
    rows.lock(user)
    if user.has_two_factor:
        raise DomainError(_("Two-factor login is already on."))
    if user.totp_secret is None:
        user.totp_secret = pyotp.random_base32()
    db.session.commit()
    return user.totp_secret


def confirm_two_factor(*, user, code):
    """Put the secret in force once the app shows a right code; returns the recovery codes, shown only now."""
    begin_write(db.session)
    rows.lock(user)
    step = _matching_step(user, _as_issued(code)) if not user.has_two_factor else None
    if step is None:
        raise DomainError(
            _("This code does not match. Check the clock of your phone and try the next one."), field="code"
        )
    user.totp_confirmed_at = utc_now()
    user.totp_last_step = step
    codes = _renew_recovery_codes(user)
    audit.record(action="two_factor.enable", target=user)
    db.session.commit()
    return codes


def remove_two_factor(*, user, password, code, address):
    """The user turns it off; the password and a code prove that it is them, as they do at the login."""
    confirm_password(user=user, password=password, address=address, field="password")
    attempt_id = count_code(user_id=user.id, address=address)
    begin_write(db.session)
    if use_code(rows.lock(user), code) is None:
        mark_failed(attempt_id)
        db.session.commit()
        raise wrong_code()
    mark_succeeded(attempt_id)
    _forget(user)
    audit.record(action="two_factor.disable", target=user)
    db.session.commit()


def reset_two_factor(*, user):
    """An administrator or operator helps somebody who lost the phone and the recovery codes."""
    begin_write(db.session)
    _forget(user)
    audit.record(action="two_factor.reset", target=user)
    db.session.commit()


def count_code(*, user_id, address):
    """Take one of the tries that an account's codes have, from all addresses together; see ``count_attempt``."""
    return count_attempt(address=address, subject=f"code {user_id}", subject_limit=CODE_FAILURES_PER_ACCOUNT)


def wrong_code():
    return DomainError(_("This code is wrong or was used before. Wait for the next one."), field="code")


def use_code(user, code):
    """Which kind of code this was, "app" or "recovery"; None when it is neither or was used before.

    Marks the code as used inside the caller's write transaction, where ``user`` is locked.
    """
    code = _as_issued(code)
    step = _matching_step(user, code)
    if step is not None:
        user.totp_last_step = step
        return "app"
    hashed = _hash_recovery_code(code)
    if hashed in user.recovery_code_hashes:
        user.recovery_code_hashes = [kept for kept in user.recovery_code_hashes if kept != hashed]
        return "recovery"
    return None


def _as_issued(code):
    """The code without the blanks and dashes it is typed with, in capitals, its digits 0 to 9 in whatever script."""
    kept = (letter for letter in code if not letter.isspace() and unicodedata.category(letter) != "Pd")
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in kept).upper()


def _matching_step(user, code):
    """The time step a code is for: the present one or a neighbour (clocks differ), later than the last one used."""
    if user.totp_secret is None:  # taken away while this code was on its way
        return None
    totp = pyotp.TOTP(user.totp_secret, interval=STEP_SECONDS)
    now = totp.timecode(utc_now().astimezone(UTC))
    for step in (now - 1, now, now + 1):
        is_new = user.totp_last_step is None or step > user.totp_last_step
        if is_new and compare_digest(totp.generate_otp(step).encode(), code.encode()):
            return step
    return None


def _renew_recovery_codes(user):
    codes = [b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode() for _number in range(RECOVERY_CODE_COUNT)]
    user.recovery_code_hashes = [_hash_recovery_code(code) for code in codes]
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


def _hash_recovery_code(code):
    return hashlib.sha256(code.encode()).hexdigest()


def _forget(user):
    user.totp_secret = user.totp_confirmed_at = user.totp_last_step = None
    user.recovery_code_hashes = []
    # Who waits at the code page has nothing left to enter there: back to the password, which now suffices.
    half_open = (
        LoginSession.user_id == user.id,
        LoginSession.two_factor_passed.is_(False),
        LoginSession.ended_at.is_(None),
    )
    db.session.execute(update(LoginSession).where(*half_open).values(ended_at=utc_now()))
