"""The first schema, and the view `patterns` on the newest state of each pattern."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PATTERNS = """
create view feedback_loop.patterns as
select distinct on (application, pattern_id) *
from feedback_loop.pattern_states
order by application, pattern_id, week desc
"""


def upgrade() -> None:
    op.create_table(
        "cohort_weeks",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("cohort", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("n_interactions", sa.BigInteger(), nullable=False),
        sa.Column("n_users", sa.BigInteger(), nullable=False),
        sa.Column("n_shown", sa.BigInteger(), nullable=False),
        sa.Column("n_responses", sa.BigInteger(), nullable=False),
        sa.Column("response_rate", sa.Double(), nullable=True),
        sa.Column("n_negative", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", "cohort", name=op.f("pk_cohort_weeks")),
        schema="feedback_loop",
    )
    op.create_table(
        "deployments",
        sa.Column("deployment_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("application", sa.Text(), server_default=sa.text("'default'"), nullable=False),
        sa.Column("deployed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("prompt_name", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("rollout_share", sa.Double(), server_default=sa.text("1"), nullable=False),
        sa.Column("fixes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_deployments")),
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_deployments_application_deployed_at"),
        "deployments",
        ["application", "deployed_at"],
        unique=False,
        schema="feedback_loop",
    )
    op.create_table(
        "detections",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("detector_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("similarity", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("application", "detector_version", "interaction_id", name=op.f("pk_detections")),
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_detections_application_detector_version_pattern_id"),
        "detections",
        ["application", "detector_version", "pattern_id"],
        unique=False,
        schema="feedback_loop",
    )
    op.create_table(
        "detectors",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("detector_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("embedding_version", sa.Text(), nullable=False),
        sa.Column("describer_version", sa.Text(), nullable=False),
        sa.Column("snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("application", "detector_version", name=op.f("pk_detectors")),
        schema="feedback_loop",
    )
    op.create_table(
        "evaluations",
        sa.Column("evaluation_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("evaluator", sa.Text(), nullable=False),
        sa.Column("evaluator_version", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("evaluation_id", name=op.f("pk_evaluations")),
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_evaluations_interaction_id"), "evaluations", ["interaction_id"], unique=False, schema="feedback_loop"
    )
    op.create_table(
        "exposures",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("date", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("prompt_name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("prompt_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("n_exposures", sa.Double(), nullable=False),
        sa.Column("n_sessions", sa.BigInteger(), nullable=False),
        sa.Column("n_interactions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("application", "date", "prompt_name", "prompt_version", name=op.f("pk_exposures")),
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_exposures_application_week"),
        "exposures",
        ["application", "week"],
        unique=False,
        schema="feedback_loop",
    )
    op.create_table(
        "failure_descriptions",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("is_inferred", sa.Boolean(), nullable=False),
        sa.Column("describer_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", "interaction_id", name=op.f("pk_failure_descriptions")),
        schema="feedback_loop",
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("user_hash", sa.Text(), nullable=True),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("edited_output", sa.Text(), nullable=True),
        sa.Column("preferred_output", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("feedback_id", name=op.f("pk_feedback")),
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_feedback_interaction_id"), "feedback", ["interaction_id"], unique=False, schema="feedback_loop"
    )
    op.create_index(op.f("ix_feedback_occurred_at"), "feedback", ["occurred_at"], unique=False, schema="feedback_loop")
    op.create_table(
        "fixes",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("fix_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("ticket_key", sa.Text(), nullable=True),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("prompt_name", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("deployed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("detector_version", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "fix_id", name=op.f("pk_fixes")),
        schema="feedback_loop",
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
        schema="feedback_loop",
    )
    op.create_table(
        "interactions",
        sa.Column("interaction_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("application", sa.Text(), server_default=sa.text("'default'"), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("user_hash", sa.Text(), nullable=True),
        sa.Column("cohort", sa.Text(), nullable=True),
        sa.Column("prompt_name", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("model_parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("tools", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("system_prompt", sa.Text(), nullable=True),
        sa.Column("user_input", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("retrieved_documents", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("time_to_first_token_ms", sa.Double(), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("cost_usd", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("safety_level", sa.Text(), nullable=True),
        sa.Column("experiment", sa.Text(), nullable=True),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("sample_rate", sa.Double(), server_default=sa.text("1"), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("interaction_id", name=op.f("pk_interactions")),
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_interactions_application_occurred_at"),
        "interactions",
        ["application", "occurred_at"],
        unique=False,
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_interactions_occurred_at"),
        "interactions",
        ["occurred_at"],
        unique=False,
        schema="feedback_loop",
        postgresql_using="brin",
    )
    op.create_table(
        "llm_calls",
        sa.Column("call_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("called_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_usd", sa.Double(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_llm_calls")),
        schema="feedback_loop",
    )
    op.create_table(
        "loop_weeks",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("n_interactions", sa.BigInteger(), nullable=False),
        sa.Column("exposures", sa.Double(), nullable=False),
        sa.Column("n_negative", sa.BigInteger(), nullable=False),
        sa.Column("n_assigned", sa.BigInteger(), nullable=False),
        sa.Column("n_patterns_seen", sa.Integer(), nullable=False),
        sa.Column("n_patterns_new", sa.Integer(), nullable=False),
        sa.Column("n_open_tickets", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", name=op.f("pk_loop_weeks")),
        schema="feedback_loop",
    )
    op.create_table(
        "negative_feedback",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("known_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("user_hash", sa.Text(), nullable=True),
        sa.Column("cohort", sa.Text(), nullable=True),
        sa.Column("prompt_name", sa.Text(), nullable=False),
        sa.Column("prompt_version", sa.Text(), nullable=False),
        sa.Column("signals", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", "interaction_id", name=op.f("pk_negative_feedback")),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_decisions",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False),
        sa.Column("decision", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "application", "pattern_id", "decided_at", "decision", name=op.f("pk_pattern_decisions")
        ),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_memberships",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("similarity", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", "interaction_id", name=op.f("pk_pattern_memberships")),
        schema="feedback_loop",
    )
    op.create_index(
        op.f("ix_pattern_memberships_application_pattern_id"),
        "pattern_memberships",
        ["application", "pattern_id"],
        unique=False,
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_states",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("likely_cause", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("suggested_fix", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("first_seen_week", sa.Date(), nullable=False),
        sa.Column("last_seen_week", sa.Date(), nullable=False),
        sa.Column("n_silent_weeks", sa.Integer(), nullable=False),
        sa.Column("n_occurrences", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("exemplars", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("detector_version", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", "pattern_id", name=op.f("pk_pattern_states")),
        schema="feedback_loop",
    )
    op.create_table(
        "pattern_weeks",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("n_occurrences", sa.BigInteger(), nullable=False),
        sa.Column("n_sessions", sa.BigInteger(), nullable=False),
        sa.Column("n_users", sa.BigInteger(), nullable=False),
        sa.Column("affected", sa.Double(), nullable=False),
        sa.Column("exposures", sa.Double(), nullable=True),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("mean_severity", sa.Double(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("application", "week", "pattern_id", name=op.f("pk_pattern_weeks")),
        schema="feedback_loop",
    )
    op.create_table(
        "prompt_version_weeks",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("prompt_name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("prompt_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("n_interactions", sa.BigInteger(), nullable=False),
        sa.Column("exposures", sa.Double(), nullable=False),
        sa.Column("n_negative", sa.BigInteger(), nullable=False),
        sa.Column("negative_rate", sa.Double(), nullable=True),
        sa.Column("latency_p50_ms", sa.Double(), nullable=True),
        sa.Column("latency_p95_ms", sa.Double(), nullable=True),
        sa.Column("cost_usd", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint(
            "application", "week", "prompt_name", "prompt_version", name=op.f("pk_prompt_version_weeks")
        ),
        schema="feedback_loop",
    )
    op.create_table(
        "rejected_records",
        sa.Column("source", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("line_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_hash", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("record_type", sa.Text(), nullable=True),
        sa.Column("record_key", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("rejected_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("source", "line_number", "record_hash", name=op.f("pk_rejected_records")),
        schema="feedback_loop",
    )
    op.create_table(
        "ticket_events",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("event_key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("is_applied", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("application", "pattern_id", "event_key", name=op.f("pk_ticket_events")),
        schema="feedback_loop",
    )
    op.create_table(
        "tickets",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("ticket_number", sa.Integer(), nullable=False),
        sa.Column("ticket_key", sa.Text(), nullable=True),
        sa.Column("tracker", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_week", sa.Date(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("detector_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "pattern_id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("ticket_key", name="uq_tickets_ticket_key"),
        sa.UniqueConstraint("ticket_number", name="uq_tickets_ticket_number"),
        schema="feedback_loop",
    )
    op.create_table(
        "verifications",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("fix_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("look_day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method_version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("next_look_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("n_before", sa.BigInteger(), nullable=True),
        sa.Column("exposures_before", sa.Double(), nullable=True),
        sa.Column("n_after", sa.BigInteger(), nullable=True),
        sa.Column("exposures_after", sa.Double(), nullable=True),
        sa.Column("n_expected", sa.Double(), nullable=True),
        sa.Column("reduction", sa.Double(), nullable=True),
        sa.Column("ci_low", sa.Double(), nullable=True),
        sa.Column("ci_high", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("p_value", sa.Double(), nullable=True),
        sa.Column("rate_ratio", sa.Double(), nullable=True),
        sa.Column("dispersion", sa.Double(), nullable=True),
        sa.Column("detector_version", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("application", "fix_id", "look_day", "method_version", name=op.f("pk_verifications")),
        schema="feedback_loop",
    )
    op.create_table(
        "week_runs",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("n_interactions", sa.BigInteger(), nullable=False),
        sa.Column("n_feedback", sa.BigInteger(), nullable=False),
        sa.Column("n_negative", sa.BigInteger(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_stale", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", name=op.f("pk_week_runs")),
        schema="feedback_loop",
    )
    op.execute(PATTERNS)


def downgrade() -> None:
    op.execute("drop view feedback_loop.patterns")
    op.drop_table("week_runs", schema="feedback_loop")
    op.drop_table("verifications", schema="feedback_loop")
    op.drop_table("tickets", schema="feedback_loop")
    op.drop_table("ticket_events", schema="feedback_loop")
    op.drop_table("rejected_records", schema="feedback_loop")
    op.drop_table("prompt_version_weeks", schema="feedback_loop")
    op.drop_table("pattern_weeks", schema="feedback_loop")
    op.drop_table("pattern_states", schema="feedback_loop")
    op.drop_table("pattern_memberships", schema="feedback_loop")
    op.drop_table("pattern_decisions", schema="feedback_loop")
    op.drop_table("negative_feedback", schema="feedback_loop")
    op.drop_table("loop_weeks", schema="feedback_loop")
    op.drop_table("llm_calls", schema="feedback_loop")
    op.drop_table("interactions", schema="feedback_loop")
    op.drop_table("installation", schema="feedback_loop")
    op.drop_table("fixes", schema="feedback_loop")
    op.drop_table("feedback", schema="feedback_loop")
    op.drop_table("failure_descriptions", schema="feedback_loop")
    op.drop_table("exposures", schema="feedback_loop")
    op.drop_table("evaluations", schema="feedback_loop")
    op.drop_table("detectors", schema="feedback_loop")
    op.drop_table("detections", schema="feedback_loop")
    op.drop_table("deployments", schema="feedback_loop")
    op.drop_table("cohort_weeks", schema="feedback_loop")
