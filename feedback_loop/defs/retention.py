"""Retention: every day, what is older than it may be kept goes.

Belongs here: the daily asset and what it reports. Does not belong here: what is deleted (`store/retention.py`).
"""

from datetime import timedelta

import dagster as dg

from feedback_loop.config import Settings
from feedback_loop.defs import metadata
from feedback_loop.defs.partitions import DAYS
from feedback_loop.defs.resources import Database
from feedback_loop.store import tables
from feedback_loop.store.retention import delete_derived, delete_texts

SettingsParam = dg.ResourceParam[Settings]


@dg.asset(
    partitions_def=DAYS,
    group_name="privacy",
    kinds={"postgres", "sql"},
    code_version="retention-1",
    metadata=metadata.about_table(tables.interactions, tables.feedback, tables.failure_descriptions),
)
def retention(context: dg.AssetExecutionContext, database: Database, settings: SettingsParam) -> dg.MaterializeResult:
    """Texts, vectors, memberships and aggregates that are past their time are deleted; patterns keep their exemplars.

    Running a day again deletes nothing more. Verdicts on what is gone stay pending, or count what is left and say so.
    """
    end, policy = context.partition_time_window.end, settings.retention
    with database.begin() as conn:
        texts = delete_texts(conn, end - timedelta(days=policy.texts_days))
        derived = delete_derived(conn, end - timedelta(days=policy.derived_days))
    counts = {f"deleted_{table}": n for table, n in sorted((texts | derived).items())}
    return dg.MaterializeResult(
        metadata={"texts_days": policy.texts_days, "derived_days": policy.derived_days} | counts
    )


RETENTION_ASSETS = [retention]
