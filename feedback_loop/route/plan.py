"""The tickets of a week: which patterns earn one, in which order, up to which limit, and which have to wait.

Belongs here: the decision. Does not belong here: the floors and places (`policy`), and what a ticket says (`ticket`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.documents import Document
from feedback_loop.records import PatternState
from feedback_loop.rendering import title
from feedback_loop.route.facts import TicketFacts
from feedback_loop.route.policy import ROUTES, RoutePolicy
from feedback_loop.route.ticket import ticket_body

_LIKELY = 0.99  # confidence of looks whose own is not given


@dataclass(frozen=True)
class TicketDraft:
    """A ticket the plan asks for; the ledger gives it its number."""

    pattern_id: str
    route: str
    priority: int
    title: str
    body: Document


@dataclass(frozen=True)
class HeldPattern:
    """A pattern that earned a ticket, but the week's were given away: it is asked again next week."""

    pattern_id: str
    route: str
    rank: int
    title: str


@dataclass(frozen=True)
class TicketPlan:
    """The tickets to make, first things first, and what has to wait, in the same order."""

    drafts: tuple[TicketDraft, ...] = ()
    held: tuple[HeldPattern, ...] = ()


def plan_tickets(
    patterns: Sequence[PatternState],
    pattern_weeks: pd.DataFrame,
    has_ticket: frozenset[str],
    looks: Mapping[int, float] | Sequence[int],
    policy: RoutePolicy,
    decided: EffectiveDecisions = UNDECIDED,
    facts: Mapping[str, TicketFacts] | None = None,
    n_made: int = 0,
) -> TicketPlan:
    """Tickets to make this week, first things first.

    Args:
        patterns: states at the end of the week.
        pattern_weeks: frame `prioritise.PATTERN_WEEKS` of the week.
        has_ticket: patterns that already have one; a pattern never gets a second.
        looks: days after a fix at which it is judged -> confidence then; days alone count with 99 %.
        policy: floors and limits.
        decided: what people said: names, causes and with them routes; what is muted or merged gets no ticket, and
            merged patterns have one between them.
        facts: pattern_id -> what else its ticket tells; a pattern without any has a shorter ticket.
        n_made: tickets that an earlier run of the week made; they count towards its limit.
    """
    states = {p.pattern_id: decided.correct(p) for p in patterns}
    served = {decided.stays(pattern_id) for pattern_id in has_ticket} | decided.muted | set(decided.merges)
    judged = dict(looks) if isinstance(looks, Mapping) else dict.fromkeys(looks, _LIKELY)
    drafts: list[TicketDraft] = []
    held: list[HeldPattern] = []
    for values in pattern_weeks.sort_values("rank").to_dict("records"):
        row = {str(name): value for name, value in values.items()}
        state = states[row["pattern_id"]]
        if state.pattern_id in served or not _earns(state, row, policy):
            continue
        route, rank, name = ROUTES[state.likely_cause], int(row["rank"]), title(state.name)
        if n_made + len(drafts) >= policy.max_new_tickets:
            held.append(HeldPattern(state.pattern_id, route, rank, name))
            continue
        known = (facts or {}).get(state.pattern_id, TicketFacts())
        body = ticket_body(state, row, known, judged, policy, is_decided=state.pattern_id in decided.causes)
        drafts.append(TicketDraft(state.pattern_id, route, _priority(state.severity, rank), name, body))
    return TicketPlan(tuple(drafts), tuple(held))


def _earns(state: PatternState, row: Mapping[str, float], policy: RoutePolicy) -> bool:
    """The floors are for what occurrences and users weigh, so neither one user nor a crowd of new ones makes it."""
    n_occurrences = min(row["n_occurrences"], row.get("weighted_occurrences", row["n_occurrences"]))
    n_users = min(row["n_users"], row.get("weighted_users", row["n_users"]))
    is_big_enough = n_occurrences >= policy.min_occurrences and n_users >= policy.min_users
    return is_big_enough and state.status in ("confirmed", "regressed")


def _priority(severity: int, rank: int) -> int:
    """1 (highest) to 4: by severity, one step up for the three patterns that come first."""
    return max(1, min(4, 5 - severity - (1 if rank <= 3 else 0)))
