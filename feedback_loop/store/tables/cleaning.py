"""Cleaning: what was left out of a week's feedback and why. Does not belong here: the feedback, which stays a fact."""

import sqlalchemy as sa

from feedback_loop.store.tables.columns import BigInteger, Date, Float, Text, Timestamp, column, key, metadata

feedback_exclusions = sa.Table(
    "feedback_exclusions",
    metadata,
    key("application"),
    key("week", Date),
    key("feedback_id"),
    key("reason"),
    column("interaction_id", Text),
    column("user_hash", Text, null=True),
    column("occurred_at", Timestamp),
    column("signal", Text),
    column("effect", Text),  # excluded | wordless | weighted
    column("weight", Float),
    column("detail", Text),
    column("policy_version", Text),
    sa.Index(None, "feedback_id"),
    sa.Index(None, "interaction_id"),
)

cleaning_weeks = sa.Table(
    "cleaning_weeks",
    metadata,
    key("application"),
    key("week", Date),
    *(column(name, BigInteger) for name in ("n_feedback", "n_complaints", "n_verified", "n_verified_complaints")),
    *(column(name, BigInteger) for name in ("n_excluded", "n_wordless", "n_weighted")),
    column("new_odds", Float, null=True),  # complaints of new accounts per complaint of established ones, as is usual
    column("policy_version", Text),
)
