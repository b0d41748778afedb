"""Facts: what happened, insert-only under business keys. Does not belong here: anything derived."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from feedback_loop.store.tables.columns import BigInteger, Float, Integer, Text, Timestamp, column, key, metadata

interactions = sa.Table(
    "interactions",
    metadata,
    key("interaction_id"),
    column("application", Text, default="'default'"),
    column("occurred_at", Timestamp),
    column("session_id", Text, null=True),
    column("turn", Integer, null=True),
    column("user_hash", Text, null=True),
    column("cohort", Text, null=True),
    column("prompt_name", Text, null=True),
    column("prompt_version", Text),
    column("model", Text, null=True),
    *(column(name, JSONB, null=True) for name in ("model_parameters", "tools")),
    column("system_prompt", Text, null=True),
    column("user_input", Text),
    column("output", Text),
    column("retrieved_documents", JSONB, null=True),
    *(column(name, BigInteger, null=True) for name in ("input_tokens", "output_tokens")),
    *(column(name, Float, null=True) for name in ("time_to_first_token_ms", "latency_ms", "cost_usd")),
    *(column(name, Text, null=True) for name in ("error", "safety_level", "experiment", "variant")),
    column("sample_rate", Float, default="1"),
    column("metadata", JSONB, null=True),
    column("content_hash", sa.LargeBinary),
    column("imported_at", Timestamp, default="now()"),
    sa.Index(None, "application", "occurred_at"),
    sa.Index(None, "occurred_at", postgresql_using="brin"),  # weeks of all applications; facts come in order of time
)

feedback = sa.Table(
    "feedback",
    metadata,
    key("feedback_id"),
    column("interaction_id", Text),
    column("occurred_at", Timestamp),
    column("user_hash", Text, null=True),
    column("signal", Text),
    column("value", Float, null=True),
    column("reason", Text, null=True),
    column("comment", Text, null=True),
    *(column(name, Text, null=True) for name in ("edited_output", "preferred_output")),
    column("content_hash", sa.LargeBinary),
    column("imported_at", Timestamp, default="now()"),
    sa.Index(None, "interaction_id"),
    sa.Index(None, "occurred_at"),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    key("evaluation_id"),
    column("interaction_id", Text),
    column("evaluator", Text),
    column("evaluator_version", Text, null=True),
    column("score", Float),
    column("label", Text, null=True),
    column("explanation", Text, null=True),
    column("occurred_at", Timestamp, null=True),
    column("content_hash", sa.LargeBinary),
    column("imported_at", Timestamp, default="now()"),
    sa.Index(None, "interaction_id"),
)

deployments = sa.Table(
    "deployments",
    metadata,
    key("deployment_id"),
    column("application", Text, default="'default'"),
    column("deployed_at", Timestamp),
    column("prompt_name", Text, null=True),
    column("prompt_version", Text, null=True),
    column("rollout_share", Float, default="1"),
    column("fixes", ARRAY(Text), default="'{}'"),
    column("rationale", Text, null=True),
    column("content_hash", sa.LargeBinary),
    column("imported_at", Timestamp, default="now()"),
    sa.Index(None, "application", "deployed_at"),
)

rejected_records = sa.Table(
    "rejected_records",
    metadata,
    key("source"),
    key("line_number", BigInteger),
    key("record_hash"),
    column("record_type", Text, null=True),
    column("record_key", Text, null=True),
    column("reason", Text),
    column("record", Text),
    column("n_bytes", BigInteger),
    column("rejected_at", Timestamp, default="now()"),
)

installation = sa.Table("installation", metadata, key("name"), column("value", Text))
