"""Tickets closed after their verdict: what was missing for closing by itself, an audit say, has come since.

Belongs here: what becomes of the ticket of an effective fix later on. Does not belong here: what a verdict does on its
own day (`verdicts.py`), the audit and placebo fixes themselves (`verify`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from feedback_loop.documents import Paragraph, Text
from feedback_loop.records import Fix, Verification
from feedback_loop.route import words
from feedback_loop.route.updates import Key, UpdatePolicy
from feedback_loop.route.verdicts import Reopening
from feedback_loop.tracker import Ticket, TicketEvent

_TOLD = ("open", "reopened", "done", "closed")


@dataclass(frozen=True)
class Vouched:
    """An effective verdict after its day, and what is known of it by now.

    Attributes:
        verification: under the pattern that stays.
        fix: that it was given on.
        refuted: what an audit found against it; empty where none did.
        may_close: nothing speaks against acting on it any more.
    """

    verification: Verification
    fix: Fix
    refuted: tuple[str, ...] = ()
    may_close: bool = False


def plan_closing_events(
    vouched: Sequence[Vouched],
    names: Mapping[Key, str],
    tickets: Mapping[Key, Ticket],
    fixes: Sequence[Fix],
    as_of: datetime,
    policy: UpdatePolicy,
    reopened: Mapping[Key, Sequence[Reopening]] | None = None,
) -> list[TicketEvent]:
    """Close the open tickets of verdicts that may be acted on by now; say where an audit speaks against one.

    Not closed is what people set or reopened, what the loop reopened since, and where a later fix of the pattern is to
    be judged. What an audit refuted is told once and closed by people only, whatever is labelled later: the caller
    leaves out what was told or closed before.

    Args:
        vouched: effective verdicts, in any order.
        names: (application, pattern_id) -> name, for the sentence.
        tickets: (application, pattern_id) -> the ticket that speaks for it, with its status of now.
        fixes: all that count, under the same patterns.
        as_of: now, as the run has it.
        policy: what may be done.
        reopened: as `tickets` -> when it was reopened, by whomever.
    """
    events: list[TicketEvent] = []
    for one in sorted(vouched, key=lambda one: (one.verification.as_of, one.fix.fix_id)):
        v, fix = one.verification, one.fix
        key = (v.application, v.pattern_id)
        ticket, of = tickets.get(key), f"{names.get(key, v.pattern_id)}"
        if ticket is None or ticket.status not in _TOLD:
            continue
        if one.refuted:
            events.append(_event(key, f"audit:{fix.fix_id}", "comment", of, _refuted(v, one.refuted), as_of))
        elif one.may_close and policy.may_close and _is_ours(ticket, one, fixes, (reopened or {}).get(key, ())):
            events.append(_event(key, f"close:{fix.fix_id}:{v.look_day}", "close", of, _closed(v), as_of))
    return events


def _is_ours(ticket: Ticket, one: Vouched, fixes: Sequence[Fix], reopenings: Sequence[Reopening]) -> bool:
    """Whether the ticket is open for no other reason than that the verdict was not to be acted on."""
    v, fix = one.verification, one.fix
    is_touched = any(r.at > fix.deployed_at if r.by_people else r.at >= v.as_of for r in reopenings)
    of_pattern = [f for f in fixes if (f.application, f.pattern_id) == (v.application, v.pattern_id)]
    has_later = any(f.deployed_at > fix.deployed_at for f in of_pattern)
    is_open = ticket.status in ("open", "reopened")
    return is_open and not (ticket.is_set_by_people or is_touched or has_later)


def _event(
    key: Key, event_key: str, kind: Literal["comment", "close"], name: str, said: str, as_of: datetime
) -> TicketEvent:
    body = (Paragraph((Text(name, "strong"), Text(f": {said}"))),)
    return TicketEvent(*key, event_key, kind, body, as_of)


def _closed(v: Verification) -> str:
    return (
        f"What was still to be checked of the verdict of {words.day(v.as_of)} was checked since and it stands, so the "
        f"ticket is closed."
    )


def _refuted(v: Verification, refuted: Sequence[str]) -> str:
    return (
        f"The verdict of {words.day(v.as_of)} rests on a detector that changed, for a blind audit found that "
        f"{' and '.join(refuted)}, so the ticket is closed by people only."
    )
