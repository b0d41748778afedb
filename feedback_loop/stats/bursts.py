"""Bursts: one user's affected sessions of a week come together, so they are not so many independent cases.

Belongs here: dispersion by user, and how much of it two arms of one week share. Does not belong here: tests.
"""

import numpy as np
from numpy.typing import NDArray

_PRIOR = 20.0  # independent cases that the pooled value counts for
_MAX_POOLED = 3.0
_PRIOR_PAIRS = 10.0
_PRIOR_FREEDOM = 60.0
_FEWEST, _MOST = 2, 40  # cases of a pattern's week that tell of bursts: with more, its weekdays tell of themselves
_LARGEST = 8.0


def pooled_dispersion(totals: NDArray[np.float64], squares: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Variance over mean in units of `weight` over all patterns, between 1 and 3."""
    cases = float((totals / weight).sum())
    return min(max(float((squares / weight**2).sum()) / cases, 1.0), _MAX_POOLED) if cases > 0 else 1.0


def dispersion_by_user(
    totals: NDArray[np.float64], squares: NDArray[np.float64], weight: NDArray[np.float64], pooled: float
) -> NDArray[np.float64]:
    """Variance over mean of a pattern's weighted count, users taken as independent within a week.

    For clusters of sizes n_u it is sum n_u^2 / sum n_u (Kish 1965; compound Poisson), shrunk to the value pooled over
    patterns with the weight of 20 cases. Unequal session weights enter the squares; dividing by the mean weight first
    keeps the answer free of the unit.

    Args:
        totals: sum of session weights per pattern, shape (patterns,).
        squares: sum over users and weeks of the squared sum of weights, shape (patterns,).
        weight: mean weight of a session (sum of squares over sum), shape (patterns,), > 0.
        pooled: what `pooled_dispersion` gives for the application.

    Returns:
        Per pattern, at least `weight`.
    """
    cases, spread = totals / weight, squares / weight**2
    return weight * np.maximum(1.0, (spread + _PRIOR * pooled) / (cases + _PRIOR))


def burst_factor(
    counts: NDArray[np.float64], exposures: NDArray[np.float64], used: NDArray[np.bool_], by_user: float
) -> float:
    """How much more the days of a week differ than users explain: an incident, or users that nobody names; >= 1.

    Pearson's X2 over its degrees of freedom of the days given their week's total, pooled over patterns, so that rates
    that wander from week to week do not enter. It is shrunk to what users explain by sixty degrees of freedom.

    Args:
        counts: sessions per pattern, week and day, shape (patterns, weeks, 7).
        exposures: effective exposures of the same days, shape (weeks, 7).
        used: weeks of a pattern that no roll-out disturbs, shape (patterns, weeks).
        by_user: what `pooled_dispersion` gives.
    """
    total = counts.sum(2)
    told = used & (total >= _FEWEST) & (total <= _MOST) & (exposures > 0).all(1)
    if not told.any():
        return 1.0
    seen, served = counts[told], np.broadcast_to(exposures, counts.shape)[told]
    mean = seen.sum(1, keepdims=True) * served / served.sum(1, keepdims=True)
    freedom = 6.0 * len(seen)
    pearson = (((seen - mean) ** 2 / mean).sum() + _PRIOR_FREEDOM * by_user) / (freedom + _PRIOR_FREEDOM)
    return max(1.0, min(float(pearson), _LARGEST) / by_user)


def shared_share(old: NDArray[np.float64], new: NDArray[np.float64], share_new: NDArray[np.float64]) -> float:
    """How far users' bursts fall into both arms, 0 (each user in one arm) to 1 (each session by itself).

    Under assignment by session a user with N sessions has N (N - 1) p (1 - p) pairs across the arms in expectation,
    under assignment by user none. Own derivation; shrunk to 0 by ten pairs, the cautious side.

    Args:
        old: sessions per user and week in the old arm, shape (n,).
        new: the same in the new arm.
        share_new: p, the new arm's share of the week's sessions, shape (n,).
    """
    total = old + new
    expected = (total * (total - 1) * share_new * (1 - share_new)).sum()
    return float(np.clip((old * new).sum() / (expected + _PRIOR_PAIRS), 0.0, 1.0))
