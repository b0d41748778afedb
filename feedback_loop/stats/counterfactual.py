"""Counterfactual: how many events were to be expected without the fix, and how the cut compares with that.

Belongs here: prediction of a drifting rate and the interval of a reduction. Does not belong here: where drift, noise
and index come from (`drift.py`, `bursts.py`, `index.py`), and what a cut means for a fix (`verify/`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from feedback_loop.stats.drift import DriftGrid

Floats = NDArray[np.float64]

_HALVINGS = 32
_SPAN = 25.0  # of the logarithm of a rate ratio that is searched
_LEAST_VARIANCE = 1e-7
_ROUNDS = 12
_CONVERGED = 1e-7
_LONGEST_STEP = 1.5
_MOST_LOG = 300.0
_VOLATILE = 0.25  # tickets are made of the patterns that wander most: more variance than the drift of all would have


@dataclass(frozen=True)
class History:
    """A pattern's weeks, one entry each; shape (weeks,).

    Attributes:
        count: of the old arm, weighted.
        exposures: effective, of the old arm, times the common index; 0 where there were none.
        target: effective exposures of the new arm, times the common index.
        noise: variance over mean of the old arm's count given its rate.
        shared: variance of the log rate that both arms of a week have in common, beside drift.
        doubt: sd of the log rate that all weeks have in common, signed: a wrong index is wrong in all of them.
        old_days, new_days: effective exposures of the arms by day, shape (weeks, 7).
    """

    count: Floats
    exposures: Floats
    target: Floats
    noise: Floats
    shared: Floats
    doubt: Floats
    old_days: Floats
    new_days: Floats


@dataclass(frozen=True)
class Expectation:
    """Expected count of the new arm without the fix: a gamma variable per candidate drift; shape (grid,).

    Attributes:
        middle: exp of the mean logarithm, > 0; what is reported as expected.
        mean: of the gamma variable.
        shape: of the gamma variable.
        weight: of the candidates; sums to 1.
    """

    middle: Floats
    mean: Floats
    shape: Floats
    weight: Floats

    @property
    def count(self) -> float:
        """Expected count over all candidates."""
        return float(self.weight @ self.middle)


@dataclass(frozen=True)
class _Covariance:
    """Of log rates per candidate: of weeks of the old arm, those with weeks of the new arm, and of these."""

    seen: Floats
    towards: Floats
    ahead: Floats


@dataclass(frozen=True)
class _Fit:
    """The log rate given the old arm, per candidate; `counting` is the variance of its level by counting alone."""

    level: Floats
    pull: Floats
    solved_ones: Floats
    solved_target: Floats
    log_likelihood: Floats
    counting: Floats


def expect(history: History, grid: DriftGrid, *, learns: bool = True) -> Expectation:
    """Prediction of the new arm's count from the old arm's weeks, for every candidate drift.

    A log rate that wanders as an AR(1) around an unknown level, seen through over-dispersed Poisson counts:
    evolutionary credibility (Albrecht, ASTIN Bulletin 1985; Gerber and Jones 1975), by the Laplace approximation
    (Breslow and Clayton, JASA 1993, eq. 5-12). Recent weeks weigh more the longer drift lasts, and a peak is shrunk
    towards the level. Candidates are weighted by their restricted likelihood times `grid.weight`. Deviations:
    logarithms instead of the credibility formula's rates, for a drift that multiplies; the covariance has a part shared
    by the arms of a week; what is not counting noise of the level gets a quarter more variance.

    Args:
        history: of the pattern; with some exposures in the old arm, and some target.
        grid: candidate drifts and their weight before this history was seen.
        learns: whether the history changes these weights; not where it is made up.
    """
    known, ahead = history.exposures > 0, history.target > 0
    cov = _covariance(history, grid, known, ahead)
    fit, towards = _fit(history, cov, known), cov.towards
    gap = 1 - np.einsum("gw,gwt->gt", fit.solved_ones, towards)
    variance = cov.ahead - np.einsum("gwt,gwu->gtu", towards, fit.solved_target)
    variance += gap[:, :, None] * gap[:, None, :] / fit.solved_ones.sum(1)[:, None, None]
    variance += _VOLATILE * np.maximum(variance - fit.counting[:, None, None], 0.0)
    middle = fit.level[:, None] + np.einsum("gw,gwt->gt", fit.pull, towards)
    weight = grid.weight * np.exp(learns * (fit.log_likelihood - fit.log_likelihood.max()))
    return _as_gamma(middle, variance, history.target[ahead], weight / weight.sum())


def _covariance(history: History, grid: DriftGrid, known: NDArray[np.bool_], ahead: NDArray[np.bool_]) -> _Covariance:
    old, new = _by_day(history.old_days)[known], _by_day(history.new_days)[ahead]
    shared = np.diag(history.shared) + np.outer(history.doubt, history.doubt)
    return _Covariance(
        grid.covariance(old, old) + shared[np.ix_(known, known)],
        grid.covariance(old, new) + shared[np.ix_(known, ahead)],
        grid.covariance(new, new) + shared[np.ix_(ahead, ahead)],
    )


def _by_day(days: Floats) -> Floats:
    """Weeks of seven days as weights over all days, shape (weeks, 7 weeks)."""
    weeks = np.arange(len(days))
    weights = np.zeros((len(days), len(days), 7))
    weights[weeks, weeks] = days / np.maximum(days.sum(1, keepdims=True), 1e-300)
    return weights.reshape(len(days), -1)


def _fit(history: History, cov: _Covariance, known: NDArray[np.bool_]) -> _Fit:
    """Newton's steps on the working response z = log rate + (n - mu) / mu with variance noise / mu."""
    n, e, noise = history.count[known], history.exposures[known], history.noise[known]
    start = np.log((n + noise) / (e + noise * e.sum() / max(n.sum(), noise.mean())))
    log_rate = np.broadcast_to(start, (len(cov.seen), len(n)))
    ones = np.ones((len(cov.seen), len(n), 1))
    for _ in range(_ROUNDS):
        mean = e * np.exp(log_rate)
        response = log_rate + (n - mean) / mean
        total = cov.seen + np.eye(len(n)) * (noise / mean)[:, None, :]
        solved = np.linalg.solve(total, np.concatenate([ones, response[:, :, None], cov.towards], axis=2))
        precision = solved[:, :, 0].sum(1)
        level = solved[:, :, 1].sum(1) / precision
        pull = solved[:, :, 1] - level[:, None] * solved[:, :, 0]
        wander = np.einsum("gij,gj->gi", cov.seen, pull)
        step = np.clip(level[:, None] + wander - log_rate, -_LONGEST_STEP, _LONGEST_STEP)
        log_rate = log_rate + step
        if np.abs(step).max() < _CONVERGED:
            break
    mean = e * np.exp(log_rate)
    likelihood = ((n * log_rate - mean) / noise).sum(1) - 0.5 * (pull * wander).sum(1)
    root = np.sqrt(mean / noise)
    determinant = np.linalg.slogdet(np.eye(len(n)) + root[:, :, None] * cov.seen * root[:, None, :])[1]
    likelihood -= 0.5 * (determinant + np.log(precision))
    counting = 1 / (mean / noise).sum(1)
    return _Fit(level, pull, solved[:, :, 0], solved[:, :, 2:], likelihood, counting)


def _as_gamma(middle: Floats, variance: Floats, target: Floats, weight: Floats) -> Expectation:
    """The sum over weeks of exposures times a log-normal rate, as log-normal and then as gamma, by moments.

    A gamma variable of shape a has log-variance about 1 / (a - 1/2) and mean logarithm log(mean) + psi(a) - log(a).
    So a rate known from n Poisson events alone gets shape n + 1/2, Jeffreys' posterior.
    """
    means = target * np.exp(np.minimum(middle + 0.5 * np.diagonal(variance, axis1=1, axis2=2), _MOST_LOG))
    total = means.sum(1)
    share = means / total[:, None]
    spread = np.einsum("gt,gtu,gu->g", share, np.expm1(np.minimum(variance, 5.0)), share)
    log_variance = np.maximum(np.log1p(spread), _LEAST_VARIANCE)
    centre = total * np.exp(-0.5 * log_variance)
    shape = 1 / log_variance + 0.5
    return Expectation(centre, centre * np.exp(np.log(shape) - special.psi(shape)), shape, weight)


@dataclass(frozen=True)
class Cut:
    """A reduction against the expectation.

    Attributes:
        observed: count of the new arm, weighted.
        dispersion: variance over mean of that count given its rate.
        expected: what it is compared with.
    """

    observed: float
    dispersion: float
    expected: Expectation

    @property
    def reduction(self) -> float:
        """1 - observed / expected."""
        return 1 - self.observed / self.expected.count

    def chance_at_most(self, ratio: float | Floats) -> Floats:
        """Confidence that rate over expected rate is at most `ratio`.

        A gamma count over a gamma expectation is F distributed (the Poisson-gamma model of Hauer 1997; half a count is
        added as in Jeffreys' interval, Brown, Cai and DasGupta 2001). Deviation: averaged over candidate drifts.
        """
        half = self.observed / self.dispersion + 0.5
        scaled = np.multiply.outer(np.asarray(ratio, dtype=float), self.expected.mean / (self.dispersion * half))
        chance = special.fdtr(2 * half, 2 * self.expected.shape, scaled)
        result: Floats = chance @ self.expected.weight
        return result

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided interval of the reduction; each end by bisection of `chance_at_most`."""
        tails = np.array([(1 + confidence) / 2, (1 - confidence) / 2])
        low, high = np.full(2, -_SPAN), np.full(2, _SPAN)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = self.chance_at_most(np.exp(middle)) >= tails
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        ends = 1 - np.exp(high)
        return float(ends[0]), 1.0 if self.observed == 0 else float(ends[1])
