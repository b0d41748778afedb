"""What is said and done on a ticket after it was made: a fix, merges. Verdicts: `verdicts`; new numbers: `numbers`.

Belongs here: the policy of updates, and the words on fixes and merges. Does not belong here: carrying them out
(`defs/filing.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import inf
from typing import Literal

from feedback_loop.decisions import EffectiveDecisions
from feedback_loop.documents import Document, Paragraph, Text, plain
from feedback_loop.records import Fix, check_between, midnight
from feedback_loop.redaction import visible
from feedback_loop.route import words
from feedback_loop.tracker import Ticket, TicketEvent, TicketStatus

SILENT: frozenset[TicketStatus] = frozenset({"cancelled", "gone"})
"""Statuses of tickets on which nothing is said: until they are reopened, or for ever."""

ENDED_BY_PEOPLE: Mapping[str, str] = {
    "wont_do": "people decided that it will not be fixed",
    "duplicate": "people made it a duplicate of another ticket",
}
"""Statuses of tickets that the loop neither reopens nor closes, and why."""

Key = tuple[str, str]
_QUIET = timedelta(days=7)  # between two comments on times that a ticket tells
_MAX_ORIGIN = 80  # characters; it names a version or status as people called it


@dataclass(frozen=True)
class UpdatePolicy:
    """What the loop may say and do on tickets that people work with.

    Attributes:
        min_events: affected sessions in the larger of two weeks, for a comment on new numbers.
        factor: by which the share of affected sessions must have grown or shrunk for such a comment.
        confidence: that the change is more than chance, 0.5 to below 1.
        told_dimensions: kinds of segment that are told when they appear: cohort, prompt_version, model, document.
        may_reopen: whether a verdict of "not reduced" reopens its ticket, or only says so.
        reopen_within_days: of the deployment; later the ticket stays as it is.
        reopen_every_days: a ticket is not reopened again within so many days.
        may_close: whether an effective fix closes its open ticket, and a merge the tickets that it makes duplicates,
            unless people set their status; else the comment only says so.
    """

    min_events: int = 20
    factor: float = 2.0
    confidence: float = 0.99
    told_dimensions: tuple[str, ...] = ("cohort", "prompt_version", "model")
    may_reopen: bool = True
    reopen_within_days: int = 60
    reopen_every_days: int = 14
    may_close: bool = True

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "min_events", "reopen_within_days")
        check_between(self, 1.1, inf, "factor")
        check_between(self, 0.5, 0.9999, "confidence")
        check_between(self, 0, inf, "reopen_every_days")
        unknown = set(self.told_dimensions) - {"cohort", "prompt_version", "model", "document"}
        if unknown:
            raise ValueError(f"told_dimensions knows no {', '.join(sorted(unknown))}")


def plan_deployed_comments(
    fixes: Sequence[Fix],
    first_look: Mapping[Key, date],
    as_of: datetime,
    last_told: Mapping[Key, datetime] | None = None,
    field: str = "Deployed at",
) -> list[TicketEvent]:
    """One comment per fix: it is deployed, how that is known, and on which day the first verdict comes.

    People who correct a time on several days read of it once in seven days: the newest is told then.

    Args:
        fixes: that were not told yet, on a ticket where something may be said.
        first_look: (application, fix_id) -> day of the first verdict.
        as_of: now, as the run has it.
        last_told: (application, pattern_id) -> when a fix of the pattern was told last.
        field: where a person writes the time into the ticket, as the tracker calls it.
    """
    last, events = dict(last_told or {}), []
    for fix in sorted(fixes, key=lambda f: f.deployed_at, reverse=True):
        pattern, due = (fix.application, fix.pattern_id), first_look[fix.application, fix.fix_id]
        at = fix.deployed_at
        if fix.source == "ticket":
            if pattern in last and as_of - last[pattern] < _QUIET:
                continue
            at = min(as_of, midnight(due))  # when it was read, and before the verdict
            last[pattern] = as_of
        body = _deployed(fix, due, field)
        events.append(TicketEvent(*pattern, f"deployed:{fix.fix_id}", "comment", body, at))
    return events[::-1]


def _deployed(fix: Fix, first_look: date, field: str) -> Document:
    version = f" with prompt version {fix.prompt_version}" if fix.prompt_version else ""
    due = f"The first verdict comes on {words.day(first_look)}."
    said = plain(f"A fix was deployed on {words.day(fix.deployed_at)}{version}. {due}")
    if fix.source == "deployment":
        return said
    day = ", so only the day is known" if fix.precision == "day" else f" ({fix.deployed_at:%H:%M} UTC)"
    doubt = " Users may have got the fix on another day." if fix.confidence == "low" else ""
    remedy = "correct it there" if fix.origin == f"the field {field}" else f"set the field {field} of this ticket"
    origin = visible(fix.origin, _MAX_ORIGIN) or "this ticket"
    source = f"The time was read from {origin}{day}.{doubt} If it is wrong, {remedy}, or run "
    command = f"feedback-loop deployed VERSION --fixes {fix.ticket_key} --at TIME"
    return (*said, Paragraph((Text(source), Text(command, "code"), Text("."))))


def plan_duplicates(
    tickets: Sequence[Ticket], decided: EffectiveDecisions, *, may_close: bool = True
) -> list[TicketEvent]:
    """Of the tickets of merged patterns one goes on; the others are closed as its duplicates, and it is told.

    Args:
        tickets: of one application; those that the tracker does not hold yet are left for later.
        decided: what people merged there.
        may_close: as `UpdatePolicy`; else the tickets only say what they are duplicates of.
    """
    held = [t for t in tickets if t.ticket_key is not None]
    speaking, events = decided.speaking_tickets(held), []
    for ticket in held:
        main = speaking[decided.stays(ticket.pattern_id)]
        if main == ticket:
            continue
        at = decided.merged_at[ticket.pattern_id]
        key = f"{ticket.pattern_id}:{main.pattern_id}:{at:%Y%m%dT%H%M%S}"
        if ticket.status not in SILENT:
            said = (
                f"Duplicate of {main.ticket_key}. Their patterns were merged: what comes is counted and judged there."
            )
            is_left = ticket.status in ENDED_BY_PEOPLE or ticket.is_set_by_people or not may_close
            kind: Literal["comment", "close"] = "comment" if is_left else "close"
            if ticket.status in ("open", "reopened") and is_left:
                said += " Close this ticket if you agree."
            event_key = f"duplicate:{key}"
            events.append(TicketEvent(ticket.application, ticket.pattern_id, event_key, kind, plain(said), at))
        if main.status not in SILENT and not decided.is_muted(main.pattern_id):
            told = f"{ticket.ticket_key} is a duplicate of this ticket. Their patterns were merged and count here."
            events.append(TicketEvent(main.application, main.pattern_id, f"merged:{key}", "comment", plain(told), at))
    return events
