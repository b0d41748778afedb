"""Route: which patterns get a ticket, where it goes, and what happens to it after a verdict. Plans only.

    policy      when a pattern earns a ticket, and where each route goes
    plan        the tickets of a week
    ticket      what a ticket says
    updates     what is said and done on it later: numbers, a fix, verdicts, merges

Belongs here: the decision, and the words of a ticket. Does not belong here: the ledger (`store/tickets.py`) and the
tracker that carries a plan out (`clients/`).

In the loop: prioritise -> **route** -> (people ship a fix) -> verify -> **route** again.
"""

from feedback_loop.route.plan import TicketDraft, plan_tickets
from feedback_loop.route.policy import ROUTES, RoutePolicy
from feedback_loop.route.updates import plan_deployed_comments, plan_duplicates, plan_verdict_events, verdict_sentence

__all__ = [
    "ROUTES",
    "RoutePolicy",
    "TicketDraft",
    "plan_deployed_comments",
    "plan_duplicates",
    "plan_tickets",
    "plan_verdict_events",
    "verdict_sentence",
]
