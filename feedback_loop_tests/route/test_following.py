"""What people mean by how they end a ticket, once, and never against what a person decided since."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.decisions import effective_decisions
from feedback_loop.records import DecisionKind, PatternDecision
from feedback_loop.route import Answers, plan_answers
from feedback_loop.tracker import Ticket, TicketStatus, TrackerState
from feedback_loop_tests.route.test_updates import ticket

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def said(
    pattern_id: str, decision: DecisionKind, value: str | None = None, author: str = "maria", hours: int = -5
) -> PatternDecision:
    return PatternDecision("shop", pattern_id, decision, value, author, NOW + timedelta(hours=hours))


def numbered(n: int, status: TicketStatus) -> Ticket:
    return ticket(status, pattern_id=f"p{n}", ticket_number=n, ticket_key=f"FL-{n}")


def answer(*tickets: Ticket, duplicates: dict[str, str] | None = None, by: Any = (), **fields: Any) -> Answers:
    states = {
        t.pattern_id: TrackerState(
            t.ticket_key or "", t.status, duplicate_of=(duplicates or {}).get(t.pattern_id), **fields
        )
        for t in tickets
    }
    return plan_answers(tickets, states, by, "jira", NOW)


def test_wont_do_mutes_the_pattern_in_the_trackers_name_with_the_date() -> None:
    assert answer(numbered(1, "wont_do")) == Answers((PatternDecision("shop", "p1", "mute", None, "jira", NOW),))
    assert answer(numbered(1, "wont_do"), by=[said("p1", "mute", author="jira")]) == Answers()
    assert answer(numbered(1, "wont_do"), by=[said("p1", "mute")]) == Answers()


@pytest.mark.parametrize("status", ["open", "reopened", "done"])
def test_going_on_unmutes_what_the_tracker_muted_and_not_what_a_person_did(status: Any) -> None:
    found = answer(numbered(1, status), by=[said("p1", "mute", author="jira")])
    assert found.decisions == (PatternDecision("shop", "p1", "unmute", None, "jira", NOW),)
    assert answer(numbered(1, status), by=[said("p1", "mute")]) == Answers()
    assert answer(numbered(1, status)) == Answers()


def test_a_person_who_unmuted_by_hand_is_not_overruled_by_the_old_status() -> None:
    by = [said("p1", "mute", author="jira", hours=-9), said("p1", "unmute")]
    assert answer(numbered(1, "wont_do"), by=by) == Answers()
    assert answer(numbered(1, "wont_do"), by=by, resolved_at=NOW - timedelta(hours=8)) == Answers()
    later = answer(numbered(1, "wont_do"), by=by, resolved_at=NOW - timedelta(hours=2))
    assert [d.decision for d in later.decisions] == ["mute"]


def test_wont_do_after_the_tracker_unmuted_mutes_again() -> None:
    by = [said("p1", "mute", author="jira", hours=-9), said("p1", "unmute", author="jira")]
    assert [d.decision for d in answer(numbered(1, "wont_do"), by=by).decisions] == ["mute"]


def test_a_later_decision_is_left_alone() -> None:
    assert answer(numbered(1, "open"), by=[said("p1", "mute", author="jira", hours=1)]) == Answers()


def test_the_ticket_that_speaks_for_merged_patterns_mutes_the_one_that_stays() -> None:
    by = [said("p2", "merge", "p9")]
    assert [d.pattern_id for d in answer(numbered(2, "wont_do"), by=by).decisions] == ["p9"]
    assert answer(numbered(1, "open"), numbered(2, "wont_do"), by=[said("p2", "merge", "p1")]) == Answers()


def test_a_duplicate_of_one_of_ours_merges_the_patterns_once() -> None:
    tickets, duplicates = (numbered(1, "open"), numbered(2, "duplicate")), {"p2": "FL-1"}
    found = answer(*tickets, duplicates=duplicates)
    assert found == Answers((PatternDecision("shop", "p2", "merge", "p1", "jira", NOW),))
    assert answer(*tickets, duplicates=duplicates, by=[said("p2", "merge", "p1")]) == Answers()
    assert answer(*tickets, duplicates=duplicates, by=[said("p2", "merge", "p7")]) == Answers(), "a person's word"


def test_a_chain_of_duplicates_ends_at_the_ticket_that_goes_on() -> None:
    tickets = [numbered(1, "duplicate"), numbered(2, "duplicate"), numbered(3, "open")]
    found = answer(*tickets, duplicates={"p1": "FL-2", "p2": "FL-3"})
    assert effective_decisions(found.decisions).merges == {"p1": "p3", "p2": "p3"}
    assert found.reported == ()


def test_duplicates_of_each_other_are_merged_one_way_and_reported() -> None:
    found = answer(numbered(1, "duplicate"), numbered(2, "duplicate"), duplicates={"p1": "FL-2", "p2": "FL-1"})
    assert effective_decisions(found.decisions).merges == {"p1": "p2"}
    assert found.reported == (
        "FL-2 and FL-1 are duplicates of each other, or of one merged into it: nothing is merged",
    )


def test_a_muted_pattern_is_not_merged_unseen() -> None:
    found = answer(
        numbered(1, "open"), numbered(2, "duplicate"), duplicates={"p2": "FL-1"}, by=[said("p1", "mute", hours=-1)]
    )
    assert found.decisions == ()
    assert found.reported == ("FL-2 is a duplicate of FL-1, but FL-1 is muted: unmute it, and they are merged",)


def test_a_duplicate_of_another_teams_ticket_follows_that_one() -> None:
    found = answer(numbered(1, "duplicate"), duplicates={"p1": "PAY-7"})
    assert found == Answers(counts_at={"p1": "PAY-7"})


def test_a_duplicate_of_nothing_and_a_ticket_that_is_gone_are_reported() -> None:
    found = answer(numbered(1, "duplicate"), numbered(2, "gone"))
    assert (found.decisions, found.counts_at) == ((), {})
    assert found.reported == (
        "FL-2 is gone: it was deleted, or we may not see it any more",
        "FL-1 is a duplicate, but does not say of which ticket: link the other one",
    )


def test_cancelled_decides_nothing() -> None:
    assert answer(numbered(1, "cancelled")) == Answers()
    assert answer(numbered(1, "cancelled"), by=[said("p1", "mute", author="jira")]) == Answers()


WEBS = st.lists(
    st.tuples(st.sampled_from(get_args(TicketStatus)), st.none() | st.integers(1, 6)), min_size=1, max_size=5
)


@given(WEBS, WEBS)
def test_answers_are_given_once_and_every_merge_counts(first: list[Any], then: list[Any]) -> None:
    by: list[PatternDecision] = []
    for hours, web in ((0, first), (1, then)):
        tickets = [numbered(n, status) for n, (status, _) in enumerate(web, start=1)]
        links = {f"p{n}": f"FL-{to}" for n, (_, to) in enumerate(web, start=1) if to is not None}
        states = {t.pattern_id: TrackerState("k", t.status, duplicate_of=links.get(t.pattern_id)) for t in tickets}
        at = NOW + timedelta(hours=hours)
        found = plan_answers(tickets, states, by, "jira", at)
        by = [*by, *found.decisions]
        merged = {d.pattern_id for d in by if d.decision == "merge"}
        assert merged == set(effective_decisions(by).merges), "none is void"
        again = plan_answers(tickets, states, by, "jira", at + timedelta(minutes=1))
        assert again.decisions == ()
        assert replace(again, decisions=()) == replace(plan_answers(tickets, states, by, "jira", at), decisions=())
        assert not set(found.counts_at) & merged
