"""The administrator's pages."""

import json
import re

import pyotp
import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent, Clinic, User
from portal.queries import admin as queries
from portal.services import accounts, audit, clinics, two_factor
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


def test_a_closed_clinic_leads_to_its_people_and_counts_the_same(admin):
    clinic = factories.make_clinic(name="Hill", is_active=False)
    factories.make_user("clinician", clinic=clinic)
    factories.make_user("clinician", clinic=clinic, is_active=False)
    link = f'href="/admin/users?clinic={clinic.id}"'
    assert f"{link}>2</a>" in admin.get("/admin/clinics").text
    page = admin.get(f"/admin/users?clinic={clinic.id}").text
    assert f'<option value="{clinic.id}" selected>Hill</option>' in page
    assert page.count('class="fine d-block">clinician') == 2


def test_long_lists_come_in_pages_without_gap_or_double(admin):
    clinic = factories.make_clinic()
    for number in range(120):
        db.session.add(User(email=f"{number}@x.example", name="Same Name", role="clinician", clinics=[clinic]))
    db.session.commit()
    seen, url = [], "/admin/users?q=same"
    while url:
        text = admin.get(url).text
        seen += re.findall(r"(\d+)@x\.example", text)
        following = re.search(r'<a[^>]*href="([^"]+)"[^>]*rel="next"', text)
        url = following[1].replace("&amp;", "&") if following else None
    assert len(seen) == len(set(seen)) == 120


def test_clinics_are_made_renamed_and_closed(admin):
    admin.post("/admin/clinics/new", data={"name": "Hill", "first_read_required": "y"})
    clinic = db.session.scalar(db.select(Clinic).where(Clinic.name == "Hill"))
    assert clinic.first_read_required
    admin.post(f"/admin/clinics/{clinic.id}", data={"name": "Hill North"})
    assert (clinic.name, clinic.first_read_required) == ("Hill North", False)
    other = factories.make_clinic()
    taken = admin.post(f"/admin/clinics/{other.id}", data={"name": "Hill North"})
    assert taken.status_code == 400 and "A clinic with this name exists." in taken.text
    admin.post(f"/admin/clinics/{clinic.id}/deactivate")
    assert not clinic.is_active
    assert "Hill North" not in admin.get("/admin/users/new").text
    admin.post(f"/admin/clinics/{clinic.id}/activate")
    assert "Hill North" in admin.get("/admin/users/new").text


def test_results_page_counts_what_the_download_holds(admin):
    for status in ("classified", "reviewed", "failed"):
        factories.make_case(status)
    page = admin.get("/admin/results?status=reviewed").text
    assert "Download 1 row as CSV" in page and "n = 1" in page
    download = admin.get("/admin/export.csv?status=reviewed")
    assert download.mimetype == "text/csv" and download.headers["X-Row-Count"] == "1"
    assert "attachment" in download.headers["Content-Disposition"]
    assert len(download.text.strip().splitlines()) == 2


@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=2026-13-01", "clinic=Nowhere", "status=lost", "clinic=99999999"]
)
def test_a_filter_that_cannot_be_is_refused_not_ignored(admin, query):
    for page in ("results", "export.csv"):
        assert admin.get(f"/admin/{page}?{query}").status_code == 400


def test_an_empty_selection_says_what_to_do(admin):
    assert "No case in this selection" in admin.get("/admin/results?from=2031-01-01").text


def test_the_audit_log_is_filtered_and_paged(admin):
    clinic = clinics.create_clinic(name="Hill")
    for number in range(60):
        accounts.create_user(email=f"{number}@x.example", name="A", role="clinician", clinics=[clinic])
    first = admin.get("/admin/audit?action=user.create").text
    assert first.count("<code>user.create</code>") == 50
    url = re.search(r'href="([^"]+)"[^>]*rel="next"', first)[1].replace("&amp;", "&")
    assert admin.get(url).text.count("<code>user.create</code>") == 10
    assert "<code>login.succeeded</code>" in admin.get(f"/admin/audit?actor={admin.user.email}").text
    assert "Nothing found" in admin.get("/admin/audit?target=nothing").text


def test_the_audit_logs_own_links_lead_to_one_person_and_one_thing(admin):
    clinic = clinics.create_clinic(name="Hill")
    namesakes = [factories.make_user("clinician", email=f"{name}@x.example") for name in ("joann", "ann")]
    for user in namesakes:
        audit.record(action=f"did.{user.email[:3]}", target=user, actor=user)
    db.session.commit()
    link = re.search(r'href="(/admin/audit[^"]+)"', admin.get(f"/admin/users/{namesakes[1].id}").text)[1]
    page = admin.get(link.replace("&amp;", "&")).text
    assert "<code>did.ann</code>" in page and "<code>did.joa</code>" not in page
    assert "<code>did.joa</code>" in admin.get("/admin/audit?actor=ann").text
    factories.make_user("clinician")
    user = db.session.get(User, clinic.id)
    audit.record(action="user.update", target=user, actor=user)
    db.session.commit()
    pattern = rf'href="(/admin/audit\?target=clinic[^"]+)" title="{clinic.id}"'
    page = admin.get(re.search(pattern, admin.get("/admin/audit").text)[1]).text
    assert "<code>clinic.create</code>" in page and "<code>user.update</code>" not in page


def test_system_page_without_redis_and_without_a_model(app, admin, tmp_path):
    app.config["MODEL_DIR"] = tmp_path
    factories.make_case("queued")
    failed = factories.make_case("failed")
    page = admin.get("/admin/system").text
    assert "Redis does not answer" in page and "No model" in page
    assert failed.patient.reference in page
    admin.post(f"/admin/system/cases/{failed.id}/retry")
    assert failed.status == "queued"
    again = admin.post(f"/admin/system/cases/{failed.id}/retry", follow_redirects=True)
    assert "not waiting for another try" in again.text


def test_system_page_does_not_say_that_a_photo_was_read_which_a_clinician_decided_unread(admin):
    factories.make_review(factories.make_case("failed"), agrees=None)
    page = admin.get("/admin/system").text
    assert "No such photo waits now." in page and "could be read" not in page


def test_system_page_names_the_workers_that_are_alive(admin, redis_server):
    redis_server.client.set("portal:worker:celery@hill", "2026-11-23T12:00:00+00:00", ex=30)
    page = admin.get("/admin/system").text
    assert "1 worker is alive" in page and "celery@hill" in page and "Redis answers." in page


CARD = {
    "version": "b3-300-20261123",
    "is_validated": False,
    "created_at": "2026-11-23",
    "input_size": 300,
    "weights_provenance": "widened from a smaller network",
    "metrics": {
        "n": 1234,
        "macro_auc": 0.9412,
        "macro_auc_interval": [0.93, 0.952],
        "malignant": {"sensitivity": 0.951, "sensitivity_interval": [0.92, 0.97]},
        "conformal": {"coverage": 0.909},
        "per_class": {"mel": {"n": 134, "auc": 0.93, "auc_interval": [0.9, 0.95]}},
    },
}


@pytest.fixture
def model_dir(app, tmp_path):
    (tmp_path / "plots").mkdir()
    (tmp_path / "model.json").write_text(json.dumps(CARD))
    (tmp_path / "plots" / "roc.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "secret.svg").write_text("secret")
    app.config["MODEL_DIR"] = tmp_path
    return tmp_path


def test_model_page_says_what_it_is_how_well_it_did_and_what_it_cannot(admin, model_dir):
    page = admin.get("/admin/model").text
    for text in (
        "b3-300-20261123",
        "Evaluation model, not validated.",
        "On 1234 test photos",
        "0.941",
        "0.930 – 0.952",
    ):
        assert text in page
    assert "95.1%" in page and "92.0% – 97.0%" in page and "Merkel cell" in page
    assert "90.9%" in page and "among those that still fit, named first or under “could also be”" in page
    assert 'src="/admin/model/plots/roc.svg"' in page


def test_plots_are_served_harmlessly_and_nothing_else_is(admin, model_dir):
    plot = admin.get("/admin/model/plots/roc.svg")
    assert plot.mimetype == "image/svg+xml" and "sandbox" in plot.headers["Content-Security-Policy"]
    for name in ("nothing.svg", "..%2fsecret.svg", "..%2fmodel.json", "model.json"):
        assert admin.get(f"/admin/model/plots/{name}").status_code == 404


def test_a_model_without_figures_says_so(admin, model_dir):
    (model_dir / "model.json").write_text(json.dumps({**CARD, "metrics": {}}))
    assert "No test figures came with this model" in admin.get("/admin/model").text
