"""The local tracker: one Markdown file per ticket, for teams without Jira and for the demo.

Belongs here: the files. The ledger of what was asked lies in PostgreSQL (`store/tickets.py`), as for any tracker.
People may edit a file: `status: done` in its head means that they shipped a fix, at `resolved_at` if they say when.
Does not belong here: what a ticket says (`route/`) and its markup (`rendering/`).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feedback_loop.errors import InputError, TicketRefused
from feedback_loop.rendering import markdown
from feedback_loop.tracker import (
    Applied,
    Attachment,
    Finding,
    Ticket,
    TicketEvent,
    TicketRef,
    TicketStatus,
    TrackerState,
)

RELEASED = "released"
"""What a person writes as the status: of a ticket that waits, that it may go; of another, that its fix is out."""

_HEAD = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_STATUS_AFTER: dict[str, TicketStatus] = {"reopen": "reopened", "close": "closed"}
_DECIDED = ("wont_do", "duplicate", "cancelled")  # by people
_KEPT_BY = {"reopened": _DECIDED, "closed": (*_DECIDED, "done", "closed")}
"""What a status does not take the place of."""
_STATUSES: tuple[TicketStatus, ...] = (
    "waiting",
    "planned",
    "open",
    "reopened",
    "done",
    "closed",
    "wont_do",
    "duplicate",
    "cancelled",
)


class LocalTracker:
    """Tickets as Markdown files in a directory. Every verb may be repeated: what is there already stays.

    Args:
        directory: made when it is needed.
        prefix: files are called `<prefix>-<number>.md`.
        released: what the status `released` means in them.
    """

    name = "local"
    settles_after = timedelta(0)

    def __init__(self, directory: Path, prefix: str = "FL", released: TicketStatus = "done") -> None:
        self.directory, self.prefix, self.released = directory, prefix, released

    def find(self, ticket: Ticket) -> list[TicketRef]:
        """Its file, where there is one.

        Raises:
            TicketRefused: a file of that number belongs to another pattern, so it is some other database's; or it
                cannot be read.
        """
        key = f"{self.prefix}-{ticket.ticket_number}"
        path = self._path(key)
        if not path.exists():
            return []
        head = self._read_head(path)
        if head.get("pattern") != ticket.pattern_id:
            raise TicketRefused(
                f"{path} is the ticket of pattern {head.get('pattern')}, not of {ticket.pattern_id}: the directory "
                "belongs to another database; move its files away and run again"
            )
        return [TicketRef(key, key)]

    def create(self, ticket: Ticket) -> TicketRef:
        """Write the file, unless it is there.

        Raises:
            TicketRefused: as `find`.
        """
        if found := self.find(ticket):
            return found[0]
        key = f"{self.prefix}-{ticket.ticket_number}"
        head = {
            "ticket": key,
            "status": "waiting" if ticket.status == "waiting" else "open",
            "resolved_at": "",
            "route": ticket.route,
            "priority": str(ticket.priority),
            "application": ticket.application,
            "pattern": ticket.pattern_id,
            "created": f"{ticket.created_at:%Y-%m-%d}",
        }
        title = markdown.escape(ticket.title)
        self._write(self._path(key), head, f"\n# {title}\n\n{markdown.render(ticket.body)}\n\n## History\n")
        return TicketRef(key, key)

    def complete(self, ref: TicketRef, ticket: Ticket, attachments: Sequence[Attachment]) -> None:
        """Put the pictures beside the file."""
        for picture in attachments:
            path = self._picture(ref, picture)
            if not path.exists():
                self.directory.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(".part")
                part.write_bytes(picture.png)
                part.replace(path)

    def apply(self, ref: TicketRef, event: TicketEvent, attachments: Sequence[Attachment] = ()) -> Applied:
        """Add an event to the history, with its pictures, and set the status it brings; people's decisions stay.

        Raises:
            TicketRefused: the file is gone, or cannot be read.
        """
        path = self._path(ref.ticket_key)
        if not path.exists():
            raise TicketRefused(f"ticket {ref.ticket_key} has no file {path}; it was deleted or moved")
        marker = f"<!-- event {event.event_key} -->"
        head, text = self._read_head(path), self._read(path)
        status = _STATUS_AFTER.get(event.kind)
        if marker in text:
            return Applied(is_moved=status is not None and head.get("status") == status)
        if is_moved := status is not None and head.get("status") not in _KEPT_BY[status]:
            head |= {"status": status} | ({"resolved_at": ""} if status == "reopened" else {})
        pictures = "".join(f"\n![Trend](<{self._picture(ref, picture).name}>)\n" for picture in attachments)
        said = f"{marker}\n**{event.occurred_at:%Y-%m-%d}** {markdown.render(event.body)}\n{pictures}"
        self._write(path, head, f"{_HEAD.sub('', text)}\n{said}")
        return Applied(is_moved)

    def discard(self, ticket: Ticket) -> None:
        """Take the file away, where it is: the ticket lies elsewhere now."""
        for ref in self.find(ticket):
            self._path(ref.ticket_key).unlink()

    def link_duplicate(self, extra: TicketRef, kept: TicketRef, event: TicketEvent) -> bool:
        """Say so; a number has one file, so that this never happens by itself."""
        path = self._path(extra.ticket_key)
        before = path.stat().st_size if path.exists() else 0
        self.apply(extra, event)
        return path.stat().st_size != before

    def fetch(self, ref: TicketRef) -> TrackerState | None:
        """What the file says now; None where it is gone.

        Raises:
            InputError: a person wrote a status or time that means nothing; says which file and line.
            TicketRefused: it cannot be read.
        """
        path = self._path(ref.ticket_key)
        if not path.exists():
            return None
        head = self._read_head(path)
        said = head.get("status", "").lower()
        status = self.released if said == RELEASED else next((s for s in _STATUSES if s == said), None)
        if status is None:
            raise InputError(f"{path}: status is one of {', '.join(_STATUSES)}; it says {head.get('status')!r}")
        said_at = self._resolved_at(path, head.get("resolved_at", ""))
        return TrackerState(
            ref.ticket_key,
            status,
            status_name=head["status"],
            duplicate_of=head.get("duplicate_of") or None,
            deployed_at=said_at,
        )

    def locate(self, ticket_key: str) -> TicketRef | None:
        """The file of that name."""
        has_file = re.fullmatch(rf"{self.prefix}-\d+", ticket_key) is not None and self._path(ticket_key).exists()
        return TicketRef(ticket_key, ticket_key) if has_file else None

    def check(self) -> list[Finding]:
        """Nothing can keep files from being made but the disk."""
        return []

    def page(self, ref: TicketRef) -> str:
        """Path of the file."""
        return str(self._path(ref.ticket_key))

    def _picture(self, ref: TicketRef, picture: Attachment) -> Path:
        return self.directory / f"{ref.ticket_key}-{picture.name}"

    def _resolved_at(self, path: Path, text: str) -> datetime | None:
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise InputError(f"{path}: resolved_at is a date or time such as 2026-02-03; it says {text!r}") from error
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.md"

    def _read(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise TicketRefused(f"{path} is not UTF-8 ({error}): save it as UTF-8") from error

    def _read_head(self, path: Path) -> dict[str, str]:
        match = _HEAD.match(self._read(path))
        if match is None:
            raise TicketRefused(f"{path}: the head between the two --- lines is gone; restore it")
        pairs = (line.partition(":") for line in match.group(1).splitlines() if ":" in line)
        return {name.strip(): value.strip() for name, _, value in pairs}

    def _write(self, path: Path, head: dict[str, str], rest: str) -> None:
        """Replace the file in one step: a killed run leaves the old one or the new one, and a part for the next run."""
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = "\n".join(f"{name}: {value}".rstrip() for name, value in head.items())
        part = path.with_suffix(".part")
        part.write_text(f"---\n{lines}\n---\n{rest}", encoding="utf-8")
        part.replace(path)
