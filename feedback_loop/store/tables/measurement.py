"""Measurement: the weekly tables that people watch. Does not belong here: what the loop decides by."""

import sqlalchemy as sa

from feedback_loop.store.tables.columns import BigInteger, Date, Float, Integer, column, key, metadata

prompt_version_weeks = sa.Table(
    "prompt_version_weeks",
    metadata,
    key("application"),
    key("week", Date),
    key("prompt_name"),
    key("prompt_version"),
    column("n_interactions", BigInteger),
    column("exposures", Float),
    column("n_negative", BigInteger),
    column("negative_rate", Float, null=True),
    *(column(name, Float, null=True) for name in ("latency_p50_ms", "latency_p95_ms", "cost_usd")),
)

cohort_weeks = sa.Table(
    "cohort_weeks",
    metadata,
    key("application"),
    key("week", Date),
    key("cohort"),
    column("n_interactions", BigInteger),
    column("n_users", BigInteger),
    column("n_shown", BigInteger),
    column("n_responses", BigInteger),
    column("response_rate", Float, null=True),
    column("n_negative", BigInteger),
)

loop_weeks = sa.Table(
    "loop_weeks",
    metadata,
    key("application"),
    key("week", Date),
    column("n_interactions", BigInteger),
    column("exposures", Float),
    column("n_negative", BigInteger),
    column("n_assigned", BigInteger),
    column("n_patterns_seen", Integer),
    column("n_patterns_new", Integer),
    column("n_open_tickets", Integer),
)
