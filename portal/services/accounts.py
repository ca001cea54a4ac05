"""Accounts: who may log in, as what, for which clinics. Every change ends what it must and is audited."""

import re
from datetime import timedelta

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import update

from portal import passwords
from portal.database import begin_write, utc_now
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import ROLES, AccountToken, Clinic, User
from portal.models.login import hash_token, new_token
from portal.services import audit, rows
from portal.services.attempts import confirm_password
from portal.services.clinics import add_clinic
from portal.services.logins import end_sessions
from portal.services.names import checked_name

RESET_LINK_LIFETIME = timedelta(hours=24)


def create_user(*, email, name, role, clinics, new_clinics=(), password=None):
    """A new account; without a password it opens by a reset link only.

    ``new_clinics``: names of clinics that are made with it, or not at all.
    Raises DomainError, with the field it belongs to, when the email, name, role, clinics or password cannot be used.
    """
    email, name = normalise_email(email), checked_name(name)
    new_clinics = [checked_name(new) for new in new_clinics]
    clinic_ids = [clinic.id for clinic in clinics]
    password_hash = _hash_checked(password, email=email, name=name) if password is not None else None
    begin_write(db.session)
    clinic_ids += [add_clinic(new).id for new in new_clinics]
    clinics = _load_clinics(role, clinic_ids)
    user = User(email=email, name=name, role=role, clinics=clinics, password_hash=password_hash)
    db.session.add(user)
    with rows.unique(taken=_l("An account with this email exists."), field="email"):
        audit.record(action="user.create", target=user, details={"role": role, "clinics": clinic_ids})
    db.session.commit()
    return user


def update_user(*, user, expected, name, role, clinics):
    """Change name, role and clinics; the change holds from the user's next request.

    ``expected``: the details_mark that the editor saw; Conflict when somebody changed the account since.
    """
    name = checked_name(name)
    clinic_ids = sorted(clinic.id for clinic in clinics)
    begin_write(db.session)
    other_admins = _lock_with_admins(user)
    if user.details_mark != expected:
        raise Conflict(_("Somebody changed this account while you had the form open. This is how it is now."))
    if role != "admin":
        _keep_one_admin(user, other_admins)
    before = _describe(user)
    user.name, user.role, user.clinics = name, role, _load_clinics(role, clinic_ids, kept=user.clinics)
    changed = {"before": before, "after": _describe(user)}
    audit.record(action="user.update", target=user, details=changed)
    db.session.commit()


def deactivate_user(*, user, actor):
    """Close the account: its sessions and reset links end now."""
    begin_write(db.session)
    if user.id == actor.id:
        raise DomainError(_("You cannot close your own account. Ask another administrator."))
    _keep_one_admin(user, _lock_with_admins(user))
    user.is_active = False
    end_sessions(user)
    _void_links(user)
    audit.record(action="user.deactivate", target=user)
    db.session.commit()


def activate_user(*, user):
    begin_write(db.session)
    rows.lock(user).is_active = True
    audit.record(action="user.activate", target=user)
    db.session.commit()


def change_password(*, user, current_password, password, address):
    """The user sets a new password; every session of theirs ends, so the caller opens a new one."""
    confirmed = user.password_hash
    confirm_password(user=user, password=current_password, address=address, field="current_password")
    password_hash = _hash_checked(password, email=user.email, name=user.name)
    begin_write(db.session)
    if rows.lock(user).password_hash != confirmed:
        raise DomainError(_("This is not your password."), field="current_password")
    _set_password(user, password_hash)
    audit.record(action="password.change", target=user)
    db.session.commit()


def issue_reset_link(*, user):
    """The clear token of a new one-time link, good for a day; earlier links of the user end."""
    token = new_token()
    begin_write(db.session)
    if not rows.lock(user).is_active:
        raise Conflict(_("This account is closed. Open it first."))
    _void_links(user)
    expires_at = utc_now() + RESET_LINK_LIFETIME
    db.session.add(AccountToken(user=user, token_hash=hash_token(token), expires_at=expires_at))
    audit.record(action="password.issue_link", target=user)
    db.session.commit()
    return token


def find_reset_user(token):
    """The active user a reset link that is still good belongs to, or None."""
    found = db.session.scalar(_good_links(token))
    return found.user if found else None


def use_reset_link(*, token, password, language):
    """Set the password by the link and use the link up; every session of the user ends.

    A first password comes with the ``language`` it was set in: nobody has chosen another yet.
    """
    user = find_reset_user(token)
    if user is None:
        raise DomainError(_("This link was used or is too old. Ask an administrator for a new one."))
    password_hash = _hash_checked(password, email=user.email, name=user.name)
    begin_write(db.session)
    rows.lock(user)
    if find_reset_user(token) is None:
        raise Conflict(_("This link was used or is too old. Ask an administrator for a new one."))
    if user.password_hash is None:
        user.language = language
    _set_password(user, password_hash)
    audit.record(action="password.reset", target=user, actor=user)
    db.session.commit()


def set_language(*, user, language):
    begin_write(db.session)
    user.language = language
    db.session.commit()


def normalise_email(email):
    """The address in lower case, the name people log in by (the portal sends no mail)."""
    email = email.strip().lower()
    if len(email) > 254 or not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise DomainError(_("This is not an email address."), field="email")
    return email


def _hash_checked(password, *, email, name):
    passwords.check_password(password, email=email, name=name)
    return passwords.hash_password(password)


def _set_password(user, password_hash):
    """Set the password and end whatever the old one opened."""
    user.password_hash = password_hash
    end_sessions(user)
    _void_links(user)


def _load_clinics(role, clinic_ids, *, kept=()):
    """One clinic for a health worker, some for a clinician, none for an admin; read inside the transaction.

    Of closed clinics only those ``kept``, to which the person belongs already.
    """
    if role not in ROLES:
        raise DomainError(_("Choose a role."), field="role")
    if role == "health_worker" and len(clinic_ids) != 1:
        raise DomainError(_("A health worker needs exactly one clinic."), field="clinics")
    if role == "clinician" and not clinic_ids:
        raise DomainError(_("A clinician needs at least one clinic."), field="clinics")
    if role == "admin" and clinic_ids:
        raise DomainError(_("An administrator sees every clinic; choose none."), field="clinics")
    clinics = list(db.session.scalars(db.select(Clinic).where(Clinic.id.in_(clinic_ids))))
    for clinic in clinics:
        if not clinic.is_active and clinic not in kept:
            raise DomainError(_("%(name)s is closed. Choose another clinic.", name=clinic.name), field="clinics")
    return clinics


def _lock_with_admins(user):
    """Lock the account and every active administrator; returns the administrators besides this account.

    All in one order: of two who close each other at once, the second sees what the first did.
    """
    is_active_admin = (User.role == "admin") & User.is_active
    wanted = db.select(User).where(is_active_admin | (User.id == user.id)).order_by(User.id)
    locked = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    return [each for each in db.session.scalars(locked) if each.id != user.id]


def _keep_one_admin(user, other_admins):
    if user.role == "admin" and not other_admins:
        raise Conflict(_("This is the last administrator. Make another one first."))


def _good_links(token):
    return (
        db.select(AccountToken)
        .join(AccountToken.user)
        .where(
            AccountToken.token_hash == hash_token(token),
            AccountToken.used_at.is_(None),
            AccountToken.expires_at > utc_now(),
            User.is_active.is_(True),
        )
    )


def _void_links(user):
    unused = (AccountToken.user_id == user.id, AccountToken.used_at.is_(None))
    db.session.execute(update(AccountToken).where(*unused).values(used_at=utc_now()))


def _describe(user):
    return {"role": user.role, "clinics": sorted(clinic.id for clinic in user.clinics)}
