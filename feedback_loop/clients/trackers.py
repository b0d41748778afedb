"""Which tracker holds the tickets: files or Jira.

Belongs here: the choice, and making the one that was chosen. Does not belong here: a tracker (`local_tracker.py`,
`jira.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import Tracker


@dataclass(frozen=True)
class TrackerPolicy:
    """Where tickets live, and how freely the loop writes there.

    Attributes:
        tracker: `local` for Markdown files, or `jira`.
        needs_release: new tickets wait as files until a person releases them.
        is_dry_run: what would be made and said is listed, and nothing is written to the tracker.
        jira: where in Jira.
    """

    tracker: Literal["local", "jira"] = "local"
    needs_release: bool = False
    is_dry_run: bool = False
    jira: JiraPolicy = field(default_factory=JiraPolicy)

    @property
    def field_name(self) -> str:
        """What people call the place in a ticket where they write when a fix was deployed."""
        return "resolved_at" if self.tracker == "local" else "Deployed at"


@contextmanager
def open_tracker(
    policy: TrackerPolicy,
    targets: Mapping[str, RouteTarget],
    environment: Environment,
    directory: Path,
    asset_url: str | None,
    now: Callable[[], datetime],
) -> Iterator[Tracker]:
    """The tracker that the settings name, until the block ends. Jira is signed in to at once.

    Args:
        policy: which.
        targets: route -> where its tickets go in Jira.
        environment: with Jira's credentials.
        directory: of the local tracker.
        asset_url: page that tickets link to.
        now: the clock, for pauses that Jira asks for.

    Raises:
        ConfigurationError: credentials or places are missing; says which.
        TrackerRefused, TrackerUnavailable: Jira does not let us in, or does not answer.
    """
    if policy.tracker == "local":
        yield LocalTracker(directory)
        return
    from feedback_loop.clients.jira import JiraTracker  # a large client: only where it is used

    if not environment.jira_token:
        raise ConfigurationError("tracker: jira needs the environment variable FEEDBACK_LOOP_JIRA_TOKEN")
    with JiraTracker(
        policy.jira, environment.jira_token, environment.jira_email, targets=targets, asset_url=asset_url, now=now
    ) as jira:
        yield jira
