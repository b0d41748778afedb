"""Changes of mean scores: paired, and with users and days that are not independent."""

import numpy as np
import pytest
from scipy import stats

from feedback_loop.stats.means import change_since, paired_change


def test_paired_change_is_scipys() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.random(40), rng.random(40)
    change = paired_change(before, after)
    theirs = stats.ttest_rel(after, before)
    assert change is not None
    assert change.p_value == pytest.approx(theirs.pvalue)
    low, high = theirs.confidence_interval(0.95)
    assert (change.ci_low, change.ci_high) == pytest.approx((low, high))


def test_little_is_no_number_and_missing_is_refused() -> None:
    assert paired_change(np.ones(9), np.zeros(9)) is None
    with pytest.raises(ValueError, match="both versions"):
        paired_change(np.ones(12), np.full(12, np.nan))
    few = np.arange(20) % 4
    assert change_since(np.ones(20), np.arange(20) >= 10, few, few) is None


def no_change(seed: int, shock: float, per_user: int) -> bool:
    """A fortnight each, nothing happened: is a change found?"""
    rng = np.random.default_rng(seed)
    n = 1200
    user = rng.integers(0, n // per_user, n)
    day = rng.integers(0, 28, n)
    user = user * 2 + (day >= 14) if per_user == 1 else user
    level = 0.7 * rng.standard_normal(user.max() + 1)[user] + shock * rng.standard_normal(28)[day]
    change = change_since(level + rng.standard_normal(n), day >= 14, user, day)
    assert change is not None
    return change.p_value < 0.05


@pytest.mark.parametrize("shock", [0.0, 0.2])
def test_false_alarms_stay_at_their_rate(shock: float) -> None:
    """300 seeds; a bare t-test is wrong in a third of them with such shocks."""
    found = sum(no_change(seed, shock, 5) for seed in range(300))
    assert found / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_real_change_is_found() -> None:
    rng = np.random.default_rng(2)
    day, user = rng.integers(0, 28, 3000), rng.integers(0, 600, 3000)
    change = change_since(rng.standard_normal(3000) + 0.3 * (day >= 14), day >= 14, user, day)
    assert change is not None
    assert change.ci_low > 0
    assert change.change == pytest.approx(0.3, abs=0.1)
