"""Looks: when a fix is judged, which looks are due, and which fixes are one.

Belongs here: days and what was looked at before. Does not belong here: the verdict of a look (`fixes.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.records import FINAL_VERDICTS, Fix, Verdict, midnight
from feedback_loop.verify.policy import VerifyPolicy

METHOD_VERSION = "expected-1"
"""Names the method of a verdict; looks are made once per method version."""

_REPEATED_DAYS = 28


@dataclass(frozen=True)
class Look:
    """One look at a fix that is to be made, with what was known at the start of the day `due_at`."""

    fix: Fix
    day: int
    due_at: datetime


def due_at(fix: Fix, day: int) -> datetime:
    """When a look is due: so many whole days after the deployment, in UTC.

    With a prompt version the fix is recognised by the version, so the day of the deployment is the first. Without one
    that day is mixed, and the first is the day after.
    """
    return midnight(fix.deployed_at.date()) + timedelta(days=day if fix.prompt_version else day + 1)


def next_look_at(fix: Fix, day: int, policy: VerifyPolicy) -> datetime | None:
    """When the look after that of a day is due, where there is to be one; None after the last."""
    later = [other for other in (*policy.looks, *_repeats(policy)) if other > day]
    return due_at(fix, later[0]) if later else None


def _repeats(policy: VerifyPolicy) -> range:
    """Days on which a last look is made again that could not be made, because something blocked it."""
    last = policy.looks[-1]
    return range(last + 7, last + _REPEATED_DAYS + 1, 7)


def _days(done: Mapping[int, Verdict], policy: VerifyPolicy) -> Iterator[int]:
    yield from policy.looks
    yield from takewhile(lambda day: done.get(day - 7) == "pending", _repeats(policy))


def due_looks(
    fixes: Sequence[Fix], done: Mapping[str, Mapping[int, Verdict]], as_of: datetime, policy: VerifyPolicy
) -> list[Look]:
    """Looks that are due by `as_of` and have no row yet, by the time they are due; none after a final verdict.

    A last look that is pending is made again every week for four weeks: what blocks it is often mended in a few days.

    Args:
        fixes: deployed changes of one application.
        done: fix_id -> look day -> verdict, of this method version.
        as_of: only looks that are due by then.
        policy: days of the looks.
    """
    due = [
        Look(fix, day, due_at(fix, day))
        for fix in fixes
        if FINAL_VERDICTS.isdisjoint(done.get(fix.fix_id, {}).values())
        for day in _days(done.get(fix.fix_id, {}), policy)
        if day not in done.get(fix.fix_id, {}) and due_at(fix, day) <= as_of
    ]
    return sorted(due, key=lambda look: (look.due_at, look.fix.fix_id))


def is_settled(fix: Fix, done: Mapping[int, Verdict], at: datetime) -> bool:
    """Whether a final verdict was given before a time, by the looks that were due until then."""
    return any(verdict in FINAL_VERDICTS and due_at(fix, day) < at for day, verdict in done.items())


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
