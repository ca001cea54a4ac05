"""A cookie opens pages only while its row in the table says so."""

import time
from datetime import timedelta

import pytest
from flask import session
from flask_login import encode_cookie

from config import ConfigurationError, TestingConfig
from portal import create_app
from portal.database import utc_now
from portal.extensions import db
from portal.models import AccountToken, LoginSession, User
from portal.services import accounts, logins
from tests import factories

pytestmark = pytest.mark.databases

CASE_ID = "8f14e45f-ceea-467f-9575-9b2a5d1f0c11"


def is_let_in(client):
    """Whether the client's cookie opens a page; the answer of another role's page counts too."""
    response = client.get("/account/two-factor")
    assert response.status_code in (200, 302)
    return response.status_code == 200


def age(*, created=timedelta(0), active=timedelta(0)):
    login_session = db.session.scalar(db.select(LoginSession))
    login_session.created_at -= created
    login_session.last_active_at -= active
    db.session.commit()


def test_what_opens_nothing_any_more_goes_with_the_next_login_but_for_each_ones_last(app, as_user):
    old = utc_now() - app.config["SESSION_LIFETIME"] - timedelta(minutes=1)
    away, here = factories.make_user("clinician"), factories.make_user("clinician")
    for number, (user, created_at, passed) in enumerate(
        [
            (away, old - timedelta(days=1), True),
            (away, old, True),
            (away, old, False),
            (here, old, True),
            (here, utc_now(), False),
        ]
    ):
        session = {"token_hash": str(number), "created_at": created_at, "two_factor_passed": passed}
        factories.save(LoginSession(user=user, ended_at=utc_now(), **session))
    for number, expires_at in enumerate([utc_now() - timedelta(seconds=1), utc_now() + timedelta(hours=1)]):
        factories.save(AccountToken(user=away, token_hash=str(number), expires_at=expires_at))
    as_user(here)
    kept = db.session.scalars(db.select(LoginSession.token_hash).order_by(LoginSession.id)).all()
    assert kept[:-1] == ["1", "4"]
    assert db.session.scalars(db.select(AccountToken.token_hash)).all() == ["1"]


def test_clearing_years_of_logins_keeps_nobody_waiting(app):
    user, now = factories.make_user("clinician"), utc_now()
    rows = [
        {"user_id": user.id, "token_hash": str(hours), "created_at": now - timedelta(hours=hours)}
        for hours in range(100_000, 0, -10)
    ]
    db.session.execute(db.insert(LoginSession), rows)
    db.session.commit()
    started = time.monotonic()
    logins.open_session(user=user)
    assert time.monotonic() - started < 2
    assert db.session.scalar(db.select(db.func.count()).select_from(LoginSession)) == 1


def test_only_a_hash_of_the_token_is_stored(as_user):
    client = as_user("clinician")
    with client.session_transaction() as cookie:
        token = cookie["_user_id"]
    stored = db.session.scalar(db.select(LoginSession.token_hash))
    assert token not in stored and len(stored) == 64


def test_idle_session_ends_after_fifteen_minutes(as_user):
    client = as_user("clinician")
    age(active=timedelta(minutes=14, seconds=50))
    assert is_let_in(client)
    age(active=timedelta(minutes=15, seconds=10))
    assert not is_let_in(client)


def test_session_ends_after_eight_hours_of_work(as_user):
    client = as_user("clinician")
    age(created=timedelta(hours=7, minutes=59))
    assert is_let_in(client)
    age(created=timedelta(minutes=2))
    assert not is_let_in(client)


def test_activity_is_written_at_most_once_a_minute(as_user):
    client = as_user("clinician")
    before = db.session.scalar(db.select(LoginSession.last_active_at))
    assert is_let_in(client)
    assert db.session.scalar(db.select(LoginSession.last_active_at)) == before
    age(active=timedelta(seconds=61))
    assert is_let_in(client)
    assert utc_now() - db.session.scalar(db.select(LoginSession.last_active_at)) < timedelta(seconds=30)


def test_nothing_from_before_the_login_survives_it(app):
    user = factories.make_user("clinician")
    with app.test_client() as client:
        with client.session_transaction() as cookie:
            cookie["planted"] = "by somebody else"
            cookie["_user_id"] = "chosen by somebody else"
        client.post("/login", data={"email": user.email, "password": factories.PASSWORD})
        assert "planted" not in session
        assert session["_user_id"] != "chosen by somebody else"


def test_a_forged_remember_cookie_opens_nothing(client):
    user = factories.make_user("admin")
    client.set_cookie("remember_token", encode_cookie(str(user.id)))
    assert not is_let_in(client)


@pytest.mark.parametrize("token", ["", "1", "x" * 43])
def test_a_guessed_token_opens_nothing(client, token):
    factories.make_user("admin")
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token
    assert not is_let_in(client)


def test_login_leaves_no_lasting_cookie(app):
    user = factories.make_user("clinician")
    response = app.test_client().post("/login", data={"email": user.email, "password": factories.PASSWORD})
    cookies = response.headers.getlist("Set-Cookie")
    assert len(cookies) == 1
    assert "HttpOnly" in cookies[0] and "SameSite=Lax" in cookies[0]
    assert "Expires" not in cookies[0] and "Max-Age" not in cookies[0]


def test_ended_sessions_answer_a_script_in_its_own_language(client):
    response = client.get("/account", headers={"Accept": "application/json"})
    assert response.status_code == 401
    assert response.is_json


def test_the_page_asked_for_is_offered_after_login(app):
    user = factories.make_user("clinician")
    client = app.test_client()
    asked = client.get("/account?tab=1")
    assert asked.location == "/login?next=/account?tab%3D1"
    answer = client.post(asked.location, data={"email": user.email, "password": factories.PASSWORD})
    assert answer.location == "/account?tab=1"


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("/cases/new?patient=1", "/login?next=/cases/new?patient%3D1"),
        (f"/cases/{CASE_ID}", f"/login?next=/cases/{CASE_ID}"),
        (f"/cases/{CASE_ID}/reviews", f"/login?next=/cases/{CASE_ID}"),
        ("//evil.example/cases", "/login"),
        ("/nothing/here", "/login"),
        ("", "/login"),
    ],
)
def test_a_form_sent_too_late_leads_back_to_its_page(client, before, offered):
    answer = client.post(f"/cases/{CASE_ID}/reviews", headers={"Referer": f"http://localhost{before}"})
    assert answer.location == offered


@pytest.mark.parametrize("referrer", ["https://evil.example/cases/new", "http://localhost.evil.example/", "http://["])
def test_a_form_of_another_site_leads_back_to_no_page(client, referrer):
    assert client.post(f"/cases/{CASE_ID}/reviews", headers={"Referer": referrer}).location == "/login"


@pytest.mark.parametrize(
    ("is_kept", "promise"), [("", "Log in and do it again."), ("yes", "Your answers are kept: log in again.")]
)
def test_a_form_sent_too_late_says_that_nothing_was_recorded(as_user, is_kept, promise):
    client = as_user("clinician")
    age(active=timedelta(minutes=16))
    answer = client.post(f"/cases/{CASE_ID}/reviews", data={"note": "Half a thought", "is_kept": is_kept})
    page = client.get(answer.location).text
    assert f"You were logged out, and nothing was recorded. {promise}" in page


def test_what_is_sent_in_the_background_or_to_log_out_gets_no_such_words(client):
    assert client.post(f"/cases/{CASE_ID}/take", data={"then": "stay"}).status_code == 401
    answer = client.post("/logout", headers={"Referer": "http://localhost/account"})
    assert answer.location == "/login"
    assert "nothing was recorded" not in client.get(answer.location).text


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example"])
def test_login_sends_nobody_to_another_site(app, target):
    user = factories.make_user("clinician")
    data = {"email": user.email, "password": factories.PASSWORD}
    answer = app.test_client().post("/login", query_string={"next": target}, data=data)
    assert answer.location == "/"


def test_a_role_that_does_not_exist_cannot_need_two_factor(environment):
    # A slip of the pen would let every administrator in with a password alone.
    with pytest.raises(ConfigurationError, match="TWO_FACTOR_ROLES names admins; there are health_worker, clinician"):
        create_app(TestingConfig(environment | {"TWO_FACTOR_ROLES": "clinician, admins"}))


def test_role_that_needs_two_factor_is_sent_to_set_it_up(app, as_user):
    app.config["TWO_FACTOR_ROLES"] = ("clinician",)
    client = as_user("clinician")
    assert client.get("/account").location == "/account/two-factor"
    assert as_user("health_worker").get("/account").status_code == 200


def test_deactivation_ends_the_session_at_once(as_user):
    client, admin = as_user("clinician"), factories.make_user("admin")
    accounts.deactivate_user(user=client.user, actor=admin)
    assert not is_let_in(client)


def test_two_people_are_never_one_whoever_is_logged_in(as_user):
    one, other = as_user("clinician").user, factories.make_user("clinician")
    assert one == one and one != other and other not in [one]
    assert User(id=1) != User(id=2) and len({User(id=1), User(id=2)}) == 2
