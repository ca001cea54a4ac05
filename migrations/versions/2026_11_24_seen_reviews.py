"""Which decisions have reached the health workers."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_seen_reviews"
down_revision = "2026_11_23_rows_never_change"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("case", sa.Column("seen_review_count", sa.Integer(), nullable=False, server_default="0"))
    # Nobody is asked to look again at all that was decided before.
    op.execute('UPDATE "case" SET seen_review_count = review_count')


def downgrade():
    op.drop_column("case", "seen_review_count")
