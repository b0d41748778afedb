"""Planning: what a comparison before and after a fix will be able to show.

Belongs here: the power of the test of `rates.py`. Does not belong here: the test, and what a result means for a fix.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_SLICES = 400  # of the count before; each as likely as the others
_STEPS = 30  # of the bisection: to a billionth


def smallest_visible_drop(
    expected_per_day: float,
    days: int,
    baseline_days: float,
    confidence: float = 0.95,
    power: float = 0.8,
    dispersion: float = 1.0,
) -> float | None:
    """The smallest true reduction that `rates.rate_ratio` will show, with this power, after so many days.

    Shown means that the whole two-sided interval of the rate ratio lies below 1. The power is that of the exact
    conditional test, taken over both Poisson counts (Gu, Ng, Tang and Schucany, Biometrical Journal 2008):
    of a count before, the test rejects up to a critical count after; the chance of so few is averaged over the counts
    before. Deviation: that average is over 400 equally likely slices, so that the time does not grow with the counts,
    and counts are divided by `dispersion`, as the test does it. Counts are whole, so that a day more may show a
    little less, by about a hundredth.

    Args:
        expected_per_day: affected sessions per day without a fix, >= 0.
        days: of the window after, >= 1; days are taken to have the same exposures.
        baseline_days: of the window before, > 0.
        confidence: of the test's interval, in (0, 1).
        power: chance to see the reduction, in (0, 1).
        dispersion: variance over mean of the counts, >= 1.

    Returns:
        Reduction in (0, 1], or None: not even a complete disappearance would be visible.

    Raises:
        ValueError: an argument is outside its range.
    """
    if not (expected_per_day >= 0 and days >= 1 and baseline_days > 0 and dispersion >= 1):  # also where one is NaN
        raise ValueError(
            "expected_per_day is >= 0, days at least 1, baseline_days above 0 and dispersion at least 1, got "
            f"{expected_per_day}, {days}, {baseline_days} and {dispersion}"
        )
    if not (0 < confidence < 1 and 0 < power < 1):
        raise ValueError(f"confidence and power lie in (0, 1), got {confidence} and {power}")
    per_day = expected_per_day / dispersion
    most = _critical_counts(per_day * baseline_days, days / (days + baseline_days), (1 - confidence) / 2)
    low, high = 0.0, 1.0
    if _chance(most, 0.0) < power:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _chance(most, per_day * days * (1 - middle)) < power:
            low = middle
        else:
            high = middle
    return high


def _critical_counts(expected_before: float, share_after: float, tail: float) -> NDArray[np.float64]:
    """For likely counts before, the largest count after that the test calls a fall; -1 where none is. Shape (slices,).

    That a count after is at most a, given a + b in all, is as likely as at most a events after before the b-th event
    before: a negative binomial, whose quantile needs no search.
    """
    before = stats.poisson.ppf((np.arange(_SLICES) + 0.5) / _SLICES, expected_before)
    of = np.maximum(before, 1), 1 - share_after
    most = stats.nbinom.ppf(tail, *of)
    most = np.where(stats.nbinom.cdf(most, *of) > tail, most - 1, most)
    return np.where(before >= 1, most, -1.0)


def _chance(most: NDArray[np.float64], expected_after: float) -> float:
    """How likely a count after is small enough."""
    return float(stats.poisson.cdf(most, expected_after).mean())
