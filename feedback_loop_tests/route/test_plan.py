"""Which patterns earn a ticket, in which order, where they go, and what has to wait."""

from typing import Any

import pandas as pd
import pydantic
import pytest

from feedback_loop.config import Settings, policy_version
from feedback_loop.decisions import EffectiveDecisions
from feedback_loop.records import PatternState
from feedback_loop.route import ROUTES, HeldPattern, RoutePolicy, RouteTarget, TicketPlan, plan_tickets
from feedback_loop_tests.store.test_patterns import state

POLICY = RoutePolicy(max_new_tickets=3)
LOOKS = (14, 21, 28, 42)
ROW: dict[str, Any] = {
    "n_occurrences": 20,
    "n_sessions": 18,
    "n_users": 9,
    "n_inferred": 0,
    "affected": 18.0,
    "exposures": 1463.0,
    "rate": 0.0123,
}


def plan(*patterns: tuple[PatternState, dict[str, Any]], **options: Any) -> TicketPlan:
    rows = [ROW | {"pattern_id": p.pattern_id, "rank": n} | numbers for n, (p, numbers) in enumerate(patterns, start=1)]
    given: dict[str, Any] = {"has_ticket": frozenset(), "looks": LOOKS, "policy": POLICY} | options
    return plan_tickets([p for p, _ in patterns], pd.DataFrame(rows), **given)


@pytest.mark.parametrize(
    ("numbers", "fields", "earns"),
    [
        ({}, {}, True),
        ({"n_occurrences": 10, "n_users": 3}, {}, True),
        ({"n_occurrences": 9}, {}, False),
        ({"n_users": 2}, {}, False),
        ({}, {"status": "regressed"}, True),
        ({}, {"status": "candidate"}, False),
        ({}, {"status": "dormant"}, False),
    ],
)
def test_floors(numbers: dict[str, Any], fields: dict[str, Any], earns: bool) -> None:
    planned = plan((state(**fields), numbers))
    assert (len(planned.drafts), planned.held) == (earns, ())


def test_the_first_by_rank_get_the_weeks_tickets_and_the_rest_is_held() -> None:
    planned = plan(*((state(f"p{n}", name=f"Name {n}"), {"rank": 6 - n}) for n in range(1, 6)))
    assert [d.pattern_id for d in planned.drafts] == ["p5", "p4", "p3"]
    assert planned.held == (
        HeldPattern("p2", "product change", 4, "Name 2"),
        HeldPattern("p1", "product change", 5, "Name 1"),
    )


def test_a_pattern_with_a_ticket_gets_no_second_and_takes_no_place() -> None:
    planned = plan(*((state(f"p{n}"), {}) for n in range(1, 6)), has_ticket=frozenset({"p1", "p3"}))
    assert [d.pattern_id for d in planned.drafts] == ["p2", "p4", "p5"]
    assert planned.held == ()


def test_what_people_decided_counts() -> None:
    decided = EffectiveDecisions(
        names={"p1": "A better name"}, causes={"p1": "model"}, muted=frozenset({"p2"}), merges={"p3": "p1"}
    )
    (draft,) = plan(*((state(f"p{n}"), {}) for n in (1, 2, 3)), decided=decided).drafts
    assert (draft.pattern_id, draft.title, draft.route) == ("p1", "A better name", "model limitation")


def test_a_week_without_patterns_plans_nothing() -> None:
    empty = pd.DataFrame(columns=["pattern_id", "rank", *ROW])
    assert plan_tickets([], empty, frozenset(), LOOKS, POLICY) == TicketPlan()


@pytest.mark.parametrize(("cause", "route"), ROUTES.items())
def test_the_cause_decides_where_it_goes(cause: str, route: str) -> None:
    assert plan((state(likely_cause=cause), {})).drafts[0].route == route


def test_priority_follows_severity_and_the_first_three_are_one_step_higher() -> None:
    def priorities(rank: int) -> list[int]:
        return [plan((state(severity=s), {"rank": rank})).drafts[0].priority for s in (1, 2, 3, 4)]

    assert priorities(9) == [4, 3, 2, 1]
    assert priorities(3) == [3, 2, 1, 1]


def test_every_route_has_a_queue_of_its_own_and_a_team_may_say_more() -> None:
    ours = RouteTarget(project="RES", issue_type="Research", labels=("llm", "llm"), components=("core",))
    policy = RoutePolicy(targets={"model": ours})
    assert policy.target("model limitation") == RouteTarget(
        "RES", "Research", ("model-limitation", "llm"), ("core",), ours.priorities
    )
    assert len({policy.target(route).labels for route in ROUTES.values()}) == len(ROUTES)
    assert policy.target("triage") == RouteTarget(labels=("triage",))
    with pytest.raises(ValueError, match=r"routes are prompt fix, .*; got 'nowhere'"):
        policy.target("nowhere")


@pytest.mark.parametrize("label", ["two words", "", "tab\t", "x" * 256])
def test_a_label_that_no_tracker_takes_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="labels have no blanks"):
        RouteTarget(labels=(label,))


def test_a_priority_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"named for 1 \(highest\) to 4, got \[0, 5\]"):
        RouteTarget(priorities={5: "Trivial", 1: "High", 0: "Blocker"})


def test_targets_are_settings() -> None:
    given = {"route": {"targets": {"model": {"project": "RES", "labels": ["llm"], "priorities": {1: "P1"}}}}}
    policy = Settings.model_validate(given).route
    assert policy.targets == {"model": RouteTarget("RES", labels=("llm",), priorities={1: "P1"})}
    assert policy_version(policy) != policy_version(RoutePolicy())


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ({"modell": {}}, "Input should be 'prompt', 'retrieval'"),
        ({"model": {"projekt": "X"}}, "Unexpected keyword argument"),
        ({"model": {"priorities": {5: "X"}}}, "priorities are named for 1"),
        ({"model": {"labels": ["a b"]}}, "labels have no blanks"),
    ],
)
def test_a_wrong_target_is_an_error(targets: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        Settings.model_validate({"route": {"targets": targets}})
