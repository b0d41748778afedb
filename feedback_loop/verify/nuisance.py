"""What moves counts beside a fix, estimated once for all patterns of an application.

Belongs here: delay, weekdays, segments, bursts and drift from a `Tenant`. Does not belong here: any one fix
(`estimate.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback_loop.stats.bursts import burst_factor, dispersion_by_user, pooled_dispersion
from feedback_loop.stats.delay import MAX_DELAY, completeness
from feedback_loop.stats.drift import DriftGrid, learn_drift, log_likelihood, start_grid
from feedback_loop.stats.index import common_index
from feedback_loop.verify.arms import Claim
from feedback_loop.verify.tenant import Rows, Tenant, sums

Floats = NDArray[np.float64]

_PRIOR_EVENTS = 50.0  # per weekday or segment: how much is needed before it is believed to differ
_PRIOR_OWN = 20.0  # of a pattern: before its segments are believed to differ from those of all patterns


@dataclass(frozen=True)
class Nuisance:
    """Shapes: patterns P, days D, versions V, segments S, weeks W; the newest week is last.

    Attributes:
        counts: weighted affected sessions, (P, D, V).
        exposure: effective exposures, (D, V, S): served, times weekday factor, times share known by now.
        known: share of a day's events known by now, (D,).
        delay90: days within which 90 % of events are known.
        segment: relative rate of a segment within a pattern, (P, S).
        noise: variance over mean of a count, (P,).
        pooled_noise: the same over all patterns, in units of the mean weight, by users alone.
        bursts: factor in `noise` for what users do not explain.
        untreated: weeks before a pattern's first fix and since it was first seen, (P, W).
        treated: weeks that any of its fixes reached, (P, W).
        since: first week of each pattern, (P,).
        grid: drifts with the weights learned from all patterns.
    """

    counts: Floats
    exposure: Floats
    known: Floats
    delay90: int
    segment: Floats
    noise: Floats
    pooled_noise: float
    bursts: float
    untreated: NDArray[np.bool_]
    treated: NDArray[np.bool_]
    since: NDArray[np.int64]
    grid: DriftGrid


def weekly(daily: Floats, axis: int = 0) -> Floats:
    """Sums of seven days along an axis."""
    shape = (*daily.shape[:axis], daily.shape[axis] // 7, 7, *daily.shape[axis + 1 :])
    result: Floats = daily.reshape(shape).sum(axis + 1)
    return result


def estimate_nuisance(tenant: Tenant, claims: list[Claim]) -> Nuisance:
    """Everything that all fixes of an application share."""
    rows, n_days = tenant.rows, tenant.n_days
    curve = completeness(rows.delay, n_days - 1 - rows.day)
    age = np.arange(n_days)[::-1]
    known = curve[np.minimum(age, MAX_DELAY)]
    counts = tenant.count(rows, rows.weight)
    first = _first_treated(tenant, claims)
    is_before = np.arange(n_days)[None] + tenant.start < first[:, None]
    served = tenant.served * known[:, None]
    exposure = np.nan_to_num(tenant.exposures) * (known * _weekdays(tenant, counts, served, is_before))[:, None, None]
    noise, pooled = _noise(tenant, rows)
    bursts = _bursts(tenant, rows, exposure, is_before, pooled)
    noise = noise * bursts
    by_week, per_week = weekly(counts.sum(2), 1), weekly(exposure.sum((1, 2)))
    since = _first_seen(by_week, per_week, noise)
    untreated = is_before[:, 6::7] & (np.arange(n_days // 7)[None] >= since[:, None])
    return Nuisance(
        counts,
        exposure,
        known,
        int(np.searchsorted(curve, 0.9)),
        _segments(tenant, rows, exposure, is_before),
        noise,
        pooled,
        bursts,
        untreated,
        ~is_before[:, 6::7],
        since,
        _drift(by_week, per_week, untreated, noise),
    )


def _first_treated(tenant: Tenant, claims: list[Claim]) -> NDArray[np.int64]:
    first = dict.fromkeys(tenant.patterns, tenant.end)
    for claim in claims:
        first[claim.pattern_id] = min(first.get(claim.pattern_id, tenant.end), claim.days[0])
    return np.array([first[p] for p in tenant.patterns], dtype=np.int64)


def _weekdays(tenant: Tenant, counts: Floats, served: Floats, is_before: NDArray[np.bool_]) -> Floats:
    """Relative failure rate of each day's weekday, pooled over patterns before their fixes; shape (days,)."""
    day, total = (np.arange(tenant.n_days) + tenant.start) % 7, served.sum(1)
    seen = sums(day, (counts.sum(2) * is_before).sum(0), 7)
    rate = (counts.sum(2) * is_before).sum(1) / np.maximum((total[None] * is_before).sum(1), 1e-12)
    expected = sums(day, (rate[:, None] * total[None] * is_before).sum(0), 7)
    prior = _PRIOR_EVENTS * _mean_weight(tenant.rows)
    return ((seen + prior) / (expected + prior))[day]


def _mean_weight(rows: Rows) -> float:
    """Mean weight of an affected session, weighted by itself; 1 without any."""
    total = float(rows.weight.sum())
    return float((rows.weight**2).sum()) / total if total > 0 else 1.0


def _noise(tenant: Tenant, rows: Rows) -> tuple[Floats, float]:
    n = len(tenant.patterns)
    totals, squared = (sums(rows.pattern, v, n) for v in (rows.weight, rows.weight**2))
    weight = np.where(totals > 0, squared / np.maximum(totals, 1e-12), 1.0)
    squares = user_squares(rows, n)
    pooled = pooled_dispersion(totals, squares, weight)
    return dispersion_by_user(totals, squares, weight, pooled), pooled


def _bursts(tenant: Tenant, rows: Rows, exposure: Floats, is_before: NDArray[np.bool_], pooled: float) -> float:
    n, weeks = len(tenant.patterns), tenant.n_days // 7
    days = sums(rows.pattern * tenant.n_days + rows.day, np.ones(len(rows.day)), n * tenant.n_days)
    calm: NDArray[np.bool_] = np.logical_and.reduce(is_before.reshape(n, weeks, 7), axis=2)
    return burst_factor(days.reshape(n, weeks, 7), exposure.sum((1, 2)).reshape(weeks, 7), calm, pooled)


def user_squares(rows: Rows, n_patterns: int) -> Floats:
    """Sum over users and weeks of the squared sum of weights, by pattern."""
    week = rows.day // 7
    shape = (n_patterns, int(week.max(initial=0)) + 1, int(rows.user.max(initial=0)) + 1)
    cells, place = np.unique(np.ravel_multi_index((rows.pattern, week, rows.user), shape), return_inverse=True)
    return sums(cells // (shape[1] * shape[2]), sums(place, rows.weight, len(cells)) ** 2, n_patterns)


def _first_seen(counts: Floats, exposures: Floats, noise: Floats) -> NDArray[np.int64]:
    """First week of a pattern: weeks without it count as its past only where chance may have emptied them."""
    seen = counts > 0
    first = np.where(seen.any(1), seen.argmax(1), 0)
    later = np.arange(counts.shape[1])[None] >= first[:, None]
    rate = counts.sum(1) / np.maximum((exposures[None] * later).sum(1), 1e-12)
    missed = rate * (exposures[None] * ~later).sum(1) / noise
    return np.where(missed > -np.log(0.01), first, 0)


def _segments(tenant: Tenant, rows: Rows, exposure: Floats, is_before: NDArray[np.bool_]) -> Floats:
    """Relative rate of each segment within each pattern before its fix, shrunk to that of all patterns together.

    Shape (patterns, segments).
    """
    n, n_segments = len(tenant.patterns), exposure.shape[2]
    early = rows.keep(is_before[rows.pattern, rows.day]) if len(rows.day) else rows
    seen = sums(early.pattern * n_segments + early.segment, early.weight, n * n_segments).reshape(n, n_segments)
    per_day = exposure.sum(1)
    served = is_before.astype(float) @ per_day
    rate = seen.sum(1) / np.maximum(served.sum(1), 1e-12)
    expected, weight = rate[:, None] * served, _mean_weight(rows)
    prior = _PRIOR_EVENTS * weight / n_segments
    pooled = (seen.sum(0) + prior) / (expected.sum(0) + prior)
    own = _PRIOR_OWN * weight * expected / np.maximum(expected.sum(1, keepdims=True), 1e-12)
    factor: Floats = (seen + own * pooled) / np.maximum(expected + own, 1e-12)
    return np.where(expected > 0, factor, pooled)


def _drift(counts: Floats, exposures: Floats, used: NDArray[np.bool_], noise: Floats) -> DriftGrid:
    grid = start_grid()
    index = common_index(counts, exposures[None], used, noise, grid.mean_scale)
    effective = np.where(used, exposures[None] * index.level, 0.0)
    total = (counts * used).sum(1)
    told = (total >= 5 * noise) & (used.sum(1) >= 3)
    if not told.any():
        return grid
    rate = total[told] / effective[told].sum(1)
    mean = rate[:, None] * effective[told]
    known = mean > 0
    ratios = np.where(known, counts[told] / np.where(known, mean, 1.0), 1.0)
    relative = np.where(known, noise[told][:, None] / np.where(known, mean, 1.0), np.inf)
    return learn_drift(log_likelihood(ratios, relative, grid), grid)
