"""The tickets of a week: which patterns earn one, in which order, up to which limit."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.documents import Document
from feedback_loop.records import PatternState
from feedback_loop.route.policy import ROUTES, RoutePolicy
from feedback_loop.route.ticket import ticket_body


@dataclass(frozen=True)
class TicketDraft:
    """A ticket the plan asks for; the ledger gives it its number."""

    pattern_id: str
    route: str
    priority: int
    title: str
    body: Document


def plan_tickets(
    patterns: Sequence[PatternState],
    pattern_weeks: pd.DataFrame,
    has_ticket: frozenset[str],
    looks: Sequence[int],
    policy: RoutePolicy,
    decided: EffectiveDecisions = UNDECIDED,
) -> list[TicketDraft]:
    """Tickets to make this week, first things first.

    Args:
        patterns: states at the end of the week.
        pattern_weeks: frame `prioritise.PATTERN_WEEKS` of the week.
        has_ticket: patterns that already have one; a pattern never gets a second.
        looks: days after a fix at which it is judged, for the ticket's last section.
        policy: floors and limits.
        decided: what people said: names, causes and with them routes; what is muted or merged gets no ticket, and
            merged patterns have one between them.
    """
    states = {p.pattern_id: decided.correct(p) for p in patterns}
    served = {decided.stays(pattern_id) for pattern_id in has_ticket} | decided.muted | set(decided.merges)
    drafts = []
    for row in pattern_weeks.sort_values("rank").to_dict("records"):
        state = states[row["pattern_id"]]
        is_big_enough = row["n_occurrences"] >= policy.min_occurrences and row["n_users"] >= policy.min_users
        if state.status in ("confirmed", "regressed") and is_big_enough and state.pattern_id not in served:
            numbers = {str(key): value for key, value in row.items()}
            drafts.append(
                TicketDraft(
                    pattern_id=state.pattern_id,
                    route=ROUTES[state.likely_cause],
                    priority=_priority(state.severity, int(row["rank"])),
                    title=state.name,
                    body=ticket_body(state, numbers, looks, policy, is_decided=state.pattern_id in decided.causes),
                )
            )
    return drafts[: policy.max_new_tickets]


def _priority(severity: int, rank: int) -> int:
    """1 (highest) to 4: by severity, one step up for the three patterns that come first."""
    return max(1, min(4, 5 - severity - (1 if rank <= 3 else 0)))
