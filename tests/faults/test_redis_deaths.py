"""A broker that is killed, emptied, frozen or away: uploads answer at once, and the same worker reads all."""

import signal
import time

import psutil
import pytest

from tests.processes import wait_until

pytestmark = pytest.mark.slow

MOST_SECONDS = 3


def submit_quickly(clinic, number):
    """Submit, and return the slowest upload's seconds."""
    slowest = 0
    for _upload in range(number):
        started = time.monotonic()
        clinic.submit()
        slowest = max(slowest, time.monotonic() - started)
    return slowest


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize(("kills", "away_seconds"), [(2, 5), pytest.param(5, 120, marks=pytest.mark.long)])
def test_redis_is_killed_and_comes_back_empty(clinic, worker, redis_server, kills, away_seconds):
    pid, slowest = worker.pid, 0
    for _kill in range(kills):
        slowest = max(slowest, submit_quickly(clinic, 3))
        redis_server.kill()
        slowest = max(slowest, submit_quickly(clinic, 3))
        redis_server.start()
    redis_server.kill()
    slowest = max(slowest, submit_quickly(clinic, 3))
    time.sleep(away_seconds)
    redis_server.start()
    clinic.wait(120, worker)
    print(f"Redis killed {kills + 1} times, away {away_seconds} s: slowest upload {slowest:.2f} s")
    assert slowest < MOST_SECONDS
    assert worker.is_running and worker.pid == pid
    clinic.expect_all_classified_once()


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.long)])
def test_redis_is_frozen(clinic, worker, redis_server, seconds):
    clinic.submit()
    redis_server.signal(signal.SIGSTOP)
    started = time.monotonic()
    slowest = submit_quickly(clinic, 5)
    time.sleep(max(0, seconds - (time.monotonic() - started)))
    redis_server.signal(signal.SIGCONT)
    clinic.wait(120, worker)
    print(f"Redis frozen for {seconds} s: slowest upload {slowest:.2f} s")
    assert slowest < MOST_SECONDS
    clinic.expect_all_classified_once()


@pytest.mark.databases(short="sqlite")
def test_redis_takes_nothing_while_a_message_is_in_hand(clinic, worker, redis_server):
    # The message cannot be acknowledged then. With room for one, the worker must not hold it for ever.
    said = len(worker.output())
    wait_until(lambda: " succeeded" in worker.output()[said:], 60, worker, interval=0.01)
    (child,) = psutil.Process(worker.pid).children()
    said = len(worker.output())
    child.suspend()  # idle until the next sweep: it holds no lock
    clinic.submit()
    wait_until(lambda: " received" in worker.output()[said:], 60, worker)
    redis_server.client.client_pause(timeout=120_000, all=False)  # milliseconds, writing alone
    child.resume()
    wait_until(lambda: "Couldn't ack" in worker.output(), 60, worker)
    clinic.submit()
    redis_server.client.client_unpause()
    clinic.wait(60, worker)
    clinic.expect_all_classified_once()
