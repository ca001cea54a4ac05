"""A web server that is killed mid-upload: what was answered with success exists whole, nothing exists by half."""

import hashlib
import http.client
import os
import signal
import threading
import time

import pytest

from portal.extensions import db
from portal.images import clean_photo
from portal.models import Case, Image, Lesion, Patient
from tests.faults.conftest import PHOTOS
from tests.faults.visitor import Visitor

pytestmark = pytest.mark.slow


class Uploader(threading.Thread):
    """Uploads until ``number`` were answered with success, whatever happens to the server in between."""

    def __init__(self, visitor, number):
        super().__init__()
        self.visitor, self.number = visitor, number
        self.stored, self.refused = {}, []

    def run(self):
        while len(self.stored) < self.number:
            photo = PHOTOS[len(self.stored) % len(PHOTOS)]
            try:
                status, case_id = self.visitor.upload(photo)
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
                continue
            if case_id is None:
                self.refused.append(status)
            else:
                self.stored[case_id] = photo


@pytest.mark.databases
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


def test_a_new_web_server_takes_over_without_dropping_a_request(app, nurse, live_server):
    uploader = Uploader(Visitor(live_server.url, nurse), 12)
    uploader.start()
    time.sleep(1)
    os.kill(live_server.pid, signal.SIGHUP)  # gunicorn starts new workers and lets the old ones finish
    uploader.join()
    assert uploader.refused == [] and len(uploader.stored) == 12
