"""Regression watch: does a pattern come back after its fix was called effective?

Belongs here: repeated looks at a fixed pattern, with a stated rate of false alarms. Does not belong here: the first
verdict (`fixes.py`), and reopening a ticket (`route/`).

Group-sequential: every four weeks up to 24 after the verdict the last four weeks are compared with the days from the
fix to its verdict, at an equal part of the false-alarm rate (Bonferroni). Later days are no part of what is compared
with: a pattern that came back in the middle of a look would hide itself from the next. For weekly data with a known end
this finds more than a test that is valid at any time (Schultzberg and Ankargren 2023). By the same expectation as a
verdict, so a pattern that wanders by itself does not return by that.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.records import FrameShape
from feedback_loop.verify.arms import Arms, Claim, arms_of, read_claims
from feedback_loop.verify.estimate import estimate_cut
from feedback_loop.verify.nuisance import Nuisance, estimate_nuisance
from feedback_loop.verify.policy import VerifyPolicy
from feedback_loop.verify.tenant import UNKNOWN, Tenant, day_of, read_tenant

WATCHES = FrameShape(
    "watches",  # one row per fix
    {
        "fix_id": "str",
        "state": "str",  # returned | quiet | pending | over
        "reason": "str",
        "n_observed": "float64",
        "n_expected": "float64",
        "rise": "float64",  # observed / expected - 1
        "p_value": "float64",  # one-sided, of "no rise"
        "threshold": "float64",  # that it must not exceed at one look
    },
)


@dataclass(frozen=True)
class WatchPolicy:
    """How a fixed pattern is watched.

    Attributes:
        every_days: between looks; each compares as many days with those from the fix to its verdict.
        n_looks: after which the watch is over.
        false_reopen: chance that a pattern which did not return is ever called returned, over all looks.
        least_rise: observed over expected, less one, that is worth reopening for.
    """

    every_days: int = 28
    n_looks: int = 6
    false_reopen: float = 0.05
    least_rise: float = 0.5


def watch_fixes(
    affected: pd.DataFrame,
    exposures: pd.DataFrame,
    fixes: pd.DataFrame,
    *,
    as_of: datetime,
    policy: WatchPolicy = WatchPolicy(),
    verify: VerifyPolicy | None = None,
) -> pd.DataFrame:
    """One look at every fix that was called effective; call it every `every_days`.

    Args:
        affected: as of `verify_fixes`.
        exposures: as of `verify_fixes`.
        fixes: as of `verify_fixes`, those that were called effective; `settled_at`: when, else at the first look.
        as_of: end of what is known.
        policy: of the watch.
        verify: floors and history of verdicts, which hold here as well; default: the shipped ones.

    Returns:
        Frame `WATCHES`; NA where there is no number.
    """
    verify = verify or VerifyPolicy()
    claims = read_claims(fixes)
    end = pd.Timestamp(as_of)
    until = int(day_of(pd.Series([end]))[0])
    first = min((c.days[0] for c in claims), default=until)
    has_versions = any(c.versions for c in claims)
    tenant = read_tenant(affected, exposures, end, first - 7 * verify.history_weeks, has_versions=has_versions)
    rows = []
    nuisance = estimate_nuisance(tenant, claims) if tenant.patterns and tenant.versions else None
    settled = _settled(fixes)
    for claim in claims:
        at = settled.get(claim.fix_id, claim.day0 + verify.looks[0])
        row = _watch(claim, at, claims, tenant, nuisance, until, policy, verify)
        rows.append({"fix_id": claim.fix_id, "threshold": policy.false_reopen / policy.n_looks} | row)
    return WATCHES.check(pd.DataFrame(rows, columns=list(WATCHES.columns)))


def _settled(fixes: pd.DataFrame) -> dict[str, int]:
    """fix_id -> day before which its verdict was made from what was known."""
    if "settled_at" not in fixes:
        return {}
    known = fixes.dropna(subset=["settled_at"])
    return dict(zip(known["fix_id"].astype(str), (int(day) for day in day_of(known["settled_at"])), strict=True))


def _watch(
    claim: Claim,
    settled: int,
    claims: list[Claim],
    tenant: Tenant,
    nuisance: Nuisance | None,
    until: int,
    policy: WatchPolicy,
    verify: VerifyPolicy,
) -> dict[str, object]:
    last = until - policy.every_days
    if last - settled > policy.every_days * (policy.n_looks - 1):
        return {"state": "over", "reason": f"the watch ended after {policy.n_looks} looks"}
    if nuisance is None or claim.pattern_id not in tenant.patterns or last < settled:
        return {"state": "pending", "reason": "too few days since the verdict"}
    arms = _watched(arms_of(claim, claims, tenant), tenant, settled, last)
    code = tenant.patterns.index(claim.pattern_id)
    estimate = estimate_cut([code], arms, tenant, nuisance, verify, even_none=True)
    if estimate.cut is None:
        return {"state": "pending", "reason": "no sessions were served, or none from the fix to its verdict"}
    p, rise = float(estimate.cut.chance_at_most(1.0)), -estimate.cut.reduction
    numbers: dict[str, object] = {"n_observed": estimate.n_after, "n_expected": estimate.expected}
    if estimate.cut.observed < verify.min_expected * estimate.cut.dispersion:
        return numbers | {"state": "quiet", "reason": "too few cases to reopen for"}
    numbers |= {"rise": rise, "p_value": p}
    if p <= policy.false_reopen / policy.n_looks and rise >= policy.least_rise:
        return numbers | {"state": "returned", "reason": f"{_more(rise)} than from the fix to its verdict"}
    return numbers | {"state": "quiet", "reason": "no more than from the fix to its verdict, as far as can be told"}


def _watched(arms: Arms, tenant: Tenant, settled: int, last: int) -> Arms:
    """What the fix served until its verdict, and everything but the old versions in the last days.

    Versions that came after the fixed one are meant to hold the fix as well; most patterns come back with one of them.
    """
    days = np.arange(tenant.start, tenant.end)
    is_last = days >= last
    is_old = arms.old[is_last].any(0)
    unknown = np.array([v == UNKNOWN for v in tenant.versions], dtype=bool) & ~arms.new[is_last].any(0)
    before: NDArray[np.bool_] = arms.new & (days < settled)[:, None]
    since: NDArray[np.bool_] = is_last[:, None] & (arms.scope & ~is_old & ~unknown)[None]
    return Arms(before, since, is_last.astype(float), arms.scope)


def _more(rise: float) -> str:
    return f"{rise:.0%} more" if rise < 10 else f"{1 + rise:,.0f} times as much"
