"""Regression watch: does a pattern come back after its fix was called effective?

Belongs here: repeated looks at a fixed pattern, with a stated rate of false alarms. Does not belong here: the first
verdict (`fixes.py`), and reopening a ticket (`route/`).

Group-sequential: every four weeks up to 24 after the verdict the last four weeks are compared with all weeks since the
fix, at an equal part of the false-alarm rate (Bonferroni). For weekly data with a known end that finds more than a test
that is valid at any time (Schultzberg and Ankargren 2023). By the same expectation as a verdict, so a pattern that
wanders by itself does not return by that.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.records import FrameShape
from feedback_loop.verify.arms import Arms, Claim, arms_of, read_claims
from feedback_loop.verify.decide import too_rare
from feedback_loop.verify.estimate import Estimate, estimate_cut
from feedback_loop.verify.nuisance import Nuisance, estimate_nuisance
from feedback_loop.verify.policy import VerifyPolicy
from feedback_loop.verify.tenant import Tenant, day_of, read_tenant

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
        every_days: between looks; each compares as many days with those before them since the fix.
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
        fixes: as of `verify_fixes`; those that were called effective.
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
    tenant = read_tenant(affected, exposures, end, first - 7 * verify.history_weeks)
    rows = []
    nuisance = estimate_nuisance(tenant, claims) if tenant.patterns and tenant.versions else None
    for claim in claims:
        row = _watch(claim, claims, tenant, nuisance, until, policy, verify)
        rows.append({"fix_id": claim.fix_id, "threshold": policy.false_reopen / policy.n_looks} | row)
    return WATCHES.check(pd.DataFrame(rows, columns=list(WATCHES.columns)))


def _watch(
    claim: Claim,
    claims: list[Claim],
    tenant: Tenant,
    nuisance: Nuisance | None,
    until: int,
    policy: WatchPolicy,
    verify: VerifyPolicy,
) -> dict[str, object]:
    last = until - policy.every_days
    if until - claim.day0 > verify.looks[-1] + policy.every_days * policy.n_looks:
        return {"state": "over", "reason": f"the watch ended after {policy.n_looks} looks"}
    if nuisance is None or claim.pattern_id not in tenant.patterns or last - claim.day0 < verify.looks[0]:
        return {"state": "pending", "reason": "too few days since the fix"}
    served = arms_of(claim, claims, tenant).new
    is_last = np.arange(tenant.start, tenant.end) >= last
    before: NDArray[np.bool_] = served & ~is_last[:, None]
    since: NDArray[np.bool_] = served & is_last[:, None]
    arms = Arms(before, since, is_last.astype(float), np.ones(len(tenant.versions), dtype=bool))
    estimate = estimate_cut([tenant.patterns.index(claim.pattern_id)], arms, tenant, nuisance, verify)
    if estimate.cut is None or too_rare(estimate, verify):
        return _few(estimate)
    p = float(estimate.cut.chance_at_most(1.0))
    rise = -estimate.cut.reduction
    counts = {"n_observed": estimate.n_after, "n_expected": estimate.expected}
    numbers: dict[str, object] = {**counts, "rise": rise, "p_value": p}
    if p <= policy.false_reopen / policy.n_looks and rise >= policy.least_rise:
        return numbers | {"state": "returned", "reason": f"{rise:.0%} more than since the fix"}
    return numbers | {"state": "quiet", "reason": "no more than since the fix, as far as can be told"}


def _few(estimate: Estimate) -> dict[str, object]:
    return {"state": "quiet", "reason": "too few cases to tell, so also too few to reopen for"} | (
        {"n_observed": estimate.n_after} if estimate.n_after is not None else {}
    )
