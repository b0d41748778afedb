"""Tickets: the ledger of what was asked of the tracker and what of it is done.

Belongs here: SQL of `tickets` and `ticket_events`. A row is written before the call to the tracker and confirmed
after it. Does not belong here: the decision (`route/`) and the tracker (`clients/`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.documents import from_json, to_json
from feedback_loop.records import Ticket, TicketEvent
from feedback_loop.store.tables import ticket_events, tickets

_LEDGER_LOCK = 0x666C_6C65  # one writer of the ledger at a time, so that numbers have no gaps


def lock_ledger(conn: Connection) -> None:
    """Wait until no other process plans tickets; held until the transaction ends."""
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LEDGER_LOCK)))


def add_ticket(conn: Connection, ticket: Ticket, tracker: str) -> Ticket:
    """Plan a ticket under the next number, unless its pattern has one; returns the one that stands."""
    lock_ledger(conn)
    number = conn.execute(sa.select(sa.func.coalesce(sa.func.max(tickets.c.ticket_number), 0) + 1)).scalar_one()
    row = vars(replace(ticket, ticket_number=number)) | {
        "body": to_json(ticket.body),
        "tracker": tracker,
        "updated_at": ticket.created_at,
    }
    conn.execute(insert(tickets).values(row).on_conflict_do_nothing(index_elements=["application", "pattern_id"]))
    return load_tickets(conn, ticket.application, [ticket.pattern_id])[0]


def confirm_ticket(conn: Connection, ticket: Ticket, ticket_key: str) -> None:
    """The tracker holds it, under this key."""
    conn.execute(
        tickets.update()
        .where(tickets.c.application == ticket.application, tickets.c.pattern_id == ticket.pattern_id)
        .values(ticket_key=ticket_key, status="open")
    )


def load_tickets(
    conn: Connection, application: str | None = None, pattern_ids: Sequence[str] | None = None
) -> list[Ticket]:
    """Tickets by number."""
    query = sa.select(*(tickets.c[name] for name in Ticket.__dataclass_fields__)).order_by(tickets.c.ticket_number)
    if application is not None:
        query = query.where(tickets.c.application == application)
    if pattern_ids is not None:
        query = query.where(tickets.c.pattern_id.in_(pattern_ids))
    return [Ticket(**{**row, "body": from_json(row["body"])}) for row in conn.execute(query).mappings()]


def set_status(conn: Connection, application: str, pattern_id: str, status: str, at: datetime) -> None:
    """The status a ticket has now."""
    conn.execute(
        tickets.update()
        .where(tickets.c.application == application, tickets.c.pattern_id == pattern_id)
        .values(status=status, updated_at=at)
    )


def plan_events(conn: Connection, events: Sequence[TicketEvent]) -> None:
    """Write down what is to be said or done; what is there already stays as it is."""
    if events:
        conn.execute(
            insert(ticket_events).on_conflict_do_nothing(),
            [vars(e) | {"body": to_json(e.body), "is_applied": False} for e in events],
        )


def known_events(conn: Connection, events: Sequence[TicketEvent]) -> set[tuple[str, str]]:
    """(application, event_key) of those that are written down already, on whichever ticket."""
    # One array of keys: SQLAlchemy's `in_` would render a parameter for each.
    query = "select application, event_key from feedback_loop.ticket_events where event_key = any(:keys)"
    return {(row[0], row[1]) for row in conn.execute(sa.text(query), {"keys": [e.event_key for e in events]})}


def pending_events(conn: Connection) -> list[TicketEvent]:
    """Planned events of tickets that exist in the tracker, in the order they happened."""
    fields = [ticket_events.c[name] for name in TicketEvent.__dataclass_fields__]
    query = (
        sa.select(*fields)
        .join(
            tickets,
            (tickets.c.application == ticket_events.c.application)
            & (tickets.c.pattern_id == ticket_events.c.pattern_id),
        )
        .where(~ticket_events.c.is_applied, tickets.c.ticket_key.is_not(None))
        .order_by(
            ticket_events.c.occurred_at,
            ticket_events.c.application,
            ticket_events.c.pattern_id,
            ticket_events.c.event_key,
        )
    )
    return [TicketEvent(**{**row, "body": from_json(row["body"])}) for row in conn.execute(query).mappings()]


def confirm_event(conn: Connection, event: TicketEvent) -> None:
    """The tracker holds it."""
    conn.execute(
        ticket_events.update()
        .where(
            ticket_events.c.application == event.application,
            ticket_events.c.pattern_id == event.pattern_id,
            ticket_events.c.event_key == event.event_key,
        )
        .values(is_applied=True)
    )


def list_tickets(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """Tickets with their pattern and the newest verdict on it or on a fix of the ticket, by number."""
    query = """
        select t.application, t.ticket_key, t.ticket_number, t.status, t.route, t.priority, t.title, t.pattern_id,
               t.created_week, t.tracker, v.verdict, v.as_of as verdict_as_of
        from feedback_loop.tickets t
        left join lateral (
            select v.verdict, v.as_of
            from feedback_loop.verifications v left join feedback_loop.fixes f using (application, fix_id)
            where v.application = t.application and (v.pattern_id = t.pattern_id or f.ticket_key = t.ticket_key)
            order by v.as_of desc, v.look_day desc limit 1
        ) v on true
        where cast(:application as text) is null or t.application = :application
        order by t.ticket_number
    """
    return [dict(row) for row in conn.execute(sa.text(query), {"application": application}).mappings()]


def count_open(conn: Connection, application: str, week: date) -> int:
    """Tickets made up to a week that are neither closed nor done."""
    query = sa.select(sa.func.count()).where(
        tickets.c.application == application,
        tickets.c.created_week <= week,
        tickets.c.status.not_in(["closed", "done"]),
    )
    return conn.execute(query).scalar_one()
