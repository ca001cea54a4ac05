"""Workers that are killed, stopped or told everything a hundred times: no case lost, none read twice."""

import random
import threading
import time

import pytest

from portal.services import classification

pytestmark = pytest.mark.slow


def sizes(short, long):
    return [short, pytest.param(*long, marks=pytest.mark.long)]


class Reaper(threading.Thread):
    """Ends the worker ``times`` times at random moments, and starts it again each time."""

    def __init__(self, worker, times, end):
        super().__init__()
        self.worker, self.times, self.end = worker, times, end
        self.last_at = None

    def run(self):
        for _time in range(self.times):
            time.sleep(random.uniform(0, 2))
            self.end(self.worker)
            self.last_at = time.monotonic()
            self.worker.start()


@pytest.mark.databases
@pytest.mark.parametrize(("uploads", "kills"), sizes((25, 3), (500, 20)))
def test_uploads_while_the_worker_group_is_killed(clinic, worker, uploads, kills):
    reaper = Reaper(worker, kills, lambda process: process.kill())
    reaper.start()
    for _upload in range(uploads):
        clinic.submit()
    reaper.join()
    clinic.wait(60 + max(0, reaper.last_at - time.monotonic()))
    print(f"{uploads} uploads, {kills} kills: done {time.monotonic() - reaper.last_at:.1f} s after the last kill")
    clinic.expect_all_classified_once()


@pytest.mark.parametrize(("uploads", "stops"), sizes((20, 2), (200, 20)))
def test_uploads_while_the_worker_is_asked_to_stop(clinic, worker, uploads, stops):
    reaper = Reaper(worker, stops, lambda process: process.stop())
    reaper.start()
    for _upload in range(uploads):
        clinic.submit()
    reaper.join()
    clinic.wait(60)
    print(f"{uploads} uploads, {stops} stops: done {time.monotonic() - reaper.last_at:.1f} s after the last stop")
    clinic.expect_all_classified_once()


@pytest.mark.parametrize("uploads", sizes(10, (100,)))
def test_a_web_process_that_dies_between_commit_and_publish(clinic, worker, monkeypatch, uploads):
    monkeypatch.setattr(classification, "ring", lambda *_case_ids: None)
    started = time.monotonic()
    for _upload in range(uploads):
        clinic.submit()
    clinic.wait(60)
    print(f"{uploads} uploads without a ring: done in {time.monotonic() - started:.1f} s")
    clinic.expect_all_classified_once()


def test_the_same_message_a_hundred_times_to_two_workers(clinic, make_worker):
    case_id = clinic.submit()
    classification.ring(*[case_id] * 100)
    make_worker("a")
    make_worker("b")
    clinic.wait(60)
    clinic.expect_all_classified_once()
