"""What is known of patterns beside their weekly state: where they came from, what they mean, whom they hit.

Belongs here: derived rows, replaced per (application, week). Does not belong here: memory and memberships (`loop.py`).
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from feedback_loop.store.tables.columns import (
    BigInteger,
    Date,
    Float,
    SmallInteger,
    Text,
    column,
    key,
    metadata,
)

pattern_lineage = sa.Table(
    "pattern_lineage",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    key("relation"),  # split_from | merged_into
    key("other_pattern_id"),
    column("n_shared", BigInteger),
)

pattern_cards = sa.Table(
    "pattern_cards",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    column("source", Text),  # offline | claude
    column("name", Text),
    column("description", Text),
    column("likely_cause", Text),
    column("severity", SmallInteger),
    column("severity_reason", Text),
    column("suggested_fix", Text),
    column("evidence_ids", ARRAY(Text)),
    column("shown_ids", ARRAY(Text)),  # what the analyst saw
    column("problem", Text, null=True),  # why the offline card stands where a model was asked
)

pattern_judgements = sa.Table(
    "pattern_judgements",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    column("judgement", Text),  # new | same | sub | noise
    column("other_pattern_id", Text, null=True),
    column("source", Text),  # gate | claude | person
    column("reason", Text),
)

pattern_segments = sa.Table(
    "pattern_segments",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    key("dimension"),  # prompt_version | cohort | model | document
    key("value"),
    column("n_events", BigInteger),
    *(column(name, Float) for name in ("n_expected", "ratio", "p_value", "q_value")),
)

pattern_contradictions = sa.Table(
    "pattern_contradictions",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    key("dimension"),
    key("disliked_by"),
    key("liked_by"),
    *(column(name, BigInteger) for name in ("n_negative_disliked", "n_positive_disliked")),
    *(column(name, BigInteger) for name in ("n_negative_liked", "n_positive_liked")),
    *(column(name, Float) for name in ("p_value", "q_value")),
)
