"""Tries of passwords: what they count against, and what is noted of them."""

from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import AuditEvent, LoginAttempt
from portal.services import accounts, attempts, logins
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.databases
ADDRESS = "192.0.2.1"


def actions():
    return db.session.scalars(db.select(AuditEvent.action).order_by(AuditEvent.id)).all()


def log_in(user, password=PASSWORD):
    return logins.log_in(email=user.email, password=password, address=ADDRESS, user_agent="Test")


def test_a_login_clears_its_own_try(app):
    user = factories.make_user("clinician")
    for _time in range(25):
        log_in(user)
    assert db.session.scalar(db.select(db.func.count()).where(LoginAttempt.succeeded.is_(False))) == 0


def test_the_limit_is_noted_by_the_failure_that_reaches_it_and_by_no_login_before(app):
    user = factories.make_user("clinician")
    for _time in range(app.config["LOGIN_FAILURES_PER_ADDRESS"] - 1):
        with pytest.raises(DomainError, match="wrong"):
            log_in(user, "wrong")
    log_in(user), log_in(user)
    assert actions()[-3:] == ["login.failed", "login.succeeded", "login.succeeded"]
    with pytest.raises(DomainError, match="wrong"):
        log_in(user, "wrong")
    for _time in range(2):
        with pytest.raises(attempts.TooManyTries):
            log_in(user)
    assert actions()[-2:] == ["login.failed", "login.limit_reached"] and actions().count("login.limit_reached") == 1


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        (None, "not an address", True),
        (None, "192.0.2.1:5555", True),
    ],
)
def test_what_counts_as_one_address(first, second, is_one):
    assert (attempts.network_of(first) == attempts.network_of(second)) is is_one
    assert len(attempts.network_of(second)) <= 45


@pytest.mark.parametrize(
    ("ahead", "is_let_in"),
    [(timedelta(days=30), True), (timedelta(minutes=16), True), (timedelta(minutes=1), False)],
)
def test_tries_of_a_clock_that_was_ahead_shut_nobody_out_until_then(app, ahead, is_let_in):
    user = factories.make_user("clinician")
    for number in range(app.config["LOGIN_FAILURES_PER_ADDRESS"]):
        factories.save(LoginAttempt(address=ADDRESS, subject_hash=f"{number}", at=utc_now() + ahead))
    if is_let_in:
        assert log_in(user).user == user and db.session.scalars(db.select(LoginAttempt.succeeded)).all() == [True]
    else:  # another computer's clock may be a little ahead
        with pytest.raises(attempts.TooManyTries):
            log_in(user)


def test_guessing_the_password_inside_the_account_counts_too(app):
    user = factories.make_user("clinician")
    values = {"user": user, "password": "four quiet herons fly", "address": ADDRESS}
    for _time in range(20):
        with pytest.raises(DomainError, match="not your password"):
            accounts.change_password(current_password="wrong", **values)
    with pytest.raises(attempts.TooManyTries):
        accounts.change_password(current_password=PASSWORD, **values)
    assert actions() == ["login.limit_reached"]
