"""The weekly loop: derived rows, replaced per (application, week) in one transaction. Does not belong here: facts."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from feedback_loop.store.tables.columns import (
    BigInteger,
    Boolean,
    Date,
    Float,
    Integer,
    SmallInteger,
    Text,
    Timestamp,
    column,
    key,
    metadata,
)

week_runs = sa.Table(
    "week_runs",
    metadata,
    key("application"),
    key("week", Date),
    column("n_interactions", BigInteger),
    column("n_feedback", BigInteger),
    column("n_negative", BigInteger),
    column("is_complete", Boolean, default="false"),
    column("is_stale", Boolean, default="false"),
    column("policy_version", Text),
)

exposures = sa.Table(
    "exposures",
    metadata,
    key("application"),
    key("date", Date),
    key("prompt_name"),
    key("prompt_version"),
    column("week", Date),
    column("n_exposures", Float),
    column("n_sessions", BigInteger),
    column("n_interactions", BigInteger),
    sa.Index(None, "application", "week"),
)

negative_feedback = sa.Table(
    "negative_feedback",
    metadata,
    key("application"),
    key("week", Date),
    key("interaction_id"),
    column("occurred_at", Timestamp),
    column("known_at", Timestamp),
    column("session_key", Text),
    column("user_hash", Text, null=True),
    column("cohort", Text, null=True),
    column("prompt_name", Text),
    column("prompt_version", Text),
    column("signals", ARRAY(Text)),
    column("severity", SmallInteger),
    column("weight", Float),
    column("policy_version", Text),
)

failure_descriptions = sa.Table(
    "failure_descriptions",
    metadata,
    key("application"),
    key("week", Date),
    key("interaction_id"),
    column("description", Text),  # for people: what the model wrote, else what was said, chose or changed
    column("failure_text", Text, default="''"),  # what is compared: the failure without the words of its subject
    column("subject_text", Text, default="''"),
    column("sentence", Text, default="''"),  # what the model wrote of it
    column("evidence", Text),
    column("is_inferred", Boolean),
    column("describer_version", Text),
)

pattern_states = sa.Table(
    "pattern_states",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    column("name", Text),
    column("description", Text),
    column("likely_cause", Text),
    column("severity", SmallInteger),
    column("suggested_fix", Text),
    column("status", Text),
    column("first_seen_week", Date),
    column("last_seen_week", Date),
    column("n_silent_weeks", Integer),
    column("n_occurrences", BigInteger),
    column("threshold", Float),
    column("exemplars", JSONB),
    column("detector_version", Text),
    column("policy_version", Text),
)

pattern_memberships = sa.Table(
    "pattern_memberships",
    metadata,
    key("application"),
    key("week", Date),
    key("interaction_id"),
    column("pattern_id", Text),
    column("similarity", Float),
    column("is_inferred", Boolean, default="false"),  # placed by its subject: nobody said what went wrong
    sa.Index(None, "application", "pattern_id"),
)

pattern_weeks = sa.Table(
    "pattern_weeks",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    column("n_occurrences", BigInteger),
    column("n_sessions", BigInteger),
    column("n_users", BigInteger),
    column("n_inferred", BigInteger, default="0"),
    column("affected", Float),
    *(column(name, Float, null=True) for name in ("exposures", "rate", "mean_severity", "score")),
    column("rank", Integer, null=True),
    # What the occurrences and users weigh: caps and new accounts taken into account; ranks and floors go by it.
    *(column(name, Float, default="0") for name in ("weighted_occurrences", "weighted_users")),
)

pattern_decisions = sa.Table(
    "pattern_decisions",
    metadata,
    key("application"),
    key("pattern_id"),
    key("decided_at", Timestamp),
    key("decision"),
    column("author", Text),
    column("value", Text, null=True),
)
