"""What a case was read and decided with, where the patient's details were corrected since."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_facts_then"
down_revision = "2026_11_24_no_age_in_views"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("case", sa.Column("facts_then", sa.JSON(), nullable=True))


def downgrade():
    op.drop_column("case", "facts_then")
