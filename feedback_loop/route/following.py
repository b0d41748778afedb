"""What people mean by how they end a ticket: won't do, duplicate, cancelled; and tickets that are gone.

Belongs here: the decisions and reports that follow from a ticket's status. Does not belong here: recording them
(`store/decisions.py`), and what is said on tickets (`updates`).

    wont_do     the pattern is muted, in the tracker's name, until people reopen the ticket
    duplicate   of one of ours: the patterns are merged; of another ticket: that one says when it is done and deployed
    cancelled   nothing is judged or said, and nothing muted, until people reopen the ticket
    gone        reported; nothing is said, and no other ticket is made

What a person decided by hand since then outranks the ticket.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from feedback_loop.decisions import EffectiveDecisions, effective_decisions
from feedback_loop.records import PatternDecision
from feedback_loop.tracker import Ticket, TicketStatus, TrackerState

UNJUDGED: frozenset[TicketStatus] = frozenset({"cancelled"})
"""Statuses of tickets whose fixes get no look."""


@dataclass(frozen=True)
class Answers:
    """What follows from the tickets of one application.

    Attributes:
        decisions: to record, in this order; what counts already is not among them.
        counts_at: pattern_id of a ticket -> key of the ticket that it duplicates and that is not ours.
        reported: for people, one sentence each.
    """

    decisions: tuple[PatternDecision, ...] = ()
    counts_at: Mapping[str, str] = field(default_factory=dict)
    reported: tuple[str, ...] = ()


def plan_answers(
    tickets: Sequence[Ticket],
    states: Mapping[str, TrackerState],
    said: Sequence[PatternDecision],
    author: str,
    as_of: datetime,
) -> Answers:
    """What people's endings of tickets mean to their patterns; nothing twice.

    Args:
        tickets: of one application, with their status of now.
        states: pattern_id -> what the tracker says of its ticket; `duplicate_of` is a key of now.
        said: every decision on the application.
        author: in whose name the tracker's word is recorded: its own.
        as_of: when this was seen.
    """
    decisions = _answer_mutes(tickets, states, said, author, as_of, "unmute")  # first: a muted pattern is not merged
    merges, counts_at, problems = _answer_duplicates(tickets, states, [*said, *decisions], author, as_of)
    decisions += merges
    decisions += _answer_mutes(tickets, states, [*said, *decisions], author, as_of, "mute")
    gone = [f"{_label(t)} is gone: it was deleted, or we may not see it any more" for t in _in(tickets, "gone")]
    return Answers(tuple(decisions), counts_at, (*gone, *problems))


def _answer_duplicates(
    tickets: Sequence[Ticket],
    states: Mapping[str, TrackerState],
    said: Sequence[PatternDecision],
    author: str,
    as_of: datetime,
) -> tuple[list[PatternDecision], dict[str, str], list[str]]:
    """Merges, tickets to follow, and what is wrong."""
    merges: list[PatternDecision] = []
    counts_at: dict[str, str] = {}
    problems = []
    for ticket in _in(tickets, "duplicate"):
        decided = effective_decisions([*said, *merges])
        if ticket.pattern_id in decided.merges:
            continue
        key = states[ticket.pattern_id].duplicate_of if ticket.pattern_id in states else None
        other = next((t for t in tickets if key is not None and t.ticket_key == key), None)
        if key is None:
            problems.append(f"{_label(ticket)} is a duplicate, but does not say of which ticket: link the other one")
        elif other is None:
            counts_at[ticket.pattern_id] = key
        elif why_not := _why_not_merged(ticket, other, decided):
            problems.append(f"{_label(ticket)} {why_not}")
        else:
            into = decided.stays(other.pattern_id)
            merges.append(PatternDecision(ticket.application, ticket.pattern_id, "merge", into, author, as_of))
    return merges, counts_at, problems


def _why_not_merged(ticket: Ticket, other: Ticket, decided: EffectiveDecisions) -> str | None:
    if decided.stays(other.pattern_id) == ticket.pattern_id:
        return f"and {_label(other)} are duplicates of each other, or of one merged into it: nothing is merged"
    muted = [t for t in (ticket, other) if decided.is_muted(t.pattern_id)]
    if muted:
        names = " and ".join(_label(t) for t in muted)
        return f"is a duplicate of {_label(other)}, but {names} is muted: unmute it, and they are merged"
    return None


def _answer_mutes(
    tickets: Sequence[Ticket],
    states: Mapping[str, TrackerState],
    said: Sequence[PatternDecision],
    author: str,
    as_of: datetime,
    kind: Literal["mute", "unmute"],
) -> list[PatternDecision]:
    """Mutes or unmutes by the tickets that speak for their patterns."""
    found = []
    for pattern_id, ticket in sorted(effective_decisions(said).speaking_tickets(tickets).items()):
        of_pattern = [d for d in said if d.pattern_id == pattern_id and d.decision in ("mute", "unmute")]
        last = max(of_pattern, key=lambda d: d.decided_at, default=None)
        is_muted = last is not None and last.decision == "mute"
        is_ours = last is None or last.author == author
        if kind == "mute":
            may = is_ours or _ended_after(states.get(ticket.pattern_id), last)
            wanted = ticket.status == "wont_do" and not is_muted and may
        else:
            wanted = ticket.status in ("open", "reopened", "done") and is_muted and is_ours
        if wanted and (last is None or last.decided_at < as_of):  # a later word is never overruled
            found.append(PatternDecision(ticket.application, pattern_id, kind, None, author, as_of))
    return found


def _ended_after(state: TrackerState | None, last: PatternDecision | None) -> bool:
    """Whether the ticket is known to have been ended after a person unmuted its pattern by hand."""
    ended_at = None if state is None else state.resolved_at
    return ended_at is not None and last is not None and ended_at > last.decided_at


def _in(tickets: Sequence[Ticket], status: TicketStatus) -> list[Ticket]:
    return [t for t in tickets if t.status == status]


def _label(ticket: Ticket) -> str:
    return ticket.ticket_key or f"the ticket of pattern {ticket.pattern_id}"
