"""Asset checks: what must be true of a week before anybody believes its numbers.

Belongs here: the checks of the weekly and the daily half, and what is said when one fails. Does not belong here:
tests of code.
"""

from datetime import UTC, date, datetime

import dagster as dg
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.defs.assets import failure_patterns, loop_metrics, negative_feedback
from feedback_loop.defs.partitions import WEEKS, recent_weeks, week_of, window_of
from feedback_loop.defs.resources import Alerts, Database
from feedback_loop.defs.verification import verifications
from feedback_loop.store import audits, weeks

SettingsParam = dg.ResourceParam[Settings]
_ALL = 520  # weeks: ten years
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dg.asset_check(asset=negative_feedback, additional_deps=["exposures"], partitions_def=WEEKS)
def denominator_present(context: dg.AssetCheckExecutionContext, database: Database) -> dg.AssetCheckResult:
    """Every application with negative feedback also has exposures, or there is no rate to speak of."""
    with database.begin() as conn:
        missing = audits.negatives_without_exposures(conn, week_of(context))
    return dg.AssetCheckResult(
        passed=not missing,
        severity=ERROR,
        description=f"no exposures this week for {', '.join(missing)}: rates stay empty"
        if missing
        else "every rate has one",
    )


@dg.asset_check(asset=failure_patterns, partitions_def=WEEKS)
def members_and_unassigned_add_up(context: dg.AssetCheckExecutionContext, database: Database) -> dg.AssetCheckResult:
    """Memberships + unassigned = negatives: no event was lost or counted twice on the way."""
    with database.begin() as conn:
        counts = audits.membership_counts(conn, week_of(context))
    unassigned = counts.described - counts.members
    return dg.AssetCheckResult(
        passed=counts.strangers == 0 and counts.described == counts.negatives and unassigned >= 0,
        severity=ERROR,
        description=f"{counts.negatives} negatives = {counts.members} members + {unassigned} unassigned; "
        f"{counts.described} described, {counts.strangers} members without a negative",
        metadata={"members": counts.members, "unassigned": unassigned, "negatives": counts.negatives},
    )


@dg.asset_check(asset=failure_patterns, partitions_def=WEEKS)
def no_gap_before_this_week(context: dg.AssetCheckExecutionContext, database: Database) -> dg.AssetCheckResult:
    """Every earlier week with facts has run: patterns remember from week to week."""
    week = week_of(context)
    with database.begin() as conn:
        gaps = _gaps(conn, week)
    return dg.AssetCheckResult(
        passed=not gaps,
        severity=ERROR,
        description=f"not run before {week}: {_names(gaps)}; run them with --week {gaps[0]} --through {week}"
        if gaps
        else "every earlier week with facts has run",
    )


def _gaps(conn: Connection, week: date) -> list[date]:
    before = recent_weeks(week, n_weeks=_ALL)
    return weeks.weeks_not_run(conn, before) if before else []


@dg.asset_check(asset=negative_feedback, partitions_def=WEEKS)
def no_late_facts(
    context: dg.AssetCheckExecutionContext, database: Database, settings: SettingsParam
) -> dg.AssetCheckResult:
    """Nothing was imported for an earlier week after it ran; names the weeks to run again."""
    week = week_of(context)
    with database.begin() as conn:
        before = recent_weeks(week, settings.late_facts_weeks)
        late = weeks.late_facts(conn, before) if before else []
        stale = weeks.stale_weeks(conn)
    again = sorted({w for _, w, _ in late} | {w for w in stale if w < week})
    why = "; ".join(f"{application} {w}: {n} facts" for application, w, n in late) or "memory changed before them"
    return dg.AssetCheckResult(
        passed=not again,
        severity=WARN,
        description=f"run again from {again[0]} --through {week}: {_names(again)} ({why})"
        if again
        else "nothing came late",
    )


@dg.asset_check(asset=negative_feedback, partitions_def=WEEKS)
def feedback_arrived(context: dg.AssetCheckExecutionContext, database: Database, alerts: Alerts) -> dg.AssetCheckResult:
    """Each application that had feedback before has some this week; silence may mean a broken pipe."""
    week = week_of(context)
    with database.begin() as conn:
        silent = audits.silent_applications(conn, window_of(week))
    if silent:
        alerts.send(f"feedback-loop: no feedback in the week of {week} for {', '.join(silent)}")
    return dg.AssetCheckResult(
        passed=not silent,
        severity=WARN,
        description=f"no feedback this week for {', '.join(silent)}" if silent else "feedback arrived",
    )


@dg.asset_check(asset=verifications, partitions_def=None)
def no_verdict_without_exposures(database: Database) -> dg.AssetCheckResult:
    """A number in a verdict has exposures on both sides."""
    with database.begin() as conn:
        wrong = audits.verdicts_without_exposures(conn)
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=ERROR,
        description=f"a reduction without exposures: {', '.join(wrong)}" if wrong else "every number has exposures",
    )


@dg.asset_check(asset=loop_metrics)
def last_week_has_run(database: Database, alerts: Alerts) -> dg.AssetCheckResult:
    """The newest complete week has run. Watched daily, for the weekly schedule cannot report that it did not run."""
    newest = date.fromisoformat(WEEKS.get_partition_keys(current_time=datetime.now(UTC))[-1])  # noqa: TID251 a watch needs a clock
    with database.begin() as conn:
        missing = weeks.weeks_not_run(conn, window_of(newest))
    if missing:
        alerts.send(f"feedback-loop: the week of {newest} has facts but has not run")
    return dg.AssetCheckResult(
        passed=not missing,
        severity=WARN,
        description=f"the week of {newest} has not run" if missing else f"the week of {newest} has run or had no facts",
    )


def _names(days: list[date]) -> str:
    shown = ", ".join(day.isoformat() for day in days[:8])
    return shown if len(days) <= 8 else f"{shown} and {len(days) - 8} more"


WEEKLY_CHECKS = [
    denominator_present,
    members_and_unassigned_add_up,
    no_gap_before_this_week,
    no_late_facts,
    feedback_arrived,
]
DAILY_CHECKS = [no_verdict_without_exposures]
WATCH_CHECKS = [last_week_has_run]
