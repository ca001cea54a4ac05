"""A cookie that was copied stops working the moment its login ends, whatever ends it."""

from datetime import timedelta

import pytest

from portal.extensions import db
from portal.models import LoginSession
from portal.services import accounts
from tests import factories
from tests.abuse.test_matrix import ROUTES, ask_all, is_sent_to_login
from tests.factories import PASSWORD

pytestmark = pytest.mark.databases
NEW_PASSWORD = "four quiet herons fly"


@pytest.fixture
def copy_of(app):
    """``copy_of(client)``: another browser with the same cookies, as a thief has them."""

    def copy(client):
        thief = app.test_client()
        thief.set_cookie("session", client.get_cookie("session").value)
        return thief

    return copy


def is_let_in(client):
    return client.get("/account").status_code == 200


def age(**deltas):
    login_session = db.session.scalar(db.select(LoginSession))
    for column, delta in deltas.items():
        setattr(login_session, column, getattr(login_session, column) - delta)
    db.session.commit()


def test_after_logout(as_user, copy_of):
    client = as_user("clinician")
    thief = copy_of(client)
    assert is_let_in(thief)
    response = client.post("/logout")
    assert response.location == "/login" and response.headers["Clear-Site-Data"] == '"storage"'
    assert not is_let_in(thief) and not is_let_in(client)


def test_a_dead_cookie_opens_no_route(app, as_user, copy_of, address):
    client = as_user("admin")
    thief = copy_of(client)
    client.post("/logout")
    for (endpoint, method), response in ask_all(app, thief, address).items():
        if "anonymous" not in ROUTES[endpoint].roles:
            assert is_sent_to_login(response), (endpoint, method, response.status)


def test_after_a_password_change(as_user, copy_of):
    client = as_user("clinician")
    thief = copy_of(client)
    answer = client.post("/account/password", data={"current_password": PASSWORD, "password": NEW_PASSWORD})
    assert answer.location == "/account"
    assert not is_let_in(thief)
    assert is_let_in(client), "who changed the password stays logged in, by a new session"


def test_after_a_reset_by_link(client, as_user):
    owner = as_user("clinician")
    token = accounts.issue_reset_link(user=owner.user)
    assert client.post(f"/reset/{token}", data={"password": NEW_PASSWORD}).location == "/login"
    assert not is_let_in(owner)


def test_after_deactivation_and_after_opening_the_account_again(as_user, copy_of):
    client = as_user("clinician")
    thief = copy_of(client)
    accounts.deactivate_user(user=client.user, actor=factories.make_user("admin"))
    assert not is_let_in(thief)
    accounts.activate_user(user=client.user)
    assert not is_let_in(thief)


def test_after_fifteen_idle_minutes_with_status_polling_all_the_time(as_user):
    client = as_user("clinician")
    case = factories.make_case("queued", lesion=factories.make_lesion(patient=_patient_of(client.user)))
    for _minute in range(14):
        age(last_active_at=timedelta(minutes=1))
        assert client.get(f"/cases/{case.id}/status").status_code == 200
        assert client.get("/queue/news").status_code == 200
    age(last_active_at=timedelta(minutes=1, seconds=10))
    answer = client.get(f"/cases/{case.id}/status", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert not is_let_in(client)


def test_after_eight_hours_of_steady_work(as_user):
    client = as_user("clinician")
    for _half_hour in range(16):
        assert is_let_in(client)
        age(created_at=timedelta(minutes=30))
    age(created_at=timedelta(seconds=5))
    assert not is_let_in(client)


def test_after_it_was_ended_from_another_device(as_user):
    here = as_user("clinician")
    there = as_user(here.user)
    assert here.post("/account/sessions/end-others").location == "/account"
    assert is_let_in(here) and not is_let_in(there)


def test_nobody_ends_the_session_of_somebody_else(as_user):
    mine, theirs = as_user("clinician"), as_user("clinician")
    sessions = db.session.scalars(db.select(LoginSession.id)).all()
    for session_id in sessions:
        mine.post(f"/account/sessions/{session_id}/end")
    assert is_let_in(theirs) and not is_let_in(mine)


def test_a_cookie_signed_with_another_key(app, as_user):
    client = as_user("admin")
    with client.session_transaction() as cookie:
        token = cookie["_user_id"]
    app.secret_key = "another key"
    forged = app.session_interface.get_signing_serializer(app).dumps({"_user_id": token, "_fresh": True})
    app.secret_key = app.config["SECRET_KEY"] = "testing"
    thief = app.test_client()
    thief.set_cookie("session", forged)
    assert not is_let_in(thief)
    assert is_let_in(client)


def _patient_of(user):
    return factories.make_patient(clinic=user.clinic)
