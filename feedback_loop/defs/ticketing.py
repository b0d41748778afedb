"""Tickets as assets see them: dry runs, tickets that wait for their release, what a run reports of the tracker.

Belongs here: what both assets that write to the tracker share. Does not belong here: the plan (`tracking.py`) and
carrying it out (`filing.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED
from feedback_loop.defs import metadata
from feedback_loop.defs.failures import as_dagster_failure
from feedback_loop.defs.filing import Filed, apply_plan
from feedback_loop.defs.following import Followed, follow_tickets, read_releases
from feedback_loop.defs.resources import Alerts, Database, TrackerResource
from feedback_loop.defs.ticket_facts import draw_pictures
from feedback_loop.errors import InputError, TicketRefused, TrackerRefused, TrackerUnavailable
from feedback_loop.route import HeldPattern, TicketDraft
from feedback_loop.store import decisions, ticket_events
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import Attachment, Ticket, TicketEvent


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

    A tracker that cannot be reached or refuses everything stops this and nothing else: the plan stays in the ledger,
    and the next run goes on with it.

    Raises:
        dagster.Failure: the settings of the tracker are wrong.
    """
    if settings.tracker.is_dry_run:
        return Filed()
    refused = _keep_waiting(database, tracker)

    def pictures(ticket: Ticket, event: TicketEvent | None) -> Sequence[Attachment]:
        with database.begin() as conn:
            decided = decisions.load_effective(conn, ticket.application).get(ticket.application, UNDECIDED)
            return draw_pictures(conn, ticket, decided.together(ticket.pattern_id), event)

    filed = Filed()
    with as_dagster_failure():
        try:
            with tracker.open(settings) as place:
                apply_plan(database.transaction, place, tracker.now, pictures, filed)
        except (TrackerUnavailable, TrackerRefused) as error:
            filed.stopped = str(error)
    filed.refused[:0] = refused
    return filed


def _keep_waiting(database: Database, tracker: TrackerResource) -> list[tuple[str, str]]:
    """A file for each ticket that waits for its release, and none for those that went; returns what went wrong."""
    with database.begin() as conn:
        tickets = ledger.load_tickets(conn)
    files, refused = tracker.waiting(), []
    for ticket in tickets:
        try:
            if ticket.status == "waiting":
                files.create(ticket)
            else:
                files.discard(ticket)
        except (TicketRefused, InputError) as error:  # of this file alone
            refused.append((ticket.title, str(error)))
    return refused


def read_tickets(database: Database, tracker: TrackerResource, settings: Settings, as_of: datetime) -> Followed:
    """What people did with the tickets. Where the tracker cannot be read, what was known of them stays."""
    with database.begin() as conn:
        released, unreadable = read_releases(conn, tracker.waiting())
    with as_dagster_failure():
        try:
            with tracker.open(settings) as place:
                name = settings.tracker.field_name
                followed = follow_tickets(database.transaction, place, as_of, settings.deployed, name)
        except (TrackerUnavailable, TrackerRefused) as error:
            followed = Followed(stopped=str(error))
    followed.n_released, followed.reported[:0] = len(released), unreadable
    return followed


def about_following(followed: Followed) -> dict[str, Any]:
    """What people did, for the UI."""
    return metadata.rows(followed.n_read, released=followed.n_released) | {
        "changed": metadata.listing([f"{key}: {before} -> {now}" for key, before, now in followed.changed]),
        "moved": metadata.listing([f"{before} is now {now}" for before, now in followed.moved]),
        "fixes": metadata.listing([f"{key}: {what}" for key, what in followed.fixes]),
        "to_look_at": metadata.listing(followed.reported),
    }


def read_check(asset: str) -> dg.AssetCheckSpec:
    """The check that `everything_read` answers."""
    return dg.AssetCheckSpec("everything_read", asset=asset)


def everything_read(followed: Followed, alerts: Alerts) -> dg.AssetCheckResult:
    """Whether the tracker could be read, and nothing in it needs a person; an outage is told at once."""
    if followed.stopped:
        alerts.send(f"feedback-loop: the tickets could not be read: {followed.stopped}")
    said = [*([followed.stopped] if followed.stopped else []), *followed.reported]
    return dg.AssetCheckResult(
        check_name="everything_read",
        passed=not said,
        severity=dg.AssetCheckSeverity.ERROR if followed.stopped else dg.AssetCheckSeverity.WARN,
        description="; ".join(said) or "every ticket was read",
    )


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


def everything_filed(filed: Filed, alerts: Alerts) -> dg.AssetCheckResult:
    """Whether the tracker took everything; what it did not is named, told, and tried again with the next run."""
    if filed.stopped or filed.refused:
        alerts.send(f"feedback-loop: tickets were not filed: {filed.problems[0][0]}: {filed.problems[0][1]}")
    first = f"{filed.problems[0][0]}: {filed.problems[0][1]}" if filed.problems else ""
    more = f", and {len(filed.problems) - 1} more" if len(filed.problems) > 1 else ""
    return dg.AssetCheckResult(
        check_name="everything_filed",
        passed=not filed.problems,
        severity=dg.AssetCheckSeverity.ERROR if filed.stopped or filed.refused else dg.AssetCheckSeverity.WARN,
        description=f"{first}{more}" if filed.problems else "everything that was planned is in the tracker",
    )
