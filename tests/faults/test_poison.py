"""A photo that kills whoever reads it fails visibly after three attempts and holds nobody else up."""

import io

import pytest
from PIL import Image

from portal.extensions import db
from portal.models import Case
from tests.faults.poisons import POISONS
from tests.processes import PYTHON, Worker

pytestmark = pytest.mark.slow


@pytest.fixture
def poisoned_worker(environment, data_dir, redis_server):
    command = [PYTHON, "-m", "celery", "-A", "tests.faults.poisoned_worker", "worker", "-c", "1", "--loglevel", "INFO"]
    worker = Worker(command, data_dir / "poisoned.log", environment)
    yield worker.start()
    worker.kill()


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize("others", [10, pytest.param(50, marks=pytest.mark.long)])
def test_a_poisonous_photo(clinic, poisoned_worker, others):
    poisons = {name: clinic.submit(plain_photo(colour)) for name, colour in POISONS.items()}
    fine = [clinic.submit() for _case in range(others)]
    clinic.wait(300)
    for name, case_id in poisons.items():
        case = db.session.get(Case, case_id)
        print(f"{name}: {case.status} ({case.failure_reason}) after {case.attempts} attempts")
        assert (case.status, case.failure_reason, case.attempts) == ("failed", "worker_lost", 3)
    assert [db.session.get(Case, case_id).status for case_id in fine] == ["classified"] * others
    assert clinic.outcome().predictions == others


def plain_photo(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
