"""One's own account."""

import re

import pyotp
import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import User
from portal.services import two_factor
from tests.factories import PASSWORD

NEW_PASSWORD = "four quiet herons fly"


def test_it_shows_who_i_am_and_where_i_am_logged_in(as_user):
    client = as_user("clinician")
    text = client.get("/account").text
    assert client.user.email in text and client.user.clinics[0].name in text
    assert "this device" in text


def test_a_wrong_present_password_is_pointed_at(as_user):
    client = as_user("clinician")
    response = client.post("/account/password", data={"current_password": "wrong", "password": NEW_PASSWORD})
    assert response.status_code == 400 and "This is not your password." in response.text


def test_a_new_password_that_is_too_short_changes_nothing(as_user):
    client = as_user("clinician")
    before = client.user.password_hash
    response = client.post("/account/password", data={"current_password": PASSWORD, "password": "short"})
    assert response.status_code == 400 and "at least 12" in response.text
    assert client.user.password_hash == before


def test_language_of_a_visitor_is_kept_in_a_cookie(client):
    response = client.post("/account/language", data={"language": "es", "next": "/login"})
    assert response.location == "/login"
    cookie = client.get_cookie("language")
    assert (cookie.value, cookie.http_only, cookie.same_site) == ("es", True, "Lax")
    assert 'lang="es"' in client.get("/login").text


def test_language_of_a_person_is_kept_with_the_account(as_user):
    client = as_user("clinician")
    client.post("/account/language", data={"language": "hi", "next": "/account"})
    assert db.session.get(User, client.user.id).language == "hi"
    assert '<html lang="hi"' in client.get("/account").text


@pytest.mark.parametrize("data", [{}, {"language": "xx"}, {"language": "../en"}])
def test_no_other_language_is_taken(client, data):
    assert client.post("/account/language", data=data).status_code == 400


def test_the_language_switch_leads_nowhere_else(client):
    response = client.post("/account/language", data={"language": "en", "next": "//evil.example"})
    assert response.location == "/"


def test_setting_up_the_second_step(as_user):
    client = as_user("clinician")
    page = client.get("/account/two-factor").text
    secret = client.user.totp_secret
    assert " ".join(secret[i : i + 4] for i in range(0, 32, 4)) in page
    assert 'src="data:image/svg+xml' in page
    wrong = client.post("/account/two-factor", data={"code": "000000"})
    assert wrong.status_code == 400 and "does not match" in wrong.text
    shown = client.post("/account/two-factor", data={"code": pyotp.TOTP(secret).now()})
    codes = re.findall(r"\b[A-Z2-7]{4}(?:-[A-Z2-7]{4}){5}\b", shown.text)
    assert len(codes) == two_factor.RECOVERY_CODE_COUNT
    again = client.get("/account/two-factor").text
    assert codes[0] not in again and secret not in again and "10 recovery codes are left" in again
    for proof, sentence in (
        ({"password": PASSWORD}, "Enter the code."),
        ({"password": PASSWORD, "code": "000000"}, "wrong or was used before"),
        ({"password": "wrong", "code": codes[0]}, "not your password"),
    ):
        answer = client.post("/account/two-factor/remove", data=proof)
        assert answer.status_code == 400 and sentence in answer.text and client.user.has_two_factor
    proof = {"password": PASSWORD, "code": codes[0]}
    assert client.post("/account/two-factor/remove", data=proof).location == "/account"
    assert not client.user.has_two_factor


def test_a_role_that_must_have_it_moves_to_a_new_phone_without_help(app, as_user):
    client = as_user("admin")
    old = pyotp.TOTP(two_factor.begin_two_factor(user=client.user))
    two_factor.confirm_two_factor(user=client.user, code=old.at(utc_now(), counter_offset=-1))
    app.config["TWO_FACTOR_ROLES"] = ("admin",)
    assert "until then no other page opens" in client.get("/account/two-factor").text
    proof = {"password": PASSWORD, "code": old.at(utc_now())}
    setup = client.post("/account/two-factor/remove", data=proof, follow_redirects=True)
    assert setup.request.path == "/account/two-factor" and "Your role needs a second step." in setup.text
    assert client.get("/admin/users").location == "/account/two-factor"
    new = pyotp.TOTP(client.user.totp_secret)
    assert new.secret != old.secret
    assert client.post("/account/two-factor", data={"code": new.now()}).status_code == 200
    assert client.get("/admin/users").status_code == 200


def test_a_role_that_must_have_it_sees_nothing_before(app, as_user):
    app.config["TWO_FACTOR_ROLES"] = ("clinician",)
    client = as_user("clinician")
    for page in ("/", "/queue", "/patients", "/account"):
        assert client.get(page).location == "/account/two-factor"
    assert client.get("/account/two-factor").status_code == 200
    assert client.post("/logout").location == "/login"
