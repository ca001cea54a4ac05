"""The running product, as `make run` starts it, and people who use it in a browser."""

import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from config import TestingConfig
from portal import create_app
from portal.database import utc_now
from portal.extensions import db
from tests import factories
from tests.processes import Portal


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def portal(model):
    """Supervisor, Redis, worker and web server on one new data folder, shared by the end-to-end tests."""
    with tempfile.TemporaryDirectory(prefix="portal-") as directory:
        portal = Portal(Path(directory) / "data")
        yield portal.start()
        portal.stop()


@pytest.fixture(scope="session")
def database(portal):
    """``with database():`` an app context on the running portal's database, for factories and checks."""
    app = create_app(TestingConfig({"DATA_DIR": portal.data_dir}))

    @contextmanager
    def open_context():
        with app.app_context():
            yield
            db.session.remove()

    yield open_context
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="session")
def people(database):
    """One person a role at one clinic: {role: email}; the password is factories.PASSWORD."""
    with database():
        clinic = factories.make_clinic(name="Hill clinic")
        return {
            role: factories.make_user(role, clinics=[] if role == "admin" else [clinic]).email
            for role in ("health_worker", "clinician", "admin")
        }


@pytest.fixture
def open_as(browser, portal, people):
    """``open_as("clinician", width=360)``: a tab in which that person has logged in."""
    contexts = []

    def open_tab(role, *, width=1280, height=900):
        context = browser.new_context(
            base_url=portal.url, viewport={"width": width, "height": height}, locale="en", reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        if role:
            page.goto("/login")
            page.fill("[name=email]", people[role])
            page.fill("[name=password]", factories.PASSWORD)
            page.locator("main button").first.click()
            page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield open_tab
    for context in contexts:
        context.close()


@pytest.fixture
def phone(live_server, page):
    """A health worker on the new-case page, at the size of a small phone."""
    user = factories.make_user()
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(live_server.url + "/login")
    page.fill("[name=email]", user.email)
    page.fill("[name=password]", factories.PASSWORD)
    page.click("main button")
    page.wait_for_url("**/cases")
    page.goto(live_server.url + "/cases/new")
    page.locator("#register-patient").wait_for()
    return page


@pytest.fixture
def clinic(app):
    return factories.make_clinic()


@pytest.fixture
def make_case(clinic):
    def make(hours, status="classified", **values):
        lesion = values.pop("lesion", None) or factories.make_lesion(patient=factories.make_patient(clinic=clinic))
        sent_at = utc_now() - timedelta(hours=hours)
        return factories.make_case(status, lesion=lesion, submitted_at=sent_at, **values)

    return make


@pytest.fixture
def tab(live_server, page, clinic):
    """A tab in which a clinician has logged in: ``tab.open(path)`` goes there, ``tab.log_in()`` logs in again."""
    user = factories.make_user("clinician", clinic=clinic)
    page.user_id, page.email = user.id, user.email
    db.session.rollback()  # a snapshot from before the login could not be written to
    page.open = lambda path: page.goto(live_server.url + path)
    page.log_in = lambda: log_in(page)
    page.open("/login")
    page.log_in()
    page.wait_for_url("**/queue")
    return page


def log_in(page):
    page.fill("[name=email]", page.email)
    page.fill("[name=password]", factories.PASSWORD)
    page.press("[name=password]", "Enter")
