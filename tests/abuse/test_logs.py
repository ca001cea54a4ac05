"""A whole day in the logs of every process, at their most talkative: no patient's name, note, reference or photo."""

import contextlib
import json
import uuid

import pysqlite3.dbapi2
import pytest

from portal.models import User
from tests import factories
from tests.faults.visitor import PHOTOS, Visitor
from tests.processes import Portal, wait_until

pytestmark = pytest.mark.slow

NAME, REFERENCE, NOTE, TYPED = "Zebedee Quill", "REF-77-ZQ", "itches at night", "s3cret-typed-word"
SECRETS = (NAME, "Quill", REFERENCE, NOTE, "nobody@example.org", TYPED, "JFIF")


@pytest.fixture
def portal(data_dir):
    portal = Portal(data_dir / "data", PORTAL_ENV="testing", LOG_LEVEL="debug")  # testing: forms need no token
    yield portal
    portal.stop()


def test_no_log_knows_a_patient(portal, data_dir, monkeypatch):
    portal.start()
    folder = data_dir / "data"
    accounts = json.loads((folder / "demo-accounts.json").read_text())
    monkeypatch.setattr(factories, "PASSWORD", accounts[0]["password"])
    nurse = Visitor(portal.url, User(email=accounts[0]["email"]))
    upload = {"reference": REFERENCE, "name": NAME, "comment": NOTE}
    assert nurse.upload(PHOTOS[0], **upload)[0] == 303
    assert nurse.upload(PHOTOS[0], **upload)[0] == 400, "the reference is taken"
    assert nurse.upload(b"JFIF" * 100, **upload | {"reference": "other"})[0] == 400
    form = b"email=nobody%40example.org&password=" + TYPED.encode()
    assert nurse.send("POST", "/login", form, "application/x-www-form-urlencoded")[0] in {302, 400}
    for page in ("/patients?q=Quill", "/patients/search?q=Zebedee+Quill", f"/cases/{uuid.uuid4()}?q=Quill"):
        nurse.send("GET", page)
    with locked(folder / "portal.sqlite3"):
        assert nurse.upload(PHOTOS[1], **upload | {"reference": REFERENCE + "-2"})[0] == 503
    wait_until(lambda: statuses(folder) == {"classified"}, 120, portal)
    portal.stop()
    logs = [data_dir / "data.out", *folder.glob("*.log")]
    texts = {log.name: log.read_text(errors="replace") for log in logs}
    assert "error" in texts["data.out"], "what went wrong is logged"
    found = [(log, word) for log, text in texts.items() for word in SECRETS if word in without_accounts(text)]
    assert found == []


def without_accounts(text):
    """The demo accounts of a first start are printed for the person at the terminal."""
    return "\n".join(line for line in text.splitlines() if "@demo.example" not in line)


@contextlib.contextmanager
def locked(path):
    other = pysqlite3.dbapi2.connect(path, isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def statuses(folder):
    with contextlib.closing(pysqlite3.dbapi2.connect(folder / "portal.sqlite3")) as database:
        return {status for (status,) in database.execute("SELECT status FROM 'case'")}
