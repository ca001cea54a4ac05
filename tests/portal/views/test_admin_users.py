"""The administrator's pages of people: who may log in, and how they get back in."""

import re

import pyotp
import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import AccountToken, AuditEvent, User
from portal.queries import admin as queries
from portal.services import two_factor
from tests import factories

NEW_PASSWORD = "four quiet herons fly"


@pytest.fixture
def admin(as_user):
    return as_user("admin")


def last_action():
    return db.session.scalar(db.select(AuditEvent.action).order_by(AuditEvent.id.desc()))


def test_a_new_person_gets_a_link_that_is_shown_once(admin, client):
    clinic = factories.make_clinic()
    data = {"name": "Ann", "email": "ann@x.example", "role": "health_worker", "clinics": [str(clinic.id)]}
    page = admin.post("/admin/users/new", data=data)
    assert page.status_code == 200
    link = re.search(r"http://localhost(/reset/[\w-]+)", page.text)[1]
    assert client.post(link, data={"password": NEW_PASSWORD}).location == "/login"
    assert client.post("/login", data={"email": "ann@x.example", "password": NEW_PASSWORD}).location == "/"


def test_what_cannot_be_is_said_at_its_field_and_what_was_typed_stays(admin):
    page = admin.post("/admin/users/new", data={"name": "Ann", "email": "ann@x.example", "role": "clinician"})
    assert page.status_code == 400
    assert "A clinician needs at least one clinic." in page.text and 'value="ann@x.example"' in page.text
    assert db.session.scalar(db.select(User).where(User.email == "ann@x.example")) is None


@pytest.mark.parametrize(
    ("place", "words"),
    [("users", "An account with this email exists."), ("clinics", "A clinic with this name exists.")],
)
def test_what_is_there_already_is_said_at_its_field(admin, place, words):
    values = {"name": "Hill", "email": "ann@x.example", "role": "admin"}
    assert admin.post(f"/admin/{place}/new", data=values).status_code in (200, 302)
    again = admin.post(f"/admin/{place}/new", data=values)
    assert again.status_code == 400 and words in again.text


@pytest.mark.parametrize("place", ["users", "clinics"])
def test_blanks_are_no_name(admin, place):
    page = admin.post(f"/admin/{place}/new", data={"name": "  ", "email": "ann@x.example", "role": "admin"})
    assert page.status_code == 400 and "Enter the name." in page.text
    assert last_action() != "user.create"


def test_the_form_of_a_person_shows_what_is_and_saves_what_is_chosen(admin):
    first, second = factories.make_clinic(), factories.make_clinic()
    user = factories.make_user("health_worker", clinic=first)
    page = admin.get(f"/admin/users/{user.id}").text
    checked = re.findall(r'<input[^>]*\bchecked\b[^>]*value="([^"]+)"', page)
    assert sorted(checked) == sorted(["health_worker", str(first.id)])
    data = {"name": "New name", "role": "clinician", "clinics": [str(first.id), str(second.id)]}
    assert admin.post(f"/admin/users/{user.id}", data=data).status_code == 302
    assert (user.name, user.role, len(user.clinics)) == ("New name", "clinician", 2)
    assert last_action() == "user.update"


def test_closing_and_opening_an_account(admin):
    user = factories.make_user("clinician")
    admin.post(f"/admin/users/{user.id}/deactivate")
    assert not user.is_active
    assert "closed" in admin.get("/admin/users").text
    admin.post(f"/admin/users/{user.id}/activate")
    assert user.is_active and last_action() == "user.activate"


def test_an_administrator_cannot_lock_everybody_out(admin):
    admin.post(f"/admin/users/{admin.user.id}/deactivate")
    assert admin.user.is_active
    page = admin.get(f"/admin/users/{admin.user.id}").text
    assert "Close the account" not in page


def test_an_administrator_changes_nothing_of_their_own_without_the_present_password(admin):
    own = admin.user
    totp = pyotp.TOTP(two_factor.begin_two_factor(user=own))
    two_factor.confirm_two_factor(user=own, code=totp.now())
    for act in ("reset-password", "reset-two-factor"):
        answer = admin.post(f"/admin/users/{own.id}/{act}")
        assert answer.status_code == 400 and "your own account" in answer.text
    assert own.has_two_factor and db.session.scalars(db.select(AccountToken)).all() == []
    page = admin.get(f"/admin/users/{own.id}").text
    assert "reset-password" not in page and "reset-two-factor" not in page
    other = factories.make_user("admin")
    page = admin.get(f"/admin/users/{other.id}").text
    assert f"/admin/users/{other.id}/reset-password" in page
    assert "/reset/" in admin.post(f"/admin/users/{other.id}/reset-password").text


def test_a_text_that_is_too_long_is_said_in_the_readers_language(admin):
    admin.user.language = "hi"
    db.session.commit()
    page = admin.post("/admin/clinics/new", data={"name": "x" * 121})
    assert page.status_code == 400 and "120" in page.text and "characters" not in page.text


def test_people_are_found_by_a_part_of_their_name(admin):
    clinic = factories.make_clinic()
    ann = factories.make_user("clinician", name="Ann Lee", clinic=clinic)
    bob = factories.make_user("health_worker", name="Bob Ångström 100%", clinic=clinic)

    def found(query):
        text = admin.get(f"/admin/users?{query}").text
        return [user.name for user in (ann, bob) if user.email in text]

    assert found("q=lee+ann") == ["Ann Lee"]
    assert found("q=%25") == ["Bob Ångström 100%"]
    assert found("q=ångström+BOB") == ["Bob Ångström 100%"]
    assert found("role=clinician") == ["Ann Lee"]
    assert found(f"clinic={clinic.id}") == ["Ann Lee", "Bob Ångström 100%"]
    assert found("q=zzz") == []
    assert found("role=nonsense&clinic=x&after=y") == ["Ann Lee", "Bob Ångström 100%"]


def test_a_password_without_its_code_is_no_login(admin, client):
    user = factories.make_user("clinician")
    totp = pyotp.TOTP(two_factor.begin_two_factor(user=user))
    two_factor.confirm_two_factor(user=user, code=totp.at(utc_now(), counter_offset=-1))
    client.post("/login", data={"email": user.email, "password": factories.PASSWORD})
    [row], _ = queries.find_users(text=user.email)
    assert row.last_login_at is None
    client.post("/login/code", data={"code": totp.at(utc_now())})
    [row], _ = queries.find_users(text=user.email)
    assert row.last_login_at is not None
