"""Evidence of verdicts: what they were made from, regression watches, placebo rates, audits of detectors."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "detector_audits",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("fix_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("audit_number", sa.Integer(), nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("detector_version", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("is_found", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("drawn_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("is_member", sa.Boolean(), nullable=True),
        sa.Column("labelled_by", sa.Text(), nullable=True),
        sa.Column("labelled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("application", "fix_id", "interaction_id", name=op.f("pk_detector_audits")),
        sa.UniqueConstraint("audit_number", name="uq_detector_audits_audit_number"),
        schema="feedback_loop",
    )
    op.create_table(
        "placebo_rates",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("month", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("method_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("detector_version", sa.Text(), nullable=False),
        sa.Column("n_placebos", sa.Integer(), nullable=False),
        sa.Column("n_judged", sa.Integer(), nullable=False),
        sa.Column("n_effective", sa.Integer(), nullable=False),
        sa.Column("n_worse", sa.Integer(), nullable=False),
        sa.Column("false_effective", sa.Double(), nullable=True),
        sa.Column("false_reopen", sa.Double(), nullable=True),
        sa.Column("effective_high", sa.Double(), nullable=True),
        sa.Column("reopen_high", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("application", "month", "method_version", name=op.f("pk_placebo_rates")),
        schema="feedback_loop",
    )
    op.create_table(
        "regression_watches",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("fix_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("look", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("deployed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("n_observed", sa.BigInteger(), nullable=True),
        sa.Column("n_expected", sa.Double(), nullable=True),
        sa.Column("rise", sa.Double(), nullable=True),
        sa.Column("p_value", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("application", "fix_id", "look", "method_version", name=op.f("pk_regression_watches")),
        schema="feedback_loop",
    )
    op.add_column("verifications", sa.Column("n_observed", sa.BigInteger(), nullable=True), schema="feedback_loop")
    op.add_column("verifications", sa.Column("q_value", sa.Double(), nullable=True), schema="feedback_loop")
    op.add_column("verifications", sa.Column("prob_at_least_bar", sa.Double(), nullable=True), schema="feedback_loop")
    op.add_column("verifications", sa.Column("drift", sa.Double(), nullable=True), schema="feedback_loop")
    op.add_column(
        "verifications",
        sa.Column("may_close", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column(
        "verifications",
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        schema="feedback_loop",
    )


def downgrade() -> None:
    op.drop_column("verifications", "evidence", schema="feedback_loop")
    op.drop_column("verifications", "may_close", schema="feedback_loop")
    op.drop_column("verifications", "drift", schema="feedback_loop")
    op.drop_column("verifications", "prob_at_least_bar", schema="feedback_loop")
    op.drop_column("verifications", "q_value", schema="feedback_loop")
    op.drop_column("verifications", "n_observed", schema="feedback_loop")
    op.drop_table("regression_watches", schema="feedback_loop")
    op.drop_table("placebo_rates", schema="feedback_loop")
    op.drop_table("detector_audits", schema="feedback_loop")
