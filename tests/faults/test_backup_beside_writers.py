"""`flask --app portal backup` while people send photos: as of one moment, and whole once restored elsewhere."""

import contextlib
import hashlib
import os
import subprocess
import time

import pytest
from sqlalchemy import select

from config import TestingConfig
from portal import create_app
from portal.extensions import db
from portal.models import AuditEvent, Case, Image
from portal.services import audit
from tests.faults.visitor import Uploader, Visitor
from tests.processes import PYTHON, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def empty_machine(request, database_kind, tmp_path, data_dir):
    """Environment of the portal on another machine: an empty migrated database of the same kind."""
    databases = request.getfixturevalue(f"{database_kind}_databases")
    name = f"other_{data_dir.name.replace('-', '_').lower()}"
    yield {"DATA_DIR": str(tmp_path), "DATABASE_URL": databases.create(name, tmp_path)}
    databases.drop(name)


def flask(environment, *arguments):
    command = [PYTHON, "-m", "flask", "--app", "portal", *map(str, arguments)]
    env = os.environ | environment | {"BACKUP_PASSPHRASE": "a long enough passphrase"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def people_sending(url, nurse, people, each):
    """Uploaders that go on after their first ``each`` photos, until this block ends."""
    uploaders = [Uploader(Visitor(url, nurse), each, pace_seconds=0.1) for _person in range(people)]
    for uploader in uploaders:
        uploader.start()
    wait_until(lambda: all(len(uploader.stored) >= each for uploader in uploaders), 300)
    yield uploaders
    for uploader in uploaders:
        uploader.may_end.set()
        uploader.join(60)
        assert (uploader.refused, uploader.dropped) == ([], [])


def rows_of(model):
    db.session.rollback()
    return {row[0]: tuple(row) for row in db.session.execute(select(*model.__table__.columns))}


@pytest.mark.databases
@pytest.mark.parametrize("each", [3, pytest.param(100, marks=pytest.mark.long)])
def test_a_backup_beside_writers_is_of_one_moment_and_restores_whole(
    app, nurse, live_server, environment, empty_machine, tmp_path, each
):
    file = tmp_path / "backup"
    with people_sending(live_server.url, nurse, 3, each) as uploaders:
        before = [case_id for uploader in uploaders for case_id in list(uploader.stored)]
        started = time.monotonic()
        flask(environment, "backup", file)
        seconds = time.monotonic() - started
        arrived = sum(len(uploader.stored) for uploader in uploaders) - len(before)
    assert arrived > 0, "nobody wrote beside the backup"
    images = rows_of(Image)
    flask(empty_machine, "restore", file)
    with create_app(TestingConfig(empty_machine)).app_context():
        restored, cases = rows_of(Image), rows_of(Case)
        submissions = db.session.scalar(
            select(db.func.count()).select_from(AuditEvent).where(AuditEvent.action == "case.submit")
        )
        assert audit.find_first_break() is None
        contents = db.session.execute(select(Image.sha256, Image.content)).all()
        db.session.remove()
        db.engine.dispose()
    print(f"{len(before)} cases before, {arrived} sent in the {seconds:.1f} s of the backup, {len(cases)} in it")
    assert set(before) <= set(cases), "all that was answered before it began"
    assert len(cases) == len(restored) == submissions, "no case without its photo and its line in the audit trail"
    assert restored == {key: images[key] for key in restored}
    assert all(hashlib.sha256(content).hexdigest() == digest for digest, content in contents)
