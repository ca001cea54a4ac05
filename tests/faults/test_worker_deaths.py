"""Workers that are killed, stopped or told everything a hundred times: no case lost, none read twice."""

import random
import threading
import time

import pytest

from portal.extensions import db
from portal.models import Case
from portal.services import classification
from tests.processes import PYTHON, Process, wait_until

pytestmark = pytest.mark.slow


def sizes(short, long):
    """Parameters of the short run and of the one at full size."""
    return [pytest.param(*short), pytest.param(*long, marks=pytest.mark.long)]


class Reaper(threading.Thread):
    """Ends the worker ``times`` times, at moments drawn from the next ``seconds``, and starts it again each time."""

    def __init__(self, worker, times, seconds, end):
        super().__init__()
        self.worker, self.end = worker, end
        self.moments = sorted(random.uniform(0, seconds) for _time in range(times))
        self.last_at = None

    def run(self):
        started = time.monotonic()
        for moment in self.moments:
            time.sleep(max(0, started + moment - time.monotonic()))
            self.end(self.worker)
            self.last_at = time.monotonic()
            self.worker.start()


def submit_all(clinic, uploads, pace_seconds):
    """Uploads at a pace that a worker can keep, were it left alone."""
    started = time.monotonic()
    for number in range(uploads):
        clinic.submit()
        time.sleep(max(0, started + number * pace_seconds - time.monotonic()))


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize(("uploads", "kills", "pace_seconds"), sizes((25, 3, 0.3), (500, 20, 1.0)))
def test_uploads_while_the_worker_group_is_killed(clinic, worker, uploads, kills, pace_seconds):
    reaper = Reaper(worker, kills, uploads * pace_seconds, lambda process: process.kill())
    reaper.start()
    submit_all(clinic, uploads, pace_seconds)
    reaper.join()
    clinic.wait(60 + max(0, reaper.last_at - time.monotonic()))
    print(f"{uploads} uploads, {kills} kills: done {time.monotonic() - reaper.last_at:.1f} s after the last kill")
    clinic.expect_all_classified_once()


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize(("uploads", "stops", "pace_seconds"), sizes((20, 2, 0.3), (200, 20, 1.0)))
def test_uploads_while_the_worker_is_asked_to_stop(clinic, worker, uploads, stops, pace_seconds):
    reaper = Reaper(worker, stops, uploads * pace_seconds, lambda process: process.stop())
    reaper.start()
    submit_all(clinic, uploads, pace_seconds)
    reaper.join()
    clinic.wait(60)
    print(f"{uploads} uploads, {stops} stops: done {time.monotonic() - reaper.last_at:.1f} s after the last stop")
    clinic.expect_all_classified_once()


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize("crashes", sizes((10,), (100,)))
def test_web_processes_that_die_between_commit_and_publish(clinic, worker, environment, data_dir, crashes):
    nurse, lesion = clinic.nurse, clinic.lesion
    command = [PYTHON, "-m", "tests.faults.crasher", str(nurse.id), str(lesion.id), str(crashes)]
    crasher = Process(command, data_dir / "crasher.log", environment).start()
    wait_until(lambda: not crasher.is_running, 300)
    crashed_at = time.monotonic()
    db.session.rollback()
    clinic.submitted = db.session.scalars(db.select(Case.id)).all()
    assert len(clinic.submitted) == crashes, crasher.output()
    clinic.wait(60)
    print(f"{crashes} crashes before the ring: done {time.monotonic() - crashed_at:.1f} s after the last")
    clinic.expect_all_classified_once()


@pytest.mark.databases(short="sqlite")
def test_the_same_message_a_hundred_times_to_two_workers(clinic, make_worker):
    case_id = clinic.submit()
    classification.ring(*[case_id] * 100)
    make_worker("a")
    make_worker("b")
    clinic.wait(60)
    clinic.expect_all_classified_once()
