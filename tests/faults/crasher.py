"""``python -m tests.faults.crasher USER_ID LESION_ID CRASHES``: web processes that die between commit and publish."""

import os
import signal
import sys
import uuid

from config import load_config
from portal import create_app
from portal.extensions import db
from portal.models import Lesion, User
from portal.services import cases, classification
from tests import factories
from tests.faults.visitor import PHOTOS


def submit_and_die(user_id, lesion_id):
    """Submit a case as the web process does; the power goes when the first word is to be sent to Redis."""
    classification.ring = lambda *_case_ids: os.kill(os.getpid(), signal.SIGKILL)
    lesion = db.session.get(Lesion, lesion_id)
    values = {"submission_key": uuid.uuid4().hex, "patient": lesion.patient, "lesion": lesion, "dermoscopic": PHOTOS[0]}
    cases.submit_case(submitter=db.session.get(User, user_id), **factories.new_case_values(**values))


if __name__ == "__main__":
    user_id, lesion_id, crashes = int(sys.argv[1]), uuid.UUID(sys.argv[2]), int(sys.argv[3])
    with create_app(load_config(os.environ)).app_context():
        for _crash in range(crashes):
            child = os.fork()  # nothing was read from the database yet, so each child opens a connection of its own
            if child == 0:
                submit_and_die(user_id, lesion_id)
                os._exit(1)
            _pid, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                sys.exit("a child outlived its crash")
