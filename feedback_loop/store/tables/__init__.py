"""All tables, as SQLAlchemy Core metadata in the PostgreSQL schema `feedback_loop`.

Belongs here: columns, keys and indexes, with units in the names, one module per kind of table. Does not belong here:
queries (one module per noun beside this folder) and DDL at run time (`migrations/` is the only way a schema comes to
be; a test keeps both equal).

Facts are insert-only under business keys. Derived tables start their key with `application` and are replaced per
(application, week) in one transaction.
"""

from feedback_loop.store.tables.cleaning import cleaning_weeks, feedback_exclusions
from feedback_loop.store.tables.columns import SCHEMA, metadata
from feedback_loop.store.tables.facts import (
    deployments,
    evaluations,
    feedback,
    installation,
    interactions,
    rejected_records,
)
from feedback_loop.store.tables.fixes import (
    detections,
    detector_audits,
    detectors,
    fixes,
    pattern_prospects,
    placebo_rates,
    regression_watches,
    ticket_events,
    tickets,
    verifications,
)
from feedback_loop.store.tables.loop import (
    exposures,
    failure_descriptions,
    negative_feedback,
    pattern_decisions,
    pattern_memberships,
    pattern_states,
    pattern_weeks,
    week_runs,
)
from feedback_loop.store.tables.measurement import cohort_weeks, loop_weeks, prompt_version_weeks
from feedback_loop.store.tables.models import llm_batches, llm_calls, llm_replies, text_vectors
from feedback_loop.store.tables.patterns import (
    pattern_cards,
    pattern_contradictions,
    pattern_judgements,
    pattern_lineage,
    pattern_segments,
)
from feedback_loop.store.tables.privacy import opt_outs
from feedback_loop.store.tables.service import write_keys
from feedback_loop.store.tables.sources import import_cursors, written_scores

__all__ = [
    "SCHEMA",
    "cleaning_weeks",
    "cohort_weeks",
    "deployments",
    "detections",
    "detector_audits",
    "detectors",
    "evaluations",
    "exposures",
    "failure_descriptions",
    "feedback",
    "feedback_exclusions",
    "fixes",
    "import_cursors",
    "installation",
    "interactions",
    "llm_batches",
    "llm_calls",
    "llm_replies",
    "loop_weeks",
    "metadata",
    "negative_feedback",
    "opt_outs",
    "pattern_cards",
    "pattern_contradictions",
    "pattern_decisions",
    "pattern_judgements",
    "pattern_lineage",
    "pattern_memberships",
    "pattern_prospects",
    "pattern_segments",
    "pattern_states",
    "pattern_weeks",
    "placebo_rates",
    "prompt_version_weeks",
    "regression_watches",
    "rejected_records",
    "text_vectors",
    "ticket_events",
    "tickets",
    "verifications",
    "week_runs",
    "write_keys",
    "written_scores",
]
