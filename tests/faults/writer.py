"""``python -m tests.faults.writer CASE_ID WRITES``: adds to one counter and stores a photo of 2 MB, again and again."""

import os
import sys
import uuid

from config import load_config
from portal import create_app
from portal.database import begin_write
from portal.extensions import db
from portal.models import Case, Image

BLOB = os.urandom(2_000_000)


def write(case_id):
    begin_write(db.session)
    case = db.session.get(Case, case_id, with_for_update=True)
    case.attempts += 1
    visit = Case(submission_key=uuid.uuid4().hex, consent_at=case.consent_at, status="failed")
    visit.clinic_id, visit.lesion_id, visit.submitted_by_id = case.clinic_id, case.lesion_id, case.submitted_by_id
    visit.images = [Image(kind="overview", width=1, height=1, sha256="0" * 64, content=BLOB, thumbnail=b"x")]
    db.session.add(visit)
    db.session.commit()


if __name__ == "__main__":
    with create_app(load_config(os.environ)).app_context():
        for _write in range(int(sys.argv[2])):
            write(uuid.UUID(sys.argv[1]))
