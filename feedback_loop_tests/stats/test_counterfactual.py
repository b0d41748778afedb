"""Expected counts and the interval of a cut against independent values."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.rates import confint_poisson_2indep

from feedback_loop.stats.counterfactual import Cut, Expectation, History, expect
from feedback_loop.stats.drift import DriftGrid, start_grid

CALM = DriftGrid(np.zeros(1), np.full(1, 0.5), np.ones(1))


def history(count: Any, after: float = 2.0, noise: float = 1.0, exposures: float = 1000.0) -> History:
    n = np.array([*count, 0.0])
    known = np.arange(len(n)) < len(n) - 1
    return History(
        count=n,
        exposures=np.where(known, exposures, 0.0),
        target=np.where(known, 0.0, after * exposures),
        noise=np.full(len(n), noise),
        shared=np.zeros(len(n)),
        doubt=np.zeros(len(n)),
        old_days=np.where(known[:, None], np.ones(7), 0.0),
        new_days=np.where(known[:, None], 0.0, np.ones(7)),
    )


@pytest.mark.parametrize(("before", "after"), [(40, 8), (100, 60), (400, 200), (1000, 1000), (30, 30)])
def test_without_drift_it_is_the_interval_of_two_poisson_rates(before: int, after: int) -> None:
    """statsmodels' `score` interval (Gu et al. 2008, eq. W3): ends within 3 % of the ratio, 8 % under 50 events."""
    expected = expect(history([before / 4] * 4, after=4), CALM)
    low, high = Cut(after, 1.0, expected).interval(0.95)
    theirs = confint_poisson_2indep(after, 1, before, 1, method="score", compare="ratio")
    assert expected.count == pytest.approx(before, rel=1e-6)
    assert (1 - high, 1 - low) == pytest.approx(theirs, rel=0.08 if min(before, after) < 50 else 0.03)


def test_size_is_nominal_for_pure_poisson_counts() -> None:
    """20,000 pairs at equal rates: a 95 % interval leaves out 0 in 4.3 to 5.7 % of them."""
    rng = np.random.default_rng(8)
    misses = 0
    pairs = rng.poisson(40, (2000, 2))
    for before, after in pairs:
        expected = Expectation(np.array([before * 1.0]), np.array([before + 0.5]), np.array([before + 0.5]), np.ones(1))
        misses += not 0.025 < float(Cut(float(after), 1.0, expected).chance_at_most(1.0)) < 0.975
    assert misses / 2000 == pytest.approx(0.05, abs=0.015)


def test_a_peak_is_shrunk_and_drift_widens() -> None:
    steady, peak = history([50] * 7 + [50]), history([50] * 7 + [100])
    grid = DriftGrid(np.array([0.3]), np.array([0.5]), np.ones(1))
    assert expect(steady, grid).count == pytest.approx(100, rel=0.02)
    assert 105 < expect(peak, grid).count < 190
    widths = [np.diff(Cut(50, 1.0, expect(steady, g)).interval(0.95))[0] for g in (CALM, grid)]
    assert widths[1] > 1.5 * widths[0]


def test_zero_weeks_are_no_trouble() -> None:
    for count in ([0, 0, 0, 1], [0] * 9 + [3], [200, 0, 0, 0], [0, 0, 500, 0]):
        expected = expect(history(count), start_grid())
        assert np.isfinite(expected.middle).all()
        assert 0 < expected.count < 2000
        low, high = Cut(0.0, 1.0, expected).interval(0.99)
        assert low < high <= 1


def test_one_event_in_three_months_promises_none() -> None:
    """A twelfth of an event a week: Newton's steps must not stop half way down from it."""
    for count in ([1] + [0] * 11, [0] * 11 + [1]):
        assert expect(history(count), start_grid()).count == pytest.approx(2 / 12, rel=0.1)


COUNTS = st.lists(st.integers(0, 300), min_size=3, max_size=10).filter(lambda n: sum(n) >= 3)


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.floats(0.01, 100))
def test_the_unit_of_exposures_does_not_matter(count: list[int], times: float) -> None:
    plain, scaled = (expect(history(count, exposures=e), start_grid()) for e in (1000.0, 1000.0 * times))
    assert scaled.count == pytest.approx(plain.count, rel=1e-6)
    assert scaled.shape == pytest.approx(plain.shape, rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.floats(1.5, 20))
def test_weighted_counts_with_their_noise_are_the_same_evidence(count: list[int], weight: float) -> None:
    plain, weighted = history(count), history([n * weight for n in count], noise=weight)
    one, other = expect(plain, start_grid()), expect(weighted, start_grid())
    assert other.count == pytest.approx(weight * one.count, rel=1e-6)
    intervals = Cut(5, 1.0, one).interval(0.95), Cut(5 * weight, weight, other).interval(0.95)
    assert intervals[1] == pytest.approx(intervals[0], rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.integers(0, 200), st.floats(1, 5))
def test_more_observed_is_never_better(count: list[int], observed: int, dispersion: float) -> None:
    expected = expect(history(count), start_grid())
    fewer, more = Cut(observed, dispersion, expected), Cut(observed + 1, dispersion, expected)
    assert more.reduction < fewer.reduction
    assert more.chance_at_most(1.0) <= fewer.chance_at_most(1.0)
    assert all(m < f for m, f in zip(more.interval(0.95), fewer.interval(0.95), strict=True))


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.integers(1, 200), st.floats(0.5, 0.98))
def test_intervals_contain_the_middle_and_grow_with_confidence(count: list[int], n: int, confidence: float) -> None:
    cut = Cut(n, 1.0, expect(history(count), start_grid()))
    low, high = cut.interval(confidence)
    wide = cut.interval((1 + confidence) / 2)
    assert wide[0] < low < high < wide[1] <= 1
    assert float(cut.chance_at_most(1 - low)) == pytest.approx((1 + confidence) / 2, abs=1e-6)
