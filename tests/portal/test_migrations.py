"""The migrations alone make the schema the models describe, on both databases, up and down."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade
from sqlalchemy import CheckConstraint, MetaData, inspect, text
from sqlalchemy.exc import IntegrityError

from config import ROOT
from portal.extensions import db
from portal.models import AccountToken, LoginAttempt, LoginSession, Prediction
from portal.services import audit
from tests import factories

pytestmark = pytest.mark.databases

REVISIONS = [script.revision for script in ScriptDirectory(ROOT / "migrations").walk_revisions()]
TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


def test_models_match_migrations(app):
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": db.metadata})
        assert compare_metadata(context, db.metadata) == []


def test_every_check_and_foreign_key_of_the_models_is_in_the_database(app):
    # Autogeneration compares neither checks nor what happens on delete.
    inspector = inspect(db.engine)
    for table in db.metadata.sorted_tables:
        checks = {check["name"] for check in inspector.get_check_constraints(table.name)}
        assert checks == {check.name for check in table.constraints if isinstance(check, CheckConstraint)}
        # Not by name: SQLite gives a key that was added with its column none.
        keys = {
            (*key["constrained_columns"], key["referred_table"], key.get("options", {}).get("ondelete"))
            for key in inspector.get_foreign_keys(table.name)
        }
        assert keys == {
            (*key.column_keys, key.referred_table.name, key.ondelete) for key in table.foreign_key_constraints
        }


def test_down_to_nothing_and_up_again(app):
    before = schema()
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    assert triggers() == set()
    upgrade()
    assert schema() == before


def test_a_database_of_a_newer_release_is_left_as_it_is(app, capfd):
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of_tomorrow'"))
    upgrade()
    assert "of a newer release" in capfd.readouterr().out
    with db.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "of_tomorrow"
    assert factories.make_case("reviewed").id


@pytest.mark.parametrize("release", REVISIONS)
def test_from_each_earlier_schema_with_data_up_and_down(app, release):
    """Rows of every table, as that schema knows them, survive the way to today's and back."""
    # As the way up leaves it: without the exact age.
    age = {"name": "age", "value": None, "risk_before": 0.2, "risk_after": 0.3}
    case = factories.make_case("reviewed", prediction={"factors": [age]})
    case.seen_review_count = case.review_count  # as the way up takes every earlier decision to be
    factories.make_first_read(factories.make_case("classified"))
    factories.save(LoginAttempt(address="203.0.113.9", subject_hash="x" * 64, at=case.submitted_at))
    user = case.submitted_by
    factories.save(LoginSession(user=user, token_hash="y" * 64))
    factories.save(AccountToken(user=user, token_hash="z" * 64, expires_at=case.submitted_at))
    audit.record(action="test.happened", target=case, clinic_id=case.clinic_id, actor=user)
    db.session.commit()
    today = rows()
    downgrade(revision=release)
    earlier = rows()
    upgrade()
    assert rows() == today
    downgrade(revision=release)
    assert rows() == earlier
    assert all(earlier.values()), "a table without a row shows nothing"
    upgrade()
    assert rows() == today and audit.find_first_break() is None


def test_an_exact_age_leaves_the_views_and_comes_back_only_as_the_case_tells_it(app):
    revision = "2026_11_24_no_age_in_views"
    sex = {"name": "sex", "value": "male", "risk_before": 0.3, "risk_after": 0.2}
    for age, told in (("62", 62), ("97", 90)):  # the second has been made anonymous: 97 stands in the view alone
        factors = [{"name": "age", "value": age, "risk_before": 0.2, "risk_after": 0.3}, sex]
        factories.make_case("classified", age_years=told, prediction={"factors": factors})
    downgrade(revision=ScriptDirectory(ROOT / "migrations").get_revision(revision).down_revision)
    assert ages() == ["62", "90"]
    upgrade(revision=revision)
    assert ages() == [None, None]


def ages():
    """The ages in the views, the earliest first; the rest of each view is as it was, and the rule is in force."""
    db.session.rollback()
    found = []
    for factors in db.session.scalars(db.select(Prediction.factors).order_by(Prediction.id)):
        age, sex = factors
        assert (age["risk_before"], age["risk_after"], sex["value"]) == (0.2, 0.3, "male")
        found.append(age["value"])
    with pytest.raises(IntegrityError, match="never change"):
        db.session.execute(text("UPDATE prediction SET factors = '[]'"))
    db.session.rollback()
    return found


def copied(table, column, value):
    """INSERT of a row that is there already, but for one column; a check speaks before the doubled key does."""
    columns = db.metadata.tables[table].columns.keys()
    values = [repr(value) if name == column else name for name in columns]
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table}"


# Which rule, and what it must refuse to a reviewed case and all that belongs to it.
FORBIDDEN = {
    "ck_case_status": "UPDATE \"case\" SET status = 'lost'",
    "ck_case_tier": "UPDATE \"case\" SET tier = 'whenever'",
    "ck_case_classified_has_prediction": "UPDATE \"case\" SET status = 'classified', prediction_id = NULL",
    "ck_case_reviewed_has_review": 'UPDATE "case" SET review_count = 0',
    "ck_image_kind": copied("image", "kind", "x-ray"),
    "ck_lesion_body_view": "UPDATE lesion SET body_view = 'left'",
    "ck_lesion_map_position": "UPDATE lesion SET map_y = 1.5",
    "ck_patient_sex": "UPDATE patient SET sex = 'f'",
    "ck_patient_skin_type": "UPDATE patient SET skin_type = 7",
    "ck_review_disposition": copied("review", "disposition", "forget"),
    "ck_review_monitor_weeks": copied("review", "disposition", "monitor"),
    "ck_user_role": "UPDATE \"user\" SET role = 'owner'",
    "audit_event rows never change": "DELETE FROM audit_event",
    "review rows never change": "UPDATE review SET note = 'all is well'",
}


def test_each_check_has_a_statement_that_it_must_refuse(app):
    checks = {
        check.name
        for table in db.metadata.sorted_tables
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert checks == {rule for rule in FORBIDDEN if rule.startswith("ck_")}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_the_database_itself_refuses(app, rule):
    audit.record(action="test.happened", target=factories.make_case("reviewed"))
    db.session.commit()
    before = rows()
    assert_refused(FORBIDDEN[rule], rule)
    assert rows() == before


@pytest.mark.parametrize("table", ["audit_event", "first_read", "image", "prediction", "review"])
def test_what_is_written_once_changes_in_no_column(app, table):
    case = factories.make_case("reviewed")
    factories.make_first_read(case)
    audit.record(action="test.happened", target=case)
    db.session.commit()
    may_change = {"review": {"note"}}.get(table, set())
    for column in set(db.metadata.tables[table].columns.keys()) - may_change:
        assert_refused(f"UPDATE {table} SET {column} = {column}", f"{table} rows never change")


def test_the_audit_trail_cannot_be_emptied_at_once(app, database_kind):
    if database_kind == "postgresql":  # SQLite has no such statement
        assert_refused("TRUNCATE audit_event", "audit_event rows never change")


def assert_refused(statement, rule):
    with pytest.raises(IntegrityError, match=rule):
        db.session.execute(text(statement))
    db.session.rollback()


def schema():
    inspector = inspect(db.engine)
    tables = {
        table: [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)]
        for table in inspector.get_table_names()
    }
    return tables, triggers()


def triggers():
    with db.engine.connect() as connection:
        return set(connection.scalars(text(TRIGGERS[connection.dialect.name])))


def rows():
    """Every row of every table that this schema has, by the database's own columns."""
    found = MetaData()
    found.reflect(db.engine)
    with db.engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(db.select(table))))
            for table in found.tables.values()
            if table.name != "alembic_version"
        }
