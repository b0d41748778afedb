"""A ledger with planned tickets and a real tracker beside it, filed and followed as a run does, but without Dagster.

Belongs here: the ledger as planning leaves it, and one call of filing or following. Does not belong here: failures at
every step (`tracker_faults.py`), the loop (`world.py`), what must hold (the tests).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.defs.filing import Filed, apply_plan
from feedback_loop.defs.following import Followed, follow_tickets
from feedback_loop.deployed import DeployedPolicy
from feedback_loop.documents import plain
from feedback_loop.records import Fix
from feedback_loop.store import fixes, ticket_events
from feedback_loop.store import tickets as ledger
from feedback_loop.testing.jira_emulator import Issue, JiraEmulator
from feedback_loop.tracker import Attachment, Ticket, TicketEvent, Tracker
from feedback_loop_tests.clients import jira_world
from feedback_loop_tests.factories import APPLICATION, W1, rows
from feedback_loop_tests.store.test_patterns import save, state
from feedback_loop_tests.store.test_tickets import ticket as make_ticket

Kind = Literal["comment", "close", "reopen"]
CHART = Attachment("feedback-loop-trend.png", b"\x89PNG chart")
WRITES = ("POST", "PUT", "DELETE")


@dataclass
class LedgerWorld:
    """A database, a tracker, and the tracker's clock."""

    engine: Engine
    tracker: Tracker
    clock: Callable[[], datetime]
    field_name: str = "Deployed at"

    def add(self, *pattern_ids: str, tracker: str | None = None, **fields: Any) -> None:
        """Patterns with a planned ticket each; tickets and patterns start before the tracker's clock."""
        with self.engine.begin() as conn:
            known = {row[0] for row in conn.execute(sa.text("select pattern_id from feedback_loop.patterns"))}
            save(conn, W1, *(state(p) for p in sorted({*known, *pattern_ids})))
            for pattern_id in pattern_ids:
                planned = make_ticket(pattern_id, title=f"Trouble {pattern_id}", **fields)
                ledger.add_ticket(conn, planned, tracker or self.tracker.name)

    def plan(self, pattern_id: str, *steps: Kind, first: int = 0) -> None:
        """Things to say or do on a ticket, an hour apart; their keys are `<number>-<kind>`."""
        with self.engine.begin() as conn:
            events = [
                TicketEvent(
                    APPLICATION,
                    pattern_id,
                    f"{first + n}-{kind}",
                    kind,
                    plain(f"Step {first + n} of {pattern_id}."),
                    self.clock() - timedelta(hours=20 - first - n),
                )
                for n, kind in enumerate(steps)
            ]
            ticket_events.plan_events(conn, events)

    def file(self, engine: Engine | None = None, into: Filed | None = None) -> Filed:
        """Carry out what is planned."""
        return apply_plan((engine or self.engine).begin, self.tracker, self.clock, _pictures, into)

    def follow(self, as_of: datetime | None = None) -> Followed:
        """Read what people did."""
        at = as_of or self.clock()
        return follow_tickets(self.engine.begin, self.tracker, at, DeployedPolicy(), self.field_name)

    def ticket(self, pattern_id: str) -> Ticket:
        """As the ledger has it."""
        with self.engine.connect() as conn:
            return ledger.load_tickets(conn, APPLICATION, [pattern_id])[0]

    def key(self, pattern_id: str) -> str:
        """Under which the tracker holds it."""
        return str(self.ticket(pattern_id).ticket_key)

    def row(self, pattern_id: str) -> dict[str, Any]:
        """The whole row of a ticket."""
        (row,) = (r for r in rows(self.engine, "tickets") if r["pattern_id"] == pattern_id)
        return row

    def fixes(self) -> list[Fix]:
        """That count now."""
        with self.engine.connect() as conn:
            return fixes.load_fixes(conn, self.clock() + timedelta(days=999))

    def said(self) -> list[tuple[str, str, str | None, datetime]]:
        """Every decision as pattern, kind, value and when."""
        found = rows(self.engine, "pattern_decisions")
        return [(r["pattern_id"], r["decision"], r["value"], r["decided_at"]) for r in found]


@dataclass
class JiraLedger(LedgerWorld):
    """The same with an emulated Jira."""

    jira: JiraEmulator = None  # type: ignore[assignment]  # always given; the base has defaults

    def issue(self, pattern_id: str) -> Issue:
        """The issue that the ledger leads to."""
        found = self.jira.find(str(self.ticket(pattern_id).issue_id))
        assert found is not None
        return found

    @property
    def n_writes(self) -> int:
        """Requests so far that were to change something."""
        return sum(request.method in WRITES for request in self.jira.requests)

    def later(self, **by: float) -> datetime:
        """Time passes; returns the new time."""
        self.jira.advance(timedelta(**by).total_seconds())
        return self.jira.now


@contextmanager
def open_ledger(engine: Engine, personality: str = "cloud", **emulator: Any) -> Iterator[JiraLedger]:
    """An empty ledger and an empty Jira, in which nothing may be asked that a Jira would refuse."""
    with jira_world.open_world(personality, **emulator) as world, world.connect() as tracker:
        yield JiraLedger(engine, tracker, lambda: world.jira.now, jira=world.jira)
        assert world.jira.refused == []


def filed(world: JiraLedger) -> JiraLedger:
    """Tickets of p1 and p2 in Jira since an hour."""
    world.add("p1", "p2")
    world.file()
    world.later(hours=1)
    return world


def comments(issue: Issue) -> list[str]:
    """What the comments of an issue say, in whichever markup, without the escapes of wiki markup."""
    return [str(comment.body).replace("\\", "") for comment in issue.comments]


def moves(issue: Issue) -> list[str]:
    """The statuses it went to."""
    items = [item for change in issue.changelog for item in change.items if item["field"] == "status"]
    return [str(item["toString"]) for item in items]


def _pictures(_ticket: Ticket, event: TicketEvent | None) -> Sequence[Attachment]:
    return (CHART,) if event is None else ()
