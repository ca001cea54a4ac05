"""Engine rules for SQLite and PostgreSQL, and the column types both share."""

import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import DateTime, MetaData, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

LOCK_TIMEOUT_SECONDS = 30
WRITE_AHEAD_LOG_BYTES = 32 * 1024 * 1024
CHECKPOINT_TIMEOUT_SECONDS = 0.5
CHECKPOINT_PAUSE_SECONDS = 5
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

        return {"module": pysqlite3.dbapi2, "connect_args": {"timeout": LOCK_TIMEOUT_SECONDS}}
    return {
        "pool_pre_ping": True,
        "connect_args": {"options": f"-c timezone=utc -c lock_timeout={LOCK_TIMEOUT_SECONDS * 1000}"},
    }


def install_sqlite_rules(engine):
    """WAL with full durability, and explicit BEGIN, on every connection of a SQLite engine."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def connect(connection, _record):
        connection.isolation_level = None  # else the driver begins transactions on its own, too late
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN"))

    _keep_log_short(engine)


def _keep_log_short(engine):
    # While others write without a pause, SQLite's own checkpoints never find the log unused, and it grows on.
    log = Path(f"{engine.url.database}-wal")
    again_at = 0

    @event.listens_for(engine, "checkin")
    def checkin(connection, _record):
        nonlocal again_at
        if connection is None or time.monotonic() < again_at or not log.exists():
            return
        if log.stat().st_size > WRITE_AHEAD_LOG_BYTES:
            again_at = time.monotonic() + CHECKPOINT_PAUSE_SECONDS  # a long reader may be in the way: do not insist
            connection.execute(f"PRAGMA busy_timeout = {int(CHECKPOINT_TIMEOUT_SECONDS * 1000)}")
            is_busy, *_pages = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_SECONDS * 1000}")
            again_at *= is_busy


def begin_write(session):
    """Start a write transaction; everything read from here on is current and locked against other writers.

    A read transaction that turns into a write one loses updates on SQLite, so the read
    one ends here, and loaded objects are read anew when next used.
    """
    session.rollback()
    session.connection(execution_options=SQLITE_WRITE)
