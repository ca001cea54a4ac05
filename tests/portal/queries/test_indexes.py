"""What grows with every page that is looked at is looked up, not read from end to end."""

import pytest
from sqlalchemy import event, inspect, text

from portal.extensions import db
from portal.models import AuditEvent
from portal.queries.admin import AuditFilters, find_audit_actions, find_audit_events
from portal.queries.system import find_last_backup
from portal.services import audit
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def plan_of(app):
    """``plan_of(query)``: how the database goes about the statement of a query, in its own words."""

    def plan(query):
        statements = []
        listen = ("before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
        event.listen(db.engine, *listen)
        query()
        event.remove(db.engine, *listen)
        statement, parameters = statements[-1]
        db.session.rollback()
        is_sqlite = db.engine.dialect.name == "sqlite"
        if not is_sqlite:
            # A table of a few rows is read whole, whatever indexes it has.
            db.session.execute(text("SET LOCAL enable_seqscan = off"))
            db.session.execute(text("SET LOCAL enable_bitmapscan = off"))
        # Without running it PostgreSQL does not show what each step of a recursion does.
        explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ANALYZE "
        found = db.session.connection().exec_driver_sql(explain + statement, parameters).all()
        return "\n".join(str(line[-1]) for line in found)

    return plan


@pytest.fixture
def case(app):
    case = factories.make_case("reviewed")
    for action in ("case.view", "case.view", "case.submit", "queue.view"):
        audit.record(action=action, target=case if action.startswith("case") else None)
    db.session.commit()
    return case


@pytest.mark.parametrize("by", ["target", "action"])
def test_the_newest_events_of_a_row_or_an_action_are_looked_up(case, plan_of, by):
    filters = AuditFilters(**{by: {"target": str(case.id), "action": "case.view"}[by]})
    index = {"target": "ix_audit_event_target_id_id", "action": "ix_audit_event_action_id"}[by]
    plan = plan_of(lambda: find_audit_events(filters))
    assert index in plan and "B-TREE" not in plan and "Sort" not in plan, plan
    events, _next = find_audit_events(filters)
    assert [event.action for event in events] == {
        "target": ["case.submit", "case.view", "case.view"],
        "action": ["case.view", "case.view"],
    }[by]


def test_the_actions_are_found_without_reading_the_trail(case, plan_of):
    plan = plan_of(find_audit_actions)
    assert plan.count("ix_audit_event_action_id") == 2, plan
    assert "SCAN audit_event" not in plan and "Seq Scan on audit_event" not in plan, plan
    assert find_audit_actions() == ["case.submit", "case.view", "queue.view"]


def test_the_last_backup_is_found_without_reading_the_trail(case, plan_of):
    plan = plan_of(find_last_backup)
    assert "ix_audit_event_action_id" in plan and "B-TREE" not in plan and "Sort" not in plan, plan


def test_a_new_portal_has_no_action_yet(app):
    assert find_audit_actions() == []


def test_each_key_that_points_to_a_prediction_is_indexed(app):
    """A prediction goes with its case: the database then looks for whoever points to it."""
    inspector = inspect(db.engine)
    for table in inspector.get_table_names():
        first_columns = {index["column_names"][0] for index in inspector.get_indexes(table)}
        for key in inspector.get_foreign_keys(table):
            assert key["referred_table"] != "prediction" or key["constrained_columns"][0] in first_columns, table


def test_the_trail_keeps_no_index_that_nothing_uses(app):
    names = {index["name"] for index in inspect(db.engine).get_indexes(AuditEvent.__tablename__)}
    assert "ix_audit_event_target" not in names
