"""What counts as negative, how bad it is, and to which week it belongs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.extract import ExtractPolicy, edit_distance, extract_negatives
from feedback_loop.records import SIGNALS, Window

POLICY = ExtractPolicy()
MONDAY = datetime(2026, 1, 12, tzinfo=UTC)
WEEK = Window(MONDAY, MONDAY + timedelta(days=7))


def signal(name: str, value: float | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "application": "shop",
        "interaction_id": "i1",
        "occurred_at": MONDAY,
        "feedback_at": MONDAY + timedelta(hours=1),
        "session_key": "s1",
        "user_hash": "u1",
        "cohort": None,
        "prompt_name": "support",
        "prompt_version": "v1",
        "sample_rate": 1.0,
        "safety_level": None,
        "signal": name,
        "value": value,
        "output": None,
        "edited_output": None,
    } | fields


def extract(*signals: dict[str, Any], known: Window | None = None) -> pd.DataFrame:
    frame = pd.DataFrame(list(signals), columns=list(SIGNALS.columns))
    return extract_negatives(frame, POLICY, known)


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("regenerated", 1),
        ("abandoned", 1),
        ("retried", 1),
        ("thumbs_down", 2),
        ("task_failed", 3),
        ("reopened", 3),
        ("escalated", 3),
        ("report", 4),
        ("correction", 2),
        *[(name, None) for name in ("thumbs_up", "accepted", "copied", "shown", "follow_up", "resolved", "dwell")],
        *[(name, None) for name in ("comment", "preference", "task_succeeded", "converted", "edited")],
    ],
)
def test_signals_and_their_severity(name: str, severity: int | None) -> None:
    found = extract(signal(name))
    assert found["severity"].tolist() == ([severity] if severity else [])


def test_candidates_are_all_signals_that_can_turn_out_negative() -> None:
    assert {"rating", "edited", "correction", "thumbs_down", "report"} <= set(POLICY.candidate_signals)
    assert not {"thumbs_up", "shown", "copied"} & set(POLICY.candidate_signals)


@pytest.mark.parametrize(
    ("rating", "severity"), [(1, 3), (1.5, 2), (2, 2), (2.01, None), (3, None), (5, None), (None, None)]
)
def test_ratings_up_to_two_are_negative(rating: float | None, severity: int | None) -> None:
    assert extract(signal("rating", rating))["severity"].tolist() == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("output", "edited", "counts"),
    [
        ("abcdefghij", "abcdefghij", False),
        ("abcdefghij", "abcdefgxyz", False),  # 0.3: at the bar, not above
        ("abcdefghij", "abcdefwxyz", True),
        ("abcdefghij", "", True),
        ("", "", False),
        ("Grüße 👋", "Grüße 👋", False),
    ],
)
@pytest.mark.parametrize("name", ["edited", "correction"])
def test_an_edit_counts_above_the_bar(name: str, output: str, edited: str, counts: bool) -> None:
    assert len(extract(signal(name, output=output, edited_output=edited))) == counts


@given(st.text(max_size=30), st.text(max_size=30))
def test_edit_distance_is_a_share_symmetric_and_zero_only_for_the_same(a: str, b: str) -> None:
    assert 0 <= edit_distance(a, b) <= 1
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)


def test_high_safety_makes_a_negative_critical_and_nothing_else_negative() -> None:
    assert extract(signal("regenerated", safety_level="high"))["severity"].tolist() == [4]
    assert extract(signal("regenerated", safety_level="medium"))["severity"].tolist() == [1]
    assert extract(signal("rating", 5, safety_level="high")).empty


def test_one_row_per_interaction_with_all_signals_the_worst_severity_and_the_first_time() -> None:
    late = MONDAY + timedelta(hours=9)
    found = extract(
        signal("report", feedback_at=late),
        signal("thumbs_down"),
        signal("thumbs_down", feedback_at=late),
        signal("rating", 5, feedback_at=MONDAY),  # not negative: neither a signal nor the first time
        signal("retried", interaction_id="i2", sample_rate=0.25),
    )
    assert found["interaction_id"].tolist() == ["i1", "i2"]
    assert found["signals"].tolist() == [["report", "thumbs_down"], ["retried"]]
    assert found["severity"].tolist() == [4, 1]
    assert found["known_at"].iloc[0] == MONDAY + timedelta(hours=1)
    assert found["weight"].tolist() == [1, 4]


def test_the_same_id_in_two_applications_is_two_events() -> None:
    found = extract(signal("report"), signal("retried", application="other"))
    assert found[["application", "severity"]].to_numpy().tolist() == [["other", 1], ["shop", 4]]


def test_an_event_belongs_to_the_week_of_its_first_negative_signal_only() -> None:
    early = signal("thumbs_down", feedback_at=WEEK.start - timedelta(seconds=1))
    later = signal("report", feedback_at=WEEK.start)
    assert extract(early, later, known=WEEK).empty
    assert len(extract(later, known=WEEK)) == 1
    assert extract(signal("thumbs_down", feedback_at=WEEK.end), known=WEEK).empty
    # What was not negative before does not hold the event back.
    assert len(extract(signal("rating", 4, feedback_at=WEEK.start - timedelta(days=1)), later, known=WEEK)) == 1


def test_no_signals_are_an_empty_frame_of_the_declared_shape() -> None:
    found = extract(known=WEEK)
    assert found.empty
    assert {"known_at", "severity", "signals"} <= set(found.columns)


MANY = st.lists(
    st.builds(
        signal,
        st.sampled_from(["thumbs_down", "report", "retried", "rating", "shown"]),
        st.sampled_from([1.0, 2.0, 4.0]),
        interaction_id=st.sampled_from(["i1", "i2", "i3"]),
        feedback_at=st.integers(-3, 10).map(lambda day: MONDAY + timedelta(days=day)),
        user_hash=st.sampled_from(["u1", "u2", None]),
    ),
    max_size=15,
)


@settings(max_examples=40)
@given(MANY, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(signals: list[dict[str, Any]], chance: Any) -> None:
    shuffled = list(signals)
    chance.shuffle(shuffled)
    pd.testing.assert_frame_equal(extract(*shuffled, known=WEEK), extract(*signals, known=WEEK))


@settings(max_examples=40)
@given(MANY)
def test_each_event_is_in_exactly_one_week(signals: list[dict[str, Any]]) -> None:
    """Each partition reads what was known by its own end; together they hold every event once."""
    everything = extract(*signals)
    seen: list[str] = []
    for n in range(-1, 2):
        week = Window(WEEK.start + timedelta(weeks=n), WEEK.end + timedelta(weeks=n))
        by_then = [s for s in signals if s["feedback_at"] < week.end]
        seen += extract(*by_then, known=week)["interaction_id"].tolist()
    assert sorted(seen) == everything["interaction_id"].tolist()
    assert np.all(everything["severity"] >= 1)
