"""Two windows of equal length, one before and one after a fix, compared with nothing else (method `exact-1`).

Belongs here: which looks are due, the two windows of a look, and its verdict, as the daily asset asks for them. Does
not belong here: the method that knows drift and delay (`fixes.py`), and the statistics (`stats/rates.py`).

Both windows are seen with the same delay. Feedback comes late, so the last days of the window after the fix are not
complete when it is looked at; the window before is therefore cut off in the same way: an event counts only if it was
known before the end of its own window.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.records import (
    FINAL_VERDICTS,
    UTC_TIME,
    Fix,
    FrameShape,
    RateCount,
    Verdict,
    Verification,
    Window,
    midnight,
)
from feedback_loop.stats.rates import RateRatio, dispersion, rate_ratio
from feedback_loop.verify.policy import VerifyPolicy

METHOD_VERSION = "exact-1"
_SUPERSEDED = (
    "another fix of the same pattern followed, so the days after cannot be told apart; that fix is judged next"
)

AFFECTED = FrameShape(
    "affected",  # one row per negative interaction that the frozen detector gave to the pattern
    {
        "occurred_at": UTC_TIME,
        "known_at": UTC_TIME,
        "session_key": "str",
        "prompt_name": "str",
        "prompt_version": "str",
        "weight": "float64",
    },
)

EXPOSURES = FrameShape(
    "exposures",
    {"date": UTC_TIME, "prompt_name": "str", "prompt_version": "str", "n_exposures": "float64"},
)


@dataclass(frozen=True)
class Look:
    """One comparison that is to be made: `n_days` before the fix against `day` days after it.

    The window before is as long as the one after, so that late feedback is cut off alike.
    """

    fix: Fix
    day: int
    before: Window
    after: Window
    is_superseded: bool = False  # another fix of the pattern lies in the window after


def look_of(fix: Fix, day: int) -> Look:
    """The windows of a look, in whole UTC days.

    With a prompt version the fix is recognised by the version, so the day of the deployment counts for both sides.
    Without one, that day is mixed and belongs to neither. The window before does not reach past the week in which the
    pattern was first seen: days on which it did not exist say nothing of its rate.
    """
    deployed_on = fix.deployed_at.date()
    since = fix.pattern_since if fix.pattern_since and fix.pattern_since < deployed_on else None
    first = max(deployed_on - timedelta(days=day), since or date.min)
    start = deployed_on if fix.prompt_version else deployed_on + timedelta(days=1)
    before = Window(midnight(first), midnight(deployed_on))
    return Look(fix, day, before, Window.of_days(start, day))


def join_fixes(fixes: Sequence[Fix], decided: Mapping[str, EffectiveDecisions]) -> list[Fix]:
    """Fixes under the pattern that stays, in the same order: merged patterns are one, and so are their fixes.

    One change that claims to fix several merged patterns is one fix: that of the pattern that stays, where it is
    among them. So two verdicts never speak of the same thing.

    Args:
        fixes: under the patterns that they were recorded for.
        decided: application -> what people merged there.
    """
    stays = [decided.get(fix.application, UNDECIDED).stays(fix.pattern_id) for fix in fixes]
    one: dict[tuple[str, str, str], Fix] = {}
    for fix, pattern_id in sorted(zip(fixes, stays, strict=True), key=lambda pair: pair[0].pattern_id != pair[1]):
        one.setdefault((fix.application, pattern_id, fix.fix_id.removeprefix(fix.pattern_id)), fix)
    kept = {(fix.application, fix.fix_id) for fix in one.values()}
    joined = (replace(fix, pattern_id=pattern_id) for fix, pattern_id in zip(fixes, stays, strict=True))
    return [fix for fix in joined if (fix.application, fix.fix_id) in kept]


def due_looks(
    fixes: Sequence[Fix], done: Mapping[str, Mapping[int, Verdict]], as_of: datetime, policy: VerifyPolicy
) -> list[Look]:
    """Looks whose window has ended by `as_of` and that have no row yet; none after a final verdict.

    A further fix of the same pattern ends the looks at the one before it, for what follows is the work of both: the
    first look that would reach past it is due as superseded, and the rest never.

    Args:
        fixes: deployed changes.
        done: fix_id -> look day -> verdict, of this method version.
        as_of: only looks that end by then.
        policy: days of the looks.
    """
    due = []
    for fix in fixes:
        rows = done.get(fix.fix_id, {})
        if FINAL_VERDICTS.isdisjoint(rows.values()):
            due += [look for look in _looks_until(fix, _superseded_at(fix, fixes), policy) if look.day not in rows]
    return [look for look in due if look.after.end <= as_of]


def _looks_until(fix: Fix, superseded_at: datetime, policy: VerifyPolicy) -> Iterator[Look]:
    for look in (look_of(fix, day) for day in policy.looks):
        if look.after.end > superseded_at:
            yield replace(look, is_superseded=True)
            return
        yield look


def _superseded_at(fix: Fix, fixes: Sequence[Fix]) -> datetime:
    """The day of the next fix of the same pattern; the end of time where there is none."""
    same = (f for f in fixes if (f.application, f.pattern_id) == (fix.application, fix.pattern_id))
    later = (midnight(f.deployed_at.date()) for f in same if f.deployed_at > fix.deployed_at)
    return min(later, default=datetime.max.replace(tzinfo=UTC))


def verify_look(
    look: Look,
    affected: pd.DataFrame,
    exposures: pd.DataFrame,
    policy: VerifyPolicy,
    heard: Collection[date] | None = None,
) -> Verification:
    """The verdict of one look.

    Args:
        look: fix and windows.
        affected: frame `AFFECTED` of the fix's pattern, over both windows or more.
        exposures: frame `EXPOSURES` of the application, over both windows or more; `date` is midnight UTC.
        policy: evidence needed.
        heard: days on which the application got feedback of any kind; None where that is not known. Silence after a
            fix is a broken pipe before it is a success.

    Returns:
        A verdict with numbers where there was enough to compare, else with a reason and none.
    """
    daily_before = _daily(look.before, *_side(look, affected, exposures, after=False))
    daily_after = _daily(look.after, *_side(look, affected, exposures, after=True))
    before, after = _count(daily_before), _count(daily_after)
    spread = _dispersion(daily_before, daily_after, before, after)
    blocked = _SUPERSEDED if look.is_superseded else _guard(daily_before, before, after, spread, policy)
    blocked = blocked or _silence(daily_before, daily_after, heard)
    if blocked:
        is_last = look.day == policy.looks[-1] and not look.is_superseded
        verdict: Verdict = "not_shown" if is_last and after.exposures > 0 and before.exposures > 0 else "pending"
        return _verification(look, verdict, blocked, before, after, policy)
    confidence = policy.confidence_at(look.day)
    ratio = rate_ratio(after.affected, after.exposures, before.affected, before.exposures, confidence, spread)
    verdict, reason = _decide(look, ratio, confidence, policy)
    return _verification(look, verdict, reason, before, after, policy, ratio, confidence, spread)


def _side(
    look: Look, affected: pd.DataFrame, exposures: pd.DataFrame, *, after: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of one window: by prompt name where the fix names one, and by version where it has one."""
    window, fix = look.after if after else look.before, look.fix
    sides = []
    for frame, at in ((AFFECTED.check(affected), "occurred_at"), (EXPOSURES.check(exposures), "date")):
        keep = (frame[at] >= window.start) & (frame[at] < window.end)
        if fix.prompt_name is not None:
            keep &= frame["prompt_name"] == fix.prompt_name
        if fix.prompt_version is not None:
            keep &= (frame["prompt_version"] == fix.prompt_version) == after
        sides.append(frame[keep])
    events = sides[0]
    return events[events["known_at"] < window.end], sides[1]


def _daily(window: Window, affected: pd.DataFrame, exposures: pd.DataFrame) -> pd.DataFrame:
    """Per day: affected sessions (count, weights, squared weights) and exposures."""
    dated = affected.assign(date=affected["occurred_at"].dt.floor("D")).sort_values("weight", kind="stable")
    sessions = dated.drop_duplicates(["date", "prompt_name", "prompt_version", "session_key"])
    sessions = sessions.assign(squared=sessions["weight"] ** 2)
    days = pd.date_range(window.start, window.end, freq="D", inclusive="left", unit="us")
    daily = sessions.groupby("date").agg(n=("weight", "size"), affected=("weight", "sum"), squared=("squared", "sum"))
    daily = daily.reindex(days).fillna(0.0)
    return daily.assign(exposures=exposures.groupby("date")["n_exposures"].sum().reindex(days).fillna(0.0))


def _count(daily: pd.DataFrame) -> RateCount:
    total = daily.sum()
    return RateCount(float(total["affected"]), float(total["squared"]), float(total["exposures"]), int(total["n"]))


def _dispersion(daily_before: pd.DataFrame, daily_after: pd.DataFrame, before: RateCount, after: RateCount) -> float:
    """Day-to-day dispersion within the windows, times what unequal session weights add to the variance."""
    within = [dispersion(d["affected"].to_list(), d["exposures"].to_list()) for d in (daily_before, daily_after)]
    total = before.affected + after.affected
    weights = (before.affected_squared + after.affected_squared) / total if total else 1.0
    return max(float(np.mean(within)), weights, 1.0)


def _guard(
    daily_before: pd.DataFrame, before: RateCount, after: RateCount, spread: float, policy: VerifyPolicy
) -> str | None:
    """Why there can be no number, or None."""
    if after.exposures <= 0:
        return "no sessions were served after the fix, so there is nothing to compare"
    if before.exposures <= 0:
        return "no sessions were recorded before the fix, so there is nothing to compare with"
    days = int((daily_before["exposures"] > 0).sum())
    if days < policy.min_baseline_days:
        return f"only {days} days were recorded before the fix; a comparison needs {policy.min_baseline_days}"
    expected = before.affected / before.exposures * after.exposures / spread
    if expected < policy.min_expected:
        return f"too rare: {expected:.1f} independent cases were expected, a comparison needs {policy.min_expected:g}"
    return None


def _silence(daily_before: pd.DataFrame, daily_after: pd.DataFrame, heard: Collection[date] | None) -> str | None:
    """Why too few days after the fix brought any feedback at all, or None."""
    if heard is None:
        return None
    served = [[day.date() for day in daily.index[daily["exposures"] > 0]] for daily in (daily_before, daily_after)]
    before, after = (sum(day in heard for day in days) / len(days) for days in served)
    if after >= before / 2:
        return None
    return (
        f"feedback of any kind came on {after:.0%} of the days after the fix, {before:.0%} before: is the pipe broken?"
    )


def pending_look(look: Look, reason: str, policy: VerifyPolicy) -> Verification:
    """A look that could not be made, and why: no numbers, and the next look has its date."""
    nothing = RateCount(0.0, 0.0, 0.0, 0)
    return _verification(look, "pending", reason, nothing, nothing, policy)


def _decide(look: Look, ratio: RateRatio, confidence: float, policy: VerifyPolicy) -> tuple[Verdict, str]:
    reduction, low, high = 1 - ratio.ratio, 1 - ratio.ci_high, 1 - ratio.ci_low
    if high < 0:
        return "worse", "the rate rose"
    if low > 0:
        if reduction >= policy.bar:
            return "effective", f"the rate fell by at least the {policy.bar:.0%} that count as a fix"
        return "partial", f"the rate fell, but by less than {policy.bar:.0%}"
    if high < policy.bar:
        return "ineffective", f"a cut of {policy.bar:.0%} or more can be ruled out"
    if look.day == policy.looks[-1]:
        return "not_shown", f"after {look.day} days a reduction could still not be shown"
    return "inconclusive", f"not enough evidence yet at {confidence:.0%} confidence"


def _expected_sessions(before: RateCount, after: RateCount) -> float:
    """Affected sessions that would have been seen without the fix: in the unit of `n_after`, not weighted."""
    seen, weight = (after.n_sessions, after.affected) if after.n_sessions else (before.n_sessions, before.affected)
    return before.affected / before.exposures * after.exposures * seen / weight


def _verification(
    look: Look,
    verdict: Verdict,
    reason: str,
    before: RateCount,
    after: RateCount,
    policy: VerifyPolicy,
    ratio: RateRatio | None = None,
    confidence: float | None = None,
    spread: float | None = None,
) -> Verification:
    later = [day for day in policy.looks if day > look.day]
    is_open = verdict not in FINAL_VERDICTS and bool(later) and not look.is_superseded
    return Verification(
        application=look.fix.application,
        fix_id=look.fix.fix_id,
        pattern_id=look.fix.pattern_id,
        look_day=look.day,
        verdict=verdict,
        reason=reason,
        as_of=look.after.end,
        next_look_at=look_of(look.fix, later[0]).after.end if is_open else None,
        n_before=before.n_sessions if before.exposures > 0 else None,
        exposures_before=before.exposures if before.exposures > 0 else None,
        n_after=after.n_sessions if after.exposures > 0 else None,
        exposures_after=after.exposures if after.exposures > 0 else None,
        n_expected=_expected_sessions(before, after) if ratio else None,
        reduction=1 - ratio.ratio if ratio else None,
        ci_low=1 - ratio.ci_high if ratio else None,
        ci_high=1 - ratio.ci_low if ratio else None,
        confidence=confidence,
        p_value=ratio.p_value if ratio else None,
        rate_ratio=ratio.ratio if ratio else None,
        dispersion=spread,
        detector_version=look.fix.detector_version,
    )
