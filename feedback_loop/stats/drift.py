"""Drift: how a pattern's rate wanders from week to week without any fix.

Belongs here: a grid of autoregressive drifts, what a history says of them, and what histories say together. Does not
belong here: predicting a count (`counterfactual.py`).
"""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SCALES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.36, 0.43, 0.52, 0.65, 0.85, 1.2)
_MEMORIES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
_START, _START_SPREAD = 0.30, 0.45  # weekly sd a priori, and the sd of its logarithm
_PRIOR_PATTERNS = 8.0
_ROUNDS = 12


@dataclass(frozen=True)
class DriftGrid:
    """Candidate drifts: sd of the relative rate and its week-to-week correlation, with prior weight; shape (grid,)."""

    scale: Floats
    memory: Floats
    weight: Floats

    @property
    def mean_scale(self) -> float:
        """Mean sd over the candidates."""
        return float(self.weight @ self.scale)

    def covariance(self, one: Floats, other: Floats) -> Floats:
        """Covariance of means over days of a rate that wanders from day to day; shape (grid, n, m).

        tau^2 rho^(|i - j| / 7) between days i and j. On days, because arms of one week are seldom served on the same
        days, and because an AR(1) of weekly means takes their smoothness for memory.

        Args:
            one: weights of days, rows sum to 1, shape (n, days).
            other: the same, shape (m, days).
        """
        memories, place = np.unique(self.memory, return_inverse=True)
        unit = np.stack([one @ _correlation(float(memory), one.shape[1]) @ other.T for memory in memories])
        result: Floats = self.scale[:, None, None] ** 2 * unit[place]
        return result


@lru_cache(maxsize=256)
def _correlation(memory: float, n_days: int) -> Floats:
    """Between days, for a correlation after a week; shape (days, days)."""
    days = np.arange(n_days)
    result: Floats = memory ** (np.abs(np.subtract.outer(days, days)) / 7)
    return result


@cache
def start_grid() -> DriftGrid:
    """The grid before any data: sd about .30 (log-normal), correlation equally likely over the grid."""
    scale, memory = (a.ravel() for a in np.meshgrid(_SCALES, _MEMORIES, indexing="ij"))
    weight = np.exp(-0.5 * (np.log(scale / _START) / _START_SPREAD) ** 2)
    return DriftGrid(scale, memory, weight / weight.sum())


def log_likelihood(ratios: Floats, noise: Floats, grid: DriftGrid) -> Floats:
    """Restricted log-likelihood of weekly rates relative to their mean, for every candidate drift.

    Patterson and Thompson (Biometrika 1971): the unknown level is integrated out. Normal, on the scale of rates.

    Args:
        ratios: rate over mean rate, shape (patterns, weeks); any number where `noise` is infinite.
        noise: relative variance of the same by counting alone; infinite where a week is unknown.
        grid: candidates.

    Returns:
        Shape (patterns, grid), each up to a constant of its pattern.
    """
    weeks = ratios.shape[1]
    known = np.isfinite(noise)
    precision = np.where(known, 1 / np.where(known, noise, 1.0), 0.0)
    root = np.sqrt(precision)
    # S = D + K, on the scale where D is the identity; an unknown week has no precision and drops out.
    means = np.kron(np.eye(weeks), np.full((1, 7), 1 / 7))
    scaled = np.eye(weeks) + root[:, None, :, None] * grid.covariance(means, means)[None] * root[:, None, None, :]
    factor = np.linalg.cholesky(scaled)
    sides = np.stack([root, root * np.where(known, ratios, 0.0)], axis=-1)[:, None]
    solved = np.linalg.solve(factor, np.broadcast_to(sides, (*factor.shape[:2], weeks, 2)))
    ones, both, squares = (solved[..., i] * solved[..., j] for i, j in ((0, 0), (0, 1), (1, 1)))
    level = np.maximum(ones.sum(-1), 1e-12)
    residual = squares.sum(-1) - both.sum(-1) ** 2 / level
    determinant = 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    result: Floats = -0.5 * (determinant + np.log(level) + residual)
    return result


def posterior(likelihood: Floats, grid: DriftGrid) -> Floats:
    """Weight of every candidate given a history; shape of `likelihood`, sums to 1 over the last axis."""
    weight = grid.weight * np.exp(likelihood - likelihood.max(-1, keepdims=True))
    result: Floats = weight / weight.sum(-1, keepdims=True)
    return result


def learn_drift(likelihood: Floats, grid: DriftGrid) -> DriftGrid:
    """The grid with weights learned from many patterns, from those given.

    Empirical Bayes by EM for mixing weights (Laird, JASA 1978), with the start weights counting as eight patterns, so
    that few patterns move little.

    Args:
        likelihood: shape (patterns, grid).
        grid: with start weights.
    """
    weight, learned = grid.weight, grid
    for _ in range(_ROUNDS):
        weight = (_PRIOR_PATTERNS * grid.weight + posterior(likelihood, learned).sum(0)) / (
            _PRIOR_PATTERNS + len(likelihood)
        )
        learned = DriftGrid(grid.scale, grid.memory, weight)
    return learned
