"""Patterns in depth: two views of a text, lineage, cards, segments, and the ledger of what models were asked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "llm_batches",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("batch_key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("n_requests", sa.Integer(), nullable=False),
        sa.Column("reserved_usd", sa.Double(), nullable=False),
        sa.Column("week", sa.Date(), nullable=True),
        sa.Column("requests", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("planned_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("is_collected", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("application", "batch_key", name=op.f("pk_llm_batches")),
        schema="feedback_loop",
    )
    op.create_table(
        "llm_replies",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("request_hash", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("reply", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("replied_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("application", "request_hash", name=op.f("pk_llm_replies")),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_cards",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("likely_cause", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("severity_reason", sa.Text(), nullable=False),
        sa.Column("suggested_fix", sa.Text(), nullable=False),
        sa.Column("evidence_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("shown_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("application", "week", "pattern_id", name=op.f("pk_pattern_cards")),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_contradictions",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("dimension", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("disliked_by", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("liked_by", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("n_negative_disliked", sa.BigInteger(), nullable=False),
        sa.Column("n_positive_disliked", sa.BigInteger(), nullable=False),
        sa.Column("n_negative_liked", sa.BigInteger(), nullable=False),
        sa.Column("n_positive_liked", sa.BigInteger(), nullable=False),
        sa.Column("p_value", sa.Double(), nullable=False),
        sa.Column("q_value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "application",
            "week",
            "pattern_id",
            "dimension",
            "disliked_by",
            "liked_by",
            name=op.f("pk_pattern_contradictions"),
        ),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_judgements",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("judgement", sa.Text(), nullable=False),
        sa.Column("other_pattern_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", "pattern_id", name=op.f("pk_pattern_judgements")),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_lineage",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("relation", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("other_pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("n_shared", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "application", "week", "pattern_id", "relation", "other_pattern_id", name=op.f("pk_pattern_lineage")
        ),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_segments",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("dimension", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("n_events", sa.BigInteger(), nullable=False),
        sa.Column("n_expected", sa.Double(), nullable=False),
        sa.Column("ratio", sa.Double(), nullable=False),
        sa.Column("p_value", sa.Double(), nullable=False),
        sa.Column("q_value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "application", "week", "pattern_id", "dimension", "value", name=op.f("pk_pattern_segments")
        ),
        schema="feedback_loop",
    )
    op.create_table(
        "text_vectors",
        sa.Column("embedding_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("text_hash", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("embedding_version", "text_hash", name=op.f("pk_text_vectors")),
        schema="feedback_loop",
    )
    op.add_column(
        "failure_descriptions",
        sa.Column("failure_text", sa.Text(), server_default=sa.text("''"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column(
        "failure_descriptions",
        sa.Column("subject_text", sa.Text(), server_default=sa.text("''"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column(
        "failure_descriptions",
        sa.Column("sentence", sa.Text(), server_default=sa.text("''"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column("llm_calls", sa.Column("week", sa.Date(), nullable=True), schema="feedback_loop")
    op.add_column(
        "llm_calls",
        sa.Column("prompt_version", sa.Text(), server_default=sa.text("''"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column(
        "llm_calls",
        sa.Column("request_hash", sa.Text(), server_default=sa.text("''"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column("llm_calls", sa.Column("batch_id", sa.Text(), nullable=True), schema="feedback_loop")
    op.add_column("llm_calls", sa.Column("message_id", sa.Text(), nullable=True), schema="feedback_loop")
    op.add_column("llm_calls", sa.Column("request_id", sa.Text(), nullable=True), schema="feedback_loop")
    op.add_column("llm_calls", sa.Column("stop_reason", sa.Text(), nullable=True), schema="feedback_loop")
    op.add_column(
        "llm_calls",
        sa.Column("cache_write_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column(
        "llm_calls",
        sa.Column("cache_read_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column("llm_calls", sa.Column("error", sa.Text(), nullable=True), schema="feedback_loop")
    op.create_index(
        op.f("ix_llm_calls_application_week"),
        "llm_calls",
        ["application", "week"],
        unique=False,
        schema="feedback_loop",
    )
    op.add_column(
        "pattern_memberships",
        sa.Column("is_inferred", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="feedback_loop",
    )
    op.add_column(
        "pattern_weeks",
        sa.Column("n_inferred", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema="feedback_loop",
    )


def downgrade() -> None:
    op.drop_column("pattern_weeks", "n_inferred", schema="feedback_loop")
    op.drop_column("pattern_memberships", "is_inferred", schema="feedback_loop")
    op.drop_index(op.f("ix_llm_calls_application_week"), table_name="llm_calls", schema="feedback_loop")
    op.drop_column("llm_calls", "error", schema="feedback_loop")
    op.drop_column("llm_calls", "cache_read_tokens", schema="feedback_loop")
    op.drop_column("llm_calls", "cache_write_tokens", schema="feedback_loop")
    op.drop_column("llm_calls", "stop_reason", schema="feedback_loop")
    op.drop_column("llm_calls", "request_id", schema="feedback_loop")
    op.drop_column("llm_calls", "message_id", schema="feedback_loop")
    op.drop_column("llm_calls", "batch_id", schema="feedback_loop")
    op.drop_column("llm_calls", "request_hash", schema="feedback_loop")
    op.drop_column("llm_calls", "prompt_version", schema="feedback_loop")
    op.drop_column("llm_calls", "week", schema="feedback_loop")
    op.drop_column("failure_descriptions", "sentence", schema="feedback_loop")
    op.drop_column("failure_descriptions", "subject_text", schema="feedback_loop")
    op.drop_column("failure_descriptions", "failure_text", schema="feedback_loop")
    op.drop_table("text_vectors", schema="feedback_loop")
    op.drop_table("pattern_segments", schema="feedback_loop")
    op.drop_table("pattern_lineage", schema="feedback_loop")
    op.drop_table("pattern_judgements", schema="feedback_loop")
    op.drop_table("pattern_contradictions", schema="feedback_loop")
    op.drop_table("pattern_cards", schema="feedback_loop")
    op.drop_table("llm_replies", schema="feedback_loop")
    op.drop_table("llm_batches", schema="feedback_loop")
