"""What the demo replaces of the world around the loop: models and Jira, each by an emulated service on loopback.

Belongs here: starting the emulators, pointing the settings at them, and letting people work in the emulated Jira. Does
not belong here: the demo's weeks (`demo.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.clients.trackers import TrackerPolicy
from feedback_loop.config import Settings, load_settings
from feedback_loop.environment import export, read_environment
from feedback_loop.records import Cause
from feedback_loop.route import RouteTarget

if TYPE_CHECKING:
    from feedback_loop.testing.jira_emulator import JiraEmulator

_DEMO_KEY, _DEMO_TOKEN, _DEMO_EMAIL = "sk-ant-demo", "demo-token", "feedback-loop@example.com"
_DEV_URL = "http://127.0.0.1:3000"  # where `feedback-loop dev` serves Dagster by itself
_TARGETS: dict[Cause, RouteTarget] = {"model": RouteTarget(project="MODEL")}


@dataclass(frozen=True)
class Surroundings:
    """What stands in for the outside.

    Attributes:
        resources: for `build_definitions`.
        jira: where tickets are, if not in files.
    """

    resources: dict[str, Any] = field(default_factory=dict)
    jira: "JiraEmulator | None" = None

    def reach(self, at: datetime) -> None:
        """It is this time now."""
        if self.jira is not None:
            self.jira.advance(max(0.0, (at - self.jira.now).total_seconds()))

    def ship(self, ticket_keys: Sequence[str], at: datetime) -> None:
        """People ship a fix, and set its tickets to done."""
        self.reach(at)
        for key in ticket_keys if self.jira is not None else ():
            self.jira.people_transition(key, "Done")  # type: ignore[union-attr]  # checked above

    def save_pages(self, folder: Path) -> list[Path]:
        """Every ticket as the page a person would see, one file each; none where tickets are files already."""
        if self.jira is None:
            return []
        folder.mkdir(parents=True, exist_ok=True)
        pages = []
        for issue in self.jira.issues:
            pages.append(folder / f"{issue.key}.html")
            pages[-1].write_text(self.jira.page(issue.key), encoding="utf-8")
        return pages


@contextmanager
def demo_surroundings(analyst: str, tracker: str, start: datetime) -> Iterator[Surroundings]:
    """Start what is wanted, and stop it in the end.

    Args:
        analyst: `offline`, or `anthropic-emulator`: the real client, prompts, budget and batches against an emulated
            API on loopback, whose answers come from word counts and not from a model.
        tracker: `local`, or `jira-emulator`: the real client against an emulated Jira Cloud on loopback.
        start: of the demo's first week.
    """
    settings, jira = load_settings(read_environment()), None
    if settings.dagster_url is None:
        settings = settings.model_copy(update={"dagster_url": _DEV_URL})
    with ExitStack() as stack:
        # The emulators are web servers: imported only where one is wanted.
        if analyst == "anthropic-emulator":
            from feedback_loop.testing.anthropic_emulator import AnthropicEmulator

            models = stack.enter_context(AnthropicEmulator(api_key=_DEMO_KEY, batch_seconds=0))
            export({"ANTHROPIC_API_KEY": _DEMO_KEY, "ANTHROPIC_BASE_URL": models.base_url})
            settings = settings.model_copy(update={"analyst": replace(settings.analyst, analyst="claude")})
        if tracker == "jira-emulator":
            from feedback_loop.testing.jira_emulator import JiraEmulator

            jira = stack.enter_context(JiraEmulator(email=_DEMO_EMAIL, token=_DEMO_TOKEN, start=start))
            export({"FEEDBACK_LOOP_JIRA_EMAIL": _DEMO_EMAIL, "FEEDBACK_LOOP_JIRA_TOKEN": _DEMO_TOKEN})
            settings = _in_jira(settings, jira.base_url)
        yield Surroundings({"settings": settings}, jira)


def _in_jira(settings: Settings, server: str) -> Settings:
    policy = TrackerPolicy(tracker="jira", jira=JiraPolicy(server=server, project="FL"))
    route = replace(settings.route, targets={**_TARGETS, **settings.route.targets})
    return settings.model_copy(update={"tracker": policy, "route": route})
