"""Everything of `make run` killed at once in the middle of uploads, again and again: it starts, and nothing is lost."""

import contextlib
import hashlib
import json
import random
import time
from types import SimpleNamespace

import psutil
import pysqlite3.dbapi2
import pytest

from portal.images import clean_photo
from tests import factories
from tests.faults.visitor import Uploader, Visitor
from tests.processes import Portal, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def portal(data_dir):
    portal = Portal(data_dir / "data", PORTAL_ENV="testing")  # testing: forms need no token
    yield portal
    cut_power(portal)


def cut_power(portal):
    for process in portal.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    portal.kill()
    wait_until(portal.is_gone, 15)


@pytest.mark.parametrize("cuts", [2, pytest.param(50, marks=pytest.mark.long)])
def test_everything_is_killed_in_the_middle_of_uploads(portal, data_dir, monkeypatch, cuts):
    stored = {}
    for cut in range(cuts):
        portal.start()
        accounts = json.loads((data_dir / "data" / "demo-accounts.json").read_text())
        monkeypatch.setattr(factories, "PASSWORD", accounts[0]["password"])
        nurse = SimpleNamespace(email=accounts[0]["email"])
        uploaders = [Uploader(Visitor(portal.url, nurse), 1) for _thread in range(4)]
        for uploader in uploaders:
            uploader.start()
        wait_until(lambda uploaders=uploaders: any(uploader.stored for uploader in uploaders), 60, portal)
        time.sleep(random.uniform(0, 1))
        cut_power(portal)
        for uploader in uploaders:
            uploader.give_up()
            stored |= uploader.stored
            assert uploader.refused == []
        check(data_dir / "data" / "portal.sqlite3", stored)
        print(f"cut {cut + 1}: {len(stored)} uploads answered so far, all there", flush=True)
    portal.start()
    print(f"{cuts} power cuts, {len(stored)} uploads answered: all there, and it starts again")


def check(path, stored):
    """The file is sound, and whatever was answered with success is in it."""
    with contextlib.closing(pysqlite3.dbapi2.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        images = {case_id: row for case_id, *row in database.execute("SELECT case_id, sha256, content FROM image")}
        cases = database.execute("SELECT count(*) FROM 'case'").fetchone()[0]
    assert len(images) == cases, "no case without its photo"
    for case_id, photo in stored.items():
        digest, content = images[case_id.hex]
        assert digest == hashlib.sha256(content).hexdigest() == clean_photo(photo).sha256
