"""The nouns' own arithmetic, and frames that hold what they declare."""

from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.records import FINAL_VERDICTS, NOT_REDUCED, FrameShape, Window, midnight, monday_of

SHAPE = FrameShape("things", {"name": "str", "n": "int64", "note": "object"})


def test_a_week_is_seven_days_from_its_monday() -> None:
    week = Window.of_week(date(2026, 1, 5))
    assert week.start == datetime(2026, 1, 5, tzinfo=UTC)
    assert week.end == datetime(2026, 1, 12, tzinfo=UTC)


def test_a_week_that_is_named_by_another_day_says_which_day_it_is() -> None:
    with pytest.raises(ValueError, match="2026-01-07 is a Wednesday"):
        Window.of_week(date(2026, 1, 7))


@given(st.dates(date(2000, 1, 10), date(2100, 1, 1)))
def test_every_day_lies_in_the_week_of_its_monday(day: date) -> None:
    week = Window.of_week(monday_of(day))
    assert week.start <= midnight(day) < week.end


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1), datetime(2026, 1, 2)),  # noqa: DTZ001 (that is the case)
    ],
)
def test_a_window_without_zone_or_length_is_refused(start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="zoned times with start < end"):
        Window(start, end)


def test_zones_compare_as_instants() -> None:
    there = timezone(timedelta(hours=2))
    assert Window(datetime(2026, 1, 5, 2, tzinfo=there), datetime(2026, 1, 12, 2, tzinfo=there)) == Window.of_week(
        date(2026, 1, 5)
    )


def test_a_frame_gets_its_columns_in_order_and_one_word_for_missing() -> None:
    frame = SHAPE.check(
        pd.DataFrame({"more": [1, 2], "note": [None, float("nan")], "n": [1.0, 2.0], "name": ["a", "b"]})
    )
    assert list(frame.columns) == ["name", "n", "note"]
    assert str(frame["n"].dtype) == "int64"
    assert frame["note"].tolist() == [None, None]


def test_a_frame_that_lacks_a_column_names_it() -> None:
    with pytest.raises(ValueError, match=r"frame 'things' lacks \['note'\]"):
        SHAPE.check(pd.DataFrame({"name": ["a"], "n": [1]}))


def test_a_frame_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="frame 'things' does not hold its declared types"):
        SHAPE.check(pd.DataFrame({"name": ["a"], "n": ["many"], "note": [None]}))


def test_every_verdict_that_sends_a_pattern_back_is_final() -> None:
    assert NOT_REDUCED < FINAL_VERDICTS
    assert not {"pending", "inconclusive"} & FINAL_VERDICTS
