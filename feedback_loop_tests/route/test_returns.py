"""A reopened ticket hears once that its pattern is back in the loop, and at which rank."""

from dataclasses import replace
from datetime import UTC, date, datetime

from feedback_loop.route import plan_returns
from feedback_loop_tests.route.test_updates import KEY, ticket, words

WEEK = date(2026, 3, 2)
REOPENED = datetime(2026, 3, 3, tzinfo=UTC)


def test_a_reopened_ticket_is_told_its_rank_once() -> None:
    tickets, ranks = {KEY: ticket("reopened")}, {"p2": 1, KEY[1]: 2, "p3": 3}
    (first,) = plan_returns(tickets, {KEY: [REOPENED]}, ranks, WEEK)
    assert (first.kind, first.event_key) == ("comment", f"back:{KEY[1]}:2026-03-03")
    assert words(first.body) == (
        "Back in the weekly loop: in the week of 2 March 2026 it has rank 2 of 3 by how often it happens and how much "
        "it hurts."
    )
    (again,) = plan_returns(tickets, {KEY: [REOPENED]}, ranks, date(2026, 3, 9))
    assert again.event_key == first.event_key
    (next_time,) = plan_returns(tickets, {KEY: [REOPENED, datetime(2026, 3, 12, tzinfo=UTC)]}, ranks, date(2026, 3, 9))
    assert next_time.event_key != first.event_key


def test_a_silent_week_is_said_and_others_hear_nothing() -> None:
    (silent,) = plan_returns({KEY: ticket("reopened")}, {KEY: [REOPENED]}, {"p2": 1}, WEEK)
    assert "nobody complained of it in the week of 2 March 2026" in words(silent.body)
    assert plan_returns({KEY: ticket("open")}, {KEY: [REOPENED]}, {}, WEEK) == []
    assert plan_returns({KEY: ticket("reopened")}, {}, {}, WEEK) == []
    assert plan_returns({KEY: ticket("reopened")}, {KEY: [REOPENED]}, {}, date(2026, 2, 16)) == []


def test_the_ticket_that_speaks_for_a_pattern_is_told() -> None:
    speaking = replace(ticket("reopened"), pattern_id="p9")
    (event,) = plan_returns({KEY: speaking}, {KEY: [REOPENED]}, {KEY[1]: 1}, WEEK)
    assert (event.pattern_id, event.event_key.split(":")[1]) == ("p9", KEY[1])
