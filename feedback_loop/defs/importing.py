"""Sources that are imported from, as Dagster assets with schedules of their own, and what is written back to them.

Belongs here: assets, jobs and schedules made from the settings. Does not belong here: importing
(`intake/importers/running.py`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from feedback_loop.defs import metadata
from feedback_loop.defs.failures import as_dagster_failure
from feedback_loop.defs.resources import Database
from feedback_loop.environment import read_environment
from feedback_loop.identity import load_hash_key
from feedback_loop.intake.importers.opening import open_reader, open_source, write_back
from feedback_loop.intake.importers.policy import API_TOOLS, SourcePolicy
from feedback_loop.intake.importers.running import SourceSummary, import_source
from feedback_loop.redaction.ner import PrivacyPolicy, load_redactor
from feedback_loop.store import tables

WRITE_BACK_CRON = "30 6 * * *"  # after the daily verification
_RUNNING = dg.DefaultScheduleStatus.RUNNING


@dataclass
class SourceDefinitions:
    """Assets, jobs and schedules of all sources."""

    assets: list[dg.AssetsDefinition] = field(default_factory=list)
    jobs: list[Any] = field(default_factory=list)
    schedules: list[dg.ScheduleDefinition] = field(default_factory=list)


def build_sources(policies: Sequence[SourcePolicy], privacy: PrivacyPolicy) -> SourceDefinitions:
    """What Dagster runs for the sources of the settings."""
    made = SourceDefinitions()
    for policy in policies:
        if policy.tool not in API_TOOLS:  # export files of these are named on the command line
            continue
        _add(made, _importing(policy, privacy), f"import_{policy.asset_name}", policy.schedule)
        if policy.write_back:
            _add(made, _writing(policy), f"write_back_{policy.asset_name}", WRITE_BACK_CRON)
    return made


def about_import(summary: SourceSummary) -> dict[str, Any]:
    """Run metadata of an import."""
    kinds = {f"{kind}_new": n for kind, n in sorted(summary.n_new.items())}
    left_out = [f"{n:,} x {rule}" for rule, n in summary.n_left_out.most_common()]
    reasons = [f"{n:,} x {reason}" for reason, n in summary.reasons.most_common(20)]
    return metadata.rows(
        summary.n_new.total(),
        known=summary.n_duplicate.total(),
        rejected=summary.n_rejected.total(),
        waiting_feedback=summary.n_parked_feedback,
        left_out=summary.n_left_out.total(),
        **kinds,
    ) | {
        "imported_to": str(summary.imported_to),
        "left_out_by_rule": metadata.listing(left_out),
        "rejected_because": metadata.listing(reasons),
    }


def _importing(policy: SourcePolicy, privacy: PrivacyPolicy) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"imported_{policy.asset_name}",
        group_name="capture",
        kinds={policy.tool, "postgres"},
        code_version="imported-1",
        description=f"Traces and scores of {policy.name} ({policy.tool}), as interactions, feedback and evaluations.",
        metadata=metadata.about_table(tables.import_cursors, tables.interactions, tables.feedback, tables.evaluations),
    )
    def imported(database: Database) -> dg.MaterializeResult:
        environment = read_environment()
        with as_dagster_failure(), open_reader(policy, environment, time.sleep) as reader:
            key, now = load_hash_key(environment), datetime.now(UTC)  # noqa: TID251 (up to now)
            redactor = load_redactor(privacy)
            summary = import_source(database.engine, reader, policy, hash_key=key, now=now, redactor=redactor)
        return dg.MaterializeResult(metadata=about_import(summary))

    return imported


def _writing(policy: SourcePolicy) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"written_back_{policy.asset_name}",
        deps=[f"imported_{policy.asset_name}", "failure_patterns", "verifications"],
        group_name="verify",
        kinds={policy.tool, "postgres"},
        code_version="written-back-1",
        description=f"Pattern ids, and verdicts on their fixes, as scores on the traces of {policy.name}.",
        metadata=metadata.about_table(tables.written_scores),
    )
    def written_back(database: Database) -> dg.MaterializeResult:
        with as_dagster_failure(), open_source(policy, read_environment(), time.sleep) as client:
            written = write_back(database.transaction, client, policy.name)
        numbers = {"patterns": written.n_patterns, "verdicts": written.n_verdicts}
        return dg.MaterializeResult(
            metadata=metadata.rows(sum(numbers.values()), refused=written.refused.total(), **numbers)
            | {"refused_because": metadata.listing([f"{n:,} x {why}" for why, n in written.refused.most_common(20)])}
        )

    return written_back


def _add(made: SourceDefinitions, asset: dg.AssetsDefinition, job_name: str, cron: str) -> None:
    job = dg.define_asset_job(
        job_name,
        selection=dg.AssetSelection.assets(asset),
        executor_def=dg.in_process_executor,
        tags={"dagster/max_retries": "1"},
    )
    made.assets.append(asset)
    made.jobs.append(job)
    made.schedules.append(
        dg.ScheduleDefinition(
            name=f"{job_name}_schedule",
            job=job,
            cron_schedule=cron,
            execution_timezone="UTC",
            default_status=_RUNNING,
        )
    )
