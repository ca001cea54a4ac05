"""The engine's own limits: how long a dead client keeps its locks, how long a reader makes writers wait."""

import contextlib

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from portal import database
from portal.database import (
    CHECKPOINT_PAUSE_SECONDS,
    CHECKPOINT_SECONDS,
    LONGEST_CHECKPOINT_PAUSE_SECONDS,
    SqliteWriteLock,
)

IDLE_LIMIT = "idle_in_transaction_session_timeout"
TAKE_CHAIN = text("SELECT pg_advisory_xact_lock(4207001)")


@pytest.fixture
def connect(postgresql_databases):
    """``connect()``: one more connection as the portal makes them, to the server of the tests."""
    with contextlib.ExitStack() as opened:

        def connect():
            url = postgresql_databases.url("postgres")
            engine = create_engine(url, **database.engine_options(url))
            opened.callback(engine.dispose)
            return opened.enter_context(contextlib.closing(engine.connect()))

        yield connect


def test_who_freezes_in_a_transaction_loses_its_locks(connect, monkeypatch):
    monkeypatch.setitem(database.DEAD_CLIENT_LIMITS, IDLE_LIMIT, 500)
    frozen, other = connect(), connect()
    frozen.execute(TAKE_CHAIN)
    other.execute(text("SET lock_timeout = '10s'"))
    other.execute(TAKE_CHAIN)
    with pytest.raises(DBAPIError, match="idle-in-transaction"):
        frozen.execute(text("SELECT 1"))


def test_the_server_looks_whether_its_client_is_still_there(connect):
    # What is in force on a socket of the same machine is 0; what was asked for is kept beside it.
    asked = text("SELECT name, reset_val FROM pg_settings WHERE name LIKE 'tcp_keepalives%' OR name = :limit")
    settings = dict(connect().execute(asked, {"limit": IDLE_LIMIT}).all())
    assert settings == {
        IDLE_LIMIT: "60000",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += max(seconds, 0.25)


class LogInUse:
    """A cursor of a database whose write-ahead log a reader holds on to, and that log."""

    def __init__(self):
        self.is_read = True
        self.size = database.WRITE_AHEAD_LOG_BYTES + 1

    def execute(self, _checkpoint):
        self.size = self.size if self.is_read else 0
        return self

    def fetchone(self):
        return (int(self.is_read), 0, 0)

    def stat(self):
        return self

    @property
    def st_size(self):
        return self.size


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(database, "time", clock)
    return clock


def waits(lock, log, clock, seconds):
    """When, within the next ``seconds`` of one write after the other, somebody waited for the log."""
    ends_at, found = clock.now + seconds, []
    while clock.now < ends_at:
        began_at = clock.now
        lock._shorten_log(log)
        if clock.now > began_at:
            found.append(began_at)
        clock.now += 0.25
    return found


def test_writers_wait_ever_more_rarely_for_a_long_reader_and_as_before_for_the_next(clock):
    log = LogInUse()
    lock = SqliteWriteLock(log)
    began = waits(lock, log, clock, 3600)
    pauses = [round(after - before - CHECKPOINT_SECONDS) for before, after in zip(began, began[1:], strict=False)]
    assert pauses[:4] == pytest.approx([CHECKPOINT_PAUSE_SECONDS * factor for factor in (1, 2, 4, 8)], abs=1)
    assert max(pauses) == pytest.approx(LONGEST_CHECKPOINT_PAUSE_SECONDS, abs=1)
    assert len(began) * CHECKPOINT_SECONDS < 100, "seconds of an hour in which nobody writes"

    log.is_read = False
    clock.now += LONGEST_CHECKPOINT_PAUSE_SECONDS
    waits(lock, log, clock, 1)
    assert log.size == 0
    log.__init__()
    first, second = waits(lock, log, clock, 15)
    assert second - first == pytest.approx(CHECKPOINT_SECONDS + CHECKPOINT_PAUSE_SECONDS, abs=1)


def test_threads_that_wait_together_have_waited_once(clock):
    """The second comes while the first waits, and gives up after it."""
    log = LogInUse()
    lock = SqliteWriteLock(log)
    second = []

    def beside(seconds):
        if not second:
            second.append(True)
            lock._shorten_log(log)
        clock.now += seconds

    clock.sleep, sleep = beside, clock.sleep
    lock._shorten_log(log)
    clock.sleep = sleep
    again, and_again, *_later = waits(lock, log, clock, 60)
    assert and_again - again == pytest.approx(CHECKPOINT_SECONDS + 2 * CHECKPOINT_PAUSE_SECONDS, abs=1)
