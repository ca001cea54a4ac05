"""Who told the patient what was decided, and when; of what was told before, the audit trail knows."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_told"
down_revision = "2026_11_26_indexes"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("case", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    teller = sa.Column("told_by_id", sa.Integer(), sa.ForeignKey("user.id", name="fk_case_told_by_id_user"), nullable=True)
    # Inline, as SQLite adds no constraint to a table that is there.
    op.add_column("case", teller, inline_references=True)


def downgrade():
    op.drop_column("case", "told_by_id")
    op.drop_column("case", "told_at")
