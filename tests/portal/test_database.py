import contextlib
import os
import subprocess

import pysqlite3.dbapi2
import pytest

from config import ROOT, TestingConfig
from portal import create_app, database
from portal.extensions import db
from portal.models import Image
from portal.services import retention
from tests import factories
from tests.processes import PYTHON

FILES = ("portal.sqlite3", "portal.sqlite3-shm", "portal.sqlite3-wal")
TRACES = (b"Ada's own picture", b"Ada's aunt", b"Ada is worried", b"Ada Lovelock")


@pytest.fixture
def patient(app):
    lesion = factories.make_lesion(patient=factories.make_patient(name="Ada Lovelock"))
    case = factories.make_case("classified", lesion=lesion, with_image=False, comment="Ada's aunt")
    factories.make_review(case, note="Ada is worried")
    content, size = TRACES[0] * 1000, {"width": 4, "height": 3}
    factories.save(Image(case=case, kind="overview", content=content, thumbnail=b"", sha256="0" * 64, **size))
    return lesion.patient


@pytest.fixture
def beside(app, data_dir):
    """A connection that stays open, as the web server's do: with the last one, SQLite's log goes by itself."""
    with contextlib.closing(pysqlite3.dbapi2.connect(data_dir / "portal.sqlite3", isolation_level=None)) as connection:
        connection.execute("SELECT count(*) FROM patient").fetchall()
        yield connection


@pytest.mark.parametrize("erase", [retention.delete_patient, retention.anonymise_patient])
def test_nothing_of_an_erased_patient_is_left_in_any_file(patient, beside, data_dir, erase):
    assert traces_in(data_dir) == set(TRACES)
    assert "remains" not in erase(patient=patient)
    assert traces_in(data_dir) == set()


def test_what_a_reader_keeps_in_the_log_is_said_and_goes_the_next_time(patient, beside, data_dir, monkeypatch):
    monkeypatch.setattr(database, "CHECKPOINT_SECONDS", 0.1)
    other = factories.make_patient()
    beside.execute("BEGIN")
    beside.execute("SELECT count(*) FROM patient").fetchall()
    certificate = retention.delete_patient(patient=patient)
    assert "still holds old pages" in certificate["remains"] and traces_in(data_dir)
    beside.execute("ROLLBACK")
    assert "remains" not in retention.delete_patient(patient=other)
    assert traces_in(data_dir) == set()


def traces_in(folder):
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return {trace for trace in TRACES if trace in content}


def test_what_a_command_makes_is_for_its_owner_alone(data_dir):
    data_dir.chmod(0o755)
    environment = {"DATA_DIR": str(data_dir), "DATABASE_URL": f"sqlite:///{data_dir / 'portal.sqlite3'}"}
    command = [PYTHON, "-m", "flask", "--app", "portal", "db", "upgrade"]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, umask=0o022, check=True, capture_output=True)
    assert modes_in(data_dir)["portal.sqlite3"] == 0o600
    with open_portal(environment):
        factories.make_patient()
        assert modes_in(data_dir) == {name: 0o600 for name in FILES}


def test_what_an_earlier_release_left_open_is_closed(app, environment, data_dir):
    factories.make_patient()
    for name in FILES:
        (data_dir / name).chmod(0o644)
    with open_portal(environment):
        db.session.execute(db.text("SELECT count(*) FROM patient"))
        assert modes_in(data_dir) == {name: 0o600 for name in FILES}


@contextlib.contextmanager
def open_portal(environment):
    """One more application on this database, as another process has it."""
    with create_app(TestingConfig(environment)).app_context():
        yield
        db.session.remove()
        db.engine.dispose()


def modes_in(folder):
    return {path.name: path.stat().st_mode & 0o777 for path in folder.glob("portal.sqlite3*")}
