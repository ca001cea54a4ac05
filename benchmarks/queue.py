"""The clinician's queue at 10,000 cases, with its index and without."""

import itertools
import random
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, text

from benchmarks.timing import report
from config import TestingConfig
from portal import create_app
from portal.database import utc_now
from portal.extensions import db
from portal.models import TIERS, Case
from portal.queries.queue import QueueFilters, load_queue
from tests import factories
from tests.databases import migrate_database

CASES = 10_000
# Of a clinic's cases most are long reviewed; these wait.
WAITING_SHARE = 0.05
ROUNDS = 15


def measure():
    with tempfile.TemporaryDirectory(prefix="portal-") as directory:
        url = f"sqlite:///{Path(directory) / 'portal.sqlite3'}"
        migrate_database(url, directory)
        app = create_app(TestingConfig({"DATA_DIR": directory, "DATABASE_URL": url}))
        with app.app_context():
            clinician = factories.make_user("clinician")
            _fill(clinician)
            with_index = _time_queue(clinician)
            db.session.execute(text("DROP INDEX ix_case_queue"))
            db.session.commit()
            without = _time_queue(clinician)
            yield report(f"queue page of {CASES} cases", with_index, without, "without its index")
            db.session.remove()
            db.engine.dispose()


def _fill(clinician):
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinician.clinic))
    rng = random.Random(1)
    now = utc_now()
    rows = [
        {
            "id": uuid.UUID(int=rng.getrandbits(128)),
            "submission_key": f"benchmark-{number}",
            "clinic_id": clinician.clinic.id,
            "lesion_id": lesion.id,
            "submitted_by_id": clinician.id,
            "submitted_at": now - timedelta(minutes=number),
            "consent_at": now,
            "status": "failed" if rng.random() < WAITING_SHARE else "retake",
            "failure_reason": "model_error",
            "tier": tier,
            "tier_rank": TIERS.index(tier),
        }
        for number, tier in zip(range(CASES), itertools.cycle(TIERS), strict=False)
    ]
    db.session.execute(insert(Case), rows)
    db.session.commit()
    db.session.execute(text("ANALYZE"))
    db.session.commit()


def _time_queue(clinician):
    times = []
    for number in range(ROUNDS + 1):
        start = time.perf_counter()
        page = load_queue(clinician, QueueFilters())
        if number:
            times.append(1000 * (time.perf_counter() - start))
        db.session.rollback()
    assert len(page.rows) == 25
    return times
