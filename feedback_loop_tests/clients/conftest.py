"""A tracker on an emulated Jira, Cloud and Data Center in turn; in the end nothing was sent that it refused."""

from collections.abc import Iterator

import pytest

from feedback_loop.clients.jira import JiraTracker
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.clients.jira_world import TICKET, World, open_world


@pytest.fixture(scope="module", params=["cloud", "dc"])
def personality(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shared_world(personality: str) -> Iterator[World]:
    with open_world(personality) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.reset()
    return shared_world


@pytest.fixture
def tracker(world: World) -> Iterator[JiraTracker]:
    with world.connect() as tracker:
        yield tracker
        assert world.jira.refused == []  # nothing was sent that Jira refuses


@pytest.fixture
def ref(tracker: JiraTracker) -> TicketRef:
    return tracker.create(TICKET)
