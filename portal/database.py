"""Engine rules for SQLite and PostgreSQL, and the column types both share."""

import os
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import DateTime, MetaData, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

LOCK_TIMEOUT_SECONDS = 30
LOCK_POLL_SECONDS = 0.002
WRITE_AHEAD_LOG_BYTES = 32 * 1024 * 1024
CHECKPOINT_SECONDS = 5
CHECKPOINT_PAUSE_SECONDS = 5
LONGEST_CHECKPOINT_PAUSE_SECONDS = 320
# libpq's own would have every thread wait for minutes to hours for a server whose machine is gone.
DEAD_SERVER_LIMITS = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}
# The server's own would have everybody wait as long for the locks of a web server or worker that froze or is gone.
DEAD_CLIENT_LIMITS = {
    # Milliseconds. Nobody pauses as long in the middle of a transaction: a backup's pauses, between a few rows and
    # the next, are those of its disk; an export that is not taken is given up (ops.web_worker.SEND_SECONDS).
    "idle_in_transaction_session_timeout": 60_000,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
}
_BEGIN_OPTION = "sqlite_begin"
# Execution option: a transaction that takes SQLite's write lock as it begins.
SQLITE_WRITE = {_BEGIN_OPTION: "BEGIN IMMEDIATE"}


class Base(DeclarativeBase):
    # Names for every constraint, so that migrations can drop them on both databases.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator):
    """An aware UTC datetime on both databases; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value, dialect):
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now():
    return datetime.now(UTC)


def engine_options(url):
    """Keyword arguments of create_engine for this database URL."""
    if make_url(url).get_backend_name() == "sqlite":
        # The interpreter's own SQLite may lose commits in WAL mode (fixed in 3.51.3); this wheel carries a fixed one.
        import pysqlite3.dbapi2

        return {
            "module": pysqlite3.dbapi2,
            "connect_args": {"timeout": LOCK_TIMEOUT_SECONDS},
            "hide_parameters": True,  # an error's text must not carry rows into a log
        }
    settings = {"timezone": "utc", "lock_timeout": LOCK_TIMEOUT_SECONDS * 1000, **DEAD_CLIENT_LIMITS}
    return {
        "hide_parameters": True,
        "pool_pre_ping": True,
        "connect_args": DEAD_SERVER_LIMITS
        | {"options": " ".join(f"-c {name}={value}" for name, value in settings.items())},
    }


def install_sqlite_rules(engine):
    """A file for its owner alone, WAL with full durability, deletion that erases, and explicit BEGIN.

    All of it on every connection of a SQLite engine.
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "do_connect")
    def before_connect(_dialect, _record, _arguments, _options):
        if engine.url.database not in (None, "", ":memory:"):
            _keep_to_owner(engine.url.database)

    @event.listens_for(engine, "connect")
    def connect(connection, _record):
        connection.isolation_level = None  # else the driver begins transactions on its own, too late
        # SQLite's own lower() knows A to Z only, and a search for "óscar" would not find Óscar.
        connection.create_function("lower", 1, _lower, deterministic=True)
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")  # else a deleted patient's photos stay in the file's free pages
        cursor.close()

    write_lock = SqliteWriteLock(Path(f"{engine.url.database}-wal"))

    @event.listens_for(engine, "begin")
    def begin(connection):
        statement = connection.get_execution_options().get(_BEGIN_OPTION)
        if statement is None:
            connection.exec_driver_sql("BEGIN")
        else:
            write_lock.take(connection, statement)


def _keep_to_owner(path):
    """The database file is there, and neither it nor what SQLite keeps beside it is readable for another account.

    SQLite would go by the umask of whoever runs the first command. A file that is there is never opened here: closing
    it again would take away the locks that another thread holds on it.
    """
    with suppress(OSError):  # it is there, or SQLite will say what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))  # new ones beside it get its mode
    for file in (Path(path), Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _lower(value):
    return None if value is None else str(value).lower()


class SqliteWriteLock:
    """Whose turn it is to write, and a write-ahead log that stays short.

    SQLite's own waiting looks every 100 ms whether the lock is free; between busy writers it is free for 1 ms, so
    somebody waits in vain for as long as others write, and no checkpoint ever finds the log unused.
    """

    def __init__(self, log):
        self._log = log
        self._pause = CHECKPOINT_PAUSE_SECONDS
        self._shorten_again_at = 0.0

    def take(self, connection, statement):
        """Begin a write transaction; OperationalError after LOCK_TIMEOUT_SECONDS."""
        cursor = connection.connection.cursor()
        ends_at = time.monotonic() + LOCK_TIMEOUT_SECONDS
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            self._shorten_log(cursor)
            while time.monotonic() < ends_at:
                try:
                    cursor.execute(statement)
                    return
                except connection.dialect.dbapi.OperationalError as error:
                    if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                        break
                time.sleep(LOCK_POLL_SECONDS)
            connection.exec_driver_sql(statement)  # once more, so that the refusal comes as SQLAlchemy's
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_SECONDS * 1000}")
            cursor.close()

    def _shorten_log(self, cursor):
        """Nobody begins a write before a long log is short again; a long reader (a backup) is not waited for.

        While one stays in the way this is tried ever more rarely: each try keeps everybody from writing.
        """
        began_at = time.monotonic()
        if began_at < self._shorten_again_at:
            return
        if _empty_log(cursor, is_needed=self._is_long):
            self._pause = CHECKPOINT_PAUSE_SECONDS
        elif self._shorten_again_at <= began_at:  # else another thread, which waited beside this one, has noted it
            self._shorten_again_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_CHECKPOINT_PAUSE_SECONDS)

    def _is_long(self):
        try:
            return self._log.stat().st_size > WRITE_AHEAD_LOG_BYTES
        except FileNotFoundError:
            return False


def _empty_log(cursor, *, is_needed=lambda: True):
    """Cut the write-ahead log to nothing; False when somebody uses it for CHECKPOINT_SECONDS, which is waited for.

    The connection's own busy_timeout must be 0.
    """
    ends_at = time.monotonic() + CHECKPOINT_SECONDS
    while is_needed():
        is_busy, *_pages = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not is_busy:
            return True
        if time.monotonic() > ends_at:
            return False
        time.sleep(LOCK_POLL_SECONDS)
    return True


def begin_write(session):
    """Start a write transaction; everything read from here on is current and locked against other writers.

    A read transaction that turns into a write one loses updates on SQLite, so the read
    one ends here, and loaded objects are read anew when next used.
    """
    session.rollback()
    session.connection(execution_options=SQLITE_WRITE)


def commit_erasure(session):
    """Commit a deletion, and empty SQLite's write-ahead log, whose older pages would still hold what was deleted.

    False when a reader kept the log in use, so that they are still there.
    """
    session.commit()
    engine = session.get_bind()
    if engine.dialect.name != "sqlite":
        return True
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            return _empty_log(cursor)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_SECONDS * 1000}")
