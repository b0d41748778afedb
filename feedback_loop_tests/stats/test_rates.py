"""The rate ratio against published and independent values, and the laws it must keep."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from feedback_loop.stats.rates import RateRatio, dispersion, rate_ratio

COUNTS = st.integers(0, 400)
EXPOSURES = st.floats(50, 50_000)
CONFIDENCES = st.floats(0.5, 0.999)
DISPERSIONS = st.floats(1, 8)


def some(n_after: int, n_before: int) -> bool:
    return n_after + n_before > 0


def test_interval_of_the_worked_example_of_r() -> None:
    """R, stats::poisson.test, last example of its help page (lung cancer in Fredericia, after eba1977):

    > poisson.test(c(11, 6+8+7), c(800, 1083+1050+878))
    rate ratio 1.971488, 95 percent confidence interval 0.8584264 4.2772659
    """
    result = rate_ratio(11, 800, 21, 3011, confidence=0.95, dispersion=1)
    assert result.ratio == pytest.approx(1.971488, rel=1e-6)
    assert (result.ci_low, result.ci_high) == pytest.approx((0.8584264, 4.2772659), rel=1e-6)


@pytest.mark.parametrize(
    ("n_after", "e_after", "n_before", "e_before", "confidence"),
    [
        (30, 1400, 100, 1400, 0.99),
        (3, 900, 1, 1700, 0.95),
        (250, 10_000, 240, 9_000, 0.9),
        (0, 500, 12, 500, 0.99),
        (7, 10, 0, 10, 0.95),
    ],
)
def test_interval_and_p_value_are_those_of_the_binomial_test(
    n_after: int, e_after: float, n_before: int, e_before: float, confidence: float
) -> None:
    """scipy.stats.binomtest is an independent implementation (binomial sums and root finding)."""
    result = rate_ratio(n_after, e_after, n_before, e_before, confidence, dispersion=1)
    n, p_null = n_after + n_before, e_after / (e_after + e_before)
    exact = stats.binomtest(n_after, n, p_null).proportion_ci(confidence, method="exact")
    scale = e_before / e_after
    high = math.inf if exact.high == 1 else exact.high / (1 - exact.high) * scale
    assert result.ci_low == pytest.approx(exact.low / (1 - exact.low) * scale, rel=1e-6, abs=1e-12)
    assert result.ci_high == pytest.approx(high, rel=1e-6)
    tails = (stats.binomtest(n_after, n, p_null, alternative=side).pvalue for side in ("less", "greater"))
    assert result.p_value == pytest.approx(min(1, 2 * min(tails)), rel=1e-9)


def test_a_small_case_by_hand() -> None:
    """0 after, 3 before, equal exposures: P(0 | 3, 1/2) = 1/8, doubled 1/4; p_high = 1 - (alpha/2)^(1/3)."""
    result = rate_ratio(0, 100, 3, 100, confidence=0.9, dispersion=1)
    p_high = 1 - 0.05 ** (1 / 3)
    assert (result.ratio, result.ci_low) == (0, 0)
    assert result.p_value == pytest.approx(0.25)
    assert result.ci_high == pytest.approx(p_high / (1 - p_high))


def test_nothing_before_leaves_the_ratio_open_above() -> None:
    result = rate_ratio(5, 100, 0, 100, confidence=0.95, dispersion=1)
    assert (result.ratio, result.ci_high) == (math.inf, math.inf)
    assert result.ci_low > 0


@given(st.tuples(COUNTS, COUNTS).filter(lambda c: some(*c)), EXPOSURES, EXPOSURES, CONFIDENCES, DISPERSIONS)
def test_interval_contains_the_point(
    counts: tuple[int, int], e_after: float, e_before: float, confidence: float, spread: float
) -> None:
    result = rate_ratio(counts[0], e_after, counts[1], e_before, confidence, spread)
    slack = 1 + 1e-9
    assert result.ci_low <= result.ratio * slack
    assert result.ratio <= result.ci_high * slack
    assert 0 <= result.p_value <= 1


@given(st.tuples(COUNTS, COUNTS).filter(lambda c: some(*c)), EXPOSURES, EXPOSURES, st.floats(0.01, 100))
def test_the_unit_of_exposure_does_not_matter(
    counts: tuple[int, int], e_after: float, e_before: float, scale: float
) -> None:
    plain = rate_ratio(counts[0], e_after, counts[1], e_before, 0.95, 1)
    scaled = rate_ratio(counts[0], e_after * scale, counts[1], e_before * scale, 0.95, 1)
    assert as_tuple(scaled) == pytest.approx(as_tuple(plain), rel=1e-6, abs=1e-12)


@given(st.integers(1, 400), st.integers(1, 400), EXPOSURES, EXPOSURES, st.floats(1, 4))
def test_swapping_the_sides_inverts_the_answer(
    n_after: int, n_before: int, e_after: float, e_before: float, spread: float
) -> None:
    one = rate_ratio(n_after, e_after, n_before, e_before, 0.95, spread)
    other = rate_ratio(n_before, e_before, n_after, e_after, 0.95, spread)
    assert other.ratio == pytest.approx(1 / one.ratio, rel=1e-9)
    assert (other.ci_low, other.ci_high) == pytest.approx((1 / one.ci_high, 1 / one.ci_low), rel=1e-6)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-6, abs=1e-12)


@given(COUNTS, st.integers(1, 400), EXPOSURES, EXPOSURES)
def test_more_after_is_never_better(n_after: int, n_before: int, e_after: float, e_before: float) -> None:
    fewer = rate_ratio(n_after, e_after, n_before, e_before, 0.95, 1)
    more = rate_ratio(n_after + 1, e_after, n_before, e_before, 0.95, 1)
    assert more.ratio > fewer.ratio
    assert more.ci_low > fewer.ci_low
    assert more.ci_high > fewer.ci_high


@given(st.integers(1, 400), st.integers(1, 400), st.floats(1.1, 6), st.floats(0.5, 0.94))
def test_dispersion_and_confidence_widen(n_after: int, n_before: int, spread: float, confidence: float) -> None:
    plain = rate_ratio(n_after, 1000, n_before, 1000, confidence, 1)
    for wider in (
        rate_ratio(n_after, 1000, n_before, 1000, confidence, spread),
        rate_ratio(n_after, 1000, n_before, 1000, confidence + 0.05, 1),
    ):
        assert wider.ratio == plain.ratio
        assert wider.ci_low < plain.ci_low
        assert wider.ci_high > plain.ci_high


def test_coverage_is_at_least_what_is_claimed() -> None:
    """2,000 draws at a planted ratio of .6, seeded: an exact interval covers at least as often as it says."""
    rng = np.random.default_rng(3)
    after, before = rng.poisson(60 * 0.6, 2000), rng.poisson(60, 2000)
    hits = 0
    for a, b in zip(after, before, strict=True):
        result = rate_ratio(int(a), 1000, int(b), 1000, 0.9, 1)
        hits += result.ci_low <= 0.6 <= result.ci_high
    assert 0.88 < hits / 2000 < 0.96  # 0.9 less three standard errors, and not absurdly wide


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1, 0, 1, 100, 0.95, 1), "exposures > 0"),
        ((1, 100, 1, -1, 0.95, 1), "exposures > 0"),
        ((0, 100, 0, 100, 0.95, 1), "not both 0"),
        ((-1, 100, 5, 100, 0.95, 1), ">= 0"),
        ((1, 100, 1, 100, 1.0, 1), "confidence"),
        ((1, 100, 1, 100, 0.0, 1), "confidence"),
        ((1, 100, 1, 100, 0.95, 0.5), "dispersion"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rate_ratio(*arguments)


def test_dispersion_of_poisson_days_is_about_one_and_of_bursts_more() -> None:
    rng = np.random.default_rng(5)
    steady = [dispersion(rng.poisson(20, 28).tolist(), [1000.0] * 28) for _ in range(200)]
    bursty = [
        dispersion(rng.negative_binomial(5, 0.2, 28).tolist(), [1000.0] * 28) for _ in range(200)
    ]  # variance = 5 means
    assert np.mean(steady) == pytest.approx(1.1, abs=0.1)  # never under 1, so its mean lies above
    assert np.mean(bursty) == pytest.approx(5, rel=0.15)


def test_dispersion_by_hand() -> None:
    """Days 2, 4, 6 at equal exposures: expected 4; (4 + 0 + 4) / 4 / 2 = 1. Days 0, 8, 4: (16 + 16) / 4 / 2 = 4."""
    assert dispersion([2, 4, 6], [10, 10, 10]) == 1
    assert dispersion([0, 8, 4], [10, 10, 10]) == 4


def test_dispersion_follows_the_exposures_and_leaves_out_days_without() -> None:
    assert dispersion([10, 20, 30], [100, 200, 300]) == 1
    assert dispersion([0, 0, 8, 4], [10, 0, 10, 10]) == dispersion([0, 8, 4], [10, 10, 10])


@pytest.mark.parametrize(("counts", "exposures"), [([], []), ([5], [10]), ([0, 0, 0], [1, 1, 1]), ([5, 5], [10, 0])])
def test_dispersion_that_cannot_be_measured_is_one(counts: list[float], exposures: list[float]) -> None:
    assert dispersion(counts, exposures) == 1


def as_tuple(result: RateRatio) -> tuple[float, ...]:
    return (result.ratio, result.ci_low, result.ci_high, result.p_value)
