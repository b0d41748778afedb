"""Intervals of one rate.

Belongs here: exact limits of a Poisson rate. Does not belong here: comparing two rates (`rates.py`).
"""

from scipy import stats


def rate_interval(count: float, exposures: float, confidence: float = 0.95, weight: float = 1.0) -> tuple[float, float]:
    """Exact two-sided interval of a Poisson rate (Garwood, Biometrika 1936).

    Deviation: a count of weighted events is divided by their mean weight first, for that is how many were seen.

    Args:
        count: >= 0, the sum of weights.
        exposures: > 0.
        confidence: in (0, 1).
        weight: mean weight of an event, >= 1.

    Returns:
        Lower and upper limit, per exposure.

    Raises:
        ValueError: an argument is outside its range.
    """
    if not (count >= 0 and exposures > 0 and 0 < confidence < 1 and weight >= 1):  # also where one is NaN
        raise ValueError(
            f"a rate needs a count >= 0, exposures > 0, confidence in (0, 1) and a weight >= 1, got {count}, "
            f"{exposures}, {confidence} and {weight}"
        )
    seen, tail = count / weight, (1 - confidence) / 2
    low = float(stats.gamma.ppf(tail, seen)) if seen > 0 else 0.0
    high = float(stats.gamma.isf(tail, seen + 1))
    return low * weight / exposures, high * weight / exposures
