"""A prior of true cuts learned from past fixes."""

import numpy as np
import pytest

from feedback_loop.stats.counterfactual import Cut, Expectation
from feedback_loop.stats.priors import chance_of_cut, chances, learn_prior, shape_of_interval, start_prior


def fixes(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """True cuts, observed, dispersion, expected and shape: half useless, half 60-90 %; expectations off by 25 %."""
    rng = np.random.default_rng(seed)
    cuts = np.where(rng.random(n) < 0.5, 0.0, rng.uniform(0.6, 0.9, n))
    expected = rng.uniform(10, 60, n)
    true = expected * np.exp(0.25 * rng.standard_normal(n))
    return cuts, rng.poisson(true * (1 - cuts)).astype(float), np.ones(n), expected, np.full(n, 16.5)


def test_without_fixes_the_start_is_believed_and_few_change_little() -> None:
    start = start_prior()
    assert start.weight.sum() == pytest.approx(1)
    assert learn_prior(*(x[:0] for x in fixes(1)[1:])).weight == pytest.approx(start.weight)
    changes = [np.abs(learn_prior(*fixes(n)[1:]).weight - start.weight).sum() for n in (3, 30, 300)]
    assert changes[0] < 0.06 < changes[1] < changes[2]


def test_a_learned_prior_is_calibrated() -> None:
    prior = learn_prior(*fixes(300)[1:])
    cuts, observed, dispersion, expected, shape = fixes(4000, seed=2)
    chance, true = chances(observed, dispersion, expected, shape, 0.3, prior), cuts >= 0.3
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = (chance >= low) & (chance < low + 0.2)
        if inside.sum() > 50:
            assert true[inside].mean() == pytest.approx(chance[inside].mean(), abs=0.12)
    assert abs(chance.mean() - true.mean()) < 0.03


def test_the_shape_is_found_again() -> None:
    for shape in (2.0, 9.0, 200.0):
        middle = np.array([40.0])
        mean = middle * shape / np.exp(np.log(shape) - 1 / (2 * shape) - 1 / (12 * shape**2))
        cut = Cut(25.0, 1.5, Expectation(middle, mean, np.array([shape]), np.ones(1)))
        highest = np.array([1 - cut.interval(0.99)[0]])
        found = shape_of_interval(np.array([25.0]), np.array([1.5]), middle, highest, np.array([0.99]))
        assert found[0] == pytest.approx(shape, rel=0.02)


def test_a_useless_past_makes_doubtful() -> None:
    prior = learn_prior(*fixes(300)[1:])
    cut = Cut(30.0, 1.0, Expectation(np.array([40.0]), np.array([41.0]), np.array([16.5]), np.ones(1)))
    assert chance_of_cut(cut, 0.3, prior) < chance_of_cut(cut, 0.3, start_prior())
