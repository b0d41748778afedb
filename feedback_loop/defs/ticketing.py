"""Tickets as assets see them: dry runs, tickets that wait for their release, what a run reports of the tracker.

Belongs here: what both assets that write to the tracker share. Does not belong here: the plan (`tracking.py`) and
carrying it out (`filing.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED
from feedback_loop.defs import metadata
from feedback_loop.defs.filing import Filed, apply_plan
from feedback_loop.defs.resources import Database, TrackerResource
from feedback_loop.defs.ticket_facts import draw_pictures
from feedback_loop.errors import TicketRefused
from feedback_loop.records import Attachment, Ticket, TicketEvent
from feedback_loop.route import HeldPattern, TicketDraft
from feedback_loop.store import decisions, ticket_events
from feedback_loop.store import tickets as ledger


@contextmanager
def planning(database: Database, settings: Settings) -> Iterator[Connection]:
    """One transaction for a plan; in a dry run it leaves nothing behind."""
    with database.begin() as conn:
        if not settings.tracker.is_dry_run:
            yield conn
            return
        with conn.begin_nested() as savepoint:
            yield conn
            savepoint.rollback()


def file_plan(database: Database, tracker: TrackerResource, settings: Settings) -> Filed:
    """Carry out what is planned, in the tracker; in a dry run, nothing.

    Raises:
        dagster.Failure: the tracker refuses everything or cannot be reached.
    """
    if settings.tracker.is_dry_run:
        return Filed()
    with database.begin() as conn:
        waiting = [t for t in ledger.load_tickets(conn) if t.status == "waiting"]
    refused = []
    for ticket in waiting:
        try:
            tracker.waiting().create(ticket)
        except TicketRefused as error:  # of this file alone
            refused.append((ticket.title, str(error)))

    def pictures(ticket: Ticket, event: TicketEvent | None) -> Sequence[Attachment]:
        with database.begin() as conn:
            decided = decisions.load_effective(conn, ticket.application).get(ticket.application, UNDECIDED)
            return draw_pictures(conn, ticket, decided.stays(ticket.pattern_id), event)

    with tracker.open(settings) as place:
        filed = apply_plan(database.begin, place, tracker.now(), pictures)
    filed.refused[:0] = refused
    return filed


def planned_words(conn: Connection, settings: Settings) -> list[str]:
    """What a dry run would say, as ticket and kind of step; else empty."""
    if not settings.tracker.is_dry_run:
        return []
    keys = {(t.application, t.pattern_id): t.ticket_key or t.title for t in ledger.load_tickets(conn)}
    pending = ticket_events.pending_events(conn)
    return [f"{keys[e.application, e.pattern_id]}: {e.kind} ({e.event_key.partition(':')[0]})" for e in pending]


def about_filing(filed: Filed) -> dict[str, Any]:
    """What was done in the tracker, and what was not."""
    numbers = {
        "tickets_made": len(filed.made),
        "tickets_adopted": len(filed.adopted),
        "tickets_made_twice": len(filed.duplicates),
        "outcome_unknown": len(filed.unknown),
        "refused": len(filed.refused),
    }
    return metadata.rows(len(filed.said), **numbers) | {
        "problems": metadata.listing([f"{name}: {why}" for name, why in filed.problems])
    }


def drafts_table(drafts: Sequence[TicketDraft]) -> dg.MetadataValue:
    """New tickets, first things first."""
    frame = pd.DataFrame([{"title": d.title, "route": d.route, "priority": d.priority} for d in drafts])
    return metadata.table(frame, {name: name for name in ("title", "route", "priority")}, most=50)


def held_table(held: Sequence[HeldPattern]) -> dg.MetadataValue:
    """Patterns that earned a ticket but have to wait for a week with room."""
    frame = pd.DataFrame([{"rank": h.rank, "title": h.title, "route": h.route} for h in held])
    return metadata.table(frame, {name: name for name in ("rank", "title", "route")}, most=50)


def filed_check(asset: str) -> dg.AssetCheckSpec:
    """The check that `everything_filed` answers."""
    return dg.AssetCheckSpec("everything_filed", asset=asset)


def everything_filed(filed: Filed) -> dg.AssetCheckResult:
    """Whether the tracker took everything; what it did not is named, and tried again with the next run."""
    first = f"{filed.problems[0][0]}: {filed.problems[0][1]}" if filed.problems else ""
    more = f", and {len(filed.problems) - 1} more" if len(filed.problems) > 1 else ""
    return dg.AssetCheckResult(
        check_name="everything_filed",
        passed=not filed.problems,
        severity=dg.AssetCheckSeverity.ERROR if filed.refused else dg.AssetCheckSeverity.WARN,
        description=f"{first}{more}" if filed.problems else "everything that was planned is in the tracker",
    )
