"""How large cuts really are: a prior learned from past fixes, and what it makes of a new one.

Belongs here: the distribution of true cuts over fixes. Does not belong here: one fix's interval (`counterfactual.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from feedback_loop.stats.counterfactual import Cut

Floats = NDArray[np.float64]

_GRID = np.exp(np.linspace(np.log(0.02), np.log(3.0), 120))  # of rate over expected rate
_START_FIXES = 50.0
_NOTHING = 0.10  # sd of the log ratio of fixes that change nothing: expectations are off by some per cent, too
_ROUNDS = 200
_HALVINGS = 50


@dataclass(frozen=True)
class CutPrior:
    """Chance of each true rate ratio, on a fixed grid; shape (grid,), sums to 1."""

    weight: Floats


def shape_of_interval(
    observed: Floats, dispersion: Floats, expected: Floats, highest: Floats, confidence: Floats
) -> Floats:
    """Gamma shape of an expectation, from the upper end of the interval of the rate ratio that it led to.

    The inverse of `Cut.interval` for one candidate drift, by bisection; shape (fixes,).
    """
    half = observed / dispersion + 0.5
    low, high = np.full(len(observed), np.log(0.6)), np.full(len(observed), np.log(1e7))
    for _ in range(_HALVINGS):
        shape = np.exp((low + high) / 2)
        mean = expected * shape / np.exp(special.psi(shape))
        chance = special.fdtr(2 * half, 2 * shape, highest * mean / (dispersion * half))
        too_wide = chance < (1 + confidence) / 2
        low, high = np.where(too_wide, (low + high) / 2, low), np.where(too_wide, high, (low + high) / 2)
    result: Floats = np.exp((low + high) / 2)
    return result


def likelihood(observed: Floats, dispersion: Floats, expected: Floats, shape: Floats) -> Floats:
    """Of every ratio on the grid, one row per fix: theta^n (a + theta L)^-(n + a), a negative binomial count.

    Args:
        observed: counts after, shape (fixes,).
        dispersion: of the same; counts and expectations are divided by it.
        expected: exp of the mean logarithm of the expectation.
        shape: of the expectation's gamma.
    """
    mean = expected * shape / np.exp(special.psi(shape))
    count, scaled, a = (observed / dispersion)[:, None], (mean / dispersion)[:, None], shape[:, None]
    log = count * np.log(_GRID) - (count + a) * np.log(a + _GRID * scaled)
    result: Floats = np.exp(log - log.max(1, keepdims=True))
    return result


def start_prior() -> CutPrior:
    """What is believed of a fix before any was seen.

    Half of all fixes change nothing (of changes that their makers believed in, about a third improve what they were
    made for and a third do nothing: Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments, 2020); of the
    others one in ten makes it worse, and every cut from 0 to all is as likely as any other.
    """
    nothing = np.exp(-0.5 * (np.log(_GRID) / _NOTHING) ** 2)
    better, worse = np.where(_GRID <= 1, _GRID, 0.0), np.where(_GRID > 1, _GRID**-2, 0.0)
    parts = ((0.5, nothing), (0.45, better), (0.05, worse))
    return CutPrior(np.sum([share * part / part.sum() for share, part in parts], axis=0))


def learn_prior(observed: Floats, dispersion: Floats, expected: Floats, shape: Floats) -> CutPrior:
    """Prior of the rate ratio from past fixes by EM on a grid (Laird, JASA 1978); arguments as of `likelihood`.

    Deviation: `start_prior` counts as 50 fixes, so few fixes change little.
    """
    each = likelihood(observed, dispersion, expected, shape)
    start = weight = start_prior().weight
    for _ in range(_ROUNDS):
        chance = each * weight
        chance /= chance.sum(1, keepdims=True)
        weight = (_START_FIXES * start + chance.sum(0)) / (_START_FIXES + len(observed))
    return CutPrior(weight)


def chances(
    observed: Floats, dispersion: Floats, expected: Floats, shape: Floats, bar: float, prior: CutPrior
) -> Floats:
    """Probability of each fix that the true reduction is at least `bar`, shape (fixes,)."""
    chance = likelihood(observed, dispersion, expected, shape) * prior.weight
    result: Floats = chance[:, 1 - bar >= _GRID].sum(1) / chance.sum(1)
    return result


def chance_of_cut(cut: Cut, bar: float, prior: CutPrior) -> float:
    """The same of one cut; its candidate drifts are taken together: the shape is that of the same upper limit."""
    observed, dispersion, expected = (np.array([x]) for x in (cut.observed, cut.dispersion, cut.expected.count))
    highest = np.array([1 - cut.interval(0.95)[0]])
    shape = shape_of_interval(observed, dispersion, expected, highest, np.array([0.95]))
    return float(chances(observed, dispersion, expected, shape, bar, prior)[0])
