"""A database that is locked, full, crowded or cut off in the middle of a write."""

import contextlib
import io
import random
import subprocess
import threading
import time

import psycopg
import pysqlite3.dbapi2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from config import TestingConfig
from portal import create_app
from portal.extensions import db
from portal.models import Case, Image, Patient
from portal.services import cases, classification
from tests import factories
from tests.answers import THRESHOLDS, made_up_answer
from tests.conftest import PortalClient
from tests.faults.visitor import PHOTOS, Visitor
from tests.processes import PYTHON, Process, wait_until

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def write_lock(url):
    """Another program holds the lock every write needs."""
    if url.startswith("sqlite"):
        other = pysqlite3.dbapi2.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(url.replace("+psycopg", ""))
        other.execute('LOCK TABLE "case", patient, lesion, image IN EXCLUSIVE MODE')
    yield
    other.rollback()
    other.close()


def counts():
    db.session.rollback()
    return [db.session.scalar(db.select(db.func.count()).select_from(model)) for model in (Case, Image, Patient)]


@pytest.mark.databases
@pytest.mark.parametrize("seconds", [3, pytest.param(20, marks=pytest.mark.long)])
def test_an_upload_waits_for_the_write_lock(app, nurse, live_server, database_url, seconds):
    visitor, answers = Visitor(live_server.url, nurse), []
    thread = threading.Thread(target=lambda: answers.append(visitor.upload(PHOTOS[0])))
    with write_lock(database_url):
        thread.start()
        time.sleep(seconds)
        assert answers == []
    thread.join()
    assert answers[0][0] == 303 and counts() == [1, 1, 1]


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize("seconds", [31, pytest.param(40, marks=pytest.mark.long)])
def test_an_upload_gives_up_after_thirty_seconds_cleanly(app, nurse, live_server, database_url, seconds):
    visitor = Visitor(live_server.url, nurse)
    started = time.monotonic()
    with write_lock(database_url):
        status, _case_id = visitor.upload(PHOTOS[0])
        answered_after = time.monotonic() - started
        time.sleep(max(0, seconds - answered_after))
    print(f"lock held for {seconds} s: {status} after {answered_after:.1f} s")
    assert status == 503 and counts() == [0, 0, 0]
    assert visitor.upload(PHOTOS[0])[0] == 303


@pytest.fixture
def small_disk(request, database_kind, tmp_path):
    """A disk with a few MB to spare beside an empty database."""
    is_server = database_kind == "postgresql"
    folder = request.getfixturevalue("postgresql_databases").folder("disk") if is_server else tmp_path
    size = "size=24m" if is_server else "size=8m"
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True)
    if mount.returncode:
        # Not lacking(): a container without CAP_SYS_ADMIN is a machine to run the suite on all the same.
        pytest.skip("this account may not mount a small disk (a container needs --cap-add SYS_ADMIN)")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    if is_server:
        folder.rmdir()


@pytest.fixture
def database_on_small_disk(request, database_kind, small_disk):
    databases = request.getfixturevalue(f"{database_kind}_databases")
    url = databases.create("small", small_disk)
    if database_kind == "postgresql":
        databases.move("small", small_disk)
    yield url
    databases.drop("small")


@pytest.mark.databases
def test_a_full_disk(small_disk, database_on_small_disk, environment):
    app = create_app(TestingConfig(environment | {"DATABASE_URL": database_on_small_disk}))
    app.test_client_class = PortalClient
    with app.app_context():
        nurse = factories.make_user()
        client = app.test_client()
        client.post("/login", data={"email": nurse.email, "password": factories.PASSWORD})
        case = cases.submit_case(submitter=nurse, **factories.new_case_values())
        claim = classification.claim_case(case.id)
        before = counts()
        with full(small_disk):
            assert send(client) == 503
            with pytest.raises(OperationalError):
                finish(claim)
            db.session.rollback()
            assert client.get("/healthz").status_code == 200
        assert_sound()
        assert counts() == before
        assert send(client) == 303 and finish(claim) is True
        db.session.remove()
        db.engine.dispose()


@contextlib.contextmanager
def full(disk):
    """Nothing more fits on ``disk``."""
    db.session.rollback()
    # No room is left inside the write-ahead log of SQLite either, or in PostgreSQL's memory.
    is_sqlite = db.engine.dialect.name == "sqlite"
    db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)" if is_sqlite else "CHECKPOINT"))
    db.session.rollback()
    filler = disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    yield
    filler.unlink()


def assert_sound():
    """The database is whole: by SQLite's own check; on PostgreSQL every row of every table can be read."""
    if db.engine.dialect.name == "sqlite":
        assert db.session.scalar(text("PRAGMA integrity_check")) == "ok"
    for table in db.metadata.sorted_tables:
        db.session.execute(db.select(table)).all()
    db.session.rollback()


def send(client):
    values = {"submission_key": "k" * 32, "reference": "A-1", "body_site": "back", "consent": "y"}
    return client.post("/cases/new", data=values | {"dermoscopic": (io.BytesIO(PHOTOS[0]), "a.jpg")}).status_code


def finish(claim):
    return classification.finish_case(claim, made_up_answer(), thresholds=THRESHOLDS, is_validated=False)


@pytest.mark.databases
@pytest.mark.parametrize("writes", [8, pytest.param(250, marks=pytest.mark.long)])
def test_four_processes_write_at_once(app, environment, data_dir, writes):
    case = factories.make_case("failed", attempts=0)
    started = time.monotonic()
    writers = [writer(environment, data_dir, number, case.id, writes).start() for number in range(4)]
    db.session.rollback()  # else this process is a reader in the log's way
    log, longest = data_dir / "portal.sqlite3-wal", 0
    while any(process.is_running for process in writers):
        assert time.monotonic() < started + 600
        with contextlib.suppress(FileNotFoundError):  # on PostgreSQL there is none
            longest = max(longest, log.stat().st_size)
        time.sleep(0.02)
    print(f"4 x {writes} writes of 2 MB in {time.monotonic() - started:.1f} s, log at most {longest / 1e6:.0f} MB")
    assert [process.output() for process in writers] == [""] * 4
    assert (attempts_of(case), counts()[0]) == (4 * writes, 4 * writes + 1)
    assert longest < 60e6


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.long)])
def test_writers_are_killed_in_the_middle(app, environment, data_dir, kills):
    case = factories.make_case("failed", attempts=0)
    for number in range(kills):
        before = case.attempts
        process = writer(environment, data_dir, number, case.id, 10_000).start()
        wait_until(lambda before=before: attempts_of(case) > before, 60, process)
        time.sleep(random.uniform(0, 0.3))
        process.kill()
    assert db.session.scalar(text("PRAGMA integrity_check")) == "ok"
    db.session.rollback()
    stored, images, _patients = counts()
    print(f"{kills} kills, {stored - 1} writes: integrity ok")
    assert case.attempts == stored - 1 and images == stored


def attempts_of(case):
    db.session.rollback()
    return case.attempts


def writer(environment, data_dir, number, case_id, writes):
    command = [PYTHON, "-m", "tests.faults.writer", str(case_id), str(writes)]
    return Process(command, data_dir / f"writer-{number}.log", environment)
