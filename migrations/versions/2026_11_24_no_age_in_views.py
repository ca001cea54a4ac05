"""The exact age leaves the model's views: it is kept once, with the case, where it can be made anonymous."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_no_age_in_views"
down_revision = "2026_11_24_seen_reviews"
branch_labels = None
depends_on = None

predictions = sa.table("prediction", sa.column("id"), sa.column("case_id"), sa.column("factors", sa.JSON))
cases = sa.table("case", sa.column("id"), sa.column("age_years"))


def upgrade():
    rewrite_age(lambda years: None)


def downgrade():
    rewrite_age(str)


def rewrite_age(value_of):
    """The rows never change, by the database's own rule, which stands aside within this transaction."""
    lift_rule()
    connection = op.get_bind()
    statement = sa.select(predictions.c.id, predictions.c.factors, cases.c.age_years).join_from(
        predictions, cases, predictions.c.case_id == cases.c.id
    )
    for row_id, factors, years in connection.execute(statement).all():
        if any(factor["name"] == "age" for factor in factors):
            rewritten = [
                factor | {"value": value_of(years)} if factor["name"] == "age" else factor for factor in factors
            ]
            connection.execute(sa.update(predictions).where(predictions.c.id == row_id).values(factors=rewritten))
    restore_rule()


def lift_rule():
    op.execute("DROP TRIGGER prediction_no_update" + ("" if on_sqlite() else " ON prediction"))


def restore_rule():
    action = (
        "BEGIN SELECT RAISE(ABORT, 'prediction rows never change'); END"
        if on_sqlite()
        else "FOR EACH ROW EXECUTE FUNCTION portal_refuse()"
    )
    op.execute(f"CREATE TRIGGER prediction_no_update BEFORE UPDATE ON prediction {action}")


def on_sqlite():
    return op.get_bind().dialect.name == "sqlite"
