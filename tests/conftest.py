"""Fixtures of the whole suite: databases, app, clients, real processes, browser, real photos.

A test runs on SQLite; marked ``databases`` it runs on PostgreSQL too. What a machine lacks is skipped
with its reason, and refused instead where REQUIRE_EVERYTHING is set (the CI sets it).
"""

import contextlib
import os
import signal
import tempfile
from pathlib import Path

import pytest
from flask import has_app_context
from flask.testing import FlaskClient
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from config import ROOT, TestingConfig
from portal import create_app
from portal.database import DEAD_CLIENT_LIMITS
from portal.extensions import db
from tests import factories
from tests.browsers import find_chromium, launch_chromium
from tests.databases import PostgresqlDatabases, SqliteDatabases, find_postgresql
from tests.processes import PYTHON, RedisServer, WebServer, Worker, free_port

# A shell has what it starts in the background ignore Ctrl-C, and its children with it: theirs is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failed property.
settings.register_profile("portal", deadline=None)
settings.load_profile("portal")


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("databases")
    if "database_kind" in metafunc.fixturenames and marker:
        is_short_enough = marker.kwargs.get("short") != "sqlite"
        other = pytest.param("postgresql", marks=() if is_short_enough else pytest.mark.long)
        metafunc.parametrize("database_kind", ["sqlite", other], indirect=True)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(3000))
    # Slow ones last: a broken build says so within the first seconds.
    items.sort(key=lambda item: bool(item.get_closest_marker("slow")) + 2 * bool(item.get_closest_marker("e2e")))


SHARE_TRAININGS = {f"tests/ml/test_{name}.py" for name in ("average", "export_chain", "train")}


class Shares(LoadFileScheduling):
    """Which tests stay together where the suite is shared out to several processes."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return "trainings" if file in SHARE_TRAININGS else file


def pytest_xdist_make_scheduler(config, log):
    return Shares(config, log)


def lacking(what):
    """Skip the test for want of ``what``; fail it where everything must be there."""
    if os.environ.get("REQUIRE_EVERYTHING"):
        pytest.fail(f"{what}, and REQUIRE_EVERYTHING is set", pytrace=False)
    pytest.skip(what)


# --- database and app -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory):
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@contextlib.contextmanager
def running_postgresql():
    """A server of its own, until the block ends."""
    binaries = find_postgresql()
    if binaries is None:
        lacking("PostgreSQL's server binaries are not installed")
    databases = PostgresqlDatabases(binaries)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def postgresql_databases():
    with running_postgresql() as databases:
        yield databases


@pytest.fixture
def database_kind(request):
    return getattr(request, "param", "sqlite")


@pytest.fixture
def data_dir():
    # Not tmp_path: Redis's socket lies in here, and a socket's path may have 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="portal-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture
def database_url(request, database_kind, data_dir):
    databases = request.getfixturevalue(f"{database_kind}_databases")
    name = f"test_{data_dir.name.replace('-', '_').lower()}"
    yield databases.create(name, data_dir)
    databases.drop(name)


@pytest.fixture
def environment(data_dir, database_url):
    """Environment of the portal's processes, the same data the ``app`` fixture sees."""
    return {
        "PORTAL_ENV": "development",
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url,
        "REDIS_URL": f"unix://{data_dir / 'redis.sock'}",
    }


@pytest.fixture
def app(environment, monkeypatch):
    """The application on an empty migrated database; its context is pushed, so factories and services just work."""
    # A test may wait for minutes with a transaction open, as the portal never does.
    monkeypatch.setitem(DEAD_CLIENT_LIMITS, "idle_in_transaction_session_timeout", 0)
    app = create_app(TestingConfig(environment))
    app.test_client_class = PortalClient
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


class PortalClient(FlaskClient):
    """Each request has an app context of its own, as on a server; the test's rows are read anew after it."""

    def open(self, *args, buffered=True, **kwargs):
        if has_app_context():
            assert not (db.session.new or db.session.dirty), "commit before the request, or it does not see this"
            db.session.rollback()
        with self.application.app_context():
            response = super().open(*args, buffered=buffered, **kwargs)
        if has_app_context():
            db.session.rollback()
        return response


@pytest.fixture
def client(app):
    """A visitor who has not logged in."""
    return app.test_client()


@pytest.fixture
def as_user(app):
    """``as_user("clinician")`` or ``as_user(user)``: a client logged in through the login page; it has ``.user``."""

    def log_in(user_or_role, **attributes):
        user = user_or_role if not isinstance(user_or_role, str) else factories.make_user(user_or_role, **attributes)
        client = app.test_client()
        response = client.post("/login", data={"email": user.email, "password": factories.PASSWORD})
        assert response.status_code == 302, f"login as {user.role} answered {response.status}"
        client.user = user
        return client

    return log_in


@pytest.fixture
def runner(app):
    """Runs ``flask --app portal`` commands in this process."""
    return app.test_cli_runner()


# --- processes --------------------------------------------------------------------------------------------------


@pytest.fixture
def redis_server(data_dir):
    """A real redis-server that the app, the worker and the live server of this test share."""
    server = RedisServer(data_dir).start()
    yield server
    server.client.close()
    server.kill()


@pytest.fixture(scope="session")
def model():
    """Folder of the model that workers load."""
    folder = Path(os.environ.get("MODEL_DIR") or ROOT / "ml" / "artifact")
    if not (folder / "model.json").exists():
        lacking(f"there is no model in {folder}")
    return folder


@pytest.fixture
def make_worker(environment, data_dir, redis_server):
    """``make_worker("a")``: one more real Celery worker process, already taking tasks."""
    workers = []

    def start(name="worker"):
        command = [
            PYTHON,
            "-m",
            "celery",
            "-A",
            "worker",
            "worker",
            "-c",
            "1",
            "-n",
            f"{name}@%h",
            "--loglevel",
            "INFO",
        ]
        worker = Worker(command, data_dir / f"{name}.log", environment)
        workers.append(worker)
        return worker.start()

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture
def worker(make_worker):
    return make_worker()


@pytest.fixture
def live_server(environment, data_dir, app):
    """A real gunicorn on the test's database; ``.url`` is its address."""
    port = free_port()
    # The script, not the module: only so does its own successor, after SIGUSR2, find its way.
    command = [Path(PYTHON).with_name("gunicorn"), "--bind", f"127.0.0.1:{port}", "portal:create_app()"]
    server = WebServer(command, data_dir / "web.log", environment, port).start()
    yield server
    # With a tab open it would wait for its connections. A test asks for it before `page`: then tabs are closed by now.
    server.kill()


# --- browser and photos -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium: the one CHROMIUM names, else the system's."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if find_chromium() is None:
        lacking("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh tab; the test fails on a script error or a refused resource."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en")
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.complaints = complaints
    yield page
    context.close()
    assert not complaints, f"the browser complained: {complaints}"


@pytest.fixture(scope="session")
def ham10000():
    """Folder of HAM10000's photographs and HAM10000_metadata.csv, where this machine has it."""
    folder = Path(os.environ.get("HAM10000_DIR") or ROOT.parent / "shared" / "ham10000")
    if not (folder / "HAM10000_metadata.csv").exists():
        pytest.skip(f"no HAM10000 in {folder}: put it there or name its folder in HAM10000_DIR")
    return folder
