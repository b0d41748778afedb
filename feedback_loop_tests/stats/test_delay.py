"""The curve of late feedback from delays that are cut off by today."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.stats.delay import MAX_DELAY, completeness

PAIRS = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)).map(lambda p: (min(p), max(p))), max_size=60)


def test_without_events_everything_is_known() -> None:
    assert completeness(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == [1.0] * (MAX_DELAY + 1)


def test_by_hand_without_truncation() -> None:
    """8 events at once and 2 after three days, all old: two prior events make the hazard 2 / 12, so F(0) = 5 / 6."""
    curve = completeness(np.array([0] * 8 + [3] * 2), np.full(10, 30))
    assert curve[0] == curve[2] == pytest.approx(10 / 12)
    assert curve[3] == 1


def test_truncated_delays_give_the_whole_curve() -> None:
    """20,000 events of a steady four weeks, geometric delays with mean 4: only those known by now are seen."""
    rng = np.random.default_rng(1)
    ages, delays = rng.integers(0, 28, 20_000), rng.geometric(0.2, 20_000) - 1
    seen = delays <= ages
    curve = completeness(delays[seen], ages[seen])
    truth = (1 - 0.8 ** np.arange(1, 29)) / (1 - 0.8**28)
    assert curve[:28] == pytest.approx(truth, abs=0.02)
    assert (delays[seen] == 0).mean() > truth[0] + 0.03  # what ignoring the truncation would say


@given(PAIRS)
def test_a_curve_rises_to_one(pairs: list[tuple[int, int]]) -> None:
    delays, ages = (np.array([pair[k] for pair in pairs], dtype=np.int64) for k in (0, 1))
    curve = completeness(delays, ages)
    assert ((curve >= 0) & (curve <= 1)).all()
    assert (np.diff(curve) >= -1e-12).all()
    assert curve[-1] == 1


def test_an_event_known_after_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="above its age"):
        completeness(np.array([5]), np.array([4]))
