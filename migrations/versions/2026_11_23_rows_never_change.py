"""Rows that never change: the database itself refuses, whatever the program does.

The audit trail takes new rows only. Photos, predictions and reviews are written once and go with their case;
a review's note may be erased (a patient is made anonymous), not rewritten.
"""

from alembic import op

revision = "2026_11_23_rows_never_change"
down_revision = "2026_11_23_first"
branch_labels = None
depends_on = None

WRITTEN_ONCE = ("image", "prediction", "first_read")
REVIEW_COLUMNS = (
    "id, case_id, number, reviewer_id, prediction_id, diagnosis, agrees, disposition, monitor_weeks, created_at"
)

# name, table, event, condition
TRIGGERS = (
    ("audit_event_no_update", "audit_event", "UPDATE", None),
    ("audit_event_no_delete", "audit_event", "DELETE", None),
    *((f"{table}_no_update", table, "UPDATE", None) for table in WRITTEN_ONCE),
    ("review_no_update", "review", f"UPDATE OF {REVIEW_COLUMNS}", None),
    ("review_note_only_erased", "review", "UPDATE OF note", "NEW.note <> ''"),
)

REFUSE = """
CREATE FUNCTION portal_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows never change', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade():
    create = create_on_sqlite if on_sqlite() else create_on_postgresql
    if not on_sqlite():
        op.execute(REFUSE)
        op.execute(
            "CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event EXECUTE FUNCTION portal_refuse()"
        )
    for trigger in TRIGGERS:
        create(*trigger)


def downgrade():
    for name, table, _event, _condition in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}" + ("" if on_sqlite() else f" ON {table}"))
    if not on_sqlite():
        op.execute("DROP TRIGGER audit_event_no_truncate ON audit_event")
        op.execute("DROP FUNCTION portal_refuse()")


def on_sqlite():
    return op.get_bind().dialect.name == "sqlite"


def create_on_sqlite(name, table, event, condition):
    when = f"WHEN {condition}" if condition else ""
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} {when} "
        f"BEGIN SELECT RAISE(ABORT, '{table} rows never change'); END"
    )


def create_on_postgresql(name, table, event, condition):
    when = f"WHEN ({condition})" if condition else ""
    op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION portal_refuse()")
