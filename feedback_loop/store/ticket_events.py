"""What is said and done on tickets after they were made: the second half of the ledger.

Belongs here: SQL of `ticket_events`. An event is written down before the tracker hears of it and confirmed after.
Does not belong here: what is worth saying (`route/updates.py`), the tickets themselves (`tickets.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.documents import from_json, to_json
from feedback_loop.store.tables import ticket_events, tickets
from feedback_loop.tracker import TicketEvent

_SILENT = ("gone", "cancelled")  # nothing is said there any more


def plan_events(conn: Connection, events: Sequence[TicketEvent]) -> None:
    """Write down what is to be said or done; what is there already stays as it is."""
    if events:
        rows = [vars(event) | {"body": to_json(event.body), "is_applied": False} for event in events]
        conn.execute(insert(ticket_events).on_conflict_do_nothing(), rows)


def known_events(conn: Connection, events: Sequence[TicketEvent]) -> set[tuple[str, str]]:
    """(application, event_key) of those that are written down already, on whichever ticket."""
    # One array of keys: SQLAlchemy's `in_` would render a parameter for each.
    query = "select application, event_key from feedback_loop.ticket_events where event_key = any(:keys)"
    return {(row[0], row[1]) for row in conn.execute(sa.text(query), {"keys": [e.event_key for e in events]})}


def known_keys(conn: Connection, start: str) -> set[tuple[str, str]]:
    """(application, event_key) of everything that was planned under keys that start so."""
    query = sa.select(ticket_events.c.application, ticket_events.c.event_key)
    return {(row[0], row[1]) for row in conn.execute(query.where(ticket_events.c.event_key.startswith(start)))}


def load_events(conn: Connection, application: str | None = None) -> list[TicketEvent]:
    """Everything that was planned, in the order it happened."""
    query = sa.select(*_fields()).order_by(*_order())
    if application is not None:
        query = query.where(ticket_events.c.application == application)
    return _events(conn, query)


def pending_events(conn: Connection, tracker: str | None = None) -> list[TicketEvent]:
    """Planned events of tickets that the tracker holds and people can still read, in the order they happened."""
    query = (
        sa.select(*_fields())
        .join(
            tickets,
            (tickets.c.application == ticket_events.c.application)
            & (tickets.c.pattern_id == ticket_events.c.pattern_id),
        )
        .where(~ticket_events.c.is_applied, tickets.c.ticket_key.is_not(None), tickets.c.status.not_in(_SILENT))
        .order_by(*_order())
    )
    if tracker is not None:
        query = query.where(tickets.c.tracker == tracker)
    return _events(conn, query)


def pending_reopenings(conn: Connection) -> set[tuple[str, str]]:
    """(application, pattern_id) of tickets that the loop is about to reopen, or did without hearing of it."""
    query = sa.select(ticket_events.c.application, ticket_events.c.pattern_id).where(
        ticket_events.c.kind == "reopen", ~ticket_events.c.is_applied
    )
    return {(row[0], row[1]) for row in conn.execute(query)}


def reopened_at(conn: Connection, application: str, pattern_id: str) -> list[datetime]:
    """When the loop reopened a pattern's ticket, oldest first."""
    query = sa.select(ticket_events.c.occurred_at).where(
        ticket_events.c.application == application,
        ticket_events.c.pattern_id == pattern_id,
        ticket_events.c.kind == "reopen",
        ticket_events.c.is_applied,
    )
    return list(conn.execute(query.order_by(ticket_events.c.occurred_at)).scalars())


def confirm_event(conn: Connection, event: TicketEvent, *, is_moved: bool = True) -> None:
    """The tracker holds it; what was to reopen or close and moved nothing was a comment in the end."""
    kind = event.kind if is_moved else "comment"
    conn.execute(_of(event).values(is_applied=True, problem=None, kind=kind))


def say_again(conn: Connection, application: str, pattern_id: str) -> None:
    """Another ticket stands for the pattern from now on: what was said on the one before is to be said there too."""
    of = (ticket_events.c.application == application) & (ticket_events.c.pattern_id == pattern_id)
    conn.execute(ticket_events.update().where(of).values(is_applied=False))


def note_event_problem(conn: Connection, event: TicketEvent, problem: str) -> None:
    """Why the tracker does not hold it."""
    conn.execute(_of(event).values(problem=problem))


def _of(event: TicketEvent) -> sa.Update:
    return ticket_events.update().where(
        ticket_events.c.application == event.application,
        ticket_events.c.pattern_id == event.pattern_id,
        ticket_events.c.event_key == event.event_key,
    )


def _fields() -> list[sa.Column[Any]]:
    return [ticket_events.c[name] for name in TicketEvent.__dataclass_fields__]


def _order() -> list[sa.Column[Any]]:
    return [ticket_events.c[name] for name in ("occurred_at", "application", "pattern_id", "event_key")]


def _events(conn: Connection, query: sa.Select[Any]) -> list[TicketEvent]:
    return [TicketEvent(**{**row, "body": from_json(row["body"])}) for row in conn.execute(query).mappings()]
