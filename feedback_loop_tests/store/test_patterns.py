"""Memory, its projection `patterns`, memberships and frozen detectors."""

from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from feedback_loop.errors import NotFoundError
from feedback_loop.prioritise import prioritise_patterns
from feedback_loop.records import PLACEMENTS, Detector, Exemplar, PatternState
from feedback_loop.store import patterns
from feedback_loop_tests.factories import APPLICATION, W1, W2, W3, rows

NOBODY = PLACEMENTS.check(pd.DataFrame(columns=list(PLACEMENTS.columns)))


def state(pattern_id: str = "p1", **fields: Any) -> PatternState:
    values: dict[str, Any] = {
        "pattern_id": pattern_id,
        "name": "Broken “links” \\ é",
        "description": "d",
        "likely_cause": "product",
        "severity": 2,
        "suggested_fix": "f",
        "status": "confirmed",
        "first_seen_week": W1,
        "last_seen_week": W1,
        "n_silent_weeks": 0,
        "n_occurrences": 5,
        "threshold": 0.25,
        "exemplars": (Exemplar("i1", 'said "this"\n\tand that'),),
    }
    return PatternState(**(values | fields))


def save(
    conn: Connection, week: date, *states: PatternState, version: str = "d1", application: str = APPLICATION
) -> None:
    detector = Detector(version, "lexical", "offline", tuple(states))
    patterns.save_week(conn, application, week, states, NOBODY, detector, "policy")


def test_a_state_comes_back_as_it_was(engine: Engine) -> None:
    with engine.begin() as conn:
        save(conn, W1, state())
        assert patterns.load_memory(conn, APPLICATION, before=None) == [state()]
        assert patterns.load_states(conn, APPLICATION, W1) == [state()]


def test_memory_is_the_newest_week_before_and_never_the_week_itself(engine: Engine) -> None:
    first, second = state(), state(n_occurrences=9, last_seen_week=W2)
    with engine.begin() as conn:
        save(conn, W1, first)
        save(conn, W2, second, state("p2"))
        save(conn, W1, state("elsewhere"), application="other")
        assert patterns.load_memory(conn, APPLICATION, before=W1) == []
        assert patterns.load_memory(conn, APPLICATION, before=W2) == [first]
        assert patterns.load_memory(conn, APPLICATION, before=W3) == [second, state("p2")]


def test_the_view_is_the_latest_state_of_each_pattern(engine: Engine) -> None:
    with engine.begin() as conn:
        save(conn, W2, state(n_occurrences=9))
        save(conn, W1, state(), state("only in the first"))
    found = {row["pattern_id"]: (row["week"], row["n_occurrences"]) for row in rows(engine, "patterns")}
    assert found == {"p1": (W2, 9), "only in the first": (W1, 5)}


def test_saving_a_week_again_replaces_it_and_only_it(engine: Engine) -> None:
    members = pd.DataFrame({"interaction_id": ["a", "b"], "pattern_id": ["p1", "p1"], "similarity": [0.5, 0.6]})
    detector = Detector("d1", "lexical", "offline", (state(),))
    with engine.begin() as conn:
        for week in (W1, W2, W1):
            patterns.save_week(conn, APPLICATION, week, [state()], members, detector, "policy")
        patterns.save_week(conn, APPLICATION, W1, [state()], members.head(1), detector, "policy")
        assert patterns.members_of(conn, APPLICATION, "p1") == ["a", "b"]
    assert [(r["week"], r["interaction_id"]) for r in rows(engine, "pattern_memberships")] == [
        (W1, "a"),
        (W2, "a"),
        (W2, "b"),
    ]


def test_a_detector_is_kept_as_it_was_first_saved(engine: Engine) -> None:
    """Its version is its content: whoever saves another content under it is wrong and changes nothing."""
    frozen = Detector("d1", "lexical", "offline", (state(), state("p2")))
    with engine.begin() as conn:
        patterns.save_detector(conn, APPLICATION, frozen)
        patterns.save_detector(conn, APPLICATION, replace(frozen, patterns=(state(),)))
        assert patterns.load_detector(conn, APPLICATION, "d1") == frozen
        assert patterns.detector_of_week(conn, APPLICATION, W1) is None
        save(conn, W1, state(), version="d1")
        assert patterns.detector_of_week(conn, APPLICATION, W1) == "d1"


def test_a_detector_that_is_not_there_is_named(engine: Engine) -> None:
    with engine.begin() as conn, pytest.raises(NotFoundError, match="'shop' has no detector 'gone'"):
        patterns.load_detector(conn, APPLICATION, "gone")


def test_detections_are_what_the_newest_count_makes_of_the_events(engine: Engine) -> None:
    placed = pd.DataFrame({"interaction_id": ["a", "b"], "pattern_id": ["p1", "p2"], "similarity": [0.5, 0.6]})
    moved = pd.DataFrame({"interaction_id": ["a"], "pattern_id": ["p2"], "similarity": [0.7]})
    with engine.begin() as conn:
        for _ in range(2):
            patterns.save_detections(conn, APPLICATION, "d1", ["a", "b", "c"], placed)
        patterns.save_detections(conn, APPLICATION, "d2", ["a"], placed.head(1))
        n = conn.execute(sa.text("select count(*) from feedback_loop.detections")).scalar_one()
        patterns.save_detections(conn, APPLICATION, "d1", ["a", "b"], moved)  # b is no longer placed
        kept = conn.execute(sa.text("select * from feedback_loop.detections order by detector_version")).all()
    assert n == 3
    assert [tuple(row) for row in kept] == [
        (APPLICATION, "d1", "a", "p2", 0.7),
        (APPLICATION, "d2", "a", "p1", 0.5),
    ]


def test_listing_shows_a_pattern_without_numbers_or_ticket(engine: Engine) -> None:
    with engine.begin() as conn:
        save(conn, W1, state())
        (row,) = patterns.list_patterns(conn)
        assert patterns.list_patterns(conn, "other") == []
    assert (row["name"], row["rate"], row["ticket_key"]) == (state().name, None, None)


def test_members_say_whether_they_were_inferred(engine: Engine) -> None:
    negative = (
        "insert into feedback_loop.negative_feedback (application, week, interaction_id, occurred_at, known_at, "
        "session_key, prompt_name, prompt_version, signals, severity, weight, policy_version) "
        "values (:application, :week, :id, '2026-01-06', '2026-01-06', 's', 'support', 'v1', '{report}', 2, 1, 'v')"
    )
    placed = {"interaction_id": ["a", "b"], "pattern_id": ["p1", "p1"], "similarity": [0.5, 0.6]}
    members = pd.DataFrame({**placed, "is_inferred": [False, True]})
    with engine.begin() as conn:
        for name in "ab":
            conn.execute(sa.text(negative), {"application": APPLICATION, "week": W1, "id": name})
        detector = Detector("d1", "lexical", "offline", (state(),))
        patterns.save_week(conn, APPLICATION, W1, [state()], members, detector, "policy")
        found = patterns.read_members(conn, APPLICATION, W1)
        assert dict(zip(found["interaction_id"], found["is_inferred"], strict=True)) == {"a": False, "b": True}
        numbers = prioritise_patterns(found, 10)
        patterns.save_pattern_weeks(conn, APPLICATION, W1, numbers)
        (row,) = patterns.read_pattern_weeks(conn, W1).to_dict("records")
        assert (row["n_occurrences"], row["n_inferred"], row["rate"]) == (1, 1, 0.1)
        (listed,) = patterns.list_patterns(conn)
        assert (listed["n_occurrences"], listed["n_inferred"]) == (1, 1)
