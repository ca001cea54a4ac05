"""Which worker may write a case's result: the number of its attempt begins anew with each retry."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_claim_key"
down_revision = "2026_11_27_told"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("case", sa.Column("claim_key", sa.String(32), nullable=True))


def downgrade():
    op.drop_column("case", "claim_key")
