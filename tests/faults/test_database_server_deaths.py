"""PostgreSQL itself is killed in the middle of writes: what was committed is there, nothing by half."""

import random
import time

import pytest

from config import TestingConfig
from portal import create_app
from portal.extensions import db
from portal.models import Case, Image
from tests import factories
from tests.conftest import running_postgresql
from tests.processes import PYTHON, Process, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def server():
    with running_postgresql() as server:
        yield server


@pytest.fixture
def environment(server, data_dir):
    return {"DATA_DIR": str(data_dir), "DATABASE_URL": server.create("killed", data_dir), "PORTAL_ENV": "development"}


@pytest.fixture
def app(environment):
    with create_app(TestingConfig(environment)).app_context() as context:
        yield context.app
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.long)])
def test_the_server_is_killed_in_the_middle_of_writes(server, environment, app, data_dir, kills):
    case_id = factories.make_case("failed", attempts=0).id
    for _kill in range(kills):
        before = attempts(case_id)
        command = [PYTHON, "-m", "tests.faults.writer", str(case_id), "10000"]
        writer = Process(command, data_dir / "writer.log", environment).start()
        wait_until(lambda before=before: attempts(case_id) > before, 60, writer)
        time.sleep(random.uniform(0, 0.3))
        seen = attempts(case_id)
        server.kill()
        wait_until(lambda writer=writer: not writer.is_running, 60)
        server.start()
        assert attempts(case_id) >= seen, "what was committed is there"
        stored = [rows_read(Case), rows_read(Image)]
        assert stored == [attempts(case_id) + 1] * 2, "a write is there whole or not at all"
    print(f"{kills} kills of PostgreSQL during {attempts(case_id)} writes of 2 MB: none lost, none by half")


def rows_read(model):
    """How many rows there are, each read whole; a few at a time, as their photos are gigabytes together."""
    rows = db.session.execute(db.select(*model.__table__.columns).execution_options(yield_per=20))
    number = sum(1 for _row in rows)
    db.session.rollback()
    return number


def attempts(case_id):
    """Each write adds one case with its photo and counts itself here."""
    number = db.session.scalar(db.select(Case.attempts).where(Case.id == case_id))
    db.session.rollback()  # nothing of this process is open when the server dies
    return number
