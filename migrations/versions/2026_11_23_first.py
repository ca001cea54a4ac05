"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_first"
down_revision = None
branch_labels = None
depends_on = None

DEFERRABLE = {"deferrable": True, "initially": "IMMEDIATE"}


def upgrade():
    op.create_table(
        "clinic",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("first_read_required", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clinic"),
        sa.UniqueConstraint("name", name="uq_clinic_name"),
    )
    op.create_table(
        "login_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_attempt"),
    )
    op.create_index("ix_login_attempt_address_at", "login_attempt", ["address", "at"])
    op.create_index("ix_login_attempt_email_hash_at", "login_attempt", ["email_hash", "at"])

    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("totp_secret", sa.String(length=64), nullable=True),
        sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totp_last_step", sa.Integer(), nullable=True),
        sa.Column("recovery_code_hashes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('health_worker', 'clinician', 'admin')", name=op.f("ck_user_role")),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("email", name="uq_user_email"),
    )
    op.create_table(
        "account_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_account_token_user_id_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_account_token"),
        sa.UniqueConstraint("token_hash", name="uq_account_token_token_hash"),
    )
    op.create_index("ix_account_token_user_id", "account_token", ["user_id"])

    op.create_table(
        "audit_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("target_type", sa.String(length=20), nullable=True),
        sa.Column("target_id", sa.String(length=40), nullable=True),
        sa.Column("clinic_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["user.id"], name="fk_audit_event_actor_id_user"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_audit_event_clinic_id_clinic"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
        sa.UniqueConstraint("hash", name="uq_audit_event_hash"),
    )
    op.create_index("ix_audit_event_actor_id", "audit_event", ["actor_id"])
    op.create_index("ix_audit_event_at", "audit_event", ["at"])
    op.create_index("ix_audit_event_target", "audit_event", ["target_type", "target_id"])

    op.create_table(
        "login_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("two_factor_passed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_active_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_login_session_user_id_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_login_session"),
        sa.UniqueConstraint("token_hash", name="uq_login_session_token_hash"),
    )
    op.create_index("ix_login_session_user_id", "login_session", ["user_id"])

    op.create_table(
        "patient",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("birth_year", sa.Integer(), nullable=True),
        sa.Column("sex", sa.String(length=6), nullable=True),
        sa.Column("skin_type", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("anonymised_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("sex IN ('female', 'male')", name=op.f("ck_patient_sex")),
        sa.CheckConstraint("skin_type BETWEEN 1 AND 6", name=op.f("ck_patient_skin_type")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_patient_clinic_id_clinic"),
        sa.ForeignKeyConstraint(["created_by_id"], ["user.id"], name="fk_patient_created_by_id_user"),
        sa.PrimaryKeyConstraint("id", name="pk_patient"),
        sa.UniqueConstraint("clinic_id", "reference", name="uq_patient_clinic_id_reference"),
    )
    op.create_table(
        "user_clinic",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinic.id"], name="fk_user_clinic_clinic_id_clinic", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_user_clinic_user_id_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "clinic_id", name="pk_user_clinic"),
    )
    op.create_table(
        "lesion",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body_site", sa.String(length=20), nullable=False),
        sa.Column("body_view", sa.String(length=5), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("map_x", sa.Double(), nullable=True),
        sa.Column("map_y", sa.Double(), nullable=True),
        sa.CheckConstraint("body_view IN ('front', 'back')", name=op.f("ck_lesion_body_view")),
        sa.CheckConstraint("map_x BETWEEN 0 AND 1 AND map_y BETWEEN 0 AND 1", name=op.f("ck_lesion_map_position")),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name="fk_lesion_patient_id_patient"),
        sa.PrimaryKeyConstraint("id", name="pk_lesion"),
        sa.UniqueConstraint("patient_id", "number", name="uq_lesion_patient_id_number"),
    )
    op.create_table(
        "case",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("submission_key", sa.String(length=64), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("lesion_id", sa.Uuid(), nullable=False),
        sa.Column("submitted_by_id", sa.Integer(), nullable=False),
        sa.Column("age_years", sa.Integer(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checklist", sa.JSON(), nullable=False),
        sa.Column("checklist_score", sa.Integer(), nullable=False),
        sa.Column("is_worried", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.String(length=1000), nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("photo_quality", sa.JSON(), nullable=False),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("status_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ring_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_reason", sa.String(length=40), nullable=True),
        sa.Column("retake_reason", sa.String(length=40), nullable=True),
        sa.Column("tier", sa.String(length=14), nullable=True),
        sa.Column("tier_rank", sa.Integer(), nullable=False),
        sa.Column("tier_reasons", sa.JSON(), nullable=False),
        sa.Column("prediction_id", sa.Integer(), nullable=True),
        sa.Column("taken_by_id", sa.Integer(), nullable=True),
        sa.Column("taken_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status != 'classified' OR prediction_id IS NOT NULL", name=op.f("ck_case_classified_has_prediction")
        ),
        sa.CheckConstraint("status != 'reviewed' OR review_count > 0", name=op.f("ck_case_reviewed_has_review")),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'classified', 'reviewed', 'failed', 'retake')", name=op.f("ck_case_status")
        ),
        sa.CheckConstraint("tier IN ('urgent', 'soon', 'cannot_assess', 'routine')", name=op.f("ck_case_tier")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_case_clinic_id_clinic"),
        sa.ForeignKeyConstraint(["lesion_id"], ["lesion.id"], name="fk_case_lesion_id_lesion"),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["prediction.id"],
            name="fk_case_prediction_id_prediction",
            use_alter=True,
            **DEFERRABLE,
        ),
        sa.ForeignKeyConstraint(["replaces_id"], ["case.id"], name="fk_case_replaces_id_case", **DEFERRABLE),
        sa.ForeignKeyConstraint(["submitted_by_id"], ["user.id"], name="fk_case_submitted_by_id_user"),
        sa.ForeignKeyConstraint(["taken_by_id"], ["user.id"], name="fk_case_taken_by_id_user"),
        sa.PrimaryKeyConstraint("id", name="pk_case"),
        sa.UniqueConstraint("replaces_id", name="uq_case_replaces_id"),
        sa.UniqueConstraint("submission_key", name="uq_case_submission_key"),
    )
    op.create_index("ix_case_clinic_id", "case", ["clinic_id"])
    op.create_index("ix_case_lesion_id", "case", ["lesion_id"])
    op.create_index("ix_case_queue", "case", ["status", "tier_rank", "submitted_at", "id"])
    op.create_index("ix_case_submitted_by_id", "case", ["submitted_by_id"])

    op.create_table(
        "first_read",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("diagnosis", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_first_read_case_id_case", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["reader_id"], ["user.id"], name="fk_first_read_reader_id_user"),
        sa.PrimaryKeyConstraint("id", name="pk_first_read"),
        sa.UniqueConstraint("case_id", "reader_id", name="uq_first_read_case_id_reader_id"),
    )
    op.create_index("ix_first_read_reader_id", "first_read", ["reader_id"])

    op.create_table(
        "image",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('dermoscopic', 'overview')", name=op.f("ck_image_kind")),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_image_case_id_case", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
        sa.UniqueConstraint("case_id", "kind", name="uq_image_case_id_kind"),
    )
    op.create_table(
        "prediction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("model_version", sa.String(length=60), nullable=False),
        sa.Column("is_validated", sa.Boolean(), nullable=False),
        sa.Column("predicted_class", sa.String(length=5), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("malignancy_risk", sa.Double(), nullable=False),
        sa.Column("melanoma_probability", sa.Double(), nullable=False),
        sa.Column("probabilities", sa.JSON(), nullable=False),
        sa.Column("image_probabilities", sa.JSON(), nullable=False),
        sa.Column("prediction_set", sa.JSON(), nullable=False),
        sa.Column("out_of_distribution", sa.Boolean(), nullable=False),
        sa.Column("out_of_distribution_score", sa.Double(), nullable=False),
        sa.Column("factors", sa.JSON(), nullable=False),
        sa.Column("thresholds", sa.JSON(), nullable=False),
        sa.Column("activation_map", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_prediction_case_id_case", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_prediction"),
        sa.UniqueConstraint("case_id", "model_version", name="uq_prediction_case_id_model_version"),
    )
    op.create_table(
        "review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("prediction_id", sa.Integer(), nullable=True),
        sa.Column("diagnosis", sa.String(length=20), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=True),
        sa.Column("disposition", sa.String(length=20), nullable=False),
        sa.Column("monitor_weeks", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(length=4000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "disposition != 'monitor' OR monitor_weeks IS NOT NULL", name=op.f("ck_review_monitor_weeks")
        ),
        sa.CheckConstraint(
            "disposition IN ('urgent_referral', 'routine_referral', 'biopsy', 'treat', 'monitor', 'no_action')",
            name=op.f("ck_review_disposition"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_review_case_id_case", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["prediction_id"], ["prediction.id"], name="fk_review_prediction_id_prediction"),
        sa.ForeignKeyConstraint(["reviewer_id"], ["user.id"], name="fk_review_reviewer_id_user"),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
        sa.UniqueConstraint("case_id", "number", name="uq_review_case_id_number"),
    )
    op.create_index("ix_review_reviewer_id", "review", ["reviewer_id"])
    # A case points to its prediction and a prediction to its case: SQLite takes the key with the table above.
    if op.get_bind().dialect.name != "sqlite":
        op.create_foreign_key(
            "fk_case_prediction_id_prediction", "case", "prediction", ["prediction_id"], ["id"], **DEFERRABLE
        )


def downgrade():
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("fk_case_prediction_id_prediction", "case", type_="foreignkey")
    op.drop_table("review")
    op.drop_table("prediction")
    op.drop_table("image")
    op.drop_table("first_read")
    op.drop_table("case")
    op.drop_table("lesion")
    op.drop_table("user_clinic")
    op.drop_table("patient")
    op.drop_table("login_session")
    op.drop_table("audit_event")
    op.drop_table("account_token")
    op.drop_table("user")
    op.drop_table("login_attempt")
    op.drop_table("clinic")
