"""Fixes and verdicts: frozen detectors, tickets, what was deployed, whether it helped. Does not belong here: a week."""

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

detectors = sa.Table(
    "detectors",
    metadata,
    key("application"),
    key("detector_version"),
    column("embedding_version", Text),
    column("describer_version", Text),
    column("snapshot", JSONB),
)

detections = sa.Table(
    "detections",
    metadata,
    key("application"),
    key("detector_version"),
    key("interaction_id"),
    column("pattern_id", Text),
    column("similarity", Float),
    sa.Index(None, "application", "detector_version", "pattern_id"),
)

tickets = sa.Table(
    "tickets",
    metadata,
    key("application"),
    key("pattern_id"),
    column("ticket_number", Integer),
    column("ticket_key", Text, null=True),
    column("issue_id", Text, null=True),
    column("old_keys", ARRAY(Text), default="'{}'"),
    column("tracker", Text),
    column("status", Text),
    column("route", Text),
    column("priority", SmallInteger),
    column("title", Text),
    column("body", JSONB),
    column("created_week", Date),
    column("created_at", Timestamp),
    column("updated_at", Timestamp),
    column("detector_version", Text),
    column("attempted_at", Timestamp, null=True),  # when it was last sent to the tracker
    column("is_complete", Boolean, default="false"),  # link and pictures are there
    column("problem", Text, null=True),  # why the tracker does not hold it
    column("status_name", Text, null=True),
    column("resolution", Text, null=True),
    column("duplicate_of", Text, null=True),
    column("fetched_at", Timestamp, null=True),
    column("reopened_by_people_at", Timestamp, null=True),  # when that was first seen, where the tracker does not say
    column("is_set_by_people", Boolean, default="false"),  # the status that it has
    sa.UniqueConstraint("ticket_number", name="uq_tickets_ticket_number"),
    sa.UniqueConstraint("tracker", "ticket_key", name="uq_tickets_tracker_ticket_key"),
)

ticket_events = sa.Table(
    "ticket_events",
    metadata,
    key("application"),
    key("pattern_id"),
    key("event_key"),
    column("kind", Text),
    column("body", JSONB),
    column("occurred_at", Timestamp),
    column("is_applied", Boolean, default="false"),
    column("problem", Text, null=True),  # why the tracker does not hold it
)

fixes = sa.Table(
    "fixes",
    metadata,
    key("application"),
    key("fix_id"),
    column("pattern_id", Text),
    column("ticket_key", Text, null=True),
    column("deployment_id", Text),
    column("prompt_name", Text, null=True),
    column("prompt_version", Text, null=True),
    column("deployed_at", Timestamp),
    column("detector_version", Text, null=True),
    column("source", Text),
    column("origin", Text, default="''"),
    column("precision", Text, default="'instant'"),
    column("confidence", Text, default="'high'"),
    column("withdrawn_at", Timestamp, null=True),  # the ticket says otherwise since; the row stays as history
    column("withdrawn_reason", Text, null=True),
)

verifications = sa.Table(
    "verifications",
    metadata,
    key("application"),
    key("fix_id"),
    key("look_day", Integer),
    key("method_version"),
    column("pattern_id", Text),
    column("verdict", Text),
    column("reason", Text),
    column("as_of", Timestamp),
    column("next_look_at", Timestamp, null=True),
    *(column(name, BigInteger, null=True) for name in ("n_before", "n_after")),
    *(column(name, Float, null=True) for name in ("exposures_before", "exposures_after", "n_expected")),
    *(column(name, Float, null=True) for name in ("reduction", "ci_low", "ci_high", "confidence")),
    *(column(name, Float, null=True) for name in ("p_value", "rate_ratio", "dispersion")),
    column("detector_version", Text, null=True),
    column("n_observed", BigInteger, null=True),
    *(column(name, Float, null=True) for name in ("q_value", "prob_at_least_bar", "drift")),
    column("may_close", Boolean, default="false"),
    column("evidence", JSONB, null=True),  # windows, guards, weeks, policy: what the verdict was made from
)

regression_watches = sa.Table(
    "regression_watches",
    metadata,
    key("application"),
    key("fix_id"),
    key("look", Integer),
    key("method_version"),
    column("pattern_id", Text),
    column("state", Text),
    column("reason", Text),
    column("as_of", Timestamp),
    column("deployed_at", Timestamp),
    column("since", Date),  # first of the days that were compared with those before
    column("n_observed", BigInteger, null=True),
    *(column(name, Float, null=True) for name in ("n_expected", "rise", "p_value", "threshold")),
    column("confidence", Float),
)

placebo_rates = sa.Table(
    "placebo_rates",
    metadata,
    key("application"),
    key("month", Date),
    key("method_version"),
    column("as_of", Timestamp),
    column("detector_version", Text),
    *(column(name, Integer) for name in ("n_placebos", "n_judged", "n_effective", "n_worse")),
    *(column(name, Float, null=True) for name in ("false_effective", "false_reopen")),
    *(column(name, Float, null=True) for name in ("effective_high", "reopen_high")),
)

pattern_prospects = sa.Table(
    "pattern_prospects",
    metadata,
    key("application"),
    key("week", Date),
    key("pattern_id"),
    key("look_day", Integer),
    *(column(name, Float) for name in ("confidence", "per_week", "dispersion", "power_of_half")),
    *(column(name, Float, null=True) for name in ("smallest_cut", "with_hold_back_10", "with_hold_back_20")),
)

detector_audits = sa.Table(
    "detector_audits",  # a blind sample: who labels sees the text and a failure, not what the detector said
    metadata,
    key("application"),
    key("fix_id"),
    key("interaction_id"),
    column("audit_number", Integer),
    column("pattern_id", Text),
    column("detector_version", Text),
    column("side", Text),
    column("is_found", Boolean),
    column("weight", Float),  # events of its side and kind per sampled one
    column("drawn_at", Timestamp),
    column("is_member", Boolean, null=True),  # the label
    column("labelled_by", Text, null=True),
    column("labelled_at", Timestamp, null=True),
    sa.UniqueConstraint("audit_number", name="uq_detector_audits_audit_number"),
)
