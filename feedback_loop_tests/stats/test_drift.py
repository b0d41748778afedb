"""Drift learned from histories."""

import numpy as np
import pytest
from scipy import stats

from feedback_loop.stats.drift import DriftGrid, learn_drift, log_likelihood, posterior, start_grid

MEANS = np.kron(np.eye(4), np.full((1, 7), 1 / 7))


def histories(scale: float, memory: float, n: int, weeks: int = 12) -> np.ndarray:
    lags = np.abs(np.subtract.outer(np.arange(weeks), np.arange(weeks)))
    return np.random.default_rng(5).multivariate_normal(np.ones(weeks), scale**2 * memory**lags, n)


def test_likelihood_is_the_restricted_normal_one() -> None:
    """Contrasts of neighbouring weeks have a plain normal density; candidates differ by its logarithm."""
    grid = DriftGrid(np.array([0.2, 0.4]), np.array([0.5, 0.8]), np.full(2, 0.5))
    ratios, noise = np.array([[0.9, 1.3, 1.1, 0.7]]), np.array([[0.02, 0.03, 0.02, 0.05]])
    contrast = np.diff(np.eye(4), axis=0)
    plain = [
        stats.multivariate_normal(np.zeros(3), contrast @ (cov + np.diag(noise[0])) @ contrast.T).logpdf(
            contrast @ ratios[0]
        )
        for cov in grid.covariance(MEANS, MEANS)
    ]
    ours = log_likelihood(ratios, noise, grid)[0]
    assert ours[1] - ours[0] == pytest.approx(plain[1] - plain[0])


def test_unknown_weeks_change_nothing() -> None:
    grid = start_grid()
    ratios, noise = np.array([[0.9, 1.3, 1.1, 5.0]]), np.array([[0.02, 0.03, 0.02, np.inf]])
    less = log_likelihood(ratios[:, :3], noise[:, :3], grid)
    assert posterior(log_likelihood(ratios, noise, grid), grid) == pytest.approx(posterior(less, grid))


@pytest.mark.parametrize("scale", [0.05, 0.2, 0.5])
def test_many_histories_teach_the_scale(scale: float) -> None:
    ratios = histories(scale, 0.7, 60)
    learned = learn_drift(log_likelihood(ratios, np.full(ratios.shape, 1e-4), start_grid()), start_grid())
    assert learned.weight.sum() == pytest.approx(1)
    change = np.array([[1.0, -1, 0, 0]]) @ learned.covariance(MEANS, MEANS) @ np.array([1.0, -1, 0, 0])
    typical = np.exp(0.5 * learned.weight @ np.log(change[:, 0]))
    assert typical == pytest.approx(scale * np.sqrt(2 * (1 - 0.7)), rel=0.3)  # sd of the change over a week


def test_few_and_noisy_histories_leave_the_start() -> None:
    learned = learn_drift(log_likelihood(np.ones((1, 6)), np.ones((1, 6)), start_grid()), start_grid())
    assert learned.mean_scale == pytest.approx(start_grid().mean_scale, rel=0.02)
