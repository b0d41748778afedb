"""Who writes a pattern's card, when, and what it says."""

from dataclasses import replace
from typing import Any

from feedback_loop.llm.analyst import Card, Findings
from feedback_loop.llm.requests import Problem
from feedback_loop.naming import carry_card, due_for_card, quoted_pattern, write_cards
from feedback_loop.records import Exemplar, PatternState
from feedback_loop_tests.factories import W1, W2

CARD = Card("Answers in the wrong language", "It answers in English.", "prompt", 3, "unreadable", "Say so.", ("i2",))


def a_state(pattern_id: str = "p1", n: int = 10, **fields: Any) -> PatternState:
    values: dict[str, Any] = {
        "pattern_id": pattern_id,
        "name": "“in English”",
        "description": "Users say so.",
        "likely_cause": "unknown",
        "severity": 2,
        "suggested_fix": "Read the quotes.",
        "status": "confirmed",
        "first_seen_week": W1,
        "last_seen_week": W2,
        "n_silent_weeks": 0,
        "n_occurrences": 10,
        "threshold": 0.3,
        "exemplars": tuple(Exemplar(f"i{i}", f"masked {i}") for i in range(n)),
    }
    return PatternState(**(values | fields))


def test_a_pattern_gets_one_card_and_another_only_when_its_members_changed() -> None:
    state = a_state()
    assert due_for_card([state], W2, {}) == [state]
    (card,) = write_cards([state], [quoted_pattern(state, {})], Findings({"p1": CARD}))
    assert due_for_card([state], W2, {"p1": card}) == []
    halfway = a_state(exemplars=(*state.exemplars[:4], *(Exemplar(f"j{i}", "new") for i in range(6))))
    assert due_for_card([halfway], W2, {"p1": card}) == []
    moved = a_state(exemplars=(*state.exemplars[:3], *(Exemplar(f"j{i}", "new") for i in range(7))))
    assert due_for_card([moved], W2, {"p1": card}) == [moved]


def test_candidates_and_silent_patterns_cost_nothing() -> None:
    assert due_for_card([a_state(status="candidate"), a_state(last_seen_week=W1)], W2, {}) == []


def test_the_analyst_sees_readable_words_and_what_was_recorded() -> None:
    shown = quoted_pattern(a_state(likely_cause="retrieval"), {"i0": "readable"})
    assert [quote.text for quote in shown.quotes[:2]] == ["readable", "masked 1"]
    assert len(shown.quotes) == 8
    assert "retrieval" in shown.facts
    assert quoted_pattern(a_state(), {}).facts == ""


def test_shown_quotes_reach_from_the_centre_to_the_edge() -> None:
    shown = quoted_pattern(a_state(n=25), {})
    assert [quote.interaction_id for quote in shown.quotes] == [f"i{i}" for i in range(0, 24, 3)]


def test_a_card_that_failed_keeps_what_stands_and_says_why() -> None:
    states = [a_state("p1"), a_state("p2"), a_state("p3")]
    shown = [quoted_pattern(state, {}) for state in states]
    problems = {"p2": Problem("budget", "the week's dollar is spent"), "p3": Problem("offline", "nobody is asked")}
    by_model, failed, offline = write_cards(states, shown, Findings({"p1": CARD}, problems))
    assert (by_model.source, by_model.name, by_model.evidence_ids) == ("claude", CARD.name, ("i2",))
    assert (failed.source, failed.name) == ("offline", states[1].name)
    assert failed.problem == "budget: the week's dollar is spent"
    assert offline.problem is None
    assert carry_card(states[1], failed) == states[1]


def test_a_card_changes_words_and_never_what_is_counted() -> None:
    state = a_state()
    (card,) = write_cards([state], [quoted_pattern(state, {})], Findings({"p1": CARD}))
    named = carry_card(state, card)
    assert (named.name, named.likely_cause, named.severity) == (CARD.name, "prompt", 3)
    words = {
        name: getattr(state, name) for name in ("name", "description", "likely_cause", "severity", "suggested_fix")
    }
    assert replace(named, **words) == state
