"""A real worker on a real Redis reads real rows."""

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import Case
from portal.services import cases, classification
from tests import factories
from tests.processes import wait_until

pytestmark = [pytest.mark.databases, pytest.mark.slow]


def status_of(case_id):
    db.session.rollback()
    return db.session.scalar(db.select(Case.status).where(Case.id == case_id))


def test_a_photo_is_read(app, model, worker, redis_server):
    case = cases.submit_case(submitter=factories.make_user(), **factories.new_case_values())
    wait_until(lambda: status_of(case.id) == "classified", 30, worker)
    assert sum(case.prediction.probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert case.prediction.activation_map.startswith(b"\x89PNG")
    names = redis_server.client.keys("portal:worker:*")
    assert len(names) == 1 and 0 < redis_server.client.ttl(names[0]) <= 3 * app.config["SWEEP_SECONDS"]


def test_a_case_nobody_rang_for_is_found(app, model, worker, monkeypatch):
    monkeypatch.setattr(classification, "ring", lambda *_case_ids: None)
    case = cases.submit_case(submitter=factories.make_user(), **factories.new_case_values())
    case.ring_at = utc_now()
    db.session.commit()
    wait_until(lambda: status_of(case.id) == "classified", 30, worker)


def test_a_worker_without_a_model_uses_up_no_attempt(app, environment, data_dir, make_worker):
    environment["MODEL_DIR"] = str(data_dir / "nothing")
    worker = make_worker()
    case = cases.submit_case(submitter=factories.make_user(), **factories.new_case_values())
    wait_until(lambda: worker.output().count(f"case {case.id} waits: the model cannot be loaded") >= 2, 30, worker)
    assert (status_of(case.id), case.attempts) == ("queued", 0)
