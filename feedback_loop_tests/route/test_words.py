"""Numbers in words that a reader takes the right way."""

from datetime import date, timedelta
from math import nan

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.route import SegmentFact, TrendWeek, lines_of, trend_of, visibility, words
from feedback_loop.route.facts import per_1000

NOW = date(2026, 11, 9)
LOOKS = {14: 0.99, 21: 0.99, 28: 0.99, 42: 0.95}


def weeks(*affected: int | None, exposures: float = 20_000) -> list[TrendWeek]:
    """The last is this week; None: no exposures were recorded."""
    first = NOW - timedelta(weeks=len(affected) - 1)
    return [
        TrendWeek(first + timedelta(weeks=n), many or 0, float(many or 0), nan if many is None else exposures)
        for n, many in enumerate(affected)
    ]


@pytest.mark.parametrize(
    ("affected", "said"),
    [
        ((50,), "It is new this week."),
        ((0, 0, 50), "It was not seen in the two weeks before."),
        ((100, 110, 95, 104), "That is about as often as in the three weeks before."),
        ((100, 200), "That is about twice as often as in the week before."),
        ((100, 100, 450), "That is about 4.5 times as often as in the two weeks before."),
        ((5, 5, 450), "That is about 90 times as often as in the two weeks before."),
        ((400, 200), "That is about half as often as in the week before."),
        ((400, 80), "That is much less often (20%) than in the week before."),
        ((1_000, 1_150), "That is a little more often than in the week before."),
        ((6, 10), "That is more than in the week before, but the difference may be chance."),
        ((10, 6), "That is less than in the week before, but the difference may be chance."),
        ((100, None, 200), "That is about twice as often as in the week before."),
        ((100, None), None),
    ],
)
def test_a_trend_in_words(affected: tuple[int | None, ...], said: str | None) -> None:
    first = NOW if len(affected) == 1 else NOW - timedelta(weeks=8)
    assert words.trend(weeks(*affected), first) == said


def test_an_old_pattern_without_earlier_weeks_is_not_called_new() -> None:
    assert words.trend(weeks(50), NOW - timedelta(weeks=8)) is None
    assert words.trend([], NOW) is None


@pytest.mark.parametrize(
    ("reduction", "said"),
    [(0.05, "by a tenth"), (0.31, "by a third"), (1 / 3, "by a third"), (0.34, "by half"), (0.95, "by all of it")],
)
def test_a_drop_is_never_promised_too_small(reduction: float, said: str) -> None:
    assert words.drop(reduction) == said


def test_what_shows_when() -> None:
    assert visibility.sentence({14: 0.48, 28: 0.32, 42: 0.3}) == (
        "At today's numbers a cut by half will most likely show after 14 days and one by a third after 28. "
        "A smaller cut may be real and still not show."
    )
    assert visibility.sentence({14: None, 28: None, 42: 0.8}) == (
        "At today's numbers a cut by nine tenths will most likely show after 42 days. The first 14 days will probably "
        "say nothing yet. A smaller cut may be real and still not show."
    )
    assert "too rare to judge: even if it vanished, 42 days" in visibility.sentence({14: None, 28: None, 42: None})


def test_drops_are_planned_for_the_first_the_middle_and_the_last_look() -> None:
    found = visibility.outlook(weeks(*[205] * 8), LOOKS, 1.0)
    assert list(found.drops) == [14, 28, 42]
    assert 0.75 > (found.drops[14] or 1) > (found.drops[28] or 1) > (found.drops[42] or 1) > 0.3
    assert list(visibility.outlook(weeks(200), {7: 0.9}, 1.0).drops) == [7]
    assert set(visibility.outlook(weeks(1), LOOKS, 2.0).drops.values()) == {None}
    assert set(visibility.outlook(weeks(0), LOOKS, 1.0).drops.values()) == {None}


def test_a_hold_back_is_advised_where_it_brings_much() -> None:
    found = visibility.outlook(weeks(*[1000] * 8), LOOKS, 1.0)
    assert visibility.advice(found) == (
        " If 20% of the traffic keeps the old version for 14 days, a cut by half will show by then."
    )
    assert visibility.advice(visibility.outlook(weeks(*[10] * 8), LOOKS, 1.0)) == ""
    assert found.days_to_halving is None
    assert visibility.outlook(weeks(*[1000] * 8), {14: 0.6, 28: 0.6}, 1.0).days_to_halving == 14


def test_a_pattern_that_is_known_longer_shows_smaller_drops() -> None:
    new, known = (visibility.outlook(weeks(*[100] * n), LOOKS, 1.0).drops[42] for n in (1, 8))
    assert new is not None
    assert known is not None
    assert known < new - 0.02


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (
            SegmentFact("prompt_version", "support@v12", 2.4, 9),
            "with prompt version “v12” of “support” (2.4 times as many)",
        ),
        (SegmentFact("prompt_version", "v12", 2.0, 9), "with prompt version “v12” (2.0 times as many)"),
        (SegmentFact("cohort", "new\nusers", 2.0, 9), "for users in “new users” (2.0 times as many)"),
        (SegmentFact("document", "d" * 80, 2.0, 9), f"where the document “{'d' * 59}…” was used (2.0 times as many)"),
        (SegmentFact("is_new", "x", 2.0, 9), "where is new is “x” (2.0 times as many)"),
    ],
)
def test_a_segment_in_words(fact: SegmentFact, said: str) -> None:
    assert words.segment(fact) == said


def test_lists_and_counts() -> None:
    assert [words.listed(list("abc"[:n])) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert (words.count(1, "person", "people"), words.count(1200, "answer")) == ("1 person", "1,200 answers")
    assert (words.number(3), words.number(1200), words.day(NOW)) == ("three", "1,200", "9 November 2026")


@pytest.mark.parametrize(
    ("rate", "said"), [(0.1234, "123"), (0.0123, "12.3"), (0.00123, "1.2"), (0.00045, "0.45"), (0, "0")]
)
def test_a_rate_in_words(rate: float, said: str) -> None:
    assert per_1000(rate) == said


@given(st.integers(0, 500), st.floats(1, 5))
def test_a_rate_lies_in_its_interval(n: int, weight: float) -> None:
    week = TrendWeek(NOW, n, n * weight, 10_000, weight)
    assert week.interval[0] <= week.rate <= week.interval[1]


def test_a_trend_is_read_from_the_weeks_of_the_database_and_drawn() -> None:
    frame = pd.DataFrame(
        {
            "week": [NOW, NOW - timedelta(weeks=1)],
            "n_occurrences": [12, 0],
            "n_sessions": [5, 0],
            "affected": [10.0, 0.0],
            "exposures": [1000.0, nan],
        }
    )
    before, now = trend_of(frame)
    assert now == TrendWeek(NOW, 12, 10.0, 1000.0, 2.0)
    assert (before.n_occurrences, before.weight, trend_of(frame.drop(columns="n_sessions"))[1].weight) == (0, 1.0, 1.0)
    mondays, rates, lows, highs = lines_of([before, now])
    assert mondays == [NOW - timedelta(weeks=1), NOW]
    assert pd.isna([rates[0], lows[0], highs[0]]).all()
    assert 0 < lows[1] < rates[1] == 0.01 < highs[1]
