"""Frames that verdicts are made from: events and sessions in the shape that `verify_fixes` takes.

Belongs here: one row per affected session, version names, small segments. Does not belong here: where events come from
(`store/`), and counting (`tenant.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from feedback_loop.records import UTC_TIME, Fix, FrameShape

EVENTS = FrameShape(
    "events",  # one row per negative interaction that a detector gave to a pattern
    {
        "pattern_id": "str",
        "user_hash": "object",
        "session_key": "str",
        "occurred_at": UTC_TIME,
        "known_at": UTC_TIME,
        "prompt_name": "str",
        "prompt_version": "str",
        "cohort": "object",
        "weight": "float64",
    },
)

AFFECTED = FrameShape(
    "affected",  # one row per affected session, day and version
    {
        "pattern_id": "str",
        "user_id": "object",
        "session_id": "str",
        "occurred_at": UTC_TIME,
        "known_at": UTC_TIME,
        "prompt_version": "str",  # name@version
        "n_occurrences": "int64",
        "weight": "float64",
        "segment": "str",
    },
)

EXPOSURES = FrameShape(
    "exposures", {"date": UTC_TIME, "prompt_version": "str", "segment": "str", "n_exposures": "float64"}
)

FIXES = FrameShape(
    "fixes",  # one row per deployment of a fix
    {
        "fix_id": "str",
        "pattern_id": "str",
        "prompt_version": "object",  # name@version; None: verified by time
        "deployed_at": UTC_TIME,
        "rollout_share": "float64",
        "is_judged": "bool",  # False: it happened, and gets no look
    },
)

Step = tuple[datetime, float]
"""A deployment of a version: when, and its share of the traffic."""

_NO_SEGMENT, _OTHER = "", "(other)"
_LEAST_SEGMENT = 0.02  # of the exposures; smaller cohorts are taken together
_MAIN_SHARE = 0.5
_NEW = 4  # times as frequent in its first week as before
_HALF_A_DAY = timedelta(hours=12)
_WEEK, _NEVER = np.timedelta64(7, "D"), date(1970, 1, 1)


def affected_sessions(events: pd.DataFrame) -> pd.DataFrame:
    """Affected sessions of events, frame `EVENTS`: a session counts once per pattern, day and version.

    It is known from its first negative event on, and weighs as its most surely captured one.
    """
    checked = EVENTS.check(events)
    frame = checked.assign(
        date=checked["occurred_at"].dt.floor("D"),
        prompt_version=checked["prompt_name"] + "@" + checked["prompt_version"],
        segment=checked["cohort"].astype(object).where(checked["cohort"].notna(), _NO_SEGMENT),
    ).sort_values(["occurred_at", "session_key"], kind="stable")
    sessions = frame.groupby(["pattern_id", "session_key", "date", "prompt_version"], sort=False)
    rows = sessions.agg(
        user_id=("user_hash", "first"),
        occurred_at=("occurred_at", "min"),
        known_at=("known_at", "min"),
        n_occurrences=("weight", "size"),
        weight=("weight", "min"),
        segment=("segment", "first"),
    ).reset_index()
    return AFFECTED.check(rows.rename(columns={"session_key": "session_id"}))


def exposed_sessions(sessions: pd.DataFrame) -> pd.DataFrame:
    """Exposures with date, prompt_name, prompt_version, cohort and n_exposures in the shape `EXPOSURES`."""
    named = sessions["prompt_name"].astype("str") + "@" + sessions["prompt_version"].astype("str")
    cohort = sessions["cohort"].astype(object)
    frame = sessions.assign(
        date=pd.to_datetime(sessions["date"], utc=True),
        prompt_version=named,
        segment=cohort.where(cohort.notna(), _NO_SEGMENT),
    )
    return EXPOSURES.check(frame)


def join_small_segments(affected: pd.DataFrame, exposures: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cohorts with little traffic as one segment: a rate of each could not be told."""
    total = exposures.groupby("segment")["n_exposures"].sum()
    large = set(total.index[total >= _LEAST_SEGMENT * total.sum()])
    return (
        affected.assign(segment=affected["segment"].where(affected["segment"].isin(large), _OTHER)),
        exposures.assign(segment=exposures["segment"].where(exposures["segment"].isin(large), _OTHER)),
    )


def without_strays(affected: pd.DataFrame, exposures: pd.DataFrame, since: Mapping[str, date]) -> pd.DataFrame:
    """Affected sessions without those that lie before a new pattern began.

    A frozen detector places a few texts of other failures also in weeks in which its pattern was not there yet. Where
    the rate before the week that founded the pattern was less than a quarter of that week's, they are such strays.

    Args:
        affected: frame `AFFECTED`.
        exposures: frame `EXPOSURES`, of the same days.
        since: pattern_id -> Monday of the week that founded it.
    """
    patterns, names = pd.factorize(affected["pattern_id"])
    # A pattern without a beginning begins before everything.
    weeks = pd.to_datetime(pd.Series([since.get(str(name), _NEVER) for name in names], dtype="object"), utc=True)
    starts, n = weeks.to_numpy(dtype="datetime64[us]"), len(names)
    at = affected["occurred_at"].to_numpy(dtype="datetime64[us]")
    before, in_founding = at < starts[patterns], (at >= starts[patterns]) & (at < starts[patterns] + _WEEK)
    n_before, n_founding = (np.bincount(patterns[rows], minlength=n) for rows in (before, in_founding))
    served = exposures.groupby("date")["n_exposures"].sum().sort_index()
    days = served.index.to_numpy(dtype="datetime64[us]")
    sums = np.concatenate([[0.0], served.to_numpy(dtype=float).cumsum()])
    until_start, until_end = (sums[np.searchsorted(days, moments)] for moments in (starts, starts + _WEEK))
    served_founding = until_end - until_start
    is_new = (until_start > 0) & (served_founding > 0)
    is_new &= n_before * served_founding * _NEW < n_founding * until_start
    kept: pd.DataFrame = affected[~(before & is_new[patterns])]
    return kept


def one_cohort(events: pd.DataFrame, mixed: pd.DataFrame) -> pd.DataFrame:
    """Events with the cohort that their session is counted in among the exposures.

    Args:
        events: frame `EVENTS`.
        mixed: date, prompt_name, prompt_version, session_key and cohort of sessions with several.
    """
    if mixed.empty:
        return events
    keys = ["date", "prompt_name", "prompt_version", "session_key"]
    of = mixed.assign(date=pd.to_datetime(mixed["date"], utc=True), is_mixed=True)
    dated = events[keys[1:]].assign(date=events["occurred_at"].dt.floor("D"))
    found = dated.merge(of, on=keys, how="left").set_axis(events.index)
    return events.assign(cohort=events["cohort"].astype(object).where(found["is_mixed"].isna(), found["cohort"]))


def ramp_of(fix: Fix, deployments: Sequence[Step]) -> list[Step]:
    """Steps of a fix's roll-out among the deployments of its version: its day 0, what led to it, what followed."""
    steps = {at: share for at, share in deployments if at >= fix.deployed_at or share < _MAIN_SHARE}
    if deployments and not any(share >= _MAIN_SHARE for at, share in steps.items() if at == fix.deployed_at):
        steps[fix.deployed_at] = 1.0
    return sorted(steps.items())


def fix_rows(
    fixes: Sequence[Fix],
    steps: Mapping[str, Sequence[Step]],
    served: Iterable[str],
    judged: Iterable[str],
    parents: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Fixes in the shape `FIXES`, and `parent_pattern_id` where it is known.

    Where only the day of a change without a version is known, it is taken to come at noon: that day is on neither side.

    Args:
        fixes: of one application, under the patterns that stay.
        steps: fix_id -> deployments of its version; a fix without any was deployed to all at once.
        served: versions as `name@version`; a fix that names no prompt has its version under each of these names.
        judged: fix_ids that get a verdict.
        parents: pattern_id -> pattern that it was split from.
    """
    known, looked_at, of = sorted(set(served)), set(judged), parents or {}
    rows = [
        (fix.fix_id, fix.pattern_id, version, at, share, fix.fix_id in looked_at, of.get(fix.pattern_id))
        for fix in fixes
        for version in _versions(fix, known)
        for at, share in steps.get(fix.fix_id) or [(_moment(fix), 1.0)]
    ]
    frame = pd.DataFrame(rows, columns=[*FIXES.columns, "parent_pattern_id"])
    return FIXES.check(frame).assign(parent_pattern_id=frame["parent_pattern_id"].astype(object))


def _versions(fix: Fix, served: Sequence[str]) -> list[str | None]:
    if fix.prompt_version is None:
        return [None]
    if fix.prompt_name is not None:
        return [f"{fix.prompt_name}@{fix.prompt_version}"]
    return [v for v in served if v.rpartition("@")[2] == fix.prompt_version] or [f"@{fix.prompt_version}"]


def _moment(fix: Fix) -> datetime:
    is_vague = fix.precision == "day" and fix.prompt_version is None
    return fix.deployed_at + _HALF_A_DAY if is_vague else fix.deployed_at
