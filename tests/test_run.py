"""``make run``: starts, restarts what died, stops without a trace, and says in one line what is wrong."""

import json
import os
import runpy
import signal
import socket
import subprocess
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler
from types import SimpleNamespace

import gunicorn.util
import pytest

from config import ROOT, ConfigurationError
from ops import address
from ops.checks import CannotStart
from ops.process import Process
from ops.supervisor import supervise
from tests.processes import PYTHON, Portal, free_port, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def portal(data_dir):
    # As where the way out leads through a proxy: nobody answers there, and nothing of the portal asks it.
    portal = Portal(data_dir / "data", http_proxy="http://127.0.0.1:9")
    yield portal
    portal.kill()
    for process in portal.processes():
        process.kill()


def refused(env, *command):
    """Standard error of a start that must fail, split into lines."""
    result = subprocess.run(
        command or [PYTHON, "-m", "ops"],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode != 0
    return result.stderr.strip().splitlines()


def test_data_and_accounts_outlive_a_stop(portal, data_dir):
    portal.start()
    accounts_file = data_dir / "data" / "demo-accounts.json"
    accounts = json.loads(accounts_file.read_text())
    assert [account["role"] for account in accounts] == ["health_worker", "clinician", "admin"]
    assert accounts_file.stat().st_mode & 0o777 == 0o600
    assert all(account["password"] in portal.output() for account in accounts)

    portal.stop()
    assert portal.is_gone()
    portal.start()
    assert json.loads(accounts_file.read_text()) == accounts
    assert accounts[0]["password"] not in portal.output(), "the passwords are shown on the first start only"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(portal, number):
    portal.start()
    # Supervisor, Redis, worker and its child, web server and its two.
    wait_until(lambda: len(portal.processes()) >= 7, 30, portal)
    os.kill(portal.pid, number)
    wait_until(portal.is_gone, 30)
    assert "Traceback" not in portal.output()


def test_a_dead_child_is_started_again(portal):
    portal.start()
    for word in ("redis-server", "celery", "gunicorn"):
        before = portal.child(word)
        before.kill()
        after = wait_until(lambda word=word, before=before: portal.child(word) not in (None, before), 15, portal)
        assert after
    wait_until(portal.answers, 30, portal)


def test_a_killed_supervisor_leaves_nothing_and_starts_again(portal):
    portal.start()
    os.kill(portal.pid, signal.SIGKILL)
    wait_until(portal.is_gone, 15)
    assert portal.start().answers()


def test_it_starts_after_everything_was_killed(portal):
    portal.start()
    for process in portal.processes():
        process.kill()
    wait_until(portal.is_gone, 15)
    assert portal.start().answers()


def test_one_data_folder_runs_once(portal, data_dir):
    portal.start()
    lines = refused({"DATA_DIR": str(data_dir / "data"), "PORT": str(free_port())})
    assert len(lines) == 1 and "already runs" in lines[0] and str(portal.pid) in lines[0]


def test_a_taken_port_is_said_in_one_line(data_dir):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        lines = refused({"DATA_DIR": str(data_dir), "PORT": port})
    assert len(lines) == 1 and f"Port {port}" in lines[0]


def web_settings(monkeypatch, **env):
    """gunicorn.conf.py as the web server reads it in this environment."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(ROOT / "gunicorn.conf.py")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://localhost:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://localhost:8000"),
    ],
)
def test_every_kind_of_host_is_one_the_web_server_and_a_browser_understand(monkeypatch, host, url):
    bind = web_settings(monkeypatch, HOST=host, PORT="8000")["bind"]
    assert gunicorn.util.parse_address(bind) == (host, 8000)
    assert address.url_here(host, "8000") == url


@pytest.mark.parametrize("name", ["WEB_CONCURRENCY", "WEB_THREADS"])
def test_the_web_servers_numbers_are_checked_like_any_other(monkeypatch, name):
    setting = {"WEB_CONCURRENCY": "workers", "WEB_THREADS": "threads"}[name]
    assert web_settings(monkeypatch, **{name: "3"})[setting] == 3
    assert web_settings(monkeypatch, **{name: ""})[setting] == {"workers": 2, "threads": 8}[setting]
    for value in ("0", "-1", "two"):
        with pytest.raises(ConfigurationError, match=f"{name} is '{value}'; it must be a whole number from 1"):
            web_settings(monkeypatch, **{name: value})


def test_phones_are_told_an_address_where_they_are_let_in(monkeypatch):
    assert address.line_for_phones("127.0.0.1", "8000") is None and address.line_for_phones("::1", "8000") is None
    monkeypatch.setattr(address, "_find_address", lambda: "192.168.1.7")
    assert "http://192.168.1.7:8000." in address.line_for_phones("0.0.0.0", "8000")
    monkeypatch.setattr(address, "_find_address", lambda: None)
    assert "`hostname -I`" in address.line_for_phones("::", "8000")


def test_postgresql_without_production_is_said_in_one_line(monkeypatch):
    warnings = []
    server = SimpleNamespace(log=SimpleNamespace(warning=warnings.append))

    def start(**env):
        web_settings(monkeypatch, **env)["on_starting"](server)

    start(DATABASE_URL="", PORTAL_ENV="")
    start(DATABASE_URL="postgresql://portal@database/portal", PORTAL_ENV="production")
    assert warnings == []
    start(PORTAL_ENV="")
    assert len(warnings) == 1 and "PORTAL_ENV is not production" in warnings[0]


@pytest.fixture
def own_signals():
    """What this process does on a signal, the same again after a test that supervises in it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_whoever_takes_the_port_in_the_last_moment_is_not_the_portal(own_signals):
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{stranger.server_port}/healthz"
        web_server = Process("web server", [PYTHON, "-c", "raise SystemExit(1)"], dict(os.environ))
        with pytest.raises(CannotStart, match="web server ended with status 1"):
            supervise([web_server], address, lambda: pytest.fail("a stranger was taken for the portal"))
        stranger.shutdown()


def test_an_unwritable_data_folder_is_said_in_one_line(data_dir):
    (data_dir / "file").touch()
    lines = refused({"DATA_DIR": str(data_dir / "file" / "data"), "PORT": str(free_port())})
    assert len(lines) == 1 and "cannot be written" in lines[0]


def test_a_read_only_data_folder_is_said_in_one_line(data_dir):
    data_dir.chmod(0o500)
    # Root may write anywhere, unless it gives up the right to.
    humble = ["setpriv", "--bounding-set", "-dac_override"] if os.getuid() == 0 else []
    lines = refused({"DATA_DIR": str(data_dir), "PORT": str(free_port())}, *humble, PYTHON, "-m", "ops")
    assert len(lines) == 1 and "cannot be written" in lines[0]


def test_production_without_secrets_is_said_in_one_line(data_dir):
    lines = refused({"DATA_DIR": str(data_dir), "PORTAL_ENV": "production", "SECRET_KEY": ""})
    assert len(lines) == 1 and "SECRET_KEY" in lines[0]


def test_make_says_which_python_it_needs(data_dir):
    script = ROOT / "ops" / "make-venv"
    lines = refused({"PYTHON": "/bin/false"}, script, data_dir / "venv", ROOT / "requirements.txt")
    assert len(lines) == 1 and "/bin/false is older or does not run" in lines[0]

    lines = refused({"PYTHON": "", "PATH": str(data_dir)}, script, data_dir / "venv", ROOT / "requirements.txt")
    assert len(lines) == 1 and "none was found" in lines[0]
    assert not (data_dir / "venv").exists()
