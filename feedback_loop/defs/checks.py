"""Asset checks: what must be true of a week before anybody believes its numbers.

Belongs here: the checks of the weekly and the daily half, and what is said when one fails. Does not belong here:
tests of code.
"""

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.defs.assets import loop_metrics
from feedback_loop.defs.partitions import WEEKS, recent_weeks, week_of, window_of
from feedback_loop.defs.resources import Alerts, Database
from feedback_loop.defs.verification import verifications
from feedback_loop.store import audits, weeks

SettingsParam = dg.ResourceParam[Settings]
_ALL = 520  # weeks: ten years
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def _weekly_specs() -> list[dg.AssetCheckSpec]:
    """The checks of a week; partitioned, so that the UI shows each for its week."""
    names = {
        "denominator_present": "negative_feedback",
        "feedback_arrived": "negative_feedback",
        "no_late_facts": "negative_feedback",
        "members_and_unassigned_add_up": "failure_patterns",
        "unassigned_share": "failure_patterns",
        "no_gap_before_this_week": "failure_patterns",
    }
    with warnings.catch_warnings():  # Dagster calls partitioned checks a preview, once per check and process
        warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")
        return [dg.AssetCheckSpec(name, asset=asset, partitions_def=WEEKS) for name, asset in names.items()]


@dg.multi_asset_check(name="weekly_checks", specs=_weekly_specs())
def weekly_checks(
    context: dg.AssetCheckExecutionContext, database: Database, settings: SettingsParam, alerts: Alerts
) -> Iterator[dg.AssetCheckResult]:
    """What must be true of a week; one step, for a step of its own costs each check more than its question."""
    week = week_of(context)
    with database.begin() as conn:
        yield _denominator_present(conn, week)
        yield _feedback_arrived(conn, week, alerts)
        yield _no_late_facts(conn, week, settings.late_facts_weeks)
        yield _members_and_unassigned_add_up(conn, week)
        yield _unassigned_share(conn, week, settings.max_unassigned_share)
        yield _no_gap_before_this_week(conn, week)


def _denominator_present(conn: Connection, week: date) -> dg.AssetCheckResult:
    """Every application with negative feedback also has exposures, or there is no rate to speak of."""
    missing = audits.negatives_without_exposures(conn, week)
    return dg.AssetCheckResult(
        check_name="denominator_present",
        asset_key="negative_feedback",
        passed=not missing,
        severity=ERROR,
        description=f"no exposures this week for {', '.join(missing)}: rates stay empty" if missing else "present",
    )


def _feedback_arrived(conn: Connection, week: date, alerts: Alerts) -> dg.AssetCheckResult:
    """Each application that had feedback before has some this week; silence may mean a broken pipe."""
    silent = audits.silent_applications(conn, window_of(week))
    if silent:
        alerts.send(f"feedback-loop: no feedback in the week of {week} for {', '.join(silent)}")
    return dg.AssetCheckResult(
        check_name="feedback_arrived",
        asset_key="negative_feedback",
        passed=not silent,
        severity=WARN,
        description=f"no feedback this week for {', '.join(silent)}" if silent else "feedback arrived",
    )


def _no_late_facts(conn: Connection, week: date, n_weeks: int) -> dg.AssetCheckResult:
    """Nothing was imported for an earlier week after it ran; names the weeks to run again."""
    before = recent_weeks(week, n_weeks)
    late = weeks.late_facts(conn, before) if before else []
    again = sorted({w for _, w, _ in late} | set(weeks.stale_weeks(conn)))
    through = max([week, *again])
    why = "; ".join(f"{application} {w}: {n} facts" for application, w, n in late) or "the memory before them changed"
    return dg.AssetCheckResult(
        check_name="no_late_facts",
        asset_key="negative_feedback",
        passed=not again,
        severity=WARN,
        description=f"run again --week {again[0]} --through {through}: {_names(again)} ({why})"
        if again
        else "none came late",
    )


def _members_and_unassigned_add_up(conn: Connection, week: date) -> dg.AssetCheckResult:
    """Memberships + unassigned = negatives: no event was lost or counted twice on the way.

    Members placed by their subject are memberships too; they are marked, and they are those who said nothing.
    """
    counts = audits.membership_counts(conn, week)
    unassigned = counts.described - counts.members
    return dg.AssetCheckResult(
        check_name="members_and_unassigned_add_up",
        asset_key="failure_patterns",
        passed=counts.strangers == counts.contradicted == 0
        and counts.described == counts.negatives
        and unassigned >= 0,
        severity=ERROR,
        description=f"{counts.negatives} negatives = {counts.members} members ({counts.inferred} of them inferred) + "
        f"{unassigned} unassigned; {counts.described} described, {counts.strangers} members without a negative, "
        f"{counts.contradicted} wrongly marked as inferred or not",
        metadata={
            "members": counts.members,
            "members_inferred": counts.inferred,
            "unassigned": unassigned,
            "negatives": counts.negatives,
        },
    )


def _unassigned_share(conn: Connection, week: date, most: float) -> dg.AssetCheckResult:
    """Most of what people say belongs to a pattern; where it does not, patterns tell little of what is wrong."""
    shares = audits.unassigned_shares(conn, week)
    above = {application: share for application, share in shares.items() if share > most}
    shown = "; ".join(f"{application}: {share:.0%}" for application, share in (above or shares).items())
    return dg.AssetCheckResult(
        check_name="unassigned_share",
        asset_key="failure_patterns",
        passed=not above,
        severity=WARN,
        description=f"in no pattern, of those who said something: {shown or 'nobody said anything'}",
        metadata={"highest_share": max(shares.values(), default=0.0)},
    )


def _no_gap_before_this_week(conn: Connection, week: date) -> dg.AssetCheckResult:
    """Every earlier week with facts has run: patterns remember from week to week."""
    before = recent_weeks(week, n_weeks=_ALL)
    gaps = weeks.weeks_not_run(conn, before) if before else []
    again = f"not run before {week}: {_names(gaps)}; run them with --week {gaps[0]} --through {week}" if gaps else ""
    return dg.AssetCheckResult(
        check_name="no_gap_before_this_week",
        asset_key="failure_patterns",
        passed=not gaps,
        severity=ERROR,
        description=again or "every earlier week with facts has run",
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


WEEKLY_CHECKS = [weekly_checks]
DAILY_CHECKS = [no_verdict_without_exposures]
WATCH_CHECKS = [last_week_has_run]
