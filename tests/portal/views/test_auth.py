"""The login pages as a browser without scripts uses them."""

import pyotp
import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent
from portal.services import accounts, two_factor
from tests import factories
from tests.factories import PASSWORD

NEW_PASSWORD = "four quiet herons fly"


@pytest.fixture
def guarded(app):
    """(user, TOTP, recovery codes) of somebody with the second step on."""
    user = factories.make_user("clinician")
    totp = pyotp.TOTP(two_factor.begin_two_factor(user=user))
    return user, totp, two_factor.confirm_two_factor(user=user, code=totp.at(utc_now(), counter_offset=-1))


def log_in(client, user, password=PASSWORD, **query):
    return client.post("/login", query_string=query, data={"email": user.email, "password": password})


@pytest.mark.parametrize("role", ["health_worker", "clinician", "admin"])
def test_each_role_arrives_at_its_own_place(as_user, role):
    homes = {"health_worker": "/cases", "clinician": "/queue", "admin": "/admin/users"}
    assert as_user(role).get("/").location == homes[role]


def test_a_wrong_password_keeps_the_email_and_says_so(client):
    user = factories.make_user("clinician")
    response = log_in(client, user, "wrong")
    assert response.status_code == 400
    assert "Email or password is wrong." in response.text
    assert user.email in response.text and "wrong password" not in response.text


def test_who_logs_in_or_fails_to_is_on_record_with_the_address(client):
    user = factories.make_user()
    for password in ("wrong", factories.PASSWORD):
        data = {"email": user.email, "password": password}
        client.post("/login", data=data, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    events = db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id))
    found = [(event.action, event.target_id, event.address) for event in events]
    assert found == [(action, str(user.id), "203.0.113.9") for action in ("login.failed", "login.succeeded")]


def test_empty_fields_are_pointed_at(client):
    response = client.post("/login", data={})
    assert response.status_code == 400
    assert "Enter your email." in response.text and "Enter your password." in response.text


def test_too_many_tries_say_how_long_to_wait(client):
    user = factories.make_user("clinician")
    for _time in range(20):
        assert log_in(client, user, "wrong").status_code == 400
    response = log_in(client, user)
    assert response.status_code == 429
    assert "Wait 15 minutes" in response.text and response.headers["Retry-After"] == "900"


def test_somebody_logged_in_needs_no_login_page(as_user):
    assert as_user("clinician").get("/login").location == "/"


def test_the_second_step_comes_before_the_portal(client, guarded):
    user, totp, _codes = guarded
    assert log_in(client, user, next="/account").location == "/login/code?next=/account"
    assert client.get("/account").status_code == 302, "the password alone opens nothing"
    wrong = client.post("/login/code", data={"code": "000000"})
    assert wrong.status_code == 400 and "wrong or was used before" in wrong.text
    right = client.post("/login/code?next=/account", data={"code": totp.at(utc_now())})
    assert right.location == "/account"
    assert client.get("/account").status_code == 200


def test_a_recovery_code_opens_the_second_step(client, guarded):
    user, _totp, codes = guarded
    log_in(client, user)
    assert client.post("/login/code", data={"code": codes[0]}).location == "/"


def test_the_cookie_of_the_first_step_is_worth_nothing_afterwards(app, client, guarded):
    user, totp, _codes = guarded
    log_in(client, user)
    copied = client.get_cookie("session").value
    client.post("/login/code", data={"code": totp.at(utc_now())})
    thief = app.test_client()
    thief.set_cookie("session", copied)
    assert thief.get("/login/code").location == "/login"


def test_a_reset_while_somebody_is_asked_for_the_code_sends_them_back_to_the_password(client, guarded):
    user, totp, _codes = guarded
    log_in(client, user)
    two_factor.reset_two_factor(user=user)
    assert client.post("/login/code", data={"code": totp.at(utc_now())}).location == "/login"
    assert log_in(client, user).location == "/"


def test_the_second_step_without_a_first(client):
    assert client.get("/login/code").location == "/login"


def test_a_reset_link_sets_the_password_once(client):
    user = factories.make_user("clinician")
    link = f"/reset/{accounts.issue_reset_link(user=user)}"
    assert user.email in client.get(link).text
    short = client.post(link, data={"password": "short"})
    assert short.status_code == 400 and "at least 12" in short.text
    assert client.post(link, data={"password": NEW_PASSWORD}).location == "/login"
    assert "was used or is too old" in client.get(link, follow_redirects=True).text
    assert log_in(client, user, NEW_PASSWORD).location == "/"


def test_a_first_password_keeps_the_language_it_was_set_in(client):
    user = factories.make_user("health_worker", password_hash=None)
    spanish = {"Accept-Language": "es"}
    link = f"/reset/{accounts.issue_reset_link(user=user)}"
    client.post(link, data={"password": NEW_PASSWORD}, headers=spanish)
    db.session.refresh(user)
    assert user.language == "es"
    link = f"/reset/{accounts.issue_reset_link(user=user)}"
    client.post(link, data={"password": NEW_PASSWORD[::-1]}, headers={"Accept-Language": "hi"})
    db.session.refresh(user)
    assert user.language == "es", "chosen once"


def test_logging_out(as_user):
    client = as_user("clinician")
    assert client.get("/logout").status_code == 405, "a picture on a page of somebody else cannot log out"
    assert client.post("/logout").location == "/login"
    assert client.get("/account").location == "/login?next=/account"
