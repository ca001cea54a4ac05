"""The whole database in one sealed file, taken while the portal runs, for SQLite and PostgreSQL alike.

Rows go through the models' own column types, so a backup of one kind of database restores into the other.
"""

import base64
import fcntl
import gzip
import io
import json
import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import JSON, DateTime, LargeBinary, Uuid, column, func, insert, inspect, select, text, update
from sqlalchemy import table as table_clause

from config import ROOT
from portal.database import SQLITE_WRITE, UtcDateTime, utc_now
from portal.extensions import db
from portal.models import AccountToken, LoginSession
from portal.sealed_file import DamagedFile, SealedReader, SealedWriter

ROWS_AT_ONCE = 20  # with their photos they fit into memory
MOST_SHRINKAGE = 2  # the good backup of last week must outlive one of a database that was made anew


class CannotBackUp(Exception):
    """The message says why nothing was written."""


class CannotRestore(Exception):
    """The message says why nothing was changed."""


@dataclass(frozen=True)
class Restored:
    rows: int
    made_at: datetime  # as of when the backup is


def write_backup(path, passphrase):
    """Write every row, as of one moment, to ``path`` (mode 600, complete or not there). Returns the number of rows.

    Raises CannotBackUp when another backup to ``path`` is being written, when the one that is there is far larger, or
    when the database is of a newer release, whose columns this one does not know.
    """
    path = Path(path)
    with _replacing(path) as file:
        sealed = SealedWriter(file, passphrase)
        with gzip.GzipFile(fileobj=sealed, mode="wb", compresslevel=1) as packed:  # photos are packed already
            counts = _write_rows(packed)
        sealed.finish()
    return sum(counts.values())


def restore_backup(path, passphrase):
    """Fill the empty, migrated database from ``path``, in one transaction. Returns a Restored.

    Nobody is logged in afterwards, and no link to set a password is good.
    Raises CannotRestore when the file is damaged or of another schema, or the database holds rows. A broken audit
    trail is no reason: it may be in the only backup there is, and comes back as it was.
    """
    try:
        with open(path, "rb") as file, db.engine.connect() as connection:
            sealed = io.BufferedReader(SealedReader(file, passphrase))
            with gzip.GzipFile(fileobj=sealed) as packed, connection.execution_options(**SQLITE_WRITE).begin():
                restored = _read_rows(packed, connection)
                sealed.read()  # to the end, so that a file cut after the last row is noticed
                _end_what_may_be_over(connection)
    except (DamagedFile, EOFError, gzip.BadGzipFile, json.JSONDecodeError) as error:
        raise CannotRestore("The backup is damaged, or the passphrase is another one.") from error
    return restored


@contextmanager
def _replacing(path):
    """A file that takes the place of ``path`` once the block ends; of two that want to, the second is refused."""
    part = path.with_name(path.name + ".part")
    # One that was cut off is written over; it must not be emptied before it is known that nobody writes it.
    with open(part, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        if not _lock(file, part):
            raise CannotBackUp(f"Another backup to {path} is being written. Wait for it, or choose another file.")
        try:
            file.truncate(0)
            yield file
            file.flush()
            os.fsync(file.fileno())
            _refuse_to_shrink(path, os.path.getsize(part))
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _refuse_to_shrink(path, size):
    present = path.stat().st_size if path.exists() else 0
    if present > MOST_SHRINKAGE * size:
        raise CannotBackUp(
            f"{path} holds {present} bytes and the new backup only {size}, so the file was left as it is. "
            "If this is the right database, choose another file or move that one away."
        )


def _lock(file, path):
    """Keep the open file until it is closed; False where another process keeps it, or did until it moved it away."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _end_what_may_be_over(connection):
    """Who logged out, or used a link, after the backup was made did so for good."""
    now = utc_now()
    for table, end in ((LoginSession.__table__, "ended_at"), (AccountToken.__table__, "used_at")):
        connection.execute(update(table).where(table.c[end].is_(None)).values({end: now}))


def _write_rows(file):
    """One JSON value a line: a head, each table's name, columns and rows, then the count of each table's rows."""
    counts = {}
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            revision = _revision(connection)
            if revision is not None and not _is_known(revision):
                raise CannotBackUp(
                    f"The database is of schema {revision}, which is newer than this release and may hold what this "
                    "release does not know. Make the backup with the newer release."
                )
            _write_line(file, {"revision": revision, "made_at": utc_now().isoformat()})
            for table in db.metadata.sorted_tables:
                _write_line(file, {"table": table.name, "columns": table.columns.keys()})
                counts[table.name] = 0
                rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(
                    select(table).order_by(*table.primary_key)
                )
                for row in rows:
                    _write_line(file, [_to_json(value) for value in row])
                    counts[table.name] += 1
            _write_line(file, {"counts": counts})
    return counts


def _read_rows(file, connection):
    head = json.loads(file.readline())
    wanted, found = head["revision"], _revision(connection)
    if wanted != found:
        problem = f"The backup is of schema {wanted}. On a new database" if found else "This database has no tables:"
        raise CannotRestore(
            f"{problem} run `flask --app portal db upgrade {wanted}`, restore, then `flask --app portal db upgrade`."
        )
    tables = _existing_tables(connection)
    for table in tables:
        if connection.scalar(select(func.count()).select_from(table)):
            raise CannotRestore("The database holds rows already. Restore into an empty one.")
    _defer_foreign_keys(connection)
    counts, table, batch = {}, None, []
    for line in file:
        value = json.loads(line)
        if isinstance(value, list):
            batch.append(_from_json(table, value))
            counts[table.name] += 1
        if batch and (len(batch) == ROWS_AT_ONCE or isinstance(value, dict)):
            connection.execute(insert(table), batch)
            batch = []
        if isinstance(value, dict) and "table" in value:
            table = _table_of(db.metadata.tables[value["table"]], value.get("columns"))
            counts[table.name] = 0
        elif isinstance(value, dict) and value["counts"] != counts:
            raise DamagedFile
    _advance_sequences(connection, tables)
    return Restored(sum(counts.values()), datetime.fromisoformat(head["made_at"]))


def _existing_tables(connection):
    """Today's tables that this database has: one of an earlier schema may lack some."""
    names = set(inspect(connection).get_table_names())
    return [table for table in db.metadata.sorted_tables if table.name in names]


def _table_of(today, names):
    """The table with the columns its rows have, and no defaults: an earlier schema lacks what came later."""
    names = names or today.columns.keys()
    if unknown := set(names) - set(today.columns.keys()):
        raise CannotRestore(
            f"{today.name} has no {', '.join(sorted(unknown))} today: restore with the earlier release."
        )
    return table_clause(today.name, *(column(name, today.columns[name].type) for name in names))


def _defer_foreign_keys(connection):
    # A case and its prediction point at each other.
    on_sqlite = connection.dialect.name == "sqlite"
    connection.execute(text("PRAGMA defer_foreign_keys = ON" if on_sqlite else "SET CONSTRAINTS ALL DEFERRED"))


def _advance_sequences(connection, tables):
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    for table in tables:
        key = next(iter(table.primary_key))
        if table.autoincrement_column is key:
            last = select(func.max(key)).scalar_subquery()
            sequence = func.pg_get_serial_sequence(quote(table.name), key.name)
            connection.execute(select(func.setval(sequence, func.coalesce(last, 1), last.is_not(None))))


def _revision(connection):
    has_one = inspect(connection).has_table("alembic_version")
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if has_one else None


def _is_known(revision):
    return any(script.revision == revision for script in ScriptDirectory(ROOT / "migrations").walk_revisions())


def _write_line(file, value):
    file.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


def _to_json(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _from_json(table, values):
    return {column.name: _read_value(column.type, value) for column, value in zip(table.columns, values, strict=True)}


def _read_value(kind, value):
    if value is None or isinstance(kind, JSON):
        return value
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value)
    if isinstance(kind, UtcDateTime | DateTime):
        return datetime.fromisoformat(value)
    return uuid.UUID(value) if isinstance(kind, Uuid) else value
