"""Passwords: how they are hashed, compared and judged."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app
from flask_babel import gettext as _

from portal.errors import DomainError

MIN_LENGTH = 12
MAX_LENGTH = 128
MIN_DIFFERENT_CHARACTERS = 5
MIN_BESIDES_OWN_WORDS = 8  # characters that must be left when the person's name or email is taken out


def hash_password(password):
    """argon2id, salted, as the usual ``$argon2id$...`` text; about 0.2 s and 64 MiB."""
    return _hasher().hash(password)


def verify_password(password_hash, password):
    """Whether the password belongs to the hash; with ``password_hash`` None it takes as long and is False."""
    decoy = _decoy_hash(_hasher())
    try:
        return _hasher().verify(password_hash or decoy, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash):
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher().check_needs_rehash(password_hash)


@cache
def _make_hasher(**parameters):
    return PasswordHasher(**parameters)


def _hasher():
    return _make_hasher(**current_app.config["ARGON2"])


@cache
def _decoy_hash(hasher):
    return hasher.hash("no account has this password")


def check_password(password, *, email, name):
    """Raise DomainError with what to change when a new password is too easy to guess.

    Length over composition rules, as NIST SP 800-63B and OWASP ASVS 6.2 ask.
    """
    if len(password) < MIN_LENGTH:
        raise DomainError(
            _("Use at least %(n)s characters. A short sentence works well.", n=MIN_LENGTH), field="password"
        )
    if len(password) > MAX_LENGTH:
        raise DomainError(_("Use at most %(n)s characters.", n=MAX_LENGTH), field="password")
    lowered = password.lower()
    if len(set(lowered)) < MIN_DIFFERENT_CHARACTERS:
        raise DomainError(_("Use more different characters."), field="password")
    own_words = [email, email.partition("@")[0], *name.lower().split()]
    for word in own_words:
        if len(word) >= 4 and word in lowered and len(lowered) - len(word) < MIN_BESIDES_OWN_WORDS:
            raise DomainError(_("Do not use your name or email as the password."), field="password")
