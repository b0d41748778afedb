"""The common index from patterns that nobody fixed."""

import numpy as np
import pytest

from feedback_loop.stats.index import common_index

RATES = np.linspace(0.01, 0.05, 30)
SHOCKS = np.array([1, 1.3, 0.8, 1, 1.1, 0.7, 1, 1.2])


def counts_of(shocks: np.ndarray, n: float = 10_000) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(3).poisson(RATES[:, None] * n * shocks).astype(float)
    return drawn


def test_shocks_are_found() -> None:
    used = np.ones((30, 8), dtype=bool)
    index = common_index(counts_of(SHOCKS), np.full((1, 8), 10_000.0), used, np.ones(30), 0.05)
    assert index.level / index.level.mean() == pytest.approx(SHOCKS / SHOCKS.mean(), rel=0.04)
    assert (index.variance < 0.001).all()


def test_where_nothing_happened_the_index_is_near_one() -> None:
    used = np.ones((30, 8), dtype=bool)
    index = common_index(counts_of(np.ones(8), 300), np.full((1, 8), 300.0), used, np.ones(30), 0.3)
    assert index.level == pytest.approx(np.ones(8), abs=0.05)


def test_weeks_without_untreated_patterns_are_uncertain() -> None:
    used = np.ones((30, 8), dtype=bool)
    used[:, 6:] = False
    index = common_index(counts_of(SHOCKS), np.full((1, 8), 10_000.0), used, np.ones(30), 0.05)
    assert index.level[6:].tolist() == [1, 1]
    assert (index.variance[6:] > 10 * index.variance[:6].max()).all()


def test_without_any_there_is_no_index() -> None:
    nothing = common_index(np.zeros((2, 5)), np.ones((2, 5)), np.zeros((2, 5), dtype=bool), np.ones(2), 0.3)
    assert nothing.level.tolist() == [1] * 5
    assert nothing.variance.tolist() == [0] * 5


def test_the_unit_of_exposures_does_not_matter() -> None:
    used = np.ones((30, 8), dtype=bool)
    one = common_index(counts_of(SHOCKS), np.full((1, 8), 1.0), used, np.ones(30), 0.2)
    many = common_index(counts_of(SHOCKS), np.full((1, 8), 1e6), used, np.ones(30), 0.2)
    assert one.level == pytest.approx(many.level)
