"""A web server that is killed mid-upload: what was answered with success exists whole, nothing exists by half."""

import contextlib
import hashlib
import os
import signal
import time

import psutil
import pytest

from portal.extensions import db
from portal.images import clean_photo
from portal.models import Case, Image, Lesion, Patient
from tests.faults.visitor import Uploader, Visitor
from tests.processes import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize(("uploads", "kills"), [(24, 3), pytest.param(200, 10, marks=pytest.mark.long)])
def test_uploads_while_the_web_server_is_killed(app, nurse, live_server, uploads, kills):
    uploaders = [Uploader(Visitor(live_server.url, nurse), uploads // 4) for _thread in range(4)]
    for uploader in uploaders:
        uploader.start()
    for _kill in range(kills):
        time.sleep(1.5)
        live_server.kill()
        live_server.start()
    for uploader in uploaders:
        uploader.may_end.set()
    for uploader in uploaders:
        uploader.join()
    db.session.rollback()
    refused = [status for uploader in uploaders for status in uploader.refused]
    assert refused == []
    stored = {case_id: photo for uploader in uploaders for case_id, photo in uploader.stored.items()}
    for case_id, photo in stored.items():
        image = db.session.get(Case, case_id).dermoscopic_image
        assert image.sha256 == clean_photo(photo).sha256 == hashlib.sha256(image.content).hexdigest()
    counts = [db.session.scalar(db.select(db.func.count()).select_from(m)) for m in (Case, Image, Lesion, Patient)]
    print(f"{len(stored)} uploads answered, {kills} kills: {counts[0]} cases stored")
    # One more than was answered may exist for each upload in flight at a kill; none may lack a part.
    assert len(set(counts)) == 1 and len(stored) <= counts[0] <= len(stored) + 4 * kills


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize(("uploads", "deploys"), [(24, 1), pytest.param(200, 5, marks=pytest.mark.long)])
def test_a_deploy_drops_no_request(clinic, live_server, make_worker, uploads, deploys):
    """As docs/production.md says: gunicorn's own successor on the same socket, then the workers one by one."""
    worker = make_worker("old")
    uploaders = [Uploader(Visitor(live_server.url, clinic.nurse), uploads // 4, 0.5) for _thread in range(4)]
    for uploader in uploaders:
        uploader.start()
    master = psutil.Process(live_server.pid)
    for number in range(deploys):
        os.kill(master.pid, signal.SIGUSR2)
        successor = wait_until(lambda master=master: successor_of(master), 120)
        os.kill(master.pid, signal.SIGTERM)
        newer = make_worker(f"new-{number}")
        worker.stop()
        wait_until(lambda master=master: is_gone(master), 60)  # until then the successor takes no successor
        master, worker = successor, newer
    for uploader in uploaders:
        uploader.may_end.set()
    for uploader in uploaders:
        uploader.join()
    clinic.submitted = [case_id for uploader in uploaders for case_id in uploader.stored]
    clinic.wait(300)
    assert [uploader.refused + uploader.dropped for uploader in uploaders] == [[]] * 4
    print(f"{deploys} deploys during {len(clinic.submitted)} uploads: none refused, none dropped")
    clinic.expect_all_classified_once()


def successor_of(master):
    """gunicorn's next master, once it has web processes of its own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return next((child for child in master.children() if child.children()), None)


def is_gone(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True
