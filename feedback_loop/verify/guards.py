"""What must be true beside the numbers for a verdict to stand.

Belongs here: frozen detector versions, blind audits of detection, sample ratio of roll-outs, placebo error rates, each
as a row of `GUARDS`. Does not belong here: guards that the numbers themselves answer (`decide.py`).

A blocking guard makes the verdict pending. Evidence that is missing blocks nothing: it is said, and a verdict is then
not acted on without a person.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

import pandas as pd
from scipy import stats

from feedback_loop.records import FrameShape, check_between
from feedback_loop.verify.audit import AUDITS, judge_audit

GUARDS = FrameShape("guards", {"fix_id": "str", "guard": "str", "is_blocking": "bool", "reason": "str"})

DETECTORS = FrameShape(
    "detectors",  # one row per fix and version that counted any part of its windows
    {"fix_id": "str", "detector_version": "str"},
)

ARRIVALS = FrameShape(
    "arrivals",  # one row per fix and arm while both are served
    {
        "fix_id": "str",
        "arm": "str",
        "n_users": "float64",  # distinct units of assignment seen; NA: units got both, so it cannot be told
        "share": "float64",  # planned, 0..1
    },
)

HEARD = FrameShape(
    "heard",  # one row per fix: days on which its application served, and those of them that brought any feedback
    {
        "fix_id": "str",
        "days_before": "float64",
        "heard_before": "float64",
        "days_after": "float64",
        "heard_after": "float64",
        "silent_before": "float64",  # longest run of days that were served and brought none, in all weeks looked at
        "silent_now": "float64",  # such days at the end
    },
)

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "power_floor": ("too rare: ",),
    "exposure_share": ("sessions that its roll-out planned", "no sessions were served after the fix"),
    "baseline": ("before the fix; a comparison needs", "no sessions were recorded before the fix"),
    "late_feedback": ("feedback is late: ",),
    "dominating_user": ("rests on one user: ",),
    "siblings": ("displaced: ",),
    "concurrent_fixes": ("joint verdict: ",),
    "segment_mix": ("standardised by segment, ",),
    "detector": (),
    "texts": (),
    "numbers": (),
    "silence": (),
    "srm": (),
    "audit": (),
    "placebo": (),
}
"""Families of guards -> what the reason of a verdict says where the numbers themselves set one off."""

NOTES = frozenset({"concurrent_fixes", "segment_mix"})
"""Families that change what is compared, and are no fault."""


@dataclass(frozen=True)
class GuardPolicy:
    """When a guard blocks.

    Attributes:
        needs_audit: whether a verdict closes its ticket only where the detector was audited on both sides.
        needs_placebo: whether it does only where the error rate of placebo fixes is known; a rate that is known and
            high is never acted against.
        srm_p: chance below which the arms' sizes do not fit the plan.
        min_ratio, max_ratio: of recall and precision after over before.
        min_audited: labels, of members or of events that the detector found, on each side (fewer where it found
            fewer); below it the audit says nothing.
        audit_by: who labels: `people` with `feedback-loop audit`, or the `analyst` (needs `analyst.analyst: claude`).
        min_placebos: judged placebo fixes below which their rate counts as unknown.
        max_placebo: false-effective rate of placebo fixes above which nothing is closed by itself.
        least_heard: share of days with any feedback, after over before; with less the pipe may be broken.
        most_silent_days: served days without any feedback, at the end, that are taken for chance; also as many as there
            ever were before the fix.
    """

    needs_audit: bool = True
    needs_placebo: bool = True
    srm_p: float = 0.001
    min_ratio: float = 0.9
    max_ratio: float = 1.1
    min_audited: int = 30
    audit_by: Literal["people", "analyst"] = "people"
    min_placebos: int = 20
    max_placebo: float = 0.05
    least_heard: float = 0.5
    most_silent_days: int = 2

    def __post_init__(self) -> None:
        check_between(self, 0, 1, "srm_p", "min_ratio", "max_placebo", "least_heard")
        check_between(self, 1, inf, "max_ratio", "min_audited", "min_placebos")
        check_between(self, 0, inf, "most_silent_days")


_Row = tuple[str, bool, str]


def check_guards(
    fixes: pd.DataFrame,
    *,
    detectors: pd.DataFrame | None = None,
    audits: pd.DataFrame | None = None,
    arrivals: pd.DataFrame | None = None,
    heard: pd.DataFrame | None = None,
    placebo: float | None = None,
    policy: GuardPolicy = GuardPolicy(),
) -> pd.DataFrame:
    """Guards of fixes from evidence beside the counts.

    Args:
        fixes: with fix_id.
        detectors: frame `DETECTORS`; None: not checked here.
        audits: frame `AUDITS`, a row per stratum where it was sampled; a fix without a row has no audit, which is said
            and blocks nothing.
        arrivals: frame `ARRIVALS`; None or no row: the roll-out was not split.
        heard: frame `HEARD`; None or no row: not known.
        placebo: share of placebo fixes that were called effective; None: not known yet.
        policy: limits.

    Returns:
        Frame `GUARDS`: only what blocks or must be said.

    Raises:
        ValueError: a frame lacks a declared column.
    """
    found = {
        name: _by_fix(shape, frame)
        for name, shape, frame in (
            ("detectors", DETECTORS, detectors),
            ("audits", AUDITS, audits),
            ("arrivals", ARRIVALS, arrivals),
            ("heard", HEARD, heard),
        )
    }
    rows = [
        (fix_id, *row)
        for fix_id in dict.fromkeys(fixes["fix_id"].astype(str))
        for row in (
            *_detectors(found["detectors"].get(fix_id)),
            *_audit(found["audits"].get(fix_id), policy),
            *_arrivals(found["arrivals"].get(fix_id), policy),
            *_heard(found["heard"].get(fix_id), policy),
            *_placebo(placebo, policy),
        )
    ]
    return GUARDS.check(pd.DataFrame(rows, columns=list(GUARDS.columns)))


def may_close(guards: pd.DataFrame, fix_id: str) -> bool:
    """Whether a verdict may be acted on by itself: no guard of the fix has anything to say."""
    return not (guards["fix_id"] == fix_id).any()


def families_of(reason: str) -> list[str]:
    """Families of guards that a verdict's reason speaks of, of those that the numbers themselves set off."""
    return [name for name, said in FAMILIES.items() if any(words in reason for words in said)]


def _by_fix(shape: FrameShape, frame: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    if frame is None:
        return {}
    shape.check(frame)
    return {str(key): rows for key, rows in frame.groupby("fix_id")}


def _detectors(rows: pd.DataFrame | None) -> Iterator[_Row]:
    versions = sorted(set(rows["detector_version"])) if rows is not None else []
    if len(versions) > 1:
        yield "detector", True, f"counted with different detectors ({', '.join(versions)}), so nothing can be compared"


def _audit(rows: pd.DataFrame | None, policy: GuardPolicy) -> Iterator[_Row]:
    """A change that an audit found blocks, also where none is asked for; a missing audit leaves closing to people."""
    limits = (policy.min_ratio, policy.max_ratio)
    for is_blocking, reason in judge_audit(rows, policy.min_audited, limits):
        if is_blocking:
            yield "audit", True, reason
        elif policy.needs_audit:
            yield "audit", False, f"{reason}, so nothing is closed by itself"


def _arrivals(rows: pd.DataFrame | None, policy: GuardPolicy) -> Iterator[_Row]:
    """Chi-square test of the arms' sizes (Fabijan et al., KDD 2019) on the units of assignment."""
    if rows is not None and rows["n_users"].isna().any():
        yield "srm", False, "users and sessions got both versions, so the sizes of the arms cannot be checked"
        return
    if rows is None or len(rows) < 2 or rows["n_users"].sum() <= 0:
        return
    planned = rows["share"].to_numpy() / rows["share"].sum() * rows["n_users"].sum()
    p = float(stats.chisquare(rows["n_users"].to_numpy(), planned).pvalue) if (planned > 0).all() else 0.0
    if p < policy.srm_p:
        seen = " : ".join(f"{n:,.0f}" for n in rows["n_users"])
        yield "srm", True, f"the arms' sizes ({seen} users) do not fit the planned shares (p = {p:.1g})"


def _heard(rows: pd.DataFrame | None, policy: GuardPolicy) -> Iterator[_Row]:
    """Silence after a fix is a broken pipe before it is a success."""
    if rows is None:
        return
    names = list(HEARD.columns)[1:]
    days_before, heard_before, days_after, heard_after, silent_before, silent_now = (
        float(rows[n].sum()) for n in names
    )
    if not (days_before > 0 and days_after > 0):
        return
    before, after = heard_before / days_before, heard_after / days_after
    if after < policy.least_heard * before:
        said = f"feedback of any kind came on {after:.0%} of the days after the fix, {before:.0%} before"
        yield "silence", True, f"{said}: is the pipe broken?"
    elif silent_now > max(policy.most_silent_days, silent_before):
        said = f"no feedback of any kind came on the last {silent_now:.0f} days that were served"
        yield "silence", True, f"{said}, before the fix never on more than {silent_before:.0f}: is the pipe broken?"


def _placebo(rate: float | None, policy: GuardPolicy) -> Iterator[_Row]:
    """A rate that is known and high counts also where none is asked for."""
    if rate is None:
        if policy.needs_placebo:
            yield "placebo", False, "the error rate of placebo fixes is not known yet, so nothing is closed by itself"
    elif rate > policy.max_placebo:
        yield "placebo", False, f"{rate:.0%} of placebo fixes were called effective, so nothing is closed by itself"
