"""All tables, as SQLAlchemy Core metadata in the PostgreSQL schema `feedback_loop`.

Belongs here: columns, keys and indexes, with units in the names. Does not belong here: queries (one module per noun
beside this one) and DDL at run time (`migrations/` is the only way a schema comes to be; a test keeps both equal).

Facts are insert-only under business keys. Derived tables start their key with `application` and are replaced per
(application, week) in one transaction.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.types import TypeEngine

SCHEMA = "feedback_loop"

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)

Timestamp = TIMESTAMP(timezone=True)
Text, Integer, BigInteger, SmallInteger = sa.Text, sa.Integer, sa.BigInteger, sa.SmallInteger
Float, Boolean, Date = sa.Double, sa.Boolean, sa.Date


def _col(
    name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]], *, null: bool = False, default: str | None = None
) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=null, server_default=sa.text(default) if default else None)


def _key(name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]] = Text) -> sa.Column[Any]:
    return sa.Column(name, type_, primary_key=True, autoincrement=False)


# --- facts: what happened, insert-only ---------------------------------------------------------------------------

interactions = sa.Table(
    "interactions",
    metadata,
    _key("interaction_id"),
    _col("application", Text, default="'default'"),
    _col("occurred_at", Timestamp),
    _col("session_id", Text, null=True),
    _col("turn", Integer, null=True),
    _col("user_hash", Text, null=True),
    _col("cohort", Text, null=True),
    _col("prompt_name", Text, null=True),
    _col("prompt_version", Text),
    _col("model", Text, null=True),
    *(_col(name, JSONB, null=True) for name in ("model_parameters", "tools")),
    _col("system_prompt", Text, null=True),
    _col("user_input", Text),
    _col("output", Text),
    _col("retrieved_documents", JSONB, null=True),
    *(_col(name, BigInteger, null=True) for name in ("input_tokens", "output_tokens")),
    *(_col(name, Float, null=True) for name in ("time_to_first_token_ms", "latency_ms", "cost_usd")),
    *(_col(name, Text, null=True) for name in ("error", "safety_level", "experiment", "variant")),
    _col("sample_rate", Float, default="1"),
    _col("metadata", JSONB, null=True),
    _col("content_hash", sa.LargeBinary),
    _col("imported_at", Timestamp, default="now()"),
    sa.Index(None, "application", "occurred_at"),
    sa.Index(None, "occurred_at", postgresql_using="brin"),  # weeks of all applications; facts come in order of time
)

feedback = sa.Table(
    "feedback",
    metadata,
    _key("feedback_id"),
    _col("interaction_id", Text),
    _col("occurred_at", Timestamp),
    _col("user_hash", Text, null=True),
    _col("signal", Text),
    _col("value", Float, null=True),
    _col("reason", Text, null=True),
    _col("comment", Text, null=True),
    *(_col(name, Text, null=True) for name in ("edited_output", "preferred_output")),
    _col("content_hash", sa.LargeBinary),
    _col("imported_at", Timestamp, default="now()"),
    sa.Index(None, "interaction_id"),
    sa.Index(None, "occurred_at"),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    _key("evaluation_id"),
    _col("interaction_id", Text),
    _col("evaluator", Text),
    _col("evaluator_version", Text, null=True),
    _col("score", Float),
    _col("label", Text, null=True),
    _col("explanation", Text, null=True),
    _col("occurred_at", Timestamp, null=True),
    _col("content_hash", sa.LargeBinary),
    _col("imported_at", Timestamp, default="now()"),
    sa.Index(None, "interaction_id"),
)

deployments = sa.Table(
    "deployments",
    metadata,
    _key("deployment_id"),
    _col("application", Text, default="'default'"),
    _col("deployed_at", Timestamp),
    _col("prompt_name", Text, null=True),
    _col("prompt_version", Text, null=True),
    _col("rollout_share", Float, default="1"),
    _col("fixes", ARRAY(Text), default="'{}'"),
    _col("rationale", Text, null=True),
    _col("content_hash", sa.LargeBinary),
    _col("imported_at", Timestamp, default="now()"),
    sa.Index(None, "application", "deployed_at"),
)

rejected_records = sa.Table(
    "rejected_records",
    metadata,
    _key("source"),
    _key("line_number", BigInteger),
    _key("record_hash"),
    _col("record_type", Text, null=True),
    _col("record_key", Text, null=True),
    _col("reason", Text),
    _col("record", Text),
    _col("n_bytes", BigInteger),
    _col("rejected_at", Timestamp, default="now()"),
)

installation = sa.Table("installation", metadata, _key("name"), _col("value", Text))

# --- the weekly loop: derived, replaced per (application, week) ---------------------------------------------------

week_runs = sa.Table(
    "week_runs",
    metadata,
    _key("application"),
    _key("week", Date),
    _col("n_interactions", BigInteger),
    _col("n_feedback", BigInteger),
    _col("n_negative", BigInteger),
    _col("is_complete", Boolean, default="false"),
    _col("is_stale", Boolean, default="false"),
    _col("policy_version", Text),
)

exposures = sa.Table(
    "exposures",
    metadata,
    _key("application"),
    _key("date", Date),
    _key("prompt_name"),
    _key("prompt_version"),
    _col("week", Date),
    _col("n_exposures", Float),
    _col("n_sessions", BigInteger),
    _col("n_interactions", BigInteger),
    sa.Index(None, "application", "week"),
)

negative_feedback = sa.Table(
    "negative_feedback",
    metadata,
    _key("application"),
    _key("week", Date),
    _key("interaction_id"),
    _col("occurred_at", Timestamp),
    _col("known_at", Timestamp),
    _col("session_key", Text),
    _col("user_hash", Text, null=True),
    _col("cohort", Text, null=True),
    _col("prompt_name", Text),
    _col("prompt_version", Text),
    _col("signals", ARRAY(Text)),
    _col("severity", SmallInteger),
    _col("weight", Float),
    _col("policy_version", Text),
)

failure_descriptions = sa.Table(
    "failure_descriptions",
    metadata,
    _key("application"),
    _key("week", Date),
    _key("interaction_id"),
    _col("description", Text),
    _col("evidence", Text),
    _col("is_inferred", Boolean),
    _col("describer_version", Text),
)

pattern_states = sa.Table(
    "pattern_states",
    metadata,
    _key("application"),
    _key("week", Date),
    _key("pattern_id"),
    _col("name", Text),
    _col("description", Text),
    _col("likely_cause", Text),
    _col("severity", SmallInteger),
    _col("suggested_fix", Text),
    _col("status", Text),
    _col("first_seen_week", Date),
    _col("last_seen_week", Date),
    _col("n_silent_weeks", Integer),
    _col("n_occurrences", BigInteger),
    _col("threshold", Float),
    _col("exemplars", JSONB),
    _col("detector_version", Text),
    _col("policy_version", Text),
)

pattern_memberships = sa.Table(
    "pattern_memberships",
    metadata,
    _key("application"),
    _key("week", Date),
    _key("interaction_id"),
    _col("pattern_id", Text),
    _col("similarity", Float),
    sa.Index(None, "application", "pattern_id"),
)

pattern_weeks = sa.Table(
    "pattern_weeks",
    metadata,
    _key("application"),
    _key("week", Date),
    _key("pattern_id"),
    _col("n_occurrences", BigInteger),
    _col("n_sessions", BigInteger),
    _col("n_users", BigInteger),
    _col("affected", Float),
    *(_col(name, Float, null=True) for name in ("exposures", "rate", "mean_severity", "score")),
    _col("rank", Integer, null=True),
)

pattern_decisions = sa.Table(
    "pattern_decisions",
    metadata,
    _key("application"),
    _key("pattern_id"),
    _key("decided_at", Timestamp),
    _key("decision"),
    _col("author", Text),
    _col("value", Text, null=True),
)

# --- fixes and verdicts -------------------------------------------------------------------------------------------

detectors = sa.Table(
    "detectors",
    metadata,
    _key("application"),
    _key("detector_version"),
    _col("embedding_version", Text),
    _col("describer_version", Text),
    _col("snapshot", JSONB),
)

detections = sa.Table(
    "detections",
    metadata,
    _key("application"),
    _key("detector_version"),
    _key("interaction_id"),
    _col("pattern_id", Text),
    _col("similarity", Float),
    sa.Index(None, "application", "detector_version", "pattern_id"),
)

tickets = sa.Table(
    "tickets",
    metadata,
    _key("application"),
    _key("pattern_id"),
    _col("ticket_number", Integer),
    _col("ticket_key", Text, null=True),
    _col("tracker", Text),
    _col("status", Text),
    _col("route", Text),
    _col("priority", SmallInteger),
    _col("title", Text),
    _col("body", Text),
    _col("created_week", Date),
    _col("created_at", Timestamp),
    _col("updated_at", Timestamp),
    _col("detector_version", Text),
    sa.UniqueConstraint("ticket_number", name="uq_tickets_ticket_number"),
    sa.UniqueConstraint("ticket_key", name="uq_tickets_ticket_key"),
)

ticket_events = sa.Table(
    "ticket_events",
    metadata,
    _key("application"),
    _key("pattern_id"),
    _key("event_key"),
    _col("kind", Text),
    _col("body", Text),
    _col("occurred_at", Timestamp),
    _col("is_applied", Boolean, default="false"),
)

fixes = sa.Table(
    "fixes",
    metadata,
    _key("application"),
    _key("fix_id"),
    _col("pattern_id", Text),
    _col("ticket_key", Text, null=True),
    _col("deployment_id", Text),
    _col("prompt_name", Text, null=True),
    _col("prompt_version", Text, null=True),
    _col("deployed_at", Timestamp),
    _col("detector_version", Text, null=True),
    _col("source", Text),
)

verifications = sa.Table(
    "verifications",
    metadata,
    _key("application"),
    _key("fix_id"),
    _key("look_day", Integer),
    _key("method_version"),
    _col("pattern_id", Text),
    _col("verdict", Text),
    _col("reason", Text),
    _col("as_of", Timestamp),
    _col("next_look_at", Timestamp, null=True),
    *(_col(name, BigInteger, null=True) for name in ("n_before", "n_after")),
    *(_col(name, Float, null=True) for name in ("exposures_before", "exposures_after", "n_expected")),
    *(_col(name, Float, null=True) for name in ("reduction", "ci_low", "ci_high", "confidence")),
    *(_col(name, Float, null=True) for name in ("p_value", "rate_ratio", "dispersion")),
    _col("detector_version", Text, null=True),
)

# --- measurement --------------------------------------------------------------------------------------------------

llm_calls = sa.Table(
    "llm_calls",
    metadata,
    _key("call_id"),
    _col("application", Text),
    _col("called_at", Timestamp),
    _col("model", Text),
    _col("purpose", Text),
    _col("input_tokens", BigInteger),
    _col("output_tokens", BigInteger),
    _col("cost_usd", Float),
    _col("outcome", Text),
)

prompt_version_weeks = sa.Table(
    "prompt_version_weeks",
    metadata,
    _key("application"),
    _key("week", Date),
    _key("prompt_name"),
    _key("prompt_version"),
    _col("n_interactions", BigInteger),
    _col("exposures", Float),
    _col("n_negative", BigInteger),
    _col("negative_rate", Float, null=True),
    *(_col(name, Float, null=True) for name in ("latency_p50_ms", "latency_p95_ms", "cost_usd")),
)

cohort_weeks = sa.Table(
    "cohort_weeks",
    metadata,
    _key("application"),
    _key("week", Date),
    _key("cohort"),
    _col("n_interactions", BigInteger),
    _col("n_users", BigInteger),
    _col("n_shown", BigInteger),
    _col("n_responses", BigInteger),
    _col("response_rate", Float, null=True),
    _col("n_negative", BigInteger),
)

loop_weeks = sa.Table(
    "loop_weeks",
    metadata,
    _key("application"),
    _key("week", Date),
    _col("n_interactions", BigInteger),
    _col("exposures", Float),
    _col("n_negative", BigInteger),
    _col("n_assigned", BigInteger),
    _col("n_patterns_seen", Integer),
    _col("n_patterns_new", Integer),
    _col("n_open_tickets", Integer),
)
