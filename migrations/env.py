"""Runs the migrations: ``flask --app portal db upgrade``. Each one happens whole or not at all on both databases."""

import logging

from alembic import context
from flask import current_app
from sqlalchemy import text

from portal.database import SQLITE_WRITE
from portal.extensions import db

MIGRATION_LOCK = 4_207_002  # any constant: PostgreSQL's advisory lock that lets one process migrate at a time

logging.getLogger("alembic").setLevel(logging.INFO)


def run():
    with db.engine.connect().execution_options(**SQLITE_WRITE) as connection:
        # SQLite changes a table by copying it: with foreign keys on, dropping the old copy would delete what points to
        # it. The pragma only works outside a transaction, so it goes past SQLAlchemy, which would begin one.
        _set_sqlite_foreign_keys(connection, "OFF")
        try:
            migrate(connection)
        finally:
            _set_sqlite_foreign_keys(connection, "ON")


def migrate(connection):
    options = current_app.extensions["migrate"].configure_args
    context.configure(connection=connection, target_metadata=db.metadata, **options)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        if _is_newer():
            print("The database is of a newer release, which this one can work with; it is left as it is.")
            return
        context.run_migrations()


def _is_newer():
    """Whether a later release has migrated it: going back to this one must not be stopped by that."""
    current = context.get_context().get_current_revision()
    return current is not None and current not in {script.revision for script in context.script.walk_revisions()}


def _set_sqlite_foreign_keys(connection, value):
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.execute(f"PRAGMA foreign_keys = {value}")


run()
