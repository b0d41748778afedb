"""Filing: the plan carried out in the tracker, exactly once. The only place that writes there.

Belongs here: the order of ledger row, call and confirmation, and what an answer that never came means. Does not belong
here: the plan (`tracking.py`), the SQL (`store/tickets.py`), the tracker's own protocol (`clients/`).

    ledger row -> search -> note the attempt -> one POST -> confirm -> link and pictures -> comments and transitions

Killed anywhere, the next call finds the rest. After an attempt whose outcome is unknown nothing is sent again until
the tracker's search has had time to show what the attempt made.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from feedback_loop.documents import plain
from feedback_loop.errors import OutcomeUnknown, TicketRefused, TrackerRefused, TrackerUnavailable
from feedback_loop.store import ticket_events
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import Applied, Attachment, Ticket, TicketEvent, TicketRef, Tracker

Begin = Callable[[], AbstractContextManager[Connection]]
Pictures = Callable[[Ticket, TicketEvent | None], Sequence[Attachment]]
"""Of a ticket, or of something said on it."""

SWEEP_DAYS = 28  # how long after its making a second ticket of a pattern is looked for
_STATUS_AFTER = {"reopen": "reopened", "close": "closed"}


@dataclass
class Filed:
    """What one call did, in ticket keys; what it could not do, with the reason."""

    made: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    stopped: str | None = None  # why nothing more could be done

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is left for a later call or a person, as (ticket or title, reason)."""
        return [*([("every ticket", self.stopped)] if self.stopped else []), *self.refused, *self.unknown]


def apply_plan(
    begin: Begin, tracker: Tracker, now: Callable[[], datetime], pictures: Pictures, filed: Filed | None = None
) -> Filed:
    """Make every planned ticket and carry out every planned event that is not confirmed yet.

    What is refused of one ticket does not stop the others. Rows of other trackers are left alone.

    Args:
        begin: opens a transaction; each confirmation is one, so that a killed run keeps what was confirmed.
        tracker: where to.
        now: the clock; a run may wait long for another one, and for the tracker.
        pictures: drawn when they are wanted.
        filed: to be filled; it says what was done where this raises, too.

    Raises:
        TrackerRefused: the tracker refuses everything; says why.
        TrackerUnavailable: it cannot be reached. What was done until then is confirmed.
    """
    filed = filed or Filed()
    with begin() as guard:
        ledger.lock_tracker(guard)
        filing = _Filing(begin, tracker, now, pictures, filed)
        filing.make_tickets()
        filing.complete_tickets()
        filing.sweep()
        filing.say()
    return filed


@dataclass
class _Filing:
    begin: Begin
    tracker: Tracker
    now: Callable[[], datetime]
    pictures: Pictures
    filed: Filed

    def make_tickets(self) -> None:
        """Each planned ticket: adopted where it is there already, else one attempt."""
        with self.begin() as conn:
            planned = [t for t in ledger.load_tickets(conn, tracker=self.tracker.name) if t.status == "planned"]
            attempted = ledger.attempts(conn)
        for ticket in planned:
            with self._one(ticket):
                self._make(ticket, attempted.get((ticket.application, ticket.pattern_id)))

    def _make(self, ticket: Ticket, attempted_at: datetime | None) -> None:
        if found := self.tracker.find(ticket):
            with self.begin() as conn:
                ledger.note_attempt(conn, ticket, attempted_at or self.now())  # from then on, the sweeper looks
                ledger.confirm_ticket(conn, ticket, found[0])
            self.filed.adopted.append(found[0].ticket_key)
            return
        if attempted_at is not None and self.now() < attempted_at + self.tracker.settles_after:
            raise OutcomeUnknown(
                f"sent at {attempted_at:%Y-%m-%d %H:%M} UTC without an answer; looked for again until "
                f"{attempted_at + self.tracker.settles_after:%H:%M}, then sent once more"
            )
        self._note_attempt(ticket, self.now())
        try:
            ref = self.tracker.create(ticket)
        except OutcomeUnknown:
            self._note_attempt(ticket, self.now())  # the quiet period begins with the last word to the tracker
            raise
        except (TicketRefused, TrackerRefused, TrackerUnavailable):
            self._note_attempt(ticket, attempted_at)  # this one surely was not made
            raise
        with self.begin() as conn:
            ledger.confirm_ticket(conn, ticket, ref)
        self.filed.made.append(ref.ticket_key)

    def _note_attempt(self, ticket: Ticket, at: datetime | None) -> None:
        with self.begin() as conn:
            ledger.note_attempt(conn, ticket, at)

    def complete_tickets(self) -> None:
        """Link and pictures of tickets that have none yet."""
        with self.begin() as conn:
            waiting = ledger.incomplete(conn, self.tracker.name)
        for ticket in waiting:
            if ticket.ref is not None and ticket.status != "gone":
                with self._one(ticket):
                    self.tracker.complete(ticket.ref, ticket, self.pictures(ticket, None))
                    with self.begin() as conn:
                        ledger.confirm_complete(conn, ticket)

    def sweep(self) -> None:
        """Where a pattern has two tickets after all, the older one counts, and the other says so."""
        with self.begin() as conn:
            young = ledger.attempted_since(conn, self.tracker.name, self.now() - timedelta(days=SWEEP_DAYS))
        for ticket in young:
            if ticket.ref is not None and ticket.status != "gone":
                with self._one(ticket):
                    self._keep_oldest(ticket, ticket.ref)
                    with self.begin() as conn:
                        ledger.forget_problem(conn, ticket)

    def _keep_oldest(self, ticket: Ticket, held: TicketRef) -> None:
        found = self.tracker.find(ticket)
        if len(found) < 2:
            return
        kept = found[0]
        if kept.issue_id != held.issue_id and held in found:
            with self.begin() as conn:
                ledger.move_ticket(conn, ticket, kept)
                ticket_events.say_again(conn, ticket.application, ticket.pattern_id)
        for extra in found[1:]:
            said = f"Made twice by accident. {kept.ticket_key} is the ticket that counts; please work on that one."
            event = TicketEvent(
                ticket.application, ticket.pattern_id, f"extra:{extra.issue_id}", "comment", plain(said), self.now()
            )
            if self.tracker.link_duplicate(extra, kept, event):
                self.filed.duplicates.append(extra.ticket_key)

    def say(self) -> None:
        """Every planned event, in its order; after one that failed, the ticket's later ones wait."""
        with self.begin() as conn:
            tickets = {(t.application, t.pattern_id): t for t in ledger.load_tickets(conn, tracker=self.tracker.name)}
            pending = ticket_events.pending_events(conn, self.tracker.name)
        stuck: set[tuple[str, str]] = set()
        for event in pending:
            ticket = tickets[event.application, event.pattern_id]
            if (ticket.application, ticket.pattern_id) in stuck or ticket.ref is None:
                continue
            stuck.add((ticket.application, ticket.pattern_id))
            with self._one(ticket, event):
                applied = self.tracker.apply(ticket.ref, event, self.pictures(ticket, event))
                self._confirm_event(event, applied)
                self.filed.said.append(ticket.ref.ticket_key)
                if applied.problem:
                    self.filed.refused.append((ticket.ref.ticket_key, applied.problem))
                stuck.discard((ticket.application, ticket.pattern_id))

    def _confirm_event(self, event: TicketEvent, applied: Applied) -> None:
        """It was said; a transition or picture that was refused does not hold back what follows."""
        with self.begin() as conn:
            ticket_events.confirm_event(conn, event, is_moved=applied.is_moved)
            if applied.problem:
                ticket_events.note_event_problem(conn, event, applied.problem)
            if applied.is_moved:
                status = _STATUS_AFTER[event.kind]
                ledger.set_status(conn, event.application, event.pattern_id, status, event.occurred_at)

    @contextmanager
    def _one(self, ticket: Ticket, event: TicketEvent | None = None) -> Iterator[None]:
        """What goes wrong with one ticket is written down, and the rest goes on."""
        try:
            yield
        except (TicketRefused, OutcomeUnknown) as error:
            name = ticket.ticket_key or ticket.title
            into = self.filed.refused if isinstance(error, TicketRefused) else self.filed.unknown
            into.append((name, str(error)))
            with self.begin() as conn:
                if event is None:
                    ledger.note_problem(conn, ticket, str(error))
                else:
                    ticket_events.note_event_problem(conn, event, str(error))
