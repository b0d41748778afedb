"""The failures a test can order, and when each of them is due.

Belongs here: their names, and the counting of calls. Does not belong here: what they do to a response (`wire.py`).

Where a failure strikes decides whether the write was done: `before` (it was not) or `after` (it was, and only the
answer is lost). `*_before` and `*_after` say so in their name; `status`, `html_200`, `empty_200` and `truncated`
strike before unless `after=True`; `slow`, `repeat_page_token` and `duplicate_hits` strike after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Place = Literal["before", "after"]
Route = Literal[
    "serverinfo",
    "myself",
    "permissions",
    "field",
    "priority",  # also status and resolution
    "project",  # also versions, components
    "createmeta",  # also editmeta
    "user.search",
    "create",
    "get",
    "edit",
    "delete",
    "search",  # also approximate-count
    "changelog",  # also bulkfetch
    "comment.add",
    "comment.list",  # also one comment
    "comment.edit",
    "transition.list",
    "transition.do",
    "attachment",
    "attachment.get",  # also its content
    "remotelink",
    "remotelink.list",
    "property.put",
    "property.get",  # also their list
    "watchers",
    "link",
    "link.get",  # also the types
    "applinks",
]
ROUTES: tuple[Route, ...] = get_args(Route)
FaultName = Literal[
    "reset_before",
    "reset_after",
    "timeout_before",
    "timeout_after",
    "status",
    "captcha",
    "html_200",
    "empty_200",
    "truncated",
    "slow",
    "repeat_page_token",
    "duplicate_hits",
]
FAULT_NAMES: tuple[FaultName, ...] = get_args(FaultName)
_ALWAYS_AFTER = ("reset_after", "timeout_after", "slow", "repeat_page_token", "duplicate_hits")
OF_SEARCHES = ("repeat_page_token", "duplicate_hits")
_EITHER = ("status", "html_200", "empty_200", "truncated")
_MESSAGES = {
    401: "Client must be authenticated to access this resource.",
    403: "You do not have permission to create issues in this project.",
    404: "Issue does not exist or you do not have permission to see it.",
    429: "Rate limit exceeded.",
}


@dataclass(frozen=True)
class Fault:
    """A failure that was ordered.

    Attributes:
        route: where it applies; None is every route.
        nth: the first matching call that fails, counted from the order on, from 1.
        count: how many calls fail from there on; None means all.
        after: the write is done before it fails.
        status: of the fault `status`, 400 to 599.
        retry_after: value of the header `Retry-After`: seconds, whole or not, or an HTTP date; None: no header.
        reason: value of the header `RateLimit-Reason`, as `jira-burst-based` or `jira-per-issue-on-write`.
        is_html: the body of a status is a proxy's page instead of Jira's JSON.
        seconds: how long `slow` waits before it answers (0.2), and `timeout_*` before the connection is closed
            without an answer (30).
    """

    name: FaultName
    route: str | None = None
    nth: int = 1
    count: int | None = 1
    after: bool = False
    status: int = 503
    retry_after: int | float | str | None = None
    reason: str | None = None
    is_html: bool = False
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.name not in FAULT_NAMES:
            raise ValueError(f"there is no fault {self.name!r}; there are {', '.join(FAULT_NAMES)}")
        if self.route is not None and self.route not in ROUTES:
            raise ValueError(f"there is no route {self.route!r}; there are {', '.join(ROUTES)}")
        if self.nth < 1 or (self.count is not None and self.count < 1):
            raise ValueError(f"fault {self.name!r}: nth and count start at 1, got nth={self.nth}, count={self.count}")
        if self.name in OF_SEARCHES and self.route not in (None, "search"):
            raise ValueError(f"fault {self.name!r} is one of searches, not of {self.route}")
        if self.after and self.name not in (*_EITHER, *_ALWAYS_AFTER):
            raise ValueError(f"fault {self.name!r} cannot strike after the write")
        if not 400 <= self.status <= 599:
            raise ValueError(f"fault {self.name!r}: {self.status} is no status of an error")

    @property
    def place(self) -> Place:
        """Where in a request it strikes."""
        return "after" if self.after or self.name in _ALWAYS_AFTER else "before"

    def concerns(self, place: Place, route: Route) -> bool:
        """Whether a call of this route passes where it strikes."""
        own = "search" if self.name in OF_SEARCHES else self.route
        return place == self.place and own in (None, route)

    @property
    def delay(self) -> float:
        """Seconds."""
        default = {"slow": 0.2, "timeout_before": 30.0, "timeout_after": 30.0}.get(self.name, 0.0)
        return default if self.seconds is None else self.seconds

    @property
    def message(self) -> str:
        """What the body of its status says."""
        return _MESSAGES.get(self.status, "Something went wrong on our side.")


class FaultPlan:
    """The ordered faults and how many matching calls each has seen."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self.faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Order one more."""
        self.faults.append(fault)

    def take(self, place: Place, route: Route) -> Fault | None:
        """Count this call for every fault it concerns, and return the first that is due."""
        due = None
        for i, fault in enumerate(self.faults):
            if not fault.concerns(place, route):
                continue
            self._seen[i] = seen = self._seen.get(i, 0) + 1
            if due is None and seen >= fault.nth and (fault.count is None or seen < fault.nth + fault.count):
                due = fault
        return due


def _both(label: str, **how: Any) -> dict[str, Mapping[str, Any]]:
    return {f"{label}, before": how, f"{label}, after": how | {"after": True}}


FAULTS: Mapping[str, Mapping[str, Any]] = {
    "reset, before": {"name": "reset_before"},
    "reset, after": {"name": "reset_after"},
    "read timeout, before": {"name": "timeout_before"},
    "read timeout, after": {"name": "timeout_after"},
    "429": {"name": "status", "status": 429, "reason": "jira-burst-based"},
    "429, Retry-After: 0": {"name": "status", "status": 429, "retry_after": 0, "reason": "jira-burst-based"},
    "429, Retry-After: 1": {"name": "status", "status": 429, "retry_after": 1, "reason": "jira-per-issue-on-write"},
    "429, Retry-After: 1.5": {"name": "status", "status": 429, "retry_after": 1.5, "reason": "jira-burst-based"},
    "429, Retry-After: 300": {"name": "status", "status": 429, "retry_after": 300, "reason": "jira-quota-global-based"},
    "429, Retry-After: a date": {
        "name": "status",
        "status": 429,
        "retry_after": "Fri, 20 Nov 2026 00:00:05 GMT",
        "reason": "jira-burst-based",
    },
    **_both("500", name="status", status=500),
    **_both("502, HTML", name="status", status=502, is_html=True),
    **_both("503", name="status", status=503),
    "503, Retry-After: 2, HTML": {"name": "status", "status": 503, "retry_after": 2, "is_html": True},
    **_both("504", name="status", status=504, is_html=True),
    "401": {"name": "status", "status": 401},
    "403": {"name": "status", "status": 403},
    "403, captcha": {"name": "captcha"},
    "404": {"name": "status", "status": 404},
    **_both("200, HTML", name="html_200"),
    **_both("200, empty", name="empty_200"),
    **_both("truncated body", name="truncated"),
    "slow": {"name": "slow"},
    "repeated page token": {"name": "repeat_page_token"},
    "duplicate hits": {"name": "duplicate_hits"},
}
"""Every way to fail, by a name for tables: `emulator.fail(**FAULTS[label], route="create")`."""
