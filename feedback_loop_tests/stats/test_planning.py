"""The smallest visible drop is the one that the test of `rates` then shows as often as was said."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.stats.planning import smallest_visible_drop
from feedback_loop.stats.rates import rate_ratio

PER_DAY = st.floats(0.1, 300)
DAYS = st.integers(7, 60)
SLACK = 0.03  # counts are whole: a day more may show a little less


def visible(*args: Any, **options: Any) -> float:
    """2: nothing is."""
    return smallest_visible_drop(*args, **options) or 2.0


@pytest.mark.parametrize(
    ("per_day", "days", "baseline", "confidence", "dispersion"),
    [
        (1.5, 14, 14, 0.99, 1.0),
        (3, 42, 42, 0.95, 1.0),
        (20, 14, 7, 0.99, 2.0),
        (200, 28, 28, 0.99, 1.0),
        (9, 14, 56, 0.9, 1.5),
    ],
)
def test_the_test_shows_that_drop_in_four_cases_of_five(
    per_day: float, days: int, baseline: int, confidence: float, dispersion: float
) -> None:
    drop = smallest_visible_drop(per_day, days, baseline, confidence, 0.8, dispersion)
    assert drop is not None
    rng = np.random.default_rng(7)
    n = 2_000
    before = dispersion * rng.poisson(per_day * baseline / dispersion, n)
    after = dispersion * rng.poisson(per_day * days * (1 - drop) / dispersion, n)
    pairs = zip(after, before, strict=True)
    is_shown = [rate_ratio(a, days, b, baseline, confidence, dispersion).ci_high < 1 for a, b in pairs if a + b > 0]
    assert sum(is_shown) / n == pytest.approx(0.8, abs=0.035)  # 4 standard errors of the simulation


def test_a_complete_disappearance_by_hand() -> None:
    """Equal windows, 99 %: nothing after is a fall from 8 on (2^-8 < .005), so P(before >= 8) must be .8."""
    assert smallest_visible_drop(10.24 / 14, 14, 14, 0.99) == pytest.approx(1, abs=0.02)
    assert smallest_visible_drop(9.9 / 14, 14, 14, 0.99) is None
    assert smallest_visible_drop(0, 14, 14) is None


@settings(deadline=None, max_examples=40)
@given(PER_DAY, DAYS, DAYS, st.floats(1, 20))
def test_more_traffic_shows_smaller_drops(per_day: float, days: int, baseline: int, times: float) -> None:
    assert visible(per_day * times, days, baseline) <= visible(per_day, days, baseline) + SLACK


@settings(deadline=None, max_examples=40)
@given(PER_DAY, DAYS, DAYS, st.integers(1, 40))
def test_more_days_show_smaller_drops(per_day: float, days: int, baseline: int, more: int) -> None:
    fewest = visible(per_day, days, baseline)
    assert visible(per_day, days + more, baseline) <= fewest + SLACK
    assert visible(per_day, days, baseline + more) <= fewest + SLACK


@settings(deadline=None, max_examples=40)
@given(PER_DAY, DAYS, st.floats(1, 5), st.floats(0.5, 0.98))
def test_bursts_certainty_and_power_cost(per_day: float, days: int, dispersion: float, confidence: float) -> None:
    least = visible(per_day, days, days, confidence)
    assert visible(per_day, days, days, confidence, dispersion=dispersion) >= least - SLACK
    assert visible(per_day, days, days, 0.99) >= least - 1e-6
    assert visible(per_day, days, days, confidence, 0.95) >= least - 1e-6


@settings(deadline=None, max_examples=40)
@given(PER_DAY, DAYS, DAYS)
def test_a_drop_lies_in_its_range(per_day: float, days: int, baseline: int) -> None:
    drop = smallest_visible_drop(per_day, days, baseline)
    assert drop is None or 0 < drop <= 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"expected_per_day": -1}, "expected_per_day"),
        ({"days": 0}, "days at least 1"),
        ({"baseline_days": 0}, "baseline_days"),
        ({"dispersion": 0.5}, "dispersion"),
        ({"confidence": 1}, "confidence"),
        ({"power": 0}, "power"),
        ({"expected_per_day": float("nan")}, "expected_per_day"),
    ],
)
def test_what_is_out_of_range_is_named(wrong: dict[str, float], words: str) -> None:
    fine: dict[str, Any] = {"expected_per_day": 3, "days": 14, "baseline_days": 14}
    with pytest.raises(ValueError, match=words):
        smallest_visible_drop(**(fine | wrong))
