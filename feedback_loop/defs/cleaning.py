"""Cleaning in the loop: the weekly asset, and what counts for verdicts must leave out.

Belongs here: reading, calling `clean`, storing and reporting. Does not belong here: the rules (`clean/`), SQL
(`store/exclusions.py`).

A verdict compares weeks; so all its weeks are cleaned by the policy of today, those that were stored under another one
again and the week that is not over as far as it goes. What weighs less counts in a verdict as ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import dagster as dg
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.clean import CleanedWeek, CleanPolicy, clean_week
from feedback_loop.config import Settings, policy_version
from feedback_loop.defs import metadata
from feedback_loop.defs.partitions import WEEKS, week_of, window_of
from feedback_loop.defs.resources import Database
from feedback_loop.records import EXCLUSION_REASONS, Window, midnight, monday_of
from feedback_loop.store import exclusions as store
from feedback_loop.store import tables, weeks

_MOST_EXCLUDED = 0.1  # of a week's feedback; above it a check asks people to look
_WEEK = timedelta(days=7)


@dg.asset(
    deps=["interactions", "feedback"],
    partitions_def=WEEKS,
    group_name="clean",
    kinds={"postgres", "pandas"},
    code_version="clean-1",
    metadata=metadata.about_table(tables.feedback_exclusions, tables.cleaning_weeks),
    check_specs=[dg.AssetCheckSpec("few_are_left_out", asset="feedback_exclusions")],
)
def feedback_exclusions(
    context: dg.AssetExecutionContext, database: Database, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """Feedback of the week that is left out or weighs less, each record with its reason; the verified stream beside."""
    week, window, policy = week_of(context), window_of(week_of(context)), settings.clean
    with database.begin() as conn:
        cleaned = {a: clean_window(conn, a, window, policy) for a in weeks.list_applications(conn, window)}
        store.save_cleaning(conn, week, cleaned, policy_version(policy))
    rows = [found.exclusions.assign(application=application) for application, found in cleaned.items()]
    return dg.MaterializeResult(
        metadata=metadata.rows(sum(map(len, rows)), **_numbers(cleaned))
        | {"reasons": metadata.tables([_by_reason(frame) for frame in rows], _COLUMNS)}
        | {"examples": metadata.tables([frame.groupby("reason").head(3) for frame in rows], _EXAMPLES)},
        check_results=[_few_are_left_out(cleaned)],
    )


_COLUMNS = {"application": "application", "reason": "reason", "effect": "effect", "n": "records", "users": "users"}
_EXAMPLES = {"application": "application", "reason": "reason", "feedback_id": "feedback", "detail": "detail"}


def clean_window(conn: Connection, application: str, window: Window, policy: CleanPolicy) -> CleanedWeek:
    """An application's week, or the part of it that is over, cleaned."""
    past = store.read_past(conn, application, window, policy.past_weeks, policy.new_days, policy.new_interactions)
    return clean_week(store.read_feedback(conn, application, window, policy.past_weeks), past, policy)


def new_limit(conn: Connection, application: str, week: date, policy: CleanPolicy) -> float | None:
    """What new accounts weigh in a pattern at most, per weight of the others; None: it is not known what is usual."""
    odds = None if "new_account" in policy.disabled else store.new_odds(conn, application, week)
    return None if odds is None else odds * policy.new_account_odds


@dataclass
class Cleaning:
    """What an application's counts leave out, week by week, each cleaned once.

    Attributes:
        conn: in a transaction.
        application: whose.
        policy: for all weeks the same.
    """

    conn: Connection
    application: str
    policy: CleanPolicy
    _weeks: dict[Window, pd.DataFrame] = field(default_factory=dict)

    def exclusions(self, window: Window) -> Iterator[pd.DataFrame]:
        """Frames `clean.EXCLUSIONS` of the weeks from a window's start on, as known at its end."""
        stored = store.cleaned_weeks(self.conn, self.application, policy_version(self.policy))
        for part in _weeks_of(window):
            if part not in self._weeks:
                self._weeks[part] = self._read(part, stored)
            yield self._weeks[part]

    def left_out(self, window: Window) -> store.LeftOut:
        """What the count of a window leaves out."""
        left = store.LeftOut()
        for frame in self.exclusions(window):
            left |= store.LeftOut.of(frame)
        return left

    def _read(self, part: Window, stored: set[date]) -> pd.DataFrame:
        week = part.start.date()
        if part.end == part.start + _WEEK and week in stored:
            return store.load_exclusions(self.conn, self.application, week)
        return clean_window(self.conn, self.application, part, self.policy).exclusions


def _weeks_of(window: Window) -> Iterator[Window]:
    start = midnight(monday_of(window.start.date()))
    while start < window.end:
        yield Window(start, min(start + _WEEK, window.end))
        start += _WEEK


def _numbers(cleaned: dict[str, CleanedWeek]) -> dict[str, int]:
    found = cleaned.values()
    counts = {f"n_{effect}": sum(one.count(effect) for one in found) for effect in ("excluded", "wordless", "weighted")}
    counts |= {
        reason: sum(int((one.exclusions["reason"] == reason).sum()) for one in found) for reason in EXCLUSION_REASONS
    }
    names = ("n_feedback", "n_complaints", "n_verified", "n_verified_complaints")
    return counts | {name: sum(getattr(one, name) for one in found) for name in names}


def _by_reason(frame: pd.DataFrame) -> pd.DataFrame:
    keys = ["application", "reason", "effect"]
    return frame.groupby(keys).agg(n=("feedback_id", "nunique"), users=("user_hash", "nunique")).reset_index()


def _few_are_left_out(cleaned: dict[str, CleanedWeek]) -> dg.AssetCheckResult:
    """Somebody should look where much is excluded, or where a crowd of new accounts came: an attack, or real."""
    told = []
    for application, found in cleaned.items():
        reasons = found.exclusions["reason"].value_counts()
        if (n := found.count("excluded")) > _MOST_EXCLUDED * found.n_feedback:
            told.append(f"{application}: {n} of {found.n_feedback} records are excluded")
        crowds = [f"{reasons[name]} for {name}" for name in ("campaign", "burst") if name in reasons.index]
        told += [f"{application}: {', '.join(crowds)}"] if crowds else []
    return dg.AssetCheckResult(
        check_name="few_are_left_out",
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"look at `feedback-loop exclusions`: {'; '.join(told)}" if told else "nothing unusual",
    )
