"""Which Jira, how it is asked, and what its words mean to the loop.

Belongs here: what a team decides about its Jira. Does not belong here: secrets (arguments of `jira.JiraTracker`), where
each route's tickets go (`route/policy.py`), and which statuses count as a deployment (`deployed.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from feedback_loop.records import check_between
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import TicketStatus


@dataclass(frozen=True)
class JiraPolicy:
    """How one Jira is used. Names are compared without regard to case.

    Attributes:
        server: its address; for a scoped Cloud token `https://api.atlassian.com/ex/jira/<cloud id>`.
        kind: Cloud or Data Center; `auto` asks the server.
        project, issue_type: key and name, where a route's target has none.
        deployed_field: id of the field that says when a fix was deployed, as `customfield_10042`.
        wont_do, duplicate, cancelled: resolutions (or statuses) that mean no fix was shipped.
        close_statuses, reopen_statuses: preferred where several transitions would do, best first.
        close_resolutions: preferred where a transition asks for one, best first.
        verdict_statuses: not done yet, in which people leave an issue until its verdict: an effective one closes it
            from there, and from no other status that people gave it.
        link_type: name of the link between an issue and the one that it duplicates.
        quiet_minutes: before an issue whose making is in doubt may be made again.
        connect_timeout_s, read_timeout_s: of every single request.
        max_retry_after_s: a longer pause than this is not waited for.
    """

    server: str = ""
    kind: Literal["auto", "cloud", "dc"] = "auto"
    project: str = ""
    issue_type: str = "Task"
    deployed_field: str | None = None
    wont_do: tuple[str, ...] = ("Won't Do", "Won't Fix", "Wont Do", "Wont Fix", "Declined", "Rejected", "As Designed")
    duplicate: tuple[str, ...] = ("Duplicate",)
    cancelled: tuple[str, ...] = (
        "Cancelled",
        "Canceled",
        "Cannot Reproduce",
        "Can't Reproduce",
        "Abandoned",
        "Obsolete",
    )
    close_statuses: tuple[str, ...] = ("Done", "Closed", "Resolved")
    close_resolutions: tuple[str, ...] = ("Done", "Fixed", "Resolved")
    reopen_statuses: tuple[str, ...] = ("Reopened", "To Do", "Open", "Backlog")
    verdict_statuses: tuple[str, ...] = (
        "Released",
        "Deployed",
        "Verifying",
        "In Verification",
        "Ready for Verification",
    )
    link_type: str = "Duplicate"
    quiet_minutes: float = 15
    connect_timeout_s: float = 3.05
    read_timeout_s: float = 30
    max_retry_after_s: float = 120

    def __post_init__(self) -> None:
        check_between(self, 0, inf, "quiet_minutes", "max_retry_after_s")
        check_between(self, 0.01, 3600, "connect_timeout_s", "read_timeout_s")
        if self.server and not self.server.startswith(("https://", "http://")):
            raise ValueError(f"server must start with https:// or http://, got {self.server!r}")

    def placed(self, target: RouteTarget) -> tuple[str, str]:
        """Project and issue type of a target."""
        return target.project or self.project, target.issue_type or self.issue_type

    def meaning(self, *names: str | None) -> TicketStatus:
        """What a done issue's resolution and status name mean."""
        said = {plain_name(name) for name in names if name}
        meanings: Mapping[TicketStatus, Iterable[str]] = {
            "duplicate": self.duplicate,
            "wont_do": self.wont_do,
            "cancelled": self.cancelled,
        }
        return next((status for status, known in meanings.items() if said & set(map(plain_name, known))), "done")

    def awaits_verdict(self, status_name: str) -> bool:
        """Whether people leave an issue in this status until its verdict."""
        return plain_name(status_name) in map(plain_name, self.verdict_statuses)


def plain_name(name: str) -> str:
    """A name as it is compared: any apostrophe, any case."""
    return name.replace("\u2019", "'").strip().casefold()
