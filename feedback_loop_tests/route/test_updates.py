"""What is said and done on a ticket after it was made: deployed fixes, verdicts, merges."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.decisions import effective_decisions
from feedback_loop.documents import Document, Heading, Paragraph, Quote, Text, plain
from feedback_loop.records import (
    NOT_REDUCED,
    Fix,
    PatternDecision,
    Ticket,
    TicketEvent,
    TicketStatus,
    Verdict,
    Verification,
)
from feedback_loop.route import (
    UpdatePolicy,
    plan_deployed_comments,
    plan_duplicates,
    plan_verdict_events,
    verdict_document,
    verdict_sentence,
)

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
KEY = ("shop", "p1")
POLICY = UpdatePolicy()


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


def verification(**fields: Any) -> Verification:
    values: dict[str, Any] = {
        "application": "shop",
        "fix_id": "f1",
        "pattern_id": "p1",
        "look_day": 14,
        "verdict": "effective",
        "reason": "the rate fell",
        "as_of": AS_OF,
        "n_before": 100,
        "exposures_before": 1000.0,
        "n_after": 20,
        "exposures_after": 1000.0,
        "n_expected": 100.0,
        "reduction": 0.8,
        "ci_low": 0.6,
        "ci_high": 0.9,
        "confidence": 0.99,
    }
    return Verification(**(values | fields))


def plan(*looks: Verification, on: Ticket | None = None, **arguments: Any) -> list[TicketEvent]:
    values: dict[str, Any] = {"as_of": AS_OF, "policy": POLICY}
    tickets = {KEY: on if on is not None else ticket()}
    return plan_verdict_events(looks, {"p1": "Broken *links*"}, tickets, **(values | arguments))


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("effective", "close"),
        ("worse", "reopen"),
        ("ineffective", "reopen"),
        ("not_shown", "reopen"),
        ("partial", "comment"),
        ("pending", "comment"),
        ("inconclusive", "comment"),
    ],
)
def test_what_each_verdict_does_to_its_ticket(verdict: str, kind: str) -> None:
    (event,) = plan(verification(verdict=verdict))
    assert (event.kind, event.event_key, event.occurred_at) == (kind, "verdict:f1:14", AS_OF)
    sentence, after = event.body
    assert words((sentence,)) == f"Broken *links*: {verdict_sentence(verification(verdict=verdict))}"
    assert words((after,)).startswith("What happens next: ")


@pytest.mark.parametrize(("verdict", "status"), list(product(get_args(Verdict), get_args(TicketStatus))))
def test_people_outrank_a_verdict_and_silence_is_kept(verdict: Any, status: Any) -> None:
    kinds = [e.kind for e in plan(verification(verdict=verdict), on=ticket(status))]
    if status in ("cancelled", "gone"):
        assert kinds == []
    elif status in ("wont_do", "duplicate", "waiting", "planned"):
        assert kinds == ["comment"]
    else:
        expected = "close" if verdict == "effective" else "reopen" if verdict in NOT_REDUCED else "comment"
        assert kinds == [expected]


def test_a_verdict_without_a_ticket_is_only_said() -> None:
    (event,) = plan_verdict_events([verification(verdict="worse")], {}, {}, AS_OF, POLICY)
    assert event.kind == "comment"


BAD = verification(verdict="ineffective")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "the ticket is reopened. It needs further work."),
        ({"on": ticket("open")}, "the ticket stays open. It needs further work."),
        ({"on": ticket("wont_do")}, "stays as it is, because people decided that it will not be fixed."),
        ({"on": ticket("duplicate")}, "stays as it is, because people made it a duplicate of another ticket."),
        ({"policy": UpdatePolicy(may_reopen=False)}, "not reopened by itself, because the settings leave that"),
        ({"as_of": AS_OF + timedelta(days=47)}, "because the fix was deployed more than 60 days ago."),
        ({"reopened": {KEY: [AS_OF - timedelta(days=9)]}}, "because it was already reopened on 2026-02-21."),
    ],
)
def test_a_ticket_that_is_not_reopened_says_why(arguments: dict[str, Any], says: str) -> None:
    (event,) = plan(BAD, **arguments)
    assert says in words(event.body)
    assert (event.kind == "reopen") == ("is reopened. " in says or "stays open" in says)


@pytest.mark.parametrize(("days", "kind"), [(46, "reopen"), (47, "comment")])
def test_the_window_for_reopening_counts_from_the_deployment(days: int, kind: str) -> None:
    assert [e.kind for e in plan(BAD, as_of=AS_OF + timedelta(days=days))] == [kind]


@pytest.mark.parametrize(("days", "kind"), [(1, "comment"), (13, "comment"), (14, "reopen"), (0, "reopen")])
def test_a_ticket_is_not_reopened_twice_in_a_short_time(days: int, kind: str) -> None:
    """What the ledger holds from the time of the look itself is the look's own."""
    assert [e.kind for e in plan(BAD, reopened={KEY: [AS_OF - timedelta(days=days)]})] == [kind]


def test_two_fixes_that_fail_on_one_day_reopen_their_ticket_once_however_often_that_is_planned() -> None:
    looks = [BAD, replace(BAD, fix_id="f2")]
    first = plan(*looks)
    assert [(e.event_key, e.kind) for e in first] == [("verdict:f1:14", "reopen"), ("verdict:f2:14", "comment")]
    assert plan(*reversed(looks), reopened={KEY: [AS_OF]}) == first


@pytest.mark.parametrize(
    ("status", "says"), [("open", "close the ticket if you agree."), ("done", "the ticket stays closed.")]
)
def test_the_loop_closes_nothing_where_that_is_left_to_people(status: Any, says: str) -> None:
    (event,) = plan(verification(), on=ticket(status), policy=UpdatePolicy(may_close=False))
    assert event.kind == "comment"
    assert words(event.body).endswith(says)


def test_the_next_look_is_announced_and_a_broken_pipe_is_not_waited_for() -> None:
    next_look = AS_OF.replace(day=9)
    (waits,) = plan(verification(verdict="inconclusive", next_look_at=next_look))
    assert words(waits.body).endswith("the next look comes on 2026-03-09. Until then there is nothing to do.")
    (broken,) = plan(verification(verdict="pending", reason="is the pipe broken?", next_look_at=next_look))
    assert words(broken.body).endswith("the next look comes on 2026-03-09.")
    (last,) = plan(verification(verdict="pending"))
    assert words(last.body).endswith("nothing: this was the last look at this fix.")


def test_events_come_in_the_order_of_the_looks() -> None:
    later = AS_OF.replace(month=4)
    looks = [verification(look_day=21, as_of=later), verification(fix_id="f2"), verification()]
    assert [e.event_key for e in plan(*looks)] == ["verdict:f1:14", "verdict:f2:14", "verdict:f1:21"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {},
            "Effective after 14 days: 20 affected sessions where about 100 were to be expected without the fix, so "
            "80% fewer (99% certain: between 60% and 90% fewer); the rate fell.",
        ),
        (
            {"verdict": "worse", "n_after": 150, "reduction": -0.5, "ci_low": -0.9, "ci_high": -0.1},
            "Worse after 14 days: 150 affected sessions where about 100 were to be expected without the fix, so "
            "50% more (99% certain: between 10% and 90% more); the rate fell.",
        ),
        (
            {"verdict": "not_shown", "look_day": 42, "n_after": 1, "ci_low": -0.2, "confidence": 0.95},
            "Not shown after 42 days: 1 affected session where about 100 were to be expected without the fix, so "
            "80% fewer (95% certain: anything from 20% more to 90% fewer); the rate fell.",
        ),
        (
            {"verdict": "inconclusive", "n_after": 12_345, "n_expected": 61_728.4, "ci_low": float("-inf")},
            "Inconclusive after 14 days: 12,345 affected sessions where about 61,728 were to be expected without the "
            "fix, so 80% fewer (99% certain: at most 90% fewer); the rate fell.",
        ),
        ({"verdict": "pending", "reason": "too rare", "reduction": None}, "Pending after 14 days: too rare."),
    ],
)
def test_a_verdict_in_words(fields: dict[str, Any], says: str) -> None:
    assert verdict_sentence(verification(**fields)) == says


CUTS = st.floats(-30, 1)


@given(st.sampled_from(get_args(Verdict)), CUTS, CUTS, CUTS, st.integers(0, 10**6), st.floats(0.1, 1e6))
def test_a_sentence_begins_with_its_verdict_and_has_its_numbers(
    verdict: Verdict, a: float, b: float, c: float, n_after: int, n_expected: float
) -> None:
    low, cut, high = sorted((a, b, c))
    look = verification(
        verdict=verdict, reduction=cut, ci_low=low, ci_high=high, n_after=n_after, n_expected=n_expected
    )
    says = verdict_sentence(look)
    assert says.lower().startswith(verdict.replace("_", " "))
    assert f"{n_after:,} affected" in says
    assert f"about {n_expected:,.0f} were" in says
    for share in (low, cut, high):
        assert f"{abs(share):.0%}" in says
    assert "inf" not in says
    assert "nan" not in says
    name, after = verdict_document(look, "[x](http://evil.example)", "nothing.")
    assert isinstance(name, Paragraph)
    assert isinstance(after, Paragraph)
    assert all(isinstance(inline, Text) for inline in (*name.inlines, *after.inlines)), "no link is made of a name"


FIX = Fix("shop", "f1", "p1", "FL-1", "d", "support", "v*2", AS_OF, "det", "deployment")
CLAIM = replace(FIX, source="ticket", deployment_id="", prompt_name=None, prompt_version=None)


def deployed(fix: Fix, **arguments: Any) -> str:
    (event,) = plan_deployed_comments([fix], {"f1": "2026-03-16"}, **arguments)
    assert (event.kind, event.event_key, event.occurred_at) == ("comment", f"deployed:{fix.fix_id}", fix.deployed_at)
    return words(event.body)


def test_a_recorded_deployment_is_said_on_its_ticket_with_the_day_of_the_verdict() -> None:
    said = "A fix was deployed on 2026-03-02 with prompt version v*2. The first verdict comes on 2026-03-16."
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
    assert first == "A fix was deployed on 2026-03-02. The first verdict comes on 2026-03-16."
    assert second == says


def test_the_field_is_called_as_the_tracker_calls_it() -> None:
    assert "set the field resolved_at of" in deployed(replace(CLAIM, origin="fix version 1"), field="resolved_at")


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
