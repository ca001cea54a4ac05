"""Accounts, logins and the second step, through their services."""

from datetime import timedelta

import pyotp
import pytest

from portal import passwords
from portal.database import utc_now
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import AccountToken, AuditEvent, LoginSession
from portal.services import accounts, attempts, logins, two_factor
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.databases
NEW_PASSWORD = "four quiet herons fly"
HERE = {"address": "192.0.2.1", "user_agent": "Test"}


def actions():
    return db.session.scalars(db.select(AuditEvent.action).order_by(AuditEvent.id)).all()


def enable_two_factor(user):
    """(TOTP, recovery codes), with the code of the step before the present one used up."""
    totp = pyotp.TOTP(two_factor.begin_two_factor(user=user))
    return totp, two_factor.confirm_two_factor(user=user, code=totp.at(utc_now(), counter_offset=-1))


def log_in(user, password=PASSWORD):
    return logins.log_in(email=user.email, password=password, **HERE)


def change(user, **values):
    accounts.update_user(user=user, expected=user.details_mark, **values)


def test_email_is_one_name_however_it_is_written(app):
    clinic = factories.make_clinic()
    user = accounts.create_user(email=" Ann@Clinic.Example ", name=" Ann ", role="clinician", clinics=[clinic])
    assert (user.email, user.name) == ("ann@clinic.example", "Ann")
    with pytest.raises(DomainError) as refused:
        accounts.create_user(email="ANN@clinic.example", name="B", role="clinician", clinics=[clinic])
    assert refused.value.field == "email"


def test_nobody_is_without_a_name(app):
    clinic = factories.make_clinic()
    user = factories.make_user("clinician", clinic=clinic, name="Ann")
    for name in ("", "  ", "x" * 121):
        with pytest.raises(DomainError) as refused:
            accounts.create_user(email="b@x.example", name=name, role="clinician", clinics=[clinic])
        assert refused.value.field == "name"
        with pytest.raises(DomainError) as refused:
            change(user, name=name, role="clinician", clinics=[clinic])
        assert refused.value.field == "name"
    assert user.name == "Ann" and actions() == []


@pytest.mark.parametrize(
    ("role", "clinics"), [("health_worker", 0), ("health_worker", 2), ("clinician", 0), ("admin", 1), ("chief", 0)]
)
def test_a_role_needs_its_number_of_clinics(app, role, clinics):
    places = [factories.make_clinic() for _number in range(clinics)]
    with pytest.raises(DomainError):
        accounts.create_user(email="a@x.example", name="A", role=role, clinics=places)
    assert actions() == []


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short one", "at least 12"),
        ("x" * 129, "at most 128"),
        ("aaaaaaaaaaaabb", "different"),
        ("ann.lee@clinic", "name or email"),
        ("annabella2026", "name or email"),
    ],
)
def test_a_password_that_is_easy_to_guess(app, password, words):
    details = {"email": "ann.lee@clinic.example", "name": "Annabella Lee", "role": "admin", "clinics": []}
    with pytest.raises(DomainError, match=words) as refused:
        accounts.create_user(**details, password=password)
    assert refused.value.field == "password"


def test_a_failed_login_names_nobody(app):
    user = factories.make_user("clinician")
    closed = factories.make_user("clinician", is_active=False)
    without = factories.make_user("clinician", password_hash=None)
    messages = set()
    for email, password in [(user.email, "wrong"), ("x@y", "wrong"), (closed.email, PASSWORD), (without.email, "")]:
        with pytest.raises(DomainError) as refused:
            logins.log_in(email=email, password=password, **HERE)
        messages.add(refused.value.message)
    assert len(messages) == 1
    assert actions() == ["login.failed"] * 4
    details = db.session.scalars(db.select(AuditEvent.details)).all()
    assert not any(email in str(details) for email in (user.email, "x@y"))


def test_an_outdated_hash_is_made_anew_while_nobody_waits_to_write(app, monkeypatch):
    user = factories.make_user("clinician")
    before, hash_password, in_transaction = user.password_hash, passwords.hash_password, []
    db.session.commit()

    def watched(password):
        in_transaction.append(db.session().in_transaction())
        return hash_password(password)

    monkeypatch.setattr(passwords, "is_outdated", lambda _hash: True)
    monkeypatch.setattr(passwords, "hash_password", watched)
    assert logins.log_in(email=user.email, password=PASSWORD, **HERE).user is user
    assert in_transaction == [False] and user.password_hash != before


def test_a_password_change_ends_every_session_and_link(app):
    user = factories.make_user("clinician")
    log_in(user), log_in(user)
    accounts.issue_reset_link(user=user)
    accounts.change_password(user=user, current_password=PASSWORD, password=NEW_PASSWORD, address=HERE["address"])
    assert db.session.scalar(db.select(db.func.count()).where(LoginSession.ended_at.is_(None))) == 0
    assert db.session.scalar(db.select(db.func.count()).where(AccountToken.used_at.is_(None))) == 0
    with pytest.raises(DomainError):
        log_in(user)
    assert log_in(user, NEW_PASSWORD).user_id == user.id
    assert "password.change" in actions()


def test_a_reset_link_works_once_and_for_a_day(app):
    user = factories.make_user("clinician")
    first, second = accounts.issue_reset_link(user=user), accounts.issue_reset_link(user=user)
    assert accounts.find_reset_user(first) is None, "the newer link ends the older one"
    with pytest.raises(DomainError, match="at least"):
        accounts.use_reset_link(token=second, password="short", language="en")
    accounts.use_reset_link(token=second, password=NEW_PASSWORD, language="en")
    with pytest.raises(DomainError, match="used or is too old"):
        accounts.use_reset_link(token=second, password=NEW_PASSWORD, language="en")
    third = accounts.issue_reset_link(user=user)
    db.session.scalar(db.select(AccountToken).order_by(AccountToken.id.desc())).expires_at = utc_now() - timedelta(1)
    db.session.commit()
    assert accounts.find_reset_user(third) is None
    assert third not in str(db.session.scalars(db.select(AccountToken.token_hash)).all())


def test_the_last_administrator_stays(app):
    admin, other = factories.make_user("admin"), factories.make_user("admin")
    with pytest.raises(DomainError, match="your own account"):
        accounts.deactivate_user(user=admin, actor=admin)
    accounts.deactivate_user(user=other, actor=admin)
    with pytest.raises(Conflict, match="last administrator"):
        accounts.deactivate_user(user=admin, actor=other)
    with pytest.raises(Conflict, match="last administrator"):
        change(admin, name="A", role="clinician", clinics=[factories.make_clinic()])
    assert admin.is_active and admin.role == "admin"


def test_every_change_of_an_account_is_audited_with_what_changed(app):
    first, second = factories.make_clinic(), factories.make_clinic()
    user = factories.make_user("health_worker", clinic=first)
    change(user, name="New", role="clinician", clinics=[first, second])
    event = db.session.scalar(db.select(AuditEvent))
    assert event.details["before"] == {"role": "health_worker", "clinics": [first.id]}
    assert event.details["after"] == {"role": "clinician", "clinics": [first.id, second.id]}
    assert event.target_id == str(user.id)


def test_the_second_step_stands_between_password_and_portal(app):
    user = factories.make_user("clinician")
    totp, _codes = enable_two_factor(user)
    pending = log_in(user)
    assert not pending.two_factor_passed
    token = pending.token
    with pytest.raises(DomainError) as refused:
        logins.pass_second_step(login_session=pending, code="000000", address="192.0.2.1")
    assert refused.value.field == "code"
    logins.pass_second_step(login_session=pending, code=totp.at(utc_now()), address="192.0.2.1")
    assert pending.two_factor_passed and pending.token != token


def test_no_code_works_twice(app):
    user = factories.make_user("clinician")
    totp, codes = enable_two_factor(user)
    code = totp.at(utc_now())
    logins.pass_second_step(login_session=log_in(user), code=code, address="192.0.2.1")
    for used in (code, totp.at(utc_now(), counter_offset=-1)):
        with pytest.raises(DomainError):
            logins.pass_second_step(login_session=log_in(user), code=used, address="192.0.2.1")
    assert len(set(codes)) == two_factor.RECOVERY_CODE_COUNT
    logins.pass_second_step(login_session=log_in(user), code=codes[0].lower(), address="192.0.2.1")
    with pytest.raises(DomainError):
        logins.pass_second_step(login_session=log_in(user), code=codes[0], address="192.0.2.1")
    assert len(user.recovery_code_hashes) == two_factor.RECOVERY_CODE_COUNT - 1
    assert codes[1] not in str(user.recovery_code_hashes)


def test_codes_are_guessed_ten_times_at_most_from_all_addresses_together(app):
    user = factories.make_user("clinician")
    enable_two_factor(user)
    for number in range(two_factor.CODE_FAILURES_PER_ACCOUNT):
        with pytest.raises(DomainError, match="wrong or was used"):
            logins.pass_second_step(login_session=log_in(user), code="000000", address=f"192.0.2.{number}")
    with pytest.raises(attempts.TooManyTries):
        logins.pass_second_step(login_session=log_in(user), code="000000", address="198.51.100.1")
    with pytest.raises(attempts.TooManyTries):
        two_factor.remove_two_factor(user=user, password=PASSWORD, code="000000", address="198.51.100.1")


def test_two_factor_is_in_force_only_once_a_code_was_right(app):
    user = factories.make_user("clinician")
    secret = two_factor.begin_two_factor(user=user)
    assert two_factor.begin_two_factor(user=user) == secret, "a reload keeps the picture"
    with pytest.raises(DomainError):
        two_factor.confirm_two_factor(user=user, code="000000")
    assert not user.has_two_factor and log_in(user).two_factor_passed


def test_two_factor_is_turned_off_by_password_and_code_or_by_an_administrator(app):
    user = factories.make_user("clinician")
    totp, _codes = enable_two_factor(user)
    code = totp.at(utc_now())
    with pytest.raises(DomainError, match="not your password"):
        two_factor.remove_two_factor(user=user, password="wrong", code=code, address="192.0.2.1")
    with pytest.raises(DomainError, match="wrong or was used"):
        two_factor.remove_two_factor(user=user, password=PASSWORD, code="000000", address="192.0.2.1")
    assert user.has_two_factor
    two_factor.remove_two_factor(user=user, password=PASSWORD, code=code, address="192.0.2.1")
    assert not user.has_two_factor and user.recovery_code_hashes == []
    enable_two_factor(user)
    two_factor.reset_two_factor(user=user)
    assert not user.has_two_factor
    assert [action for action in actions() if action.startswith("two")] == [
        "two_factor.enable",
        "two_factor.disable",
        "two_factor.enable",
        "two_factor.reset",
    ]


def test_a_code_on_its_way_while_the_second_step_is_taken_away_is_refused(app):
    user = factories.make_user("clinician")
    totp, _codes = enable_two_factor(user)
    pending, inside = log_in(user), log_in(user)
    logins.pass_second_step(login_session=inside, code=totp.at(utc_now()), address="192.0.2.1")
    two_factor.reset_two_factor(user=user)
    with pytest.raises(DomainError, match="wrong or was used"):
        logins.pass_second_step(login_session=pending, code=totp.at(utc_now()), address="192.0.2.1")
    assert not pending.two_factor_passed and pending.ended_at is not None
    assert inside.ended_at is None, "whoever proved both stays logged in"


WAYS_TO_TYPE = {
    "as shown": str,
    "in two parts": lambda code: f" {code[:3]} {code[3:]} ",
    "with a dash": lambda code: f"{code[:3]}\N{EN DASH}{code[3:]}",
    "in Devanagari": lambda code: code.translate({ord("0") + digit: 0x966 + digit for digit in range(10)}),
}


@pytest.mark.parametrize("way", WAYS_TO_TYPE)
def test_a_code_may_be_typed_in_any_way_at_set_up_and_at_login(app, way):
    user, write = factories.make_user("clinician"), WAYS_TO_TYPE[way]
    totp = pyotp.TOTP(two_factor.begin_two_factor(user=user))
    codes = two_factor.confirm_two_factor(user=user, code=write(totp.at(utc_now(), counter_offset=-1)))
    for code in (totp.at(utc_now()), codes[0].lower()):
        pending = log_in(user)
        logins.pass_second_step(login_session=pending, code=write(code), address="192.0.2.1")
        assert pending.two_factor_passed


def test_a_closed_clinic_takes_nobody_new_and_keeps_who_is_there(app):
    closed, clinic = factories.make_clinic(name="Hill", is_active=False), factories.make_clinic()
    with pytest.raises(DomainError, match="Hill is closed") as refused:
        accounts.create_user(email="a@x.example", name="A", role="clinician", clinics=[clinic, closed])
    assert refused.value.field == "clinics"
    newcomer, member = factories.make_user("clinician", clinic=clinic), factories.make_user("clinician", clinic=closed)
    with pytest.raises(DomainError, match="Hill is closed"):
        change(newcomer, name="New", role="clinician", clinics=[clinic, closed])
    change(member, name="Renamed", role="clinician", clinics=[closed, clinic])
    assert member.name == "Renamed" and set(member.clinics) == {closed, clinic}
    db.session.rollback()
    assert newcomer.clinics == [clinic]
