import contextlib

import pysqlite3.dbapi2
import pytest

from portal import database
from portal.models import Image
from portal.services import retention
from tests import factories

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
