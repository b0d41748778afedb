"""When a pattern earns a ticket, and where each route goes."""

from dataclasses import dataclass
from math import inf

from feedback_loop.records import Cause, check_between

ROUTES: dict[Cause, str] = {
    "prompt": "prompt fix",
    "retrieval": "retrieval fix",
    "product": "product change",
    "model": "model limitation",
    "unknown": "triage",
}


@dataclass(frozen=True)
class RoutePolicy:
    """When a pattern earns a ticket.

    Attributes:
        min_occurrences: of the pattern in the week.
        min_users: distinct users in the week.
        max_new_tickets: per application and week, first things first; the rest stays listed as patterns.
        n_quotes: users' words shown in a ticket.
    """

    min_occurrences: int = 10
    min_users: int = 3
    max_new_tickets: int = 10
    n_quotes: int = 5

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "min_occurrences", "min_users", "max_new_tickets", "n_quotes")
