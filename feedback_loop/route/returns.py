"""Back in the loop: what a reopened ticket is told by the next weekly run.

Belongs here: that its pattern is ranked with the others again, said once for each reopening. Does not belong here: when
a ticket reopens (`verdicts.py`), and the rank (`prioritise`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from feedback_loop.documents import Paragraph, Text
from feedback_loop.records import Window
from feedback_loop.route import words
from feedback_loop.route.updates import Key
from feedback_loop.tracker import Ticket, TicketEvent


def plan_returns(
    tickets: Mapping[Key, Ticket],
    reopened: Mapping[Key, Sequence[datetime]],
    ranks: Mapping[str, int],
    week: date,
) -> list[TicketEvent]:
    """One comment per ticket that the loop reopened: the rank of its pattern in the first week after.

    Args:
        tickets: (application, pattern_id) -> the ticket that speaks for it, of one application.
        reopened: as `tickets` -> when the loop reopened it, oldest first.
        ranks: pattern_id -> rank in the week, of the patterns that were seen in it.
        week: Monday of the week that ran.
    """
    at, events = Window.of_week(week).end, []
    for key, ticket in sorted(tickets.items()):
        before = [when for when in reopened.get(key, ()) if when <= at]
        if ticket.status != "reopened" or not before:
            continue
        event_key = f"back:{key[1]}:{max(before):%Y-%m-%d}"
        said = f": {_sentence(ranks.get(key[1]), len(ranks), week)}"
        paragraph = Paragraph((Text("Back in the weekly loop", "strong"), Text(said)))
        events.append(TicketEvent(key[0], ticket.pattern_id, event_key, "comment", (paragraph,), at))
    return events


def _sentence(rank: int | None, n: int, week: date) -> str:
    when = f"in the week of {words.day(week)}"
    if rank is None:
        return f"nobody complained of it {when}. It is ranked again as soon as somebody does."
    return f"{when} it has rank {rank} of {n} by how often it happens and how much it hurts."
