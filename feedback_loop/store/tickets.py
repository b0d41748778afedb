"""Tickets: the ledger of what was asked of the tracker and what of it is done.

Belongs here: SQL of `tickets`. A row is written before the call to the tracker and confirmed after it. Does not belong
here: what is said on a ticket later (`ticket_events.py`), the decision (`route/`) and the tracker (`clients/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.documents import from_json, to_json
from feedback_loop.store.tables import tickets
from feedback_loop.tracker import Ticket, TicketRef, TicketStatus, TrackerState

_LEDGER_LOCK = 0x666C_6C65  # one writer of the ledger at a time, so that numbers have no gaps
_TRACKER_LOCK = 0x666C_7472  # one writer of the tracker at a time, so that nothing is made twice


def lock_ledger(conn: Connection) -> None:
    """Wait until no other process plans tickets; held until the transaction ends."""
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LEDGER_LOCK)))


def lock_tracker(conn: Connection) -> None:
    """Wait until no other process writes to the tracker; held until the transaction ends, however long Jira takes."""
    conn.execute(sa.select(sa.func.set_config("idle_in_transaction_session_timeout", "0", True)))
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_TRACKER_LOCK)))


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


def load_tickets(
    conn: Connection,
    application: str | None = None,
    pattern_ids: Sequence[str] | None = None,
    tracker: str | None = None,
) -> list[Ticket]:
    """Tickets by number; `tracker` leaves out those that lie in another."""
    query = sa.select(*(tickets.c[name] for name in Ticket.__dataclass_fields__)).order_by(tickets.c.ticket_number)
    if application is not None:
        query = query.where(tickets.c.application == application)
    if pattern_ids is not None:
        query = query.where(tickets.c.pattern_id.in_(pattern_ids))
    if tracker is not None:
        query = query.where(tickets.c.tracker == tracker)
    return [Ticket(**{**row, "body": from_json(row["body"])}) for row in conn.execute(query).mappings()]


def applications_by_key(conn: Connection) -> dict[str, str]:
    """Key that a ticket has, or had before it was moved -> its application."""
    query = """
        select unnest(old_keys) as ticket_key, application, 0 as is_now from feedback_loop.tickets
        union all select ticket_key, application, 1 from feedback_loop.tickets where ticket_key is not null
        order by is_now, application
    """
    return {row[0]: row[1] for row in conn.execute(sa.text(query))}


def attempts(conn: Connection) -> dict[tuple[str, str], datetime]:
    """(application, pattern_id) -> when the ticket was sent to the tracker, where it never said what became of it."""
    query = sa.select(tickets.c.application, tickets.c.pattern_id, tickets.c.attempted_at)
    unconfirmed = query.where(tickets.c.ticket_key.is_(None), tickets.c.attempted_at.is_not(None))
    return {(row[0], row[1]): row[2] for row in conn.execute(unconfirmed)}


def incomplete(conn: Connection, tracker: str) -> list[Ticket]:
    """Tickets that the tracker holds without their link or pictures, by number."""
    query = sa.select(tickets.c.application, tickets.c.pattern_id).where(
        tickets.c.tracker == tracker, tickets.c.ticket_key.is_not(None), ~tickets.c.is_complete
    )
    return _those(conn, tracker, query)


def attempted_since(conn: Connection, tracker: str, since: datetime) -> list[Ticket]:
    """Tickets that the tracker holds and that were sent there after a time, by number."""
    query = sa.select(tickets.c.application, tickets.c.pattern_id).where(
        tickets.c.tracker == tracker, tickets.c.ticket_key.is_not(None), tickets.c.attempted_at > since
    )
    return _those(conn, tracker, query)


def note_attempt(conn: Connection, ticket: Ticket, at: datetime | None) -> None:
    """It is about to be sent to the tracker; None: it surely did not arrive."""
    conn.execute(_of(ticket).values(attempted_at=at))


def note_problem(conn: Connection, ticket: Ticket, problem: str | None) -> None:
    """Why the tracker does not hold it, or not all of it."""
    conn.execute(_of(ticket).values(problem=problem))


def forget_problem(conn: Connection, ticket: Ticket) -> None:
    """What was wrong with it is not so any more, unless its link and pictures are still missing."""
    conn.execute(_of(ticket).where(tickets.c.is_complete).values(problem=None))


def confirm_ticket(conn: Connection, ticket: Ticket, ref: TicketRef) -> None:
    """The tracker holds it, here."""
    conn.execute(_of(ticket).values(ticket_key=ref.ticket_key, issue_id=ref.issue_id, status="open", problem=None))


def confirm_complete(conn: Connection, ticket: Ticket) -> None:
    """Its link and pictures are there too."""
    conn.execute(_of(ticket).values(is_complete=True, problem=None))


def move_ticket(conn: Connection, ticket: Ticket, ref: TicketRef) -> None:
    """The tracker holds it under another name, or another ticket stands for it; the old name goes on being known."""
    old = sa.func.array_append(tickets.c.old_keys, ticket.ticket_key)
    is_other = ref.issue_id != (ticket.ref and ticket.ref.issue_id)
    values: dict[str, Any] = {"is_complete": False} if is_other else {}
    conn.execute(_of(ticket).values(ticket_key=ref.ticket_key, issue_id=ref.issue_id, old_keys=old, **values))


@dataclass(frozen=True)
class LastSeen:
    """What was known of a ticket before the tracker is read again.

    Attributes:
        fetched_at: when the tracker last showed it.
        changed_at: when its status was first seen.
        status_name, resolution: as people read them.
    """

    fetched_at: datetime | None
    changed_at: datetime
    status_name: str | None
    resolution: str | None


def last_seen(conn: Connection) -> dict[tuple[str, str], LastSeen]:
    """(application, pattern_id) -> what was known of every ticket."""
    columns = (tickets.c[name] for name in ("fetched_at", "updated_at", "status_name", "resolution"))
    query = sa.select(tickets.c.application, tickets.c.pattern_id, *columns)
    return {(row[0], row[1]): LastSeen(*row[2:]) for row in conn.execute(query)}


def reopened_by_people(conn: Connection) -> dict[tuple[str, str], datetime]:
    """(application, pattern_id) -> when people last reopened the ticket, or that was first seen; others are absent."""
    query = sa.select(tickets.c.application, tickets.c.pattern_id, tickets.c.reopened_by_people_at)
    rows = conn.execute(query.where(tickets.c.reopened_by_people_at.is_not(None)))
    return {(row[0], row[1]): row[2] for row in rows}


def release_ticket(conn: Connection, ticket: Ticket, status: TicketStatus = "planned") -> None:
    """A person let a waiting ticket go to the tracker, or ended it before; others stay as they are."""
    conn.execute(_of(ticket).where(tickets.c.status == "waiting").values(status=status))


def save_state(
    conn: Connection,
    ticket: Ticket,
    state: TrackerState | None,
    status: str,
    at: datetime,
    reopened_at: datetime | None = None,
    *,
    is_set_by_people: bool = False,
) -> None:
    """What the tracker says of it now, and the status that follows; of one that is gone its last words stay.

    `reopened_at`: when people reopened it, where they did since it was read before.
    """
    told: dict[str, Any] = {"status": status, "is_set_by_people": is_set_by_people}
    if state is not None:
        told |= {
            "fetched_at": at,
            "status_name": state.status_name,
            "resolution": state.resolution,
            "duplicate_of": state.duplicate_of,
        }
    if status != ticket.status:
        told["updated_at"] = at
    if reopened_at is not None:
        told["reopened_by_people_at"] = reopened_at
    conn.execute(_of(ticket).values(told))


def set_status(conn: Connection, application: str, pattern_id: str, status: str, at: datetime) -> None:
    """The status that the loop gave a ticket."""
    conn.execute(
        tickets.update()
        .where(tickets.c.application == application, tickets.c.pattern_id == pattern_id)
        .values(status=status, updated_at=at, is_set_by_people=False)
    )


def _those(conn: Connection, tracker: str, query: sa.Select[Any]) -> list[Ticket]:
    wanted = {(row[0], row[1]) for row in conn.execute(query)}
    return [t for t in load_tickets(conn, tracker=tracker) if (t.application, t.pattern_id) in wanted]


def _of(ticket: Ticket) -> sa.Update:
    return tickets.update().where(
        tickets.c.application == ticket.application, tickets.c.pattern_id == ticket.pattern_id
    )


def list_tickets(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """Tickets with their pattern and the newest verdict on it or on a fix of the ticket, by number."""
    query = """
        select t.application, t.ticket_number,
               coalesce(t.ticket_key, case when t.status = 'waiting' then 'W-' || t.ticket_number end) as ticket_key,
               t.status, t.route, t.priority, t.title, t.pattern_id,
               t.created_week, t.tracker, t.status_name, t.resolution, t.duplicate_of, t.problem,
               v.verdict, v.as_of as verdict_as_of
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
    """Tickets made up to a week that people have still to work on."""
    query = sa.select(sa.func.count()).where(
        tickets.c.application == application,
        tickets.c.created_week <= week,
        tickets.c.status.in_(["waiting", "planned", "open", "reopened"]),
    )
    return conn.execute(query).scalar_one()
