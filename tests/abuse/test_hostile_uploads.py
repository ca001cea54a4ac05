"""Hostile files and forms over the wire: each is refused quickly, in little memory, and leaves nothing behind."""

import http.client
import time
from pathlib import Path

import psutil
import pytest

from config import TestingConfig
from portal import create_app
from portal.extensions import db
from portal.models import Case, Image, Patient
from tests import factories
from tests.faults.visitor import Visitor
from tests.hostile import HOSTILE, SVG
from tests.processes import PYTHON, WebServer, free_port

pytestmark = pytest.mark.slow

MOST_SECONDS, MOST_GROWTH_MB = 2, 300
PATH_NAMES = (
    "../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\boot.ini",
    "C:\\a.jpg",
    "a.jpg\0.php",
    "a" * 3000,
    "a.svg",
    "",
)


@pytest.fixture(scope="module")
def live_server(sqlite_databases, tmp_path_factory):
    """One for all, with its database as the current one: nothing in here may leave a trace."""
    folder, port = tmp_path_factory.mktemp("hostile"), free_port()
    url = sqlite_databases.create("hostile", folder)
    env = {"PORTAL_ENV": "testing", "DATA_DIR": str(folder), "DATABASE_URL": url}  # testing: forms need no token
    app = create_app(TestingConfig(env))
    with app.app_context():
        command = [PYTHON, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
        server = WebServer(command, folder / "web.log", env, port).start()
        server.folder = folder
        yield server
        server.stop(5)
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def visitor(live_server):
    return Visitor(live_server.url, factories.make_user())


@pytest.fixture(autouse=True)
def nothing_is_left(visitor):
    before = rows()
    yield
    assert rows() == before


def rows():
    db.session.rollback()
    return [db.session.scalar(db.select(db.func.count()).select_from(model)) for model in (Case, Image, Patient)]


def quickly(act, *arguments, **named):
    started = time.monotonic()
    status = act(*arguments, **named)[0]
    seconds = time.monotonic() - started
    assert seconds < MOST_SECONDS, f"it took {seconds:.1f} s"
    return status


class Memory:
    """The most that any of the server's processes took since this was made."""

    def __init__(self, server):
        self._processes = psutil.Process(server.pid).children(recursive=True)
        self._before = {process.pid: self._peak(process, forget=True) for process in self._processes}

    def growth_mb(self):
        return max(self._peak(process) - self._before[process.pid] for process in self._processes)

    @staticmethod
    def _peak(process, forget=False):
        if forget:
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def test_sixty_hostile_files(live_server, visitor):
    assert len(HOSTILE) >= 60
    visitor.upload(HOSTILE["text"])
    memory, slowest = Memory(live_server), 0
    for name, data in HOSTILE.items():
        started = time.monotonic()
        status = quickly(visitor.upload, data)
        assert 400 <= status < 500, (name, status)
        slowest = max(slowest, time.monotonic() - started)
    print(f"{len(HOSTILE)} files: slowest {slowest:.2f} s, most memory {memory.growth_mb():.0f} MB")
    assert memory.growth_mb() < MOST_GROWTH_MB


@pytest.mark.parametrize("name", PATH_NAMES)
def test_a_file_name_is_never_a_path(live_server, visitor, name):
    def files():
        return {path for path in live_server.folder.rglob("*") if not path.name.endswith(("-wal", "-shm"))}

    before = files()
    fields = {"submission_key": "k" * 32, "reference": "A", "body_site": "back", "consent": "y"}
    body, kind = Visitor.encode(fields, {"dermoscopic": SVG})
    body = body.replace(b'filename="dermoscopic.jpg"', f'filename="{name}"'.encode())
    assert quickly(visitor.send, "POST", "/cases/new", body, kind) == 400
    assert files() == before


def form_of(parts):
    return Visitor.encode({f"field{number}": "x" for number in range(parts)})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(*form_of(10_000), id="10,000 parts"),
        pytest.param(*Visitor.encode({"comment": "x" * 2_000_000}), id="a field of 2 MB"),
        pytest.param(*Visitor.encode({"reference": "x"}, {"dermoscopic": b"\0" * 22_000_000}), id="22 MB"),
        pytest.param(b"--a\r\n" * 100_000, "multipart/form-data; boundary=a", id="boundaries alone"),
        pytest.param(b"x" * 1_000_000, "multipart/form-data", id="no boundary"),
        pytest.param(b"a&" * 10_300_000, "application/x-www-form-urlencoded", id="ten million values"),
        pytest.param(b"%00" * 100_000, "application/x-www-form-urlencoded", id="NUL a hundred thousand times"),
    ],
)
def test_a_hostile_form(live_server, visitor, body, kind):
    memory = Memory(live_server)
    assert quickly(visitor.send, "POST", "/cases/new", body, kind) in {400, 413}
    assert memory.growth_mb() < MOST_GROWTH_MB


def test_a_body_in_chunks_without_end(live_server, visitor):
    def endless():
        while True:
            yield b"\0" * 65536

    connection = http.client.HTTPConnection(live_server.url.removeprefix("http://"), timeout=20)
    started = time.monotonic()
    try:
        connection.request(
            "POST",
            "/cases/new",
            endless(),
            {"Transfer-Encoding": "chunked", "Cookie": visitor.cookies},
            encode_chunked=True,
        )
    except OSError:
        pass  # the server hung up, which is the point
    else:
        pytest.fail("it was all taken")
    assert time.monotonic() - started < MOST_SECONDS + 3  # and the farewell of a connection
    connection.close()
