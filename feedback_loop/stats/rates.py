"""Comparing two rates of rare events.

Belongs here: the exact conditional test of a rate ratio and the dispersion of daily counts. Does not belong here:
what a result means for a fix (`verify.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class RateRatio:
    """Rate after over rate before, with a two-sided interval and the two-sided p-value of "no change"."""

    ratio: float
    ci_low: float
    ci_high: float  # inf where nothing was seen before
    p_value: float


def rate_ratio(
    n_after: float,
    exposures_after: float,
    n_before: float,
    exposures_before: float,
    confidence: float,
    dispersion: float,
) -> RateRatio:
    """Exact conditional comparison of two Poisson rates, widened for over-dispersion.

    Given n = n_after + n_before, n_after is binomial with p = r E_a / (r E_a + E_b), r the rate ratio (Przyborowski
    and Wilenski, Biometrika 1940); the interval is Clopper and Pearson's for p (Biometrika 1934), carried over to r.
    Deviation: counts are divided by `dispersion` first, the quasi-likelihood scaling of McCullagh and Nelder (1989,
    section 4.5), so that bursts of one user or one day do not pass for evidence. With dispersion 1 it is exact.

    Args:
        n_after: count, >= 0; not both counts may be 0.
        exposures_after: > 0.
        n_before: count, >= 0.
        exposures_before: > 0, in the unit of `exposures_after`.
        confidence: of the interval, in (0, 1).
        dispersion: variance over mean, >= 1.

    Raises:
        ValueError: an argument is outside its range.
    """
    if exposures_after <= 0 or exposures_before <= 0:
        raise ValueError(f"a rate needs exposures > 0, got {exposures_after} after and {exposures_before} before")
    if min(n_after, n_before) < 0 or n_after + n_before <= 0:
        raise ValueError(f"counts are >= 0 and not both 0, got {n_after} after and {n_before} before")
    if not 0 < confidence < 1 or dispersion < 1:
        raise ValueError(f"confidence lies in (0, 1) and dispersion is >= 1, got {confidence} and {dispersion}")
    a, b = n_after / dispersion, n_before / dispersion
    tail = (1 - confidence) / 2
    p_low = float(stats.beta.ppf(tail, a, b + 1)) if a > 0 else 0.0
    q_high = float(stats.beta.ppf(tail, b, a + 1)) if b > 0 else 0.0  # 1 - p_high; 1 - ppf(1 - tail) cancels near 1
    scale = exposures_before / exposures_after
    p_null = exposures_after / (exposures_after + exposures_before)
    at_least = float(stats.beta.cdf(p_null, a, b + 1)) if a > 0 else 1.0
    at_most = float(stats.beta.sf(p_null, a + 1, b)) if b > 0 else 1.0
    return RateRatio(
        ratio=n_after / n_before * scale if n_before > 0 else float("inf"),
        ci_low=p_low / (1 - p_low) * scale,
        ci_high=(1 - q_high) / q_high * scale if q_high > 0 else float("inf"),
        p_value=min(1.0, 2 * min(at_least, at_most)),
    )


def dispersion(counts: Sequence[float], exposures: Sequence[float]) -> float:
    """Pearson's X2 over its degrees of freedom of daily counts around one common rate; never under 1.

    Args:
        counts: affected sessions per day.
        exposures: of the same days; days without exposures are left out.
    """
    n, e = np.asarray(counts, dtype=float), np.asarray(exposures, dtype=float)
    n, e = n[e > 0], e[e > 0]
    if len(n) < 2 or n.sum() == 0:
        return 1.0
    expected = e * n.sum() / e.sum()
    return max(1.0, float(((n - expected) ** 2 / expected).sum() / (len(n) - 1)))
