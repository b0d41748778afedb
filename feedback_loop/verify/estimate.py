"""One fix's numbers: what its arms held, what was to be expected, and the cut.

Belongs here: bringing arms, nuisance and statistics together. Does not belong here: the verdict (`decide.py`).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback_loop.stats.bursts import dispersion_by_user, shared_share
from feedback_loop.stats.counterfactual import Cut, History, expect
from feedback_loop.stats.index import CommonIndex, common_index
from feedback_loop.verify.arms import Arms
from feedback_loop.verify.nuisance import Nuisance, user_squares, weekly
from feedback_loop.verify.policy import VerifyPolicy
from feedback_loop.verify.tenant import Rows, Tenant, sums

Floats = NDArray[np.float64]

_PRIOR_CASES = 20.0


@dataclass(frozen=True)
class Estimate:
    """Numbers of one fix; None where they cannot be had.

    Attributes:
        n_before, n_after: affected sessions of the arms as they were seen; None where an arm served nothing.
        exposures_before, exposures_after: weighted sessions of the arms.
        baseline_days: days from the first to the last exposures of the old arm before the fix's own.
        share: effective exposures of the new arm over those planned by the roll-out; None where nothing was planned.
        expected: affected sessions expected without the fix, as they are seen.
        independent: expected over dispersion.
        cut: the comparison.
        drift: weekly sd of the pattern's rate.
        dispersion: variance over mean of the new arm's count, in sessions as they are seen.
        top_user: largest share of the pattern's sessions that one user has.
        notes: corrections that the reason must name.
    """

    n_before: int | None
    exposures_before: float | None
    n_after: int | None
    exposures_after: float | None
    baseline_days: int = 0
    share: float | None = None
    expected: float | None = None
    independent: float | None = None
    cut: Cut | None = None
    drift: float | None = None
    dispersion: float | None = None
    top_user: float = 0.0
    top_user_code: int = -1
    notes: tuple[str, ...] = field(default=())


def estimate_cut(
    patterns: list[int],
    arms: Arms,
    tenant: Tenant,
    nuisance: Nuisance,
    policy: VerifyPolicy,
    without: int = -1,
    *,
    even_none: bool = False,
) -> Estimate:
    """The numbers of the patterns counted together as one.

    Args:
        patterns: codes; one, or siblings whose sum is asked for.
        arms: of the fix.
        tenant: the application's counts.
        nuisance: what moves them beside fixes.
        policy: least exposures and shift of mix.
        without: code of a user whose sessions are left out.
        even_none: whether an old arm without any case still tells what to expect: half a case (Jeffreys).
    """
    rows = tenant.rows.keep(np.isin(tenant.rows.pattern, patterns) & (tenant.rows.user != without))
    is_old, is_new = arms.old[rows.day, rows.version], arms.new[rows.day, rows.version]
    served = tenant.served
    before, after = float((served * arms.old).sum()), float((served * arms.new).sum())
    basic = Estimate(
        n_before=int(is_old.sum()) if before > 0 else None,
        exposures_before=before if before > 0 else None,
        n_after=int(is_new.sum()) if after > 0 else None,
        exposures_after=after if after > 0 else None,
        baseline_days=_span(served * arms.old),
    )
    if before <= 0 or after <= 0:
        return basic
    return _estimate(basic, patterns, arms, tenant, nuisance, policy, rows, is_old, is_new, even_none)


def _span(served: Floats) -> int:
    days = np.flatnonzero(served.sum(1))
    return int(days[-1] - days[0]) + 1 if len(days) else 0


def _estimate(
    basic: Estimate,
    patterns: list[int],
    arms: Arms,
    tenant: Tenant,
    nuisance: Nuisance,
    policy: VerifyPolicy,
    rows: Rows,
    is_old: NDArray[np.bool_],
    is_new: NDArray[np.bool_],
    even_none: bool,
) -> Estimate:
    factor, note = _mix(patterns, arms, nuisance, policy)
    exposure = nuisance.exposure @ factor
    old_days, new_days = ((exposure * arm).sum(1).reshape(-1, 7) for arm in (arms.old, arms.new))
    old, new = old_days.sum(1), new_days.sum(1)
    index = _index(patterns, tenant, nuisance)
    noise, shared = _noise(rows, is_old | is_new, (old > 0) & (new > 0), arms, tenant, nuisance)
    count = sums(rows.day[is_old] // 7, rows.weight[is_old], len(old))
    old[: int(nuisance.since[patterns].min())] = 0.0
    if even_none and count.sum() <= 0 < old.sum():
        count = 0.5 * (noise + shared) * old / old.sum()
    if old.sum() <= 0 or new.sum() <= 0 or count.sum() <= 0:
        return _with_share(basic, arms, exposure, note)
    mean = count.sum() / (old * index.level).sum() * index.level * (old + new)
    history = History(
        count=np.where(old > 0, count, 0.0),
        exposures=old * index.level,
        target=new * index.level,
        noise=noise,
        shared=index.variance + np.where(mean > 0, shared / np.where(mean > 0, mean, 1.0), 0.0),
        doubt=index.doubt,
        old_days=old_days,
        new_days=new_days,
    )
    expected = expect(history, nuisance.grid)
    spread = float((history.noise * history.target).sum() / history.target.sum())
    cut = Cut(float(rows.weight[is_new].sum()), spread, expected)
    share, per_session = _with_share(basic, arms, exposure, note), _per_session(rows, is_new)
    top, code = _top_user(rows, is_old | is_new)
    values: dict[str, Any] = {
        "expected": expected.count * per_session,
        "independent": expected.count / spread,
        "cut": cut,
        "drift": float(expected.weight @ nuisance.grid.scale),
        "dispersion": spread * per_session,
        "top_user": top,
        "top_user_code": code,
    }
    return replace(share, **values)


def _with_share(basic: Estimate, arms: Arms, exposure: Floats, notes: tuple[str, ...]) -> Estimate:
    """Add how much of the planned traffic the new arm got; what later versions served was not planned for it."""
    planned = float((arms.planned[:, None] * exposure * (arms.old | arms.new))[:, arms.scope].sum())
    got = float((exposure * arms.new).sum())
    return replace(basic, share=got / planned if planned > 0 else None, notes=notes)


def _mix(patterns: list[int], arms: Arms, nuisance: Nuisance, policy: VerifyPolicy) -> tuple[Floats, tuple[str, ...]]:
    """Factor per segment that brings both arms to one mix, and what to say of it where they differ much."""
    exposure = nuisance.exposure
    mixes = [np.einsum("dvs,dv->s", exposure, arm.astype(float)) for arm in (arms.old, arms.new)]
    shift = 0.5 * float(np.abs(mixes[0] / max(mixes[0].sum(), 1e-12) - mixes[1] / max(mixes[1].sum(), 1e-12)).sum())
    weights = nuisance.counts[patterns].sum((1, 2)) + 1e-9
    factor: Floats = weights @ nuisance.segment[patterns] / weights.sum()
    is_told = shift > policy.max_mix_shift
    return factor, (f"standardised by segment, whose mix moved by {shift:.0%}",) if is_told else ()


def _index(patterns: list[int], tenant: Tenant, nuisance: Nuisance) -> CommonIndex:
    """Common index from other families of patterns, each by its own segment rates."""
    counts, per_week = weekly(nuisance.counts.sum(2), 1), nuisance.segment @ weekly(nuisance.exposure.sum(1)).T
    used = nuisance.untreated & ~np.isin(tenant.family, tenant.family[patterns])[:, None]
    # A family speaks while none of its patterns is treated, and as one.
    whole = np.eye(len(used))[tenant.family].T
    used &= ~(whole.T @ (whole @ nuisance.treated) > 0)
    total, of_used = whole @ (counts * used), whole @ (counts.sum(1, keepdims=True) * used * per_week)
    size = np.maximum(whole @ (counts.sum(1, keepdims=True) * used), 1e-300)
    noise = (whole @ (counts.sum(1) * nuisance.noise)) / np.maximum(whole @ counts.sum(1), 1e-300)
    noise = np.where(noise > 0, noise, nuisance.noise.mean())
    return common_index(total, of_used / size, whole @ used > 0, noise, nuisance.grid.mean_scale)


def _noise(
    rows: Rows, inside: NDArray[np.bool_], both: NDArray[np.bool_], arms: Arms, tenant: Tenant, nuisance: Nuisance
) -> tuple[Floats, Floats]:
    """Dispersion of the rows' sum in each week: what the arms have each for themselves, and what they share."""
    total = float(rows.weight.sum())
    weight = float((rows.weight**2).sum() / total) if total else 1.0
    as_one = replace(rows, pattern=np.zeros(len(rows.day), dtype=np.int64))
    own = np.array([total]), user_squares(as_one, 1), np.array([weight])
    of_week = float(dispersion_by_user(*own, nuisance.pooled_noise)[0]) * nuisance.bursts
    by_session = _by_session(tenant.rows, arms, both)
    more = _lasting_noise(rows, inside, both, of_week) - of_week
    shared = by_session * (of_week - weight)
    return of_week + np.where(both, 1 - by_session, 0.0) * more - shared, shared


def _lasting_noise(rows: Rows, inside: NDArray[np.bool_], both: NDArray[np.bool_], noise: float) -> float:
    """Dispersion of the rows by user over all weeks in which both arms were served; at least that of a week.

    Where users are assigned, whoever complains every week is in one arm for good; before and after a fix they are in
    both. Shrunk to the dispersion of a week.
    """
    there = rows.keep(inside & both[rows.day // 7])
    total = float(there.weight.sum())
    if total <= 0:
        return noise
    weight = float((there.weight**2).sum()) / total
    squares = float((np.bincount(there.user, there.weight) ** 2).sum())
    cases = total / weight
    return max(noise, (cases * squares / total + _PRIOR_CASES * noise) / (cases + _PRIOR_CASES))


def _by_session(rows: Rows, arms: Arms, both: NDArray[np.bool_]) -> Floats:
    """Per week, how far bursts fall into both arms, measured over all patterns; 0 where only one arm was served.

    1: sessions are assigned; 0: users are.
    """
    if not both.any():
        return np.zeros(len(both))
    rows = rows.keep(both[rows.day // 7] & (rows.user < rows.first_anonymous))
    week, n_weeks = rows.day // 7, len(both)
    is_old, is_new = (arm[rows.day, rows.version] for arm in (arms.old, arms.new))
    inside = is_old | is_new
    if not inside.any():
        return np.zeros(n_weeks)
    cells, place = np.unique(rows.user[inside] * n_weeks + week[inside], return_inverse=True)
    old, new = (sums(place, arm[inside].astype(float), len(cells)) for arm in (is_old, is_new))
    in_week = cells % n_weeks
    all_old, all_new = (sums(in_week, n, n_weeks) for n in (old, new))
    share_new = all_new / np.maximum(all_old + all_new, 1.0)
    return np.where(both, shared_share(old, new, share_new[in_week]), 0.0)


def _per_session(rows: Rows, is_new: NDArray[np.bool_]) -> float:
    """Sessions as seen per weighted session: of the new arm, or of all where it has none."""
    weights = rows.weight[is_new] if is_new.any() else rows.weight
    return float(1 / weights.mean()) if len(weights) else 1.0


def _top_user(rows: Rows, inside: NDArray[np.bool_]) -> tuple[float, int]:
    named = inside & (rows.user < rows.first_anonymous)
    if not named.any():
        return 0.0, -1
    total = np.bincount(rows.user[named], rows.weight[named])
    return float(total.max() / rows.weight[inside].sum()), int(total.argmax())
