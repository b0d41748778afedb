"""What is left to count where facts are gone."""

from datetime import date, timedelta

import pandas as pd
import pytest

from feedback_loop.records import Window, midnight
from feedback_loop.verify import lacks_baseline, readable_since
from feedback_loop_tests.verify.test_looks import DAY0, DEPLOYED, fix

FIRST = date(2026, 1, 5)
WINDOW = Window.of_days(FIRST, 56)


def losses(lost: dict[int, int], per_day: int = 10, n_days: int = 56) -> pd.DataFrame:
    days = [FIRST + timedelta(days=n) for n in range(n_days)]
    return pd.DataFrame({"date": days, "n_negative": per_day, "n_lost": [lost.get(n, 0) for n in range(n_days)]})


def test_where_nothing_is_lost_all_is_counted_and_nothing_said() -> None:
    found = readable_since(losses({}), WINDOW)
    assert (found.start, found.notes) == (WINDOW.start, ())
    assert readable_since(losses({}).head(0), WINDOW).start == WINDOW.start


@pytest.mark.parametrize("lost", [{50: 1}, {3: 2, 20: 1, 50: 2}])  # a single one; at most a hundredth of 560
def test_a_few_deletions_are_told_and_change_nothing(lost: dict[int, int]) -> None:
    found = readable_since(losses(lost), WINDOW)
    assert found.start == WINDOW.start
    assert f"{sum(lost.values())} of 560 unhappy interactions were deleted" in found.notes[0]


def test_one_of_few_is_no_loss_either() -> None:
    assert readable_since(losses({50: 1}, per_day=1), WINDOW).start == WINDOW.start


def test_after_a_great_loss_the_rest_is_counted() -> None:
    found = readable_since(losses(dict.fromkeys(range(20), 10)), WINDOW)
    assert found.start == midnight(FIRST + timedelta(days=20))
    assert found.notes == ("counted from 2026-01-25 on, for texts of the time before are past retention",)
    both = readable_since(losses(dict.fromkeys(range(20), 10) | {40: 1}), WINDOW)
    assert both.start == found.start
    assert "1 of 360" in both.notes[1]


def test_where_the_last_days_are_gone_nothing_is_left() -> None:
    found = readable_since(losses(dict.fromkeys(range(50, 56), 10)), WINDOW)
    assert (found.start, found.n_lost) == (None, 60)


def test_two_weeks_must_be_left_before_a_fix() -> None:
    asked = Window(DEPLOYED - timedelta(weeks=16), DEPLOYED + timedelta(days=14))
    for days, lacks in ((13, True), (14, False)):
        left = Window(midnight(DAY0 - timedelta(days=days)), asked.end)
        assert lacks_baseline(fix(), asked, left) is lacks
    assert not lacks_baseline(fix(), left, left)  # nothing is gone: how much a comparison needs is the policy's
