"""What is said and done on a ticket after it was made: deployed fixes, merges. Verdicts: `test_verdicts`."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.decisions import effective_decisions
from feedback_loop.documents import Document, Heading, Paragraph, Quote, plain
from feedback_loop.records import Fix, PatternDecision
from feedback_loop.route import UpdatePolicy, plan_deployed_comments, plan_duplicates
from feedback_loop.tracker import Ticket, TicketEvent, TicketStatus

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
KEY = ("shop", "p1")


def words(document: Document) -> str:
    """What a reader sees, a line per block."""
    lines = []
    for block in document:
        assert isinstance(block, Paragraph | Heading | Quote)
        lines.append("".join(inline.text for inline in block.inlines) if isinstance(block, Paragraph) else block.text)
    return "\n".join(lines)


def ticket(status: TicketStatus = "done", **fields: Any) -> Ticket:
    values: dict[str, Any] = {
        "application": "shop",
        "pattern_id": "p1",
        "ticket_number": 1,
        "ticket_key": "FL-1",
        "status": status,
        "route": "triage",
        "priority": 2,
        "title": "t",
        "body": plain("b"),
        "created_week": datetime(2026, 1, 5, tzinfo=UTC).date(),
        "created_at": datetime(2026, 1, 12, tzinfo=UTC),
        "detector_version": "det",
    }
    return Ticket(**(values | fields))


FIX = Fix("shop", "f1", "p1", "FL-1", "d", "support", "v*2", AS_OF, "det", "deployment")
CLAIM = replace(FIX, source="ticket", deployment_id="", prompt_name=None, prompt_version=None)


def deployed(fix: Fix, **arguments: Any) -> str:
    (event,) = plan_deployed_comments([fix], {("shop", "f1"): date(2026, 3, 16)}, AS_OF, **arguments)
    assert (event.kind, event.event_key, event.occurred_at) == ("comment", f"deployed:{fix.fix_id}", fix.deployed_at)
    return words(event.body)


def test_a_recorded_deployment_is_said_on_its_ticket_with_the_day_of_the_verdict() -> None:
    said = "A fix was deployed on 2 March 2026 with prompt version v*2. The first verdict comes on 16 March 2026."
    assert deployed(FIX) == said
    assert "version" not in deployed(replace(FIX, prompt_version=None))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"origin": "fix version 4.2", "precision": "day", "confidence": "medium"},
            "The time was read from fix version 4.2, so only the day is known. If it is wrong, set the field Deployed "
            "at of this ticket, or run feedback-loop deployed VERSION --fixes FL-1 --at TIME.",
        ),
        (
            {"origin": "the field Deployed at"},
            "The time was read from the field Deployed at (00:00 UTC). If it is wrong, correct it there, or run "
            "feedback-loop deployed VERSION --fixes FL-1 --at TIME.",
        ),
        (
            {"origin": "the resolution date", "confidence": "low"},
            "The time was read from the resolution date (00:00 UTC). Users may have got the fix on another day. If it "
            "is wrong, set the field Deployed at of this ticket, or run feedback-loop deployed VERSION --fixes FL-1 "
            "--at TIME.",
        ),
    ],
)
def test_a_time_that_was_read_from_a_ticket_says_where_and_how_to_correct_it(fields: Any, says: str) -> None:
    first, second = deployed(replace(CLAIM, **fields)).split("\n")
    assert first == "A fix was deployed on 2 March 2026. The first verdict comes on 16 March 2026."
    assert second == says


def test_the_field_is_called_as_the_tracker_calls_it() -> None:
    assert "set the field resolved_at of" in deployed(replace(CLAIM, origin="fix version 1"), field="resolved_at")


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True))
def test_however_often_a_time_is_corrected_it_is_told_once_in_seven_days_and_the_newest_at_last(
    days: list[int],
) -> None:
    told: list[TicketEvent] = []
    for day in range(60):  # on each of `days` people write another time into the ticket
        as_of = AS_OF + timedelta(days=day)
        if not (known := [d for d in days if d <= day]):
            continue
        fix = replace(CLAIM, fix_id=f"f{max(known)}", deployed_at=AS_OF - timedelta(days=max(known)))
        for _ in range(2):
            if f"deployed:{fix.fix_id}" not in {e.event_key for e in told}:
                last = {KEY: told[-1].occurred_at} if told else {}
                told += plan_deployed_comments([fix], {("shop", fix.fix_id): date(2027, 1, 1)}, as_of, last)
    gaps = [(b.occurred_at - a.occurred_at).days for a, b in pairwise(told)]
    assert all(gap >= 7 for gap in gaps)
    assert told[-1].event_key == f"deployed:f{max(days)}"
    assert told[0].occurred_at == AS_OF + timedelta(days=min(days))


def test_of_two_times_read_at_once_the_newer_is_told_before_its_verdict_and_recorded_deployments_always_are() -> None:
    later = replace(CLAIM, fix_id="f2", deployed_at=AS_OF + timedelta(days=1))
    looks = {("shop", f): date(2026, 3, 16) for f in ("f1", "f2")}
    now = AS_OF + timedelta(days=30)
    (event,) = plan_deployed_comments([CLAIM, later], looks, now)
    assert (event.event_key, event.occurred_at) == ("deployed:f2", datetime(2026, 3, 16, tzinfo=UTC))
    recorded = [replace(FIX, fix_id=f"f{n}", deployed_at=AS_OF + timedelta(days=n)) for n in (1, 2)]
    assert [e.event_key for e in plan_deployed_comments(recorded, looks, now, {KEY: now})] == [
        "deployed:f1",
        "deployed:f2",
    ]


def merge(pattern_id: str, into: str) -> PatternDecision:
    return PatternDecision("shop", pattern_id, "merge", into, "maria", AS_OF)


def test_of_merged_tickets_one_goes_on_and_both_are_told() -> None:
    tickets = [ticket("open"), ticket("open", pattern_id="p2", ticket_number=2, ticket_key="FL-2")]
    closed, told = plan_duplicates(tickets, effective_decisions([merge("p2", "p1")]))
    assert (closed.pattern_id, closed.kind) == ("p2", "close")
    assert words(closed.body).startswith("Duplicate of FL-1. Their patterns were merged")
    assert (told.pattern_id, told.kind) == ("p1", "comment")
    assert words(told.body).startswith("FL-2 is a duplicate of this ticket.")
    assert plan_duplicates(tickets, effective_decisions([])) == []


@pytest.mark.parametrize(
    ("status", "planned"),
    [("duplicate", ["comment", "comment"]), ("wont_do", ["comment", "comment"]), ("gone", ["comment"])],
)
def test_a_merged_ticket_that_people_ended_is_not_closed(status: Any, planned: list[str]) -> None:
    tickets = [ticket("open"), ticket(status, pattern_id="p2", ticket_number=2, ticket_key="FL-2")]
    assert [e.kind for e in plan_duplicates(tickets, effective_decisions([merge("p2", "p1")]))] == planned
    other_way = [replace(tickets[0], status=status), replace(tickets[1], status="open")]
    found = plan_duplicates(other_way, effective_decisions([merge("p2", "p1")]))
    assert found[0].kind == "close"
    assert len(found) == (1 if status == "gone" else 2)


@pytest.mark.parametrize(("status", "asks"), [("open", True), ("reopened", True), ("done", False), ("wont_do", False)])
def test_where_people_close_their_tickets_themselves_a_merge_only_says_so(status: Any, asks: bool) -> None:
    tickets = [ticket("open"), ticket(status, pattern_id="p2", ticket_number=2, ticket_key="FL-2")]
    closing, open_handed = (
        plan_duplicates(tickets, effective_decisions([merge("p2", "p1")]), may_close=may) for may in (True, False)
    )
    assert [e.kind for e in open_handed] == ["comment", "comment"]
    assert words(open_handed[0].body).endswith("Close this ticket if you agree.") == asks
    assert [e.event_key for e in open_handed] == [e.event_key for e in closing]  # said once, whatever the settings


def test_a_muted_ticket_is_not_told_of_merges_and_one_without_a_key_waits() -> None:
    tickets = [ticket("open"), ticket("open", pattern_id="p2", ticket_number=2, ticket_key="FL-2")]
    mute = PatternDecision("shop", "p1", "mute", None, "maria", AS_OF)
    assert [e.pattern_id for e in plan_duplicates(tickets, effective_decisions([merge("p2", "p1"), mute]))] == ["p2"]
    planned = [tickets[0], replace(tickets[1], ticket_key=None)]
    assert plan_duplicates(planned, effective_decisions([merge("p2", "p1")])) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_events": 0},
        {"factor": 1.0},
        {"factor": float("nan")},
        {"confidence": 1.0},
        {"reopen_within_days": 0},
        {"reopen_every_days": -1},
        {"told_dimensions": ("weather",)},
    ],
)
def test_a_policy_that_makes_no_sense_names_its_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UpdatePolicy(**wrong)
