"""A ticket is told new numbers only on a step that matters, once a week, and the same however often a week runs."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.route import UpdatePolicy, WeekNumbers, plan_progress_comments
from feedback_loop.tracker import Ticket, TicketEvent
from feedback_loop_tests.route.test_updates import KEY, ticket, words

W1 = date(2026, 1, 5)
POLICY = UpdatePolicy()


def monday(n: int) -> date:
    return W1 + timedelta(weeks=n)


def week(n: int, affected: int, exposures: float | None = 2000.0, **fields: Any) -> WeekNumbers:
    return WeekNumbers(monday(n), affected, float(affected), exposures, **fields)


def plan(
    weeks: Sequence[WeekNumbers], on: Ticket | None = None, said: Collection[str] = (), policy: UpdatePolicy = POLICY
) -> list[TicketEvent]:
    """Of the last of these weeks."""
    tickets = [on or ticket("open", created_week=W1)]
    return plan_progress_comments(tickets, {KEY: weeks}, {KEY: said}, weeks[-1].week, policy)


def test_a_doubling_is_told_with_the_old_and_the_new_numbers_on_one_line() -> None:
    (event,) = plan([week(0, 41), week(3, 88)])
    assert (event.kind, event.event_key) == ("comment", "numbers:p1:2026-01-26")
    assert event.occurred_at == datetime(2026, 2, 2, tzinfo=UTC)
    assert words(event.body) == (
        "Affected sessions rose: 20.5 → 44.0 of 1,000 sessions (41 in the week of 5 January 2026, 88 in the week of "
        "26 January 2026). That is more than chance."
    )
    (fell,) = plan([week(0, 88), week(3, 11)])
    assert words(fell.body).startswith("Affected sessions fell: 44.0 → 5.5 of 1,000")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (week(0, 41), week(1, 81)),  # under the factor
        (week(0, 81), week(1, 41)),
        (week(0, 6), week(1, 19)),  # too few of them
        (week(0, 10), week(1, 20)),  # that is chance: p = 0.1
        (week(0, 41), week(1, 88, dispersion=4.0)),  # bursts of a day are chance, too
        (week(0, 41), week(1, 82, exposures=4000.0)),  # twice as many, of twice as many
        (week(0, 41, exposures=None), week(1, 88)),  # not known is not zero
        (week(0, 41), week(1, 88, exposures=None)),
        (week(0, 0), week(1, 0)),
        (week(1, 41), week(2, 88)),  # nothing was told of week 1
    ],
)
def test_what_is_no_step_is_not_told(before: WeekNumbers, now: WeekNumbers) -> None:
    assert plan([before, now]) == []


def test_sessions_that_stand_for_many_are_no_more_evidence_than_they_are() -> None:
    sampled = [replace(w, affected=10.0 * w.n_sessions) for w in (week(0, 10, 20_000.0), week(1, 22, 20_000.0))]
    assert plan(sampled) == [], "10 and 22 were seen, not 100 and 220"
    assert plan([week(0, 100, 20_000.0), week(1, 220, 20_000.0)]) != []


def test_none_before_is_a_step_too() -> None:
    (event,) = plan([week(0, 0), week(1, 40)])
    assert "0.0 → 20.0 of 1,000" in words(event.body)


@pytest.mark.parametrize(
    "status", ["waiting", "planned", "done", "closed", "wont_do", "duplicate", "cancelled", "gone"]
)
def test_only_open_tickets_are_told(status: Any) -> None:
    weeks = [week(0, 41), week(3, 88)]
    assert plan(weeks, on=ticket(status, created_week=W1)) == []
    assert plan(weeks, on=ticket("reopened", created_week=W1)) != []


def test_a_change_is_measured_from_the_numbers_that_were_told_last() -> None:
    weeks = [week(0, 40), week(1, 90), week(2, 95)]
    assert plan(weeks) != [], "week 1 was not told"
    assert plan(weeks, said={"numbers:p1:2026-01-12"}) == []
    assert plan(weeks, said={"numbers:p2:2026-01-12"}) != [], "that was another ticket"


def test_a_new_segment_is_told_once_and_with_the_numbers() -> None:
    free, enterprise = ("cohort", "free"), ("cohort", "enter\u202eprise")
    weeks = [
        week(0, 41, segments=frozenset({free})),
        week(1, 44, segments=frozenset({free, enterprise, ("prompt_version", "support@v4"), ("document", "d1")})),
        week(2, 40, segments=frozenset({enterprise})),
    ]
    (event,) = plan(weeks[:2])
    assert words(event.body) == (
        "Affected sessions: 20.5 → 22.0 of 1,000 sessions (41 in the week of 5 January 2026, 44 in the week of "
        "12 January 2026).\n"
        "New in: cohort “enter prise”, prompt version “v4” of “support” (week of 12 January 2026). It happens more "
        "often there than elsewhere."
    )
    assert plan(weeks, said={event.event_key}) == []
    (documents,) = plan(weeks[:2], policy=UpdatePolicy(told_dimensions=("document",)))
    assert "New in: document “d1” (" in words(documents.body)


def test_many_new_segments_are_counted_and_a_long_name_is_cut() -> None:
    many = frozenset(("cohort", f"c{n}" * 99) for n in range(7))
    (event,) = plan([week(0, 41), week(1, 44, None, segments=many)])
    assert words(event.body).count("cohort “") == 5
    assert "…”, and 2 more (week of" in words(event.body)
    assert len(words(event.body)) < 600


@pytest.mark.parametrize("wrong", [{"exposures": 0.0}, {"exposures": float("nan")}, {"dispersion": 0.5}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="2026-01-05"):
        replace(week(0, 1), **wrong)


SEGMENTS = st.frozensets(st.tuples(st.sampled_from(["cohort", "model", "document"]), st.sampled_from("abc")))
COUNTS = st.tuples(st.integers(0, 400), st.none() | st.floats(400, 4000), st.floats(1, 5), SEGMENTS)


@given(st.lists(COUNTS, min_size=1, max_size=8))
def test_a_week_that_runs_again_says_the_same_and_no_more(counts: list[Any]) -> None:
    weeks = [week(n, *of[:2], dispersion=of[2], segments=of[3]) for n, of in enumerate(counts)]
    said: set[str] = set()
    events = []
    for n in range(len(weeks)):
        planned = plan(weeks[: n + 1], said=said)
        assert len(planned) <= 1
        events.append(planned)
        said |= {event.event_key for event in planned}
    again = [plan(weeks[: n + 1], said=said) for n in range(len(weeks))]
    assert again == events
    told = [line for planned in events for event in planned for line in words(event.body).splitlines()]
    assert len({line for line in told if line.startswith("New in")}) == sum(line.startswith("New in") for line in told)
    assert events[0] == []
