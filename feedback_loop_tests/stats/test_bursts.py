"""Dispersion by user, and how much of it arms share."""

import numpy as np
import pytest

from feedback_loop.stats.bursts import dispersion_by_user, pooled_dispersion, shared_share

ONE = np.ones(1)


def test_by_hand() -> None:
    """Users of 1, 1 and 4 sessions: (1 + 1 + 16) = 18 of 6; with 20 cases of 1 before: (18 + 20) / (6 + 20)."""
    totals, squares = np.array([6.0]), np.array([18.0])
    assert pooled_dispersion(totals, squares, ONE) == 3
    assert dispersion_by_user(totals, squares, ONE, 1.0)[0] == pytest.approx(38 / 26)


def test_many_cases_need_no_prior_and_none_have_it_alone() -> None:
    assert dispersion_by_user(np.array([1e6]), np.array([2e6]), ONE, 1.0)[0] == pytest.approx(2, rel=1e-4)
    assert dispersion_by_user(np.zeros(1), np.zeros(1), ONE, 1.7)[0] == 1.7
    assert pooled_dispersion(np.zeros(1), np.zeros(1), ONE) == 1


def test_the_unit_of_weights_scales_the_answer() -> None:
    plain = dispersion_by_user(np.array([30.0]), np.array([75.0]), ONE, 1.5)
    tenfold = dispersion_by_user(np.array([300.0]), np.array([7500.0]), np.array([10.0]), 1.5)
    assert tenfold == pytest.approx(10 * plain)


@pytest.mark.parametrize("by_user", [True, False])
def test_the_share_tells_assignment_by_user_from_by_session(by_user: bool) -> None:
    rng = np.random.default_rng(2)
    total = 1 + rng.poisson(3, 2000)
    new = total * rng.integers(0, 2, 2000) if by_user else rng.binomial(total, 0.5)
    share = shared_share((total - new).astype(float), new.astype(float), np.full(2000, 0.5))
    assert share == pytest.approx(0 if by_user else 1, abs=0.03)


def test_without_repeated_users_nothing_is_shared() -> None:
    assert shared_share(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.full(2, 0.5)) == 0
