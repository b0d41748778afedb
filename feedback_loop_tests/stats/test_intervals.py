"""The interval of one rate against published values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from feedback_loop.stats.intervals import rate_interval


def test_interval_of_the_example_of_r() -> None:
    """R, stats::poisson.test, first example of its help page: poisson.test(137, 24.19893).

    95 percent confidence interval 4.753125 6.692709
    """
    assert rate_interval(137, 24.19893) == pytest.approx((4.753125, 6.692709), rel=1e-6)


def test_nothing_seen() -> None:
    """0 events: the upper limit is -log(alpha / 2)."""
    assert rate_interval(0, 1) == pytest.approx((0, 3.688879), rel=1e-6)


@given(st.integers(1, 500), st.floats(1, 1e6), st.floats(0.5, 0.999))
def test_each_limit_makes_what_was_seen_just_unlikely(count: int, exposures: float, confidence: float) -> None:
    low, high = rate_interval(count, exposures, confidence)
    tail = (1 - confidence) / 2
    assert stats.poisson.sf(count - 1, low * exposures) == pytest.approx(tail, rel=1e-6)
    assert stats.poisson.cdf(count, high * exposures) == pytest.approx(tail, rel=1e-6)


def test_weighted_sessions_tell_less() -> None:
    one, ten = rate_interval(100, 1_000), rate_interval(100, 1_000, weight=10)
    assert ten[0] < one[0] < 0.1 < one[1] < ten[1]
    assert ten == pytest.approx(rate_interval(10, 100), rel=1e-9)


@pytest.mark.parametrize(
    "wrong", [(-1, 1, 0.9, 1), (1, 0, 0.9, 1), (1, 1, 1, 1), (1, 1, 0.9, 0.5), (float("nan"), 1, 0.9, 1)]
)
def test_what_is_out_of_range_is_refused(wrong: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="a rate needs"):
        rate_interval(*wrong)
