"""The people ship what the plan says, when it says, for the tickets that are really about it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from feedback_loop.testing.people import Decision, Driver
from feedback_loop.testing.simulator import Simulator
from feedback_loop.testing.simulator_plan import FAILURES, SimulatorSettings, planned_deployments

SETTINGS = SimulatorSettings()
WORLD = {f"{failure.failure_id}-{n}": failure.failure_id for failure in FAILURES for n in range(10)}


def members_of(failure_id: str, n: int = 10) -> list[str]:
    return [f"{failure_id}-{k}" for k in range(n)]


def monday(index: int) -> datetime:
    return SETTINGS.week_start(index)


def shipped(decisions: Sequence[Decision]) -> list[tuple[str, ...]]:
    return [decision.deployment.planted_failures for decision in decisions]


@pytest.fixture
def driver() -> Driver:
    return Driver(SETTINGS, WORLD)


class TestRecognition:
    def test_majority_of_the_members_with_a_known_failure(self, driver: Driver) -> None:
        members = {
            "FL-1": members_of("dead_link", 6) + members_of("wrong_tone", 4) + ["noise"] * 50,
            "FL-2": members_of("dead_link", 4) + members_of("wrong_tone", 4) + members_of("times_out", 4),
            "FL-3": ["noise"] * 9,
        }
        driver.decide([(key, "open") for key in members], members, monday(1))
        failure = driver.planted_failure("FL-1")
        assert failure is not None
        assert failure.failure_id == "dead_link"
        assert driver.planted_failure("FL-2") is None
        assert driver.planted_effect("FL-3") == "no planted failure"
        assert driver.planted_effect("FL-9") == "no planted failure"

    def test_the_truth_may_grow(self) -> None:
        simulator = Simulator(SimulatorSettings(sessions_per_week=200))
        driver = Driver(simulator.settings, simulator.failed_interactions)
        list(simulator.week(0))
        failed = [i for i, f in simulator.failed_interactions.items() if f == "outdated_prices"]
        assert shipped(driver.decide([("FL-1", "open")], {"FL-1": failed}, monday(1))) == [("outdated_prices",)]


class TestTiming:
    def test_a_change_ships_two_to_four_days_after_the_ticket(self, driver: Driver) -> None:
        decisions = driver.decide([("FL-1", "open")], {"FL-1": members_of("outdated_prices")}, monday(1))
        assert [d.deployment.deployed_at for d in decisions] == [monday(1) + timedelta(days=2, hours=10)]
        assert decisions[0].deployment.prompt_version is None

    def test_a_longer_change_is_decided_in_the_week_in_which_it_ships(self, driver: Driver) -> None:
        tickets, members = [("FL-1", "open")], {"FL-1": members_of("invented_menu")}
        assert driver.decide(tickets, members, monday(1)) == []
        later = driver.decide(tickets, members, monday(2))
        assert [d.deployment.deployed_at for d in later] == [monday(1) + timedelta(days=9, hours=10)]

    def test_prompt_fixes_of_one_slot_are_one_release_with_a_canary(self, driver: Driver) -> None:
        tickets = [("FL-1", "open"), ("FL-2", "open"), ("FL-3", "open")]
        members = {
            "FL-1": members_of("ignores_format"),
            "FL-2": members_of("wrong_tone"),
            "FL-3": members_of("wrong_tone", 5),
        }
        assert driver.decide(tickets, members, monday(1)) == []
        (release,) = driver.decide(tickets, members, monday(2))
        assert release.deployment.prompt_version == "2"
        assert release.deployment.planted_failures == ("ignores_format", "wrong_tone")
        assert release.tickets == ("FL-1", "FL-2", "FL-3")
        canary, full = release.records
        assert (canary["rollout_share"], canary["fixes"]) == (0.2, [])
        assert (full["rollout_share"], full["fixes"]) == (1.0, ["FL-1", "FL-2", "FL-3"])
        assert canary["deployed_at"] < full["deployed_at"] == "2026-01-21T16:00:00.000Z"

    def test_the_next_release_gets_the_next_version(self, driver: Driver) -> None:
        driver.decide([("FL-1", "open")], {"FL-1": members_of("ignores_format")}, monday(2))
        (release,) = driver.decide([("FL-2", "open")], {"FL-2": members_of("long_winded")}, monday(5))
        assert release.deployment.prompt_version == "3"

    def test_a_week_missed_is_made_up_for(self, driver: Driver) -> None:
        tickets, members = [("FL-1", "open")], {"FL-1": members_of("invented_menu")}
        driver.decide(tickets, members, monday(1))
        assert driver.decide(tickets, members, monday(4)) == []
        (late,) = driver.decide(tickets, members, monday(5))
        assert late.deployment.deployed_at >= monday(5)


class TestAttempts:
    def test_each_attempt_ships_once_and_the_second_needs_a_reopened_ticket(self, driver: Driver) -> None:
        members = {"FL-1": members_of("article_not_found")}
        assert len(driver.decide([("FL-1", "open")], members, monday(1))) == 1
        assert driver.planted_effect("FL-1") == "does nothing"
        assert driver.decide([("FL-1", "open")], members, monday(2)) == []
        (second,) = driver.decide([("FL-1", "reopened")], members, monday(4))
        assert second.deployment.deployed_at == monday(4) + timedelta(days=3, hours=10)
        assert driver.planted_effect("FL-1") == "cuts 92%"
        assert driver.decide([("FL-1", "reopened")], members, monday(5)) == []

    def test_nobody_fixes_what_the_plan_leaves(self, driver: Driver) -> None:
        members = {"FL-1": members_of("times_out")}
        for index in range(1, 12):
            assert driver.decide([("FL-1", "reopened")], members, monday(index)) == []
        assert driver.planted_effect("FL-1") == "not fixed"

    def test_done_tickets_are_known_but_not_worked_on(self, driver: Driver) -> None:
        members = {"FL-1": members_of("outdated_prices")}
        assert driver.decide([("FL-1", "closed")], members, monday(1)) == []
        assert driver.planted_failure("FL-1") is not None

    def test_two_tickets_of_one_failure_share_the_deployment(self, driver: Driver) -> None:
        members = {"FL-1": members_of("outdated_prices"), "FL-2": members_of("outdated_prices", 3)}
        (decision,) = driver.decide([("FL-2", "open"), ("FL-1", "open")], members, monday(1))
        assert decision.tickets == ("FL-1", "FL-2")
        assert decision.arguments == (
            "deployed", "-", "--fixes", "FL-1", "--fixes", "FL-2", "--at", "2026-01-14T10:00:00.000Z",
        )  # fmt: skip
        assert driver.planted_effect("FL-2") == "cuts 90%, returns after 35 days"


def test_with_perfect_tickets_the_people_follow_the_plan(driver: Driver) -> None:
    """Tickets on the Monday after each failure's first week, reopened when the plan says so, give the planned dates."""
    planned = planned_deployments(SETTINGS)
    keys = {failure.failure_id: f"FL-{n}" for n, failure in enumerate(FAILURES)}
    members = {key: members_of(failure_id) for failure_id, key in keys.items()}
    for index in range(1, SETTINGS.n_weeks):
        tickets = []
        for failure in FAILURES:
            if index > failure.starts_in_week:
                first = next((d for d in planned if failure.failure_id in d.planted_failures), None)
                lost = 14 + (failure.attempts[0].returns_after_days or 0) if failure.attempts else 0
                is_reopened = first is not None and first.deployed_at + timedelta(days=lost) <= monday(index)
                tickets.append((keys[failure.failure_id], "reopened" if is_reopened else "open"))
        driver.decide(tickets, members, monday(index))
    assert list(driver.deployments) == planned
