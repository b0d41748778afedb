"""How decisions combine: the newest counts, merges have an end, and no order of rows changes that."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.decisions import UNDECIDED, effective_decisions
from feedback_loop.records import DecisionKind, PatternDecision
from feedback_loop_tests.store.test_patterns import state
from feedback_loop_tests.store.test_tickets import ticket

NOW = datetime(2026, 1, 12, tzinfo=UTC)


def said(minute: int, pattern: str, decision: DecisionKind, value: str | None = None) -> PatternDecision:
    return PatternDecision("shop", pattern, decision, value, "maria", NOW + timedelta(minutes=minute))


PATTERNS = st.sampled_from("abcde")
MERGES = st.lists(st.tuples(PATTERNS, PATTERNS), max_size=12).map(
    lambda pairs: [said(n, *pair[:1], "merge", pair[1]) for n, pair in enumerate(pairs)]
)


@given(MERGES, st.randoms())
def test_any_merges_end_at_patterns_that_stay_whatever_the_order_of_rows(
    merges: list[PatternDecision], random: object
) -> None:
    found = effective_decisions(merges)
    assert not set(found.merges) & set(found.merges.values())
    shuffled = list(merges)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' own Random
    assert effective_decisions(shuffled) == found
    assert effective_decisions([*merges, *merges]) == found
    for pattern in "abcde":
        assert pattern in found.together(pattern)
        assert {found.stays(p) for p in found.together(pattern)} == {found.stays(pattern)}


@given(MERGES)
def test_only_a_merge_that_would_close_a_circle_is_void(merges: list[PatternDecision]) -> None:
    newest = {d.pattern_id: d for d in merges}
    found = effective_decisions(merges)
    for pattern, decision in newest.items():
        if pattern not in found.merges:
            assert found.stays(str(decision.value)) == pattern
        else:
            assert found.stays(pattern) == found.stays(str(decision.value))


def test_merges_are_followed_to_their_end_and_can_be_redirected() -> None:
    chain = [said(1, "a", "merge", "b"), said(2, "b", "merge", "c")]
    assert effective_decisions(chain).merges == {"a": "c", "b": "c"}
    redirected = effective_decisions([*chain, said(3, "a", "merge", "d")])
    assert redirected.merges == {"a": "d", "b": "c"}
    assert redirected.merged_at["a"] == NOW + timedelta(minutes=3)


def test_the_newest_of_a_question_counts() -> None:
    found = effective_decisions(
        [
            said(5, "a", "rename", "new"),
            said(1, "a", "rename", "old"),
            said(2, "a", "cause", "prompt"),
            said(3, "a", "cause", "unknown"),
            said(1, "a", "mute"),
            said(2, "a", "unmute"),
            said(2, "b", "unmute"),
            said(3, "b", "mute"),
        ]
    )
    assert (dict(found.names), dict(found.causes)) == ({"a": "new"}, {"a": "unknown"})
    assert found.muted == {"b"}


def test_a_merged_pattern_is_muted_with_the_one_that_stays() -> None:
    found = effective_decisions([said(1, "a", "merge", "b"), said(2, "b", "mute"), said(3, "c", "merge", "d")])
    assert [p for p in "abcd" if found.is_muted(p)] == ["a", "b"]


def test_a_corrected_pattern_has_its_name_and_cause_and_no_fix_for_another_cause() -> None:
    found = effective_decisions([said(1, "p1", "rename", "n"), said(1, "p1", "cause", "retrieval")])
    fixed = found.correct(state("p1", likely_cause="product", suggested_fix="rewrite the page"))
    assert (fixed.name, fixed.likely_cause, fixed.suggested_fix) == ("n", "retrieval", "")
    agreed = found.correct(state("p1", likely_cause="retrieval", suggested_fix="look at the index"))
    assert agreed.suggested_fix == "look at the index"
    assert found.correct(state("p2")) == state("p2") == UNDECIDED.correct(state("p2"))


def test_the_own_ticket_speaks_before_older_ones_of_merged_patterns() -> None:
    tickets = [ticket("a", ticket_number=1), ticket("b", ticket_number=2), ticket("c", ticket_number=3)]
    merged = effective_decisions([said(1, "a", "merge", "c"), said(1, "b", "merge", "c")])
    assert merged.speaking_tickets(tickets) == {"c": tickets[2]}
    assert merged.speaking_tickets(reversed(tickets[:2])) == {"c": tickets[0]}
    assert UNDECIDED.speaking_tickets(tickets) == dict(zip("abc", tickets, strict=True))


def test_applications_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="one application"):
        effective_decisions([said(1, "a", "mute"), PatternDecision("other", "a", "mute", None, "maria", NOW)])
