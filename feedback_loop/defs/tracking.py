"""Tickets between the plan and the tracker: ledger row, call, confirmation, each step repeatable.

Belongs here: the order of those steps, for new tickets and for what is said on them. Does not belong here: the plan
(`route/`), the SQL (`store/tickets.py`), the tracker (`clients/`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED
from feedback_loop.records import Ticket, TicketEvent, Tracker, Window
from feedback_loop.route import TicketDraft, plan_duplicates, plan_tickets
from feedback_loop.store import decisions, patterns, weeks
from feedback_loop.store import tickets as ledger

_STATUS_AFTER = {"reopen": "reopened", "close": "closed"}


def plan_week_tickets(conn: Connection, week: date, tracker: str, settings: Settings) -> tuple[list[TicketDraft], int]:
    """Write the week's new tickets into the ledger, for applications whose newest week this is.

    Returns:
        What was planned, and how many tickets an older week would have made but may not.
    """
    planned: list[TicketDraft] = []
    n_held, decided = 0, decisions.load_effective(conn)
    for application in weeks.list_applications(conn, Window.of_week(week)):
        states = patterns.load_states(conn, application, week)
        numbers = patterns.read_pattern_weeks(conn, week, application)
        has_ticket = frozenset(t.pattern_id for t in ledger.load_tickets(conn, application))
        looks, policy, said = settings.verify.looks, settings.route, decided.get(application, UNDECIDED)
        drafts = plan_tickets(states, numbers, has_ticket, looks, policy, said)
        if not weeks.is_newest(conn, application, week):
            n_held += len(drafts)
            continue
        detector = patterns.detector_of_week(conn, application, week)
        for draft in drafts:
            ledger.add_ticket(conn, _ticket(application, week, draft, detector or ""), tracker)
        planned += drafts
    return planned, n_held


def _ticket(application: str, week: date, draft: TicketDraft, detector_version: str) -> Ticket:
    return Ticket(
        application=application,
        pattern_id=draft.pattern_id,
        ticket_number=0,  # the ledger gives the number
        ticket_key=None,
        status="planned",
        route=draft.route,
        priority=draft.priority,
        title=draft.title,
        body=draft.body,
        created_week=week,
        created_at=Window.of_week(week).end,
        detector_version=detector_version,
    )


def plan_merges(conn: Connection) -> None:
    """Write down what people's merges do to tickets: each is closed as a duplicate once, however often this runs.

    To be called after `sync_tickets`: what people wrote into a ticket that is to be closed has been read by then.
    """
    for application, decided in decisions.load_effective(conn).items():
        ledger.plan_events(conn, plan_duplicates(ledger.load_tickets(conn, application), decided))


def plan_events(conn: Connection, events: Sequence[TicketEvent], *, even_muted: bool = False) -> None:
    """Write down what is to be said, on the ticket that speaks for the pattern now; what was said stays where it is.

    Args:
        conn: in a transaction.
        events: planned by `route`.
        even_muted: also where people muted the pattern: verdicts.
    """
    decided = decisions.load_effective(conn)
    speaking, said = decisions.speaking_tickets(conn, decided), ledger.known_events(conn, events)
    planned = []
    for event in events:
        of = decided.get(event.application, UNDECIDED)
        is_wanted = even_muted or not of.is_muted(event.pattern_id)
        if is_wanted and (event.application, event.event_key) not in said:
            ticket = speaking.get((event.application, of.stays(event.pattern_id)))
            planned.append(replace(event, pattern_id=ticket.pattern_id) if ticket else event)
    ledger.plan_events(conn, planned)


def apply_plan(conn: Connection, tracker: Tracker) -> None:
    """Make every planned ticket and carry out every planned event that is not confirmed yet.

    Killed anywhere, the next call finds the rest: the tracker's verbs may be repeated, and the ledger is confirmed
    after each of them. Rows of other trackers are left alone.
    """
    ledger.lock_ledger(conn)
    for ticket in ledger.load_tickets(conn):
        if ticket.ticket_key is None:
            ledger.confirm_ticket(conn, ticket, tracker.create(ticket))
    keys = {(t.application, t.pattern_id): t.ticket_key for t in ledger.load_tickets(conn)}
    for event in ledger.pending_events(conn):
        key = keys[event.application, event.pattern_id]
        if key is not None:
            tracker.apply(key, event)
            ledger.confirm_event(conn, event)
            if event.kind in _STATUS_AFTER:
                ledger.set_status(
                    conn, event.application, event.pattern_id, _STATUS_AFTER[event.kind], event.occurred_at
                )


def sync_tickets(conn: Connection, tracker: Tracker, as_of: datetime) -> dict[str, datetime]:
    """Read back what people did: returns the tickets they resolved and when (or `as_of`, where they did not say)."""
    resolved = {}
    for ticket in ledger.load_tickets(conn):
        state = tracker.fetch(ticket.ticket_key) if ticket.ticket_key else None
        if state is None or state.status == ticket.status:
            continue
        ledger.set_status(conn, ticket.application, ticket.pattern_id, state.status, as_of)
        if state.status == "done":
            resolved[state.ticket_key] = state.resolved_at or as_of
    return resolved
