"""What a verdict says and does: in words that need no statistics, and never against what people did."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.documents import Paragraph, Text
from feedback_loop.records import NOT_REDUCED, Verdict, Verification
from feedback_loop.route import (
    Regression,
    Reopening,
    UpdatePolicy,
    plan_regression_events,
    plan_verdict_events,
    regression_sentence,
    verdict_document,
    verdict_sentence,
)
from feedback_loop.tracker import Ticket, TicketEvent, TicketStatus
from feedback_loop_tests.route.test_updates import AS_OF, FIX, KEY, ticket, words

POLICY = UpdatePolicy()


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
        "may_close": True,
    }
    return Verification(**(values | fields))


def plan(*looks: Verification, on: Ticket | None = None, **arguments: Any) -> list[TicketEvent]:
    values: dict[str, Any] = {"fixes": (), "as_of": AS_OF, "policy": POLICY}
    tickets = {KEY: on if on is not None else ticket()}
    return plan_verdict_events(looks, {KEY: "Broken *links*", ("other", "p1"): "x"}, tickets, **(values | arguments))


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
    (event,) = plan_verdict_events([verification(verdict="worse")], {}, {}, (), AS_OF, POLICY)
    assert event.kind == "comment"


BAD = verification(verdict="ineffective")


def loop(days: int) -> Reopening:
    return Reopening(AS_OF - timedelta(days=days), by_people=False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "the ticket is reopened. It needs further work."),
        ({"on": ticket("open")}, "the ticket stays open. It needs further work."),
        ({"on": ticket("wont_do")}, "stays as it is, because people decided that it will not be fixed."),
        ({"on": ticket("duplicate")}, "stays as it is, because people made it a duplicate of another ticket."),
        ({"on": ticket("duplicate", duplicate_of="UX-7")}, "because people made it a duplicate of UX-7."),
        ({"policy": UpdatePolicy(may_reopen=False)}, "not reopened by itself, because the settings leave that"),
        ({"as_of": AS_OF + timedelta(days=47)}, "because the fix was deployed more than 60 days ago."),
        ({"reopened": {KEY: [loop(9)]}}, "because it was already reopened on 21 February 2026."),
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
    assert [e.kind for e in plan(BAD, reopened={KEY: [loop(days)]})] == [kind]
    by_people = Reopening(AS_OF - timedelta(days=max(days, 1)), by_people=True)
    assert [e.kind for e in plan(BAD, reopened={KEY: [by_people]})] == ["comment" if days < 14 else "reopen"]


def test_two_fixes_that_fail_on_one_day_reopen_their_ticket_once_however_often_that_is_planned() -> None:
    looks = [BAD, replace(BAD, fix_id="f2")]
    first = plan(*looks)
    assert [(e.event_key, e.kind) for e in first] == [("verdict:f1:14", "reopen"), ("verdict:f2:14", "comment")]
    assert plan(*reversed(looks), reopened={KEY: [loop(0)]}) == first


def test_a_ticket_is_not_reopened_while_a_later_fix_is_to_be_judged() -> None:
    own = replace(FIX, deployed_at=AS_OF - timedelta(days=14))
    later = replace(FIX, fix_id="f2", deployed_at=AS_OF - timedelta(days=1))
    (event,) = plan(BAD, fixes=[own, later])
    assert event.kind == "comment"
    assert words(event.body).endswith("the fix of 1 March 2026 is judged. Until then the ticket stays as it is.")
    for other in (own, replace(later, pattern_id="p2"), replace(own, fix_id="f0", deployed_at=own.deployed_at)):
        assert [e.kind for e in plan(BAD, fixes=[own, other])] == ["reopen"]


@pytest.mark.parametrize(("days", "kind"), [(3, "comment"), (20, "close")])
def test_what_people_reopened_since_the_deployment_is_not_closed(days: int, kind: str) -> None:
    by_people = Reopening(AS_OF - timedelta(days=days), by_people=True)
    (event,) = plan(verification(), on=ticket("reopened"), reopened={KEY: [by_people]})
    assert event.kind == kind
    assert ("because people reopened it on 27 February 2026." in words(event.body)) == (kind == "comment")
    assert [e.kind for e in plan(verification(), on=ticket("reopened"), reopened={KEY: [loop(3)]})] == ["close"]
    just_now = Reopening(AS_OF + timedelta(hours=9), by_people=True)  # after the days that the look is about
    assert [e.kind for e in plan(verification(), on=ticket("reopened"), reopened={KEY: [just_now]})] == ["comment"]


@pytest.mark.parametrize("status", ["open", "reopened"])
def test_a_ticket_whose_status_people_set_is_not_closed(status: Any) -> None:
    (event,) = plan(verification(), on=ticket(status, is_set_by_people=True))
    assert event.kind == "comment"
    assert words(event.body).endswith("stays as it is, because people set its status. Close it if you agree.")
    (done,) = plan(verification(), on=ticket("done", is_set_by_people=True))
    assert words(done.body).endswith("the ticket stays closed.")


@pytest.mark.parametrize(
    ("status", "says"), [("open", "close the ticket if you agree."), ("done", "the ticket stays closed.")]
)
def test_the_loop_closes_nothing_where_that_is_left_to_people(status: Any, says: str) -> None:
    (event,) = plan(verification(), on=ticket(status), policy=UpdatePolicy(may_close=False))
    assert event.kind == "comment"
    assert words(event.body).endswith(says)


BACK = Regression("shop", "p1", "f1", AS_OF - timedelta(days=40), date(2026, 2, 24), AS_OF, 41, 12.3, 0.99)


def regress(*found: Regression, on: Ticket | None = None, **arguments: Any) -> list[TicketEvent]:
    values: dict[str, Any] = {"fixes": (), "as_of": AS_OF, "policy": POLICY}
    tickets = {KEY: on if on is not None else ticket("closed")}
    return plan_regression_events(found or (BACK,), {KEY: "Broken *links*"}, tickets, **(values | arguments))


def test_a_pattern_that_is_back_after_its_fix_is_told_and_its_ticket_reopened() -> None:
    (event,) = regress()
    assert (event.event_key, event.kind, event.occurred_at) == ("regression:f1:2026-03-02", "reopen", AS_OF)
    assert words(event.body) == (
        "Broken *links*: Back after a fix that had helped: 41 affected sessions since 24 February 2026, where about 12 "
        "were to be expected if the fix still held. That is more than chance (99% certain).\n"
        "What happens next: the ticket is reopened. It needs further work."
    )
    assert "1 affected session since" in regression_sentence(replace(BACK, n_seen=1))


@pytest.mark.parametrize("status", get_args(TicketStatus))
def test_who_is_told_that_a_pattern_is_back_and_what_is_reopened(status: Any) -> None:
    kinds = {"done": ["reopen"], "closed": ["reopen"], "open": ["comment"], "reopened": ["comment"]}
    events = regress(on=ticket(status))
    assert [e.kind for e in events] == kinds.get(status, [])
    assert all(("stays open" in words(e.body)) == (e.kind == "comment") for e in events)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"policy": UpdatePolicy(may_reopen=False)}, "because the settings leave that to people."),
        ({"as_of": AS_OF + timedelta(days=61)}, "because that was more than 60 days ago."),
        ({"reopened": {KEY: [loop(9)]}}, "because it was already reopened on 21 February 2026."),
        ({"fixes": [replace(FIX, fix_id="f2", deployed_at=AS_OF - timedelta(days=1))]}, "of 1 March 2026 is judged."),
    ],
)
def test_a_regression_reopens_under_the_same_rules_as_a_verdict(arguments: dict[str, Any], says: str) -> None:
    (event,) = regress(**arguments)
    assert (event.kind, says in words(event.body)) == ("comment", True)


def test_a_regression_that_is_found_day_after_day_is_told_once_in_a_while() -> None:
    days = [replace(BACK, as_of=AS_OF + timedelta(days=n)) for n in range(29)]
    told = [e.occurred_at for e in regress(*days[::-1], as_of=days[-1].as_of)]
    assert told == [AS_OF, AS_OF + timedelta(days=14), AS_OF + timedelta(days=28)]
    assert regress(told={KEY: AS_OF - timedelta(days=13)}) == []
    assert len(regress(told={KEY: AS_OF - timedelta(days=14)})) == 1


def test_the_next_look_is_announced_and_a_broken_pipe_is_not_waited_for() -> None:
    next_look = AS_OF.replace(day=9)
    (waits,) = plan(verification(verdict="inconclusive", next_look_at=next_look))
    assert words(waits.body).endswith("the next look comes on 9 March 2026. Until then there is nothing to do.")
    (broken,) = plan(verification(verdict="pending", reason="is the pipe broken?", next_look_at=next_look))
    assert words(broken.body).endswith("the next look comes on 9 March 2026.")
    (last,) = plan(verification(verdict="pending"))
    assert words(last.body).endswith("nothing by itself: this was the last look at this fix. A person decides.")


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
