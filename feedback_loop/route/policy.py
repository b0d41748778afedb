"""When a pattern earns a ticket, and where each route goes.

Belongs here: what a team decides of it. Does not belong here: one tracker's own settings (`clients/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

from feedback_loop.records import Cause, check_between

ROUTES: dict[Cause, str] = {
    "prompt": "prompt fix",
    "retrieval": "retrieval fix",
    "product": "product change",
    "model": "model limitation",
    "unknown": "triage",
}
_CAUSES = {route: cause for cause, route in ROUTES.items()}
_MAX_LABEL = 255  # characters that Jira takes


@dataclass(frozen=True)
class RouteTarget:
    """Where the tickets of one route go in a tracker that has such places.

    Attributes:
        project: key; None: that of the connection.
        issue_type: by name; None: that of the connection.
        labels: besides those that the tracker sets itself; no blanks.
        components: by name.
        priorities: our priority, 1 (highest) to 4, -> the project's name for it; without one the field stays unset.
    """

    project: str | None = None
    issue_type: str | None = None
    labels: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    priorities: Mapping[int, str] = field(default_factory=lambda: {1: "Highest", 2: "High", 3: "Medium", 4: "Low"})

    def __post_init__(self) -> None:
        for label in self.labels:
            if not label or len(label) > _MAX_LABEL or any(char.isspace() for char in label):
                raise ValueError(f"labels have no blanks and 1 to {_MAX_LABEL} characters, got {label!r}")
        if unknown := sorted(set(self.priorities) - {1, 2, 3, 4}):
            raise ValueError(f"priorities are named for 1 (highest) to 4, got {unknown}")


@dataclass(frozen=True)
class RoutePolicy:
    """When a pattern earns a ticket, and where it goes.

    Attributes:
        min_occurrences: of the pattern in the week.
        min_users: distinct users in the week.
        max_new_tickets: per application and week, first things first; the rest is listed as held.
        n_quotes: users' words shown in a ticket.
        targets: cause -> place; a cause without one goes to the connection's project.
    """

    min_occurrences: int = 10
    min_users: int = 3
    max_new_tickets: int = 10
    n_quotes: int = 5
    targets: Mapping[Cause, RouteTarget] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "min_occurrences", "min_users", "max_new_tickets", "n_quotes")

    def target(self, route: str) -> RouteTarget:
        """Where the tickets of a route go. The route is always a label too, so that each has a queue of its own.

        Raises:
            ValueError: there is no such route.
        """
        if route not in _CAUSES:
            raise ValueError(f"routes are {', '.join(_CAUSES)}; got {route!r}")
        target = self.targets.get(_CAUSES[route], RouteTarget())
        return replace(target, labels=tuple(dict.fromkeys((route.replace(" ", "-"), *target.labels))))
