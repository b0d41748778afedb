"""How decisions combine: the newest counts, merges have an end, and no order of rows changes that.

Also the plans that follow from merges alone: duplicates among tickets, and fixes that become one.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.decisions import UNDECIDED, effective_decisions
from feedback_loop.records import DecisionKind, PatternDecision
from feedback_loop.route import plan_duplicates
from feedback_loop.verify import join_fixes
from feedback_loop_tests.route.test_updates import words
from feedback_loop_tests.store.test_patterns import state
from feedback_loop_tests.store.test_tickets import ticket
from feedback_loop_tests.verify.test_looks import fix

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


def test_every_ticket_but_one_of_merged_patterns_is_closed_as_its_duplicate() -> None:
    tickets = [ticket(p, ticket_number=n, ticket_key=f"FL-{n}") for n, p in enumerate("abcx", start=1)]
    merges = [said(1, "a", "merge", "c"), said(2, "b", "merge", "a")]
    events = plan_duplicates(tickets, effective_decisions(merges))
    assert [(e.pattern_id, e.kind, words(e.body).split(".")[0], e.occurred_at.minute) for e in events] == [
        ("a", "close", "Duplicate of FL-3", 1),
        ("c", "comment", "FL-1 is a duplicate of this ticket", 1),
        ("b", "close", "Duplicate of FL-3", 2),
        ("c", "comment", "FL-2 is a duplicate of this ticket", 2),
    ]
    assert len({e.event_key for e in events}) == 4
    assert plan_duplicates(tickets, effective_decisions(merges)) == events
    again = plan_duplicates(tickets, effective_decisions([*merges, said(3, "a", "merge", "x")]))
    assert {e.event_key for e in again}.isdisjoint(e.event_key for e in events)  # merged elsewhere: said again
    muted = plan_duplicates(tickets, effective_decisions([*merges, said(3, "c", "mute")]))
    assert [e.kind for e in muted] == ["close", "close"]


def test_a_duplicate_waits_until_the_tracker_holds_both() -> None:
    merged = effective_decisions([said(1, "a", "merge", "b")])
    held, planned = ticket("a", ticket_number=1, ticket_key="FL-1"), ticket("b", ticket_number=2)
    assert plan_duplicates([held, planned], merged) == []
    assert plan_duplicates([held], merged) == plan_duplicates([], merged) == []


def test_fixes_of_merged_patterns_are_fixes_of_the_one_that_stays() -> None:
    merged = {"shop": effective_decisions([said(1, "a", "merge", "b")])}
    one, two = fix(fix_id="a@s@v2", pattern_id="a"), fix(fix_id="b@s@v3", pattern_id="b")
    both = fix(fix_id="b@s@v2", pattern_id="b")
    elsewhere = fix(fix_id="a@s@v2", pattern_id="a", application="other")
    assert [(f.fix_id, f.pattern_id) for f in join_fixes([one, two], merged)] == [("a@s@v2", "b"), ("b@s@v3", "b")]
    assert join_fixes([one, elsewhere, both], merged) == [elsewhere, both]
    assert join_fixes([one, two, both], {}) == [one, two, both]
