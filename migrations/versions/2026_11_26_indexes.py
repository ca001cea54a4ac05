"""Indexes for what the audit page looks up, and for the keys that point to a prediction, which is deleted with its case."""

from alembic import op

revision = "2026_11_26_indexes"
down_revision = "2026_11_24_facts_then"
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("ix_audit_event_target_id_id", "audit_event", ["target_id", "id"])
    op.create_index("ix_audit_event_action_id", "audit_event", ["action", "id"])
    op.drop_index("ix_audit_event_target", "audit_event")  # nobody looks for a row by its type
    op.create_index("ix_case_prediction_id", "case", ["prediction_id"])
    op.create_index("ix_review_prediction_id", "review", ["prediction_id"])


def downgrade():
    op.drop_index("ix_review_prediction_id", "review")
    op.drop_index("ix_case_prediction_id", "case")
    op.create_index("ix_audit_event_target", "audit_event", ["target_type", "target_id"])
    op.drop_index("ix_audit_event_action_id", "audit_event")
    op.drop_index("ix_audit_event_target_id_id", "audit_event")
