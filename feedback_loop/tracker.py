"""The nouns of tickets, and what every tracker can do. Standard library only.

Belongs here: what the loop and a tracker tell each other. Does not belong here: a tracker (`clients/`), the ledger
(`store/tickets.py`), what a ticket says (`route/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal, Protocol

from feedback_loop.documents import Document

TicketStatus = Literal[
    "waiting",  # for a person to release it
    "planned",  # in the ledger, not known to be in the tracker
    "open",
    "reopened",
    "done",  # people say that they shipped a fix
    "closed",  # the loop says so
    "wont_do",
    "duplicate",
    "cancelled",
    "gone",  # deleted, or hidden from us
]


@dataclass(frozen=True)
class Ticket:
    """One row of the ledger: what we asked the tracker to hold for a pattern. One per pattern, ever."""

    application: str
    pattern_id: str
    ticket_number: int
    ticket_key: str | None  # the tracker's name for it, which may change; None until the tracker confirmed it
    status: TicketStatus
    route: str
    priority: int  # 1 highest .. 4
    title: str  # one plain line
    body: Document
    created_week: date
    created_at: datetime
    detector_version: str
    issue_id: str | None = None  # the tracker's own id, which never changes
    duplicate_of: str | None = None  # key of the ticket that people say it duplicates
    is_set_by_people: bool = False  # people gave it the status that it has, and no verdict closes it

    @property
    def ref(self) -> "TicketRef | None":
        """Where the tracker holds it, once it does."""
        if not self.ticket_key:
            return None
        return TicketRef(self.issue_id or self.ticket_key, self.ticket_key, (self.application, self.pattern_id))


@dataclass(frozen=True)
class TicketRef:
    """A ticket that the tracker holds.

    Attributes:
        issue_id, ticket_key: its lasting id, and its name now.
        pattern: (application, pattern_id) that it must be of, where that is known; not part of what it is.
    """

    issue_id: str
    ticket_key: str
    pattern: tuple[str, str] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class TicketEvent:
    """Something said or done on a ticket, planned before it is applied. `event_key` makes it happen once."""

    application: str
    pattern_id: str
    event_key: str
    kind: Literal["comment", "reopen", "close"]
    body: Document
    occurred_at: datetime


@dataclass(frozen=True)
class Attachment:
    """A picture that goes with a ticket or comment. The same name is the same picture, and is attached once."""

    name: str
    png: bytes


@dataclass(frozen=True)
class Applied:
    """What became of an event; its comment is there.

    Attributes:
        is_moved: the ticket has the status that the event brings, and the loop gave it.
        problem: what the tracker refused beside the comment, and goes on refusing: the transition, a picture.
    """

    is_moved: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class StatusChange:
    """A ticket went from one status of its workflow to another."""

    at: datetime
    before: str
    after: str


@dataclass(frozen=True)
class TrackerState:
    """What the tracker says of a ticket now; what it does not know stays empty.

    Attributes:
        ticket_key: its name now; it changes where people move it.
        status: what its status and resolution mean to the loop.
        status_name: as people read it.
        resolution: as people read it.
        duplicate_of: key of the ticket that it is said to duplicate.
        deployed_at: as a person or CI wrote it into the field for that.
        released: released fix versions as (name, release date), earliest first.
        changes: of its status, oldest first.
        resolved_at: when its resolution was set.
        done_since: when its status last came to count as done.
        left_done_at: when its status last ceased to count as done.
        is_set_by_people: people gave it the status that it has, and do not wait there for a verdict.
    """

    ticket_key: str
    status: TicketStatus
    status_name: str = ""
    resolution: str | None = None
    duplicate_of: str | None = None
    deployed_at: datetime | None = None
    released: tuple[tuple[str, date], ...] = ()
    changes: tuple[StatusChange, ...] = ()
    resolved_at: datetime | None = None
    done_since: datetime | None = None
    left_done_at: datetime | None = None
    is_set_by_people: bool | None = None


@dataclass(frozen=True)
class Finding:
    """Something that a tracker lacks, in one sentence; fatal where tickets cannot be made or followed because of it."""

    text: str
    is_fatal: bool


class Tracker(Protocol):
    """Where tickets live for people: Jira or the local Markdown tracker.

    Every verb but `create` may be repeated safely; none writes to what is not the ticket of its pattern. All raise
    `errors.TrackerUnavailable` where the tracker does not answer, `errors.TrackerRefused` where it refuses everything
    and `errors.TicketRefused` where it refuses this.
    """

    name: str
    settles_after: timedelta
    """How long after a write `find` may still miss it."""

    def find(self, ticket: Ticket) -> list[TicketRef]:
        """Every ticket made for this pattern that can be found, oldest first. One just made may not be found yet."""
        ...

    def create(self, ticket: Ticket) -> TicketRef:
        """Make the ticket: one attempt.

        Raises:
            OutcomeUnknown: it may have been made.
        """
        ...

    def complete(self, ref: TicketRef, ticket: Ticket, attachments: Sequence[Attachment]) -> None:
        """Give it what cannot be part of its making: the link back, the pictures. What is there already stays."""
        ...

    def apply(self, ref: TicketRef, event: TicketEvent, attachments: Sequence[Attachment] = ()) -> Applied:
        """Comment, then reopen or close, then attach; an event that is already there changes nothing.

        What people ended otherwise, did already or work on is commented on only.
        """
        ...

    def link_duplicate(self, extra: TicketRef, kept: TicketRef, event: TicketEvent) -> bool:
        """Say on a ticket that we made twice that another one counts; nothing is deleted.

        Returns whether anything was done: what was said once, and what people made, is left alone.
        """
        ...

    def fetch(self, ref: TicketRef) -> TrackerState | None:
        """Its present state, or None where it is gone or hidden."""
        ...

    def locate(self, ticket_key: str) -> TicketRef | None:
        """The ticket that has or had this name, ours or not."""
        ...

    def check(self) -> list[Finding]:
        """What would keep tickets from being made, or made whole. Writes nothing."""
        ...

    def page(self, ref: TicketRef) -> str:
        """Where a person reads it."""
        ...
