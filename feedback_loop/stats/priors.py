"""How large cuts really are: a prior learned from past fixes, and what it makes of a new one.

Belongs here: the distribution of true cuts over fixes. Does not belong here: one fix's interval (`counterfactual.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from feedback_loop.stats.counterfactual import Cut

Floats = NDArray[np.float64]

_GRID = np.exp(np.linspace(np.log(0.02), np.log(3.0), 120))  # of rate over expected rate
_NO_EFFECT = np.exp(-0.5 * (np.log(_GRID) / 0.05) ** 2)
_PRIOR_FIXES = 20.0
_ROUNDS = 200
MIN_FIXES = 300


@dataclass(frozen=True)
class CutPrior:
    """Chance of each true rate ratio, on a fixed grid; shape (grid,), sums to 1."""

    weight: Floats


def _likelihood(observed: Floats, dispersion: Floats, expected: Floats, shape: Floats) -> Floats:
    """Of every ratio on the grid, one row per fix; Poisson-gamma: theta^k (al + theta L / phi)^-(k + al)."""
    count, mean = (observed / dispersion)[:, None], (expected / dispersion)[:, None]
    log = count * np.log(_GRID) - (count + shape[:, None]) * np.log(shape[:, None] + _GRID * mean)
    result: Floats = np.exp(log - log.max(1, keepdims=True))
    return result


def learn_prior(observed: Floats, dispersion: Floats, expected: Floats, variance: Floats) -> CutPrior | None:
    """Prior of the rate ratio from past fixes by EM on a grid (Laird, JASA 1978).

    Deviation: a start that is flat in the logarithm, with a peak at "no effect", counts as 20 fixes.

    Args:
        observed: counts after, shape (fixes,).
        dispersion: of the same.
        expected: without the fix.
        variance: relative, of the expectation, > 0.

    Returns:
        None under 300 fixes: a flat prior is better than one of few.
    """
    if len(observed) < MIN_FIXES:
        return None
    likelihood = _likelihood(observed, dispersion, expected, 1 / variance)
    start = np.full(len(_GRID), 1 / len(_GRID)) * 0.5 + 0.5 * _NO_EFFECT / _NO_EFFECT.sum()
    weight = start
    for _ in range(_ROUNDS):
        chance = likelihood * weight
        chance /= chance.sum(1, keepdims=True)
        weight = (_PRIOR_FIXES * start + chance.sum(0)) / (_PRIOR_FIXES + len(observed))
    return CutPrior(weight)


def chance_of_cut(cut: Cut, bar: float, prior: CutPrior | None) -> float:
    """Probability that the true reduction is at least `bar`; flat in the logarithm of the ratio without a prior."""
    if prior is None:
        return float(cut.chance_at_most(1 - bar))
    expected = cut.expected
    n = len(expected.mean)
    each = np.full(n, cut.observed), np.full(n, cut.dispersion)
    likelihood = _mixed(*each, expected.mean, expected.shape, expected.weight)
    chance = likelihood * prior.weight
    return float(chance[1 - bar >= _GRID].sum() / chance.sum())


def _mixed(observed: Floats, dispersion: Floats, expected: Floats, shape_of: Floats, weight: Floats) -> Floats:
    """Likelihood of the grid, averaged over candidate drifts; each candidate's is normalised by al^al first."""
    count, mean, shape = (observed / dispersion)[:, None], (expected / dispersion)[:, None], shape_of[:, None]
    log = count * (np.log(_GRID) + np.log(mean)) - count * np.log(shape + _GRID * mean)
    log += shape * (np.log(shape) - np.log(shape + _GRID * mean))
    # Chance of the count itself under a gamma mean: Gamma(k + al) / Gamma(al) differs between candidates.
    log += _log_rising(shape, count)
    result: Floats = weight @ np.exp(log - log.max())
    return result


def _log_rising(shape: Floats, count: Floats) -> Floats:
    result: Floats = gammaln(shape + count) - gammaln(shape)
    return result
