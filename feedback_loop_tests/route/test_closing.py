"""Tickets that are closed after their verdict, and what keeps them open."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from feedback_loop.route import Reopening, UpdatePolicy, Vouched, plan_closing_events
from feedback_loop.tracker import Ticket, TicketEvent, TicketStatus
from feedback_loop_tests.route.test_updates import AS_OF, FIX, KEY, ticket, words
from feedback_loop_tests.route.test_verdicts import verification

LATER = AS_OF + timedelta(days=1)
OWN = replace(FIX, fix_id="f1", deployed_at=AS_OF - timedelta(days=14))
GOOD = Vouched(verification(may_close=False), OWN, may_close=True)
BAD = Vouched(verification(may_close=False), OWN, refuted=("the detector's recall went from 90% to 50%",))


def plan(*vouched: Vouched, on: Ticket | None = None, **arguments: Any) -> list[TicketEvent]:
    values: dict[str, Any] = {"fixes": (OWN,), "as_of": LATER, "policy": UpdatePolicy()}
    tickets = {KEY: on if on is not None else ticket("open")}
    return plan_closing_events(vouched, {KEY: "Broken *links*"}, tickets, **(values | arguments))


def test_a_verdict_that_may_be_acted_on_by_now_closes_its_ticket_in_one_sentence() -> None:
    (event,) = plan(GOOD)
    assert (event.event_key, event.kind, event.occurred_at) == ("close:f1:14", "close", LATER)
    assert "was checked since and it stands, so the ticket is closed." in words(event.body)
    assert plan(replace(GOOD, may_close=False)) == []


@pytest.mark.parametrize(
    "status", ["waiting", "planned", "done", "closed", "wont_do", "duplicate", "cancelled", "gone"]
)
def test_only_open_tickets_are_closed(status: TicketStatus) -> None:
    assert plan(GOOD, on=ticket(status)) == []


def test_people_and_what_came_since_outrank_it() -> None:
    theirs = replace(ticket("open"), is_set_by_people=True)
    assert plan(GOOD, on=theirs) == []
    assert plan(GOOD, policy=UpdatePolicy(may_close=False)) == []
    assert plan(GOOD, fixes=(OWN, replace(OWN, fix_id="f2", deployed_at=AS_OF))) == []
    for days, by_people, is_closed in ((-3, True, False), (-20, True, True), (0, False, False), (-3, False, True)):
        again = [Reopening(AS_OF + timedelta(days=days), by_people=by_people)]
        assert bool(plan(GOOD, reopened={KEY: again})) == is_closed


def test_an_audit_against_it_is_one_comment() -> None:
    (event,) = plan(BAD)
    assert (event.event_key, event.kind) == ("audit:f1", "comment")
    assert "recall went from 90% to 50%" in words(event.body)
    assert [e.kind for e in plan(BAD, on=ticket("closed"))] == ["comment"]
    assert plan(BAD, on=ticket("wont_do")) == []
