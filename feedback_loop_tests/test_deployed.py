"""When a ticket's fix was deployed, and that its fixes follow the ticket without losing what was judged."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.deployed import (
    DeployedAt,
    DeployedPolicy,
    FixChange,
    reconcile_fixes,
    resolve_deployed_at,
)
from feedback_loop.documents import plain
from feedback_loop.records import Fix
from feedback_loop.tracker import StatusChange, Ticket, TrackerState

POLICY = DeployedPolicy()
AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
CREATED = datetime(2026, 1, 12, tzinfo=UTC)
STATUSES = ("open", "reopened", "done", "closed", "wont_do", "duplicate", "cancelled", "gone")


def at(day: int, hour: int = 10) -> datetime:
    return datetime(2026, 2, day, hour, tzinfo=UTC)


def state(**fields: Any) -> TrackerState:
    return TrackerState(**({"ticket_key": "FL-1", "status": "done"} | fields))


FULL = state(
    deployed_at=at(5),
    released=(("4.3", date(2026, 2, 9)), ("4.2", date(2026, 2, 6))),
    changes=(StatusChange(at(3), "Open", "In progress"), StatusChange(at(7), "In progress", "Released")),
    resolved_at=at(8),
    done_since=at(9),
)


def test_the_best_source_there_is_counts() -> None:
    found, now = [], FULL
    for without in ({"deployed_at": None}, {"released": ()}, {"changes": ()}, {"resolved_at": None}, {}):
        found.append(resolve_deployed_at(now, AS_OF, POLICY))
        now = replace(now, **without)
    assert found == [
        DeployedAt(at(5), "the field Deployed at", "instant", "high"),
        DeployedAt(at(6, 0), "fix version 4.2", "day", "medium"),
        DeployedAt(at(7), "status Released", "instant", "medium"),
        DeployedAt(at(8), "the resolution date", "instant", "low"),
        DeployedAt(at(9), "the day it was marked done", "instant", "low"),
    ]
    assert resolve_deployed_at(state(), AS_OF, POLICY) is None


def test_an_open_ticket_is_believed_its_field_and_version_but_no_date_of_a_click() -> None:
    assert resolve_deployed_at(replace(FULL, status="open"), AS_OF, POLICY) is not None
    clicks = replace(FULL, status="open", deployed_at=None, released=())
    assert resolve_deployed_at(clicks, AS_OF, POLICY) is None


@pytest.mark.parametrize("status", ["wont_do", "duplicate", "cancelled", "gone"])
def test_a_ticket_that_ended_otherwise_has_no_deployment(status: Any) -> None:
    assert resolve_deployed_at(replace(FULL, status=status), AS_OF, POLICY) is None


@pytest.mark.parametrize(
    "planned", [{"deployed_at": at(20)}, {"deployed_at": None, "released": (("5", date(2026, 2, 19)),)}]
)
def test_what_is_to_come_does_not_give_way_to_a_worse_word(planned: dict[str, Any]) -> None:
    """Resolved, and live next week: it is not live yet."""
    later = replace(FULL, **planned)
    assert resolve_deployed_at(later, at(10), POLICY) is None
    assert resolve_deployed_at(later, AS_OF, POLICY) is not None
    assert resolve_deployed_at(FULL, at(5, 9), POLICY) is None
    assert resolve_deployed_at(replace(FULL, deployed_at=None), at(6, 0), POLICY) is None, "that day has not begun"


def test_a_version_or_field_of_the_day_of_the_reopening_counts() -> None:
    by_version = state(status="reopened", released=(("4.2", date(2026, 2, 5)), ("4.3", date(2026, 2, 6))))
    by_field = state(status="reopened", deployed_at=at(6, 0))
    for of in (by_version, by_field):
        found = resolve_deployed_at(of, AS_OF, POLICY, reopened_at=at(6, 9))
        assert found is not None
        assert (found.at, found.precision) == (at(6, 0), "day")
        assert resolve_deployed_at(of, AS_OF, POLICY, reopened_at=at(7, 0)) is None
    to_the_minute = state(status="reopened", deployed_at=at(6, 8))
    assert resolve_deployed_at(to_the_minute, AS_OF, POLICY, reopened_at=at(6, 9)) is None


def test_a_time_before_the_reopening_is_that_of_an_earlier_attempt() -> None:
    stale = replace(FULL, resolved_at=at(20), done_since=at(20))
    found = resolve_deployed_at(stale, AS_OF, POLICY, reopened_at=at(12))
    assert found == DeployedAt(at(20), "the resolution date", "instant", "low")
    assert resolve_deployed_at(stale, AS_OF, POLICY, reopened_at=at(20)) is None


def test_midnight_in_the_field_is_a_day() -> None:
    found = resolve_deployed_at(state(deployed_at=at(5, 0)), AS_OF, POLICY, field="resolved_at")
    assert found == DeployedAt(at(5, 0), "the field resolved_at", "day", "high")


def test_times_of_other_zones_become_utc() -> None:
    local = datetime(2026, 2, 5, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    found = resolve_deployed_at(state(deployed_at=local), AS_OF, POLICY)
    assert found is not None
    assert (found.at, found.at.tzinfo) == (local, UTC)


@pytest.mark.parametrize(
    ("path", "done_since", "entered"),
    [
        (["Released"], None, 1),
        (["released "], None, 1),
        (["Released", "Open"], None, None),
        (["Released", "Open", "Deployed"], None, 3),
        (["Deployed", "Released"], None, 1),  # two words for the same: live since the first
        (["Released", "Done"], 2, 1),  # on to another status that counts as done
        (["Released", "Done", "Closed"], 2, 1),
        (["Released", "QA", "Done"], 3, None),  # back, and not released again
        (["Done", "Released", "Closed"], 1, 2),
        (["Done", "Open", "Done"], 3, None),
    ],
)
def test_the_deployed_status_counts_unless_it_was_left_again(
    path: list[str], done_since: int | None, entered: int | None
) -> None:
    steps = zip(["Open", *path[:-1]], path, strict=True)
    changes = tuple(StatusChange(at(day), before, after) for day, (before, after) in enumerate(steps, start=1))
    since = None if done_since is None else at(done_since) + timedelta(milliseconds=40)
    found = resolve_deployed_at(state(changes=changes[::-1], done_since=since), AS_OF, POLICY)
    by_status = None if found is None or not found.origin.startswith("status ") else found.at
    assert by_status == (None if entered is None else at(entered))


def test_a_status_is_named() -> None:
    with pytest.raises(ValueError, match="deployed_statuses"):
        DeployedPolicy((" ",))


TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 4, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis wants bounds without zone)
CHANGES = st.builds(StatusChange, TIMES, st.just("Open"), st.sampled_from(["Open", "Released", "Done", "deployed"]))
STATES = st.builds(
    TrackerState,
    ticket_key=st.just("FL-1"),
    status=st.sampled_from(STATUSES),
    deployed_at=st.none() | TIMES,
    released=st.lists(st.tuples(st.sampled_from(["4.1", "4.2"]), TIMES.map(lambda t: t.date())), max_size=3).map(tuple),
    changes=st.lists(CHANGES, max_size=5).map(tuple),
    resolved_at=st.none() | TIMES,
    done_since=st.none() | TIMES,
)


@given(STATES, TIMES, st.none() | TIMES)
def test_never_in_the_future_nor_of_an_earlier_attempt(
    of: TrackerState, as_of: datetime, reopened_at: datetime | None
) -> None:
    found = resolve_deployed_at(of, as_of, POLICY, reopened_at)
    if found is not None:
        assert found.at < as_of
        if reopened_at is not None and found.precision == "day":
            assert found.at.date() >= reopened_at.date()
        elif reopened_at is not None:
            assert found.at > reopened_at
        assert of.status in ("open", "reopened", "done", "closed")
        assert found.precision == "instant" or found.at.time() == datetime.min.time()


@given(STATES, TIMES, TIMES)
def test_what_was_known_stays_known(of: TrackerState, one: datetime, other: datetime) -> None:
    early, late = sorted((one, other))
    if resolve_deployed_at(of, early, POLICY) is not None:
        assert resolve_deployed_at(of, late, POLICY) is not None


TICKET = Ticket("shop", "p1", 1, "FL-1", "done", "triage", 2, "t", plain("b"), CREATED.date(), CREATED, "det")
RESOLVED = DeployedAt(at(5), "the resolution date", "instant", "low")


def fix_of(found: DeployedAt = RESOLVED, ticket: Ticket = TICKET) -> Fix:
    added = reconcile_fixes([], found, ticket, frozenset()).add
    assert added is not None
    return added


def deployment(deployed_at: datetime) -> Fix:
    return Fix("shop", "p1@support@v2", "p1", "FL-1", "d", "support", "v2", deployed_at, "det", "deployment")


def test_a_ticket_that_is_done_is_a_fix_with_its_source() -> None:
    fix = fix_of()
    assert fix == Fix(
        application="shop",
        fix_id="p1@resolved@2026-02-05T10:00:00Z@03cc9c",
        pattern_id="p1",
        ticket_key="FL-1",
        deployment_id="",
        prompt_name=None,
        prompt_version=None,
        deployed_at=at(5),
        detector_version="det",
        source="ticket",
        origin="the resolution date",
        precision="instant",
        confidence="low",
    )
    assert reconcile_fixes([fix], RESOLVED, TICKET, frozenset()) == FixChange()


def test_a_date_that_was_edited_moves_the_fix_unless_it_is_judged() -> None:
    fix, edited = fix_of(), DeployedAt(at(9, 0), "fix version 4.2", "day", "medium")
    change = reconcile_fixes([fix], edited, TICKET, frozenset())
    assert change.add == fix_of(edited)
    assert change.withdraw == ((fix.fix_id, "its date was changed to 2026-02-09, from fix version 4.2"),)
    judged = reconcile_fixes([fix], edited, TICKET, frozenset({fix.fix_id}))
    assert judged == FixChange(add=fix_of(edited)), "a later attempt, and the verdict stays"
    earlier = DeployedAt(at(2), "the field Deployed at", "instant", "high")
    assert reconcile_fixes([fix], earlier, TICKET, frozenset({fix.fix_id})) == FixChange()


@pytest.mark.parametrize(
    "corrected",
    [
        replace(RESOLVED, at=RESOLVED.at + timedelta(seconds=20)),
        replace(RESOLVED, origin="the field Deployed at", confidence="high"),
    ],
)
def test_a_correction_within_the_minute_counts_until_there_is_a_verdict(corrected: DeployedAt) -> None:
    fix = fix_of()
    change = reconcile_fixes([fix], corrected, TICKET, frozenset())
    assert change.add == fix_of(corrected)
    assert [fix_id for fix_id, _ in change.withdraw] == [fix.fix_id]
    assert reconcile_fixes([fix_of(corrected)], corrected, TICKET, frozenset()) == FixChange()
    back = reconcile_fixes([fix_of(corrected)], RESOLVED, TICKET, frozenset())
    assert back.add == fix, "under the id that it had"


def test_a_fix_known_by_another_id_stays_if_it_says_the_same() -> None:
    renamed = replace(fix_of(), fix_id="p1@resolved@2026-02-05T10:00Z", pattern_since=CREATED.date())
    assert reconcile_fixes([renamed], RESOLVED, TICKET, frozenset()) == FixChange()
    without_origin = replace(renamed, origin="", confidence="high", deployed_at=at(5) + timedelta(seconds=1))
    assert reconcile_fixes([without_origin], RESOLVED, TICKET, frozenset()) == FixChange()
    later = replace(without_origin, deployed_at=at(5) + timedelta(seconds=2))
    assert reconcile_fixes([later], RESOLVED, TICKET, frozenset()).add == fix_of()


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("reopened", "the ticket was reopened before the verdict"),
        ("open", "the ticket was reopened before the verdict"),
        ("wont_do", "the ticket says that it will not be fixed"),
        ("cancelled", "the ticket was cancelled"),
        ("done", "the ticket no longer says when it was deployed"),
    ],
)
def test_a_claim_that_was_taken_back_is_withdrawn_unless_it_is_judged(status: Any, why: str) -> None:
    fix, now = fix_of(), replace(TICKET, status=status)
    assert reconcile_fixes([fix], None, now, frozenset()) == FixChange(withdraw=((fix.fix_id, why),))
    assert reconcile_fixes([fix], None, now, frozenset({fix.fix_id})) == FixChange()


@pytest.mark.parametrize("status", ["gone", "closed"])
def test_a_ticket_that_is_gone_or_that_the_loop_closed_changes_nothing(status: Any) -> None:
    other = DeployedAt(at(20), "the resolution date", "instant", "low")
    for found in (None, other):
        assert reconcile_fixes([fix_of()], found, replace(TICKET, status=status), frozenset()) == FixChange()


def test_a_deployment_record_wins_over_what_the_ticket_says() -> None:
    fix = fix_of()
    change = reconcile_fixes([fix, deployment(at(3))], RESOLVED, TICKET, frozenset())
    assert change == FixChange(withdraw=((fix.fix_id, "a deployment record names the ticket"),))
    assert reconcile_fixes([deployment(at(3))], RESOLVED, TICKET, frozenset()) == FixChange()
    assert reconcile_fixes([deployment(CREATED)], RESOLVED, TICKET, frozenset()) == FixChange()
    before = deployment(CREATED - timedelta(days=1))
    assert reconcile_fixes([before], RESOLVED, TICKET, frozenset()).add == fix, "it was there before the ticket"
    other = replace(deployment(at(3)), pattern_id="p2")
    assert reconcile_fixes([other], RESOLVED, TICKET, frozenset()).add == fix, "of another pattern"


def test_a_second_attempt_that_nobody_recorded_is_still_a_fix() -> None:
    second = DeployedAt(at(25), "the resolution date", "instant", "low")
    first = deployment(at(3))
    assert reconcile_fixes([first], second, TICKET, frozenset({first.fix_id})) == FixChange()
    change = reconcile_fixes([first], second, TICKET, frozenset({first.fix_id}), reopened_at=at(18))
    assert change == FixChange(add=fix_of(second))


ORIGINS = st.sampled_from(["the resolution date", "status Released"])
NEAR = st.integers(0, 70).map(lambda seconds: at(5) + timedelta(seconds=seconds))
FOUND = st.none() | st.builds(DeployedAt, TIMES | NEAR, ORIGINS, st.just("instant"), st.just("low"))
STEPS = st.lists(st.tuples(FOUND, st.sampled_from(STATUSES), st.booleans(), st.none() | TIMES), min_size=1, max_size=6)


def applied(known: Sequence[Fix], change: FixChange) -> list[Fix]:
    withdrawn = {fix_id for fix_id, _ in change.withdraw}
    return [f for f in known if f.fix_id not in withdrawn] + ([change.add] if change.add else [])


@given(STEPS, st.none() | TIMES.map(deployment))
def test_applying_twice_changes_nothing_and_what_is_judged_stays(steps: list[Any], recorded: Fix | None) -> None:
    known: list[Fix] = [recorded] if recorded else []
    judged: frozenset[str] = frozenset()
    for found, status, is_judged_now, reopened_at in steps:
        ticket = replace(TICKET, status=status)
        change = reconcile_fixes(known, found, ticket, judged, reopened_at)
        before, known = known, applied(known, change)
        assert reconcile_fixes(known, found, ticket, judged, reopened_at) == FixChange()
        assert {f.fix_id for f in before if f.fix_id in judged or f.source == "deployment"} <= {f.fix_id for f in known}
        assert len({f.fix_id for f in known}) == len(known)
        assert sum(f.source == "ticket" and f.fix_id not in judged for f in known) <= 1
        judged |= {f.fix_id for f in known} if is_judged_now else set()
