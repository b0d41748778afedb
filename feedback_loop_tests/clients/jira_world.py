"""An emulated Jira, Cloud or Data Center, and a tracker on it that waits on the emulator's clock."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from feedback_loop.clients.jira import JiraTracker
from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.documents import plain
from feedback_loop.route.policy import RouteTarget
from feedback_loop.testing.jira_emulator import Issue, JiraEmulator
from feedback_loop.tracker import Attachment, TicketEvent, TicketRef, TrackerState
from feedback_loop_tests.store.test_tickets import ticket as make_ticket

TICKET = make_ticket(ticket_number=1, title="Broken links", priority=2)
CHART = Attachment("feedback-loop-trend.png", b"\x89PNG chart")
EventKind = Literal["comment", "reopen", "close"]
ASSET_URL = "https://dagster.example.com/assets/pattern_cards"


@dataclass
class World:
    """One Jira and what we do there."""

    jira: JiraEmulator
    is_cloud: bool
    policy: JiraPolicy = field(default_factory=JiraPolicy)
    slept: list[float] = field(default_factory=list)

    def connect(
        self, token: str = "jira-token", targets: Mapping[str, RouteTarget] | None = None, **policy: Any
    ) -> JiraTracker:
        """A tracker on it; to be closed."""
        return JiraTracker(
            replace(self.policy, **policy),
            token,
            "bot@example.com" if self.is_cloud else None,
            targets=targets,
            asset_url=ASSET_URL,
            now=lambda: self.jira.now,
            sleep=self.sleep,
            jitter=lambda: 0.0,
        )

    def sleep(self, seconds: float) -> None:
        """Time passes in the emulator only."""
        self.slept.append(seconds)
        self.jira.advance(seconds)

    def reset(self) -> None:
        """Empty again."""
        self.jira.reset()
        self.slept.clear()

    def issue(self, ref: TicketRef) -> Issue:
        """As the emulator holds it."""
        found = self.jira.find(ref.issue_id)
        assert found is not None
        return found


@contextmanager
def open_world(personality: Any, **emulator: Any) -> Iterator[World]:
    """An empty Jira with the projects FL, MODEL and UX."""
    with JiraEmulator(personality, projects=("FL", "MODEL", "UX"), **emulator) as jira:
        policy = JiraPolicy(
            jira.base_url,
            project="FL",
            deployed_field="customfield_10042",
            read_timeout_s=0.5,
        )
        yield World(jira, personality == "cloud", policy=policy)


def fetched(tracker: JiraTracker, ref: TicketRef) -> TrackerState:
    """The state of an issue that must be there."""
    state = tracker.fetch(ref)
    assert state is not None
    return state


def said(kind: EventKind = "comment", key: str = "e1", body: str = "Said.") -> TicketEvent:
    """Something to say on `TICKET`, or to do."""
    return TicketEvent(TICKET.application, TICKET.pattern_id, key, kind, plain(body), TICKET.created_at)


def writes(world: World) -> list[str | None]:
    return [request.route for request in world.jira.requests if request.method != "GET"]
