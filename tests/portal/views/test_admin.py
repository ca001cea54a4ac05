"""The administrator's pages."""

import json
import re
from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import Clinic, User
from portal.services import accounts, audit, clinics
from tests import factories


@pytest.fixture
def admin(as_user):
    return as_user("admin")


def test_a_closed_clinic_leads_to_its_people_and_counts_the_same(admin):
    clinic = factories.make_clinic(name="Hill", is_active=False)
    factories.make_user("clinician", clinic=clinic)
    factories.make_user("clinician", clinic=clinic, is_active=False)
    link = f'href="/admin/users?clinic={clinic.id}"'
    assert f"{link}>2</a>" in admin.get("/admin/clinics").text
    page = admin.get(f"/admin/users?clinic={clinic.id}").text
    assert f'<option value="{clinic.id}" selected>Hill</option>' in page
    assert page.count('class="fine d-block">clinician') == 2


def test_the_cases_of_a_clinic_are_its_own_where_another_is_named_like_its_number(admin):
    clinic = factories.make_clinic(name="Hill & Dale")
    factories.make_clinic(name=str(clinic.id))
    factories.make_case(lesion=factories.make_lesion(patient=factories.make_patient(clinic=clinic)))
    link = re.search(r'href="(/admin/results\?[^"]+)">1</a>', admin.get("/admin/clinics").text)[1]
    assert '<option value="Hill &amp; Dale" selected>' in admin.get(link).text


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
    "query",
    [
        "from=yesterday",
        "to=2026-13-01",
        "from=0001-01-01T00:00:00%2B14:00",
        "to=9999-12-31T23:59:59-14:00",
        "to=9999-12-31",
        "clinic=Nowhere",
        "status=lost",
        "clinic=99999999",
    ],
)
def test_a_filter_that_cannot_be_is_refused_not_ignored(admin, query):
    for page in ("results", "export.csv"):
        assert admin.get(f"/admin/{page}?{query}").status_code == 400


def test_a_clinic_with_a_number_for_a_name_is_found_by_it(admin):
    first = factories.make_clinic()
    named = factories.make_clinic(name=str(first.id))
    for clinic, number in ((first, 1), (named, 2)):
        for _case in range(number):
            factories.make_case(lesion=factories.make_lesion(patient=factories.make_patient(clinic=clinic)))
    download = admin.get(f"/admin/export.csv?clinic={first.id}")
    assert download.headers["X-Row-Count"] == "2"
    assert admin.get(f"/admin/export.csv?clinic={named.id}").headers["X-Row-Count"] == "2", "by its id too"
    page = admin.get(f"/admin/results?clinic={first.name}").text
    assert f'<option value="{first.name}" selected>' in page and page.count(" selected") == 1


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


@pytest.mark.parametrize(
    ("days", "mark", "words"),
    [
        (None, "is-doubtful", "No backup was made yet."),
        (1.9, "is-good", "The last one was made"),
        (2.1, "is-doubtful", "What came after it is lost if this computer breaks."),
    ],
)
def test_system_page_says_when_the_last_backup_was_made(admin, monkeypatch, days, mark, words):
    if days is not None:
        monkeypatch.setattr(audit, "utc_now", lambda: utc_now() - timedelta(days=days))
        audit.record_alone(action="backup.made")
        monkeypatch.undo()
    lines = re.findall(r'<li class="health (\S+)">(.*?)</li>', admin.get("/admin/system").text, re.DOTALL)
    [line] = [line for line in lines if "<strong>Backup</strong>" in line[1]]
    assert line[0] == mark and words in line[1]


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
        # At a threshold of its own, which no case is sorted by.
        "melanoma": {"sensitivity": 0.978},
        "conformal": {"coverage": 0.909},
        "per_class": {"mel": {"n": 134, "auc": 0.93, "auc_interval": [0.9, 0.95], "marked": 0.933}},
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
    assert "93.3%" in page and "97.8%" not in page
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
