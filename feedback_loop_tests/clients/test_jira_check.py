"""What `doctor` says of a Jira before any ticket is made."""

from collections.abc import Iterator

import pytest

from feedback_loop.errors import TrackerUnavailable
from feedback_loop.route.policy import RoutePolicy, RouteTarget
from feedback_loop_tests.clients.jira_world import World, open_world

PERSONALITIES = ("cloud", "dc")


@pytest.fixture(params=PERSONALITIES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with open_world(request.param) as world:
        yield world
        assert world.jira.refused == []
        assert all(asked.method == "GET" for asked in world.jira.requests)  # looking changes nothing


def test_a_jira_that_fits_has_no_problems(world: World) -> None:
    policy = RoutePolicy()
    with world.connect(targets={route: policy.target(route) for route in ("triage", "prompt fix")}) as tracker:
        assert tracker.check() == []


def test_each_problem_is_said_once(world: World) -> None:
    targets = {
        "prompt fix": RouteTarget("NOPE"),
        "retrieval fix": RouteTarget("NOPE"),
        "product change": RouteTarget(issue_type="Epic"),
        "triage": RouteTarget(components=("Chat", "Nope"), priorities={1: "P1", 2: "high"}),
    }
    with world.connect(targets=targets, deployed_field="customfield_1", link_type="Doppelgänger") as tracker:
        found = tracker.check()
    without, there = ": tickets go without it", "in project FL, issue type Task, there is no"
    assert [(finding.text, finding.is_fatal) for finding in found] == [
        ("Jira has no project 'NOPE', or hides it from this account", True),
        ("project FL has no issue type 'Epic'; it has Bug, Task, Story", True),
        (f"{there} priority 'P1'; there is Highest, High, Medium, Low, Lowest{without}", False),
        (f"{there} component 'Nope'; there is Chat, Search{without}", False),
        ("Jira has no link type 'Doppelgänger': duplicates cannot be linked", False),
        ("Jira has no field 'customfield_1': when a fix was deployed cannot be read from it", True),
    ]


@pytest.mark.parametrize("personality", PERSONALITIES)
def test_a_screen_that_lacks_fields_says_what_that_costs(personality: str) -> None:
    with open_world(personality, fields_on_screen={"description"}) as world, world.connect() as tracker:
        where, is_not = "in project FL, issue type Task, the field", "is not on the screen"
        assert [(finding.text, finding.is_fatal) for finding in tracker.check()] == [
            (f"{where} 'labels' {is_not}: no ticket can be made without it", True),
            (f"{where} 'priority' {is_not}: tickets go without it", False),
        ]


def test_no_answer_is_no_clean_bill(world: World) -> None:
    with world.connect() as tracker:
        world.jira.fail("status", "createmeta", count=None, status=503)
        with pytest.raises(TrackerUnavailable):
            tracker.check()
