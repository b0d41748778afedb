"""Two patterns with a ticket each and things to say on them, an emulated Jira, and filing from the one to the other.

Belongs here: the ledger as planning leaves it, one call of filing or following, and what Jira and the ledger then hold.
Does not belong here: failures (`tracker_faults.py`), kills (`killed_filing.py`), what must hold (the tests).
"""

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from PIL import Image
from sqlalchemy import Engine

from feedback_loop.clients.jira import JiraTracker
from feedback_loop.clients.jira_fields import label_of
from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.defs.filing import Filed, apply_plan
from feedback_loop.defs.following import Followed, follow_tickets
from feedback_loop.deployed import DeployedPolicy
from feedback_loop.documents import plain
from feedback_loop.store import ticket_events
from feedback_loop.store import tickets as ledger
from feedback_loop.testing.jira_emulator import Issue, JiraEmulator
from feedback_loop.tracker import Attachment, Ticket, TicketEvent
from feedback_loop_tests.factories import W1, rows
from feedback_loop_tests.store import test_patterns as patterns
from feedback_loop_tests.store.test_tickets import NOW
from feedback_loop_tests.store.test_tickets import ticket as make_ticket

PATTERNS = ("p1", "p2")
QUIET_S = JiraPolicy().quiet_minutes * 60
EMAIL, TOKEN = "bot@example.com", "jira-token"
Kind = Literal["comment", "close", "reopen"]
_EVENTS: tuple[Kind, ...] = ("comment", "close", "reopen")
_REFERENCE = re.compile(r"ref ([0-9a-f]{12})")
_OF_A_RUN = (  # names and times that Jira gives, and times of calls: they may differ between runs
    "ticket_key", "issue_id", "old_keys", "attempted_at", "updated_at", "fetched_at", "reopened_by_people_at",
)  # fmt: skip
_LEDGER = ("tickets", "ticket_events", "fixes", "pattern_decisions")
_WRITES = ("POST", "PUT", "DELETE")


def pictures(ticket: Ticket, event: TicketEvent | None) -> Sequence[Attachment]:
    """A small PNG for the ticket and for its comments."""
    if event is not None and event.kind != "comment":
        return ()
    name = "ticket" if event is None else event.event_key
    file = io.BytesIO()
    Image.new("RGB", (8, 8 + len(name)), "white").save(file, "png")
    return (Attachment(f"feedback-loop-{ticket.pattern_id}-{name}.png", file.getvalue()),)


def seed(engine: Engine, of: Sequence[str] = PATTERNS, kinds: Sequence[Kind] = _EVENTS) -> None:
    """An empty ledger but for a planned ticket per pattern, and a planned event of each kind, one after the other."""
    with engine.begin() as conn:
        conn.execute(sa.text(f"truncate {', '.join(f'feedback_loop.{table}' for table in _LEDGER)}"))
        patterns.save(conn, W1, *(patterns.state(p) for p in PATTERNS))
        for pattern_id in of:
            ticket = make_ticket(pattern_id, title=f"Trouble {pattern_id}", body=plain("What users said."))
            ledger.add_ticket(conn, ticket, "jira")
        for hours, kind in enumerate(kinds):
            plan_event(conn, kind, kind, of, hours)


def plan_event(conn: sa.Connection, key: str, kind: Kind, of: Sequence[str] = PATTERNS, hours: int = 0) -> None:
    """Something to say or do on each ticket."""
    at = NOW + timedelta(hours=hours)
    said = [TicketEvent("shop", p, f"{key}:{p}", kind, plain(f"Said in {key}."), at) for p in of]
    ticket_events.plan_events(conn, said)


def connect(
    server: str, is_cloud: bool, now: Callable[[], datetime], sleep: Callable[[float], None], timeout_s: float = 30.0
) -> JiraTracker:
    """A tracker on an emulated Jira; to be closed."""
    policy = JiraPolicy(server, project="FL", read_timeout_s=timeout_s)
    return JiraTracker(
        policy,
        TOKEN,
        EMAIL if is_cloud else None,
        asset_url="https://dagster.example.com/assets/pattern_cards",
        now=now,
        sleep=sleep,
        jitter=lambda: 0.0,
    )


T = TypeVar("T")


@dataclass
class FilingWorld:
    """A database and a Jira; time is Jira's, and passes only where something waits for it."""

    engine: Engine
    jira: JiraEmulator
    patterns: Sequence[str] = PATTERNS
    n_requests: list[int] = field(default_factory=list)  # of each call of filing or following

    def connect(self, timeout_s: float = 30.0) -> JiraTracker:
        """A tracker on the Jira; to be closed."""
        is_cloud = self.jira.personality == "cloud"
        return connect(self.jira.base_url, is_cloud, lambda: self.jira.now, self.jira.advance, timeout_s)

    def file(self, timeout_s: float = 30.0) -> Filed:
        """Carry out the plan, as a run does."""
        return self._call(timeout_s, lambda jira: apply_plan(self.engine.begin, jira, lambda: self.jira.now, pictures))

    def follow(self, timeout_s: float = 30.0) -> Followed:
        """Read the tickets, as a run does."""
        policy = DeployedPolicy()
        return self._call(
            timeout_s, lambda jira: follow_tickets(self.engine.begin, jira, self.jira.now, policy, "Deployed at")
        )

    def _call(self, timeout_s: float, what: Callable[[JiraTracker], T]) -> T:
        n_before = len(self.jira.requests)
        try:
            with self.connect(timeout_s) as tracker:
                return what(tracker)
        finally:
            self.n_requests.append(len(self.jira.requests) - n_before)

    def mend(self) -> None:
        """No failure is left."""
        self.jira._state.faults.faults.clear()

    @property
    def n_writes(self) -> int:
        """Requests so far that were to change something."""
        return sum(request.method in _WRITES for request in self.jira.requests)

    def issues(self, pattern_id: str) -> list[Issue]:
        """Those with the label of a pattern, oldest first."""
        label = label_of(make_ticket(pattern_id))
        return [issue for issue in self.jira.issues if label in issue.fields["labels"]]

    def counting(self, pattern_id: str) -> list[Issue]:
        """Those that are not said to duplicate another."""
        return [i for i in self.issues(pattern_id) if not any(link.source == i.id for link in i.links)]

    def held(self) -> Counter[tuple[str, ...]]:
        """Everything that we made in Jira, and how often."""
        found: Counter[tuple[str, ...]] = Counter()
        for pattern_id in self.patterns:
            for issue in self.issues(pattern_id):
                found.update((pattern_id, *item) for item in _items(issue))
        return found

    def story(self) -> dict[str, Any]:
        """How the issues that count read, and the ledger, without what differs between two runs."""
        told = {p: [_told(issue) for issue in self.counting(p)] for p in self.patterns}
        tickets = rows(self.engine, "tickets", without=_OF_A_RUN)
        fixes = rows(self.engine, "fixes", without=("ticket_key", "deployed_at", "fix_id", "deployment_id"))
        said = rows(self.engine, "pattern_decisions", without=("decided_at",))
        events = rows(self.engine, "ticket_events")
        return told | {"tickets": tickets, "events": events, "fixes": fixes, "decisions": said}

    def tickets(self) -> list[dict[str, Any]]:
        """Rows of the ledger."""
        return rows(self.engine, "tickets")

    def leads_right(self) -> bool:
        """Whether there is one issue that counts for each pattern, and the ledger leads to it."""
        known = {row["pattern_id"]: [row["issue_id"]] for row in self.tickets()}
        return known == {p: [issue.id for issue in self.counting(p)] for p in self.patterns}


def _items(issue: Issue) -> list[tuple[str, ...]]:
    return [
        ("issue",),
        *(("comment", reference) for reference in _references(issue)),
        *(("attachment", attachment.filename) for attachment in issue.attachments),
        *(("page", str(link.global_id)) for link in issue.remote_links),
        *(("property", name) for name in issue.properties),
        *(("move", *move) for move in _moves(issue)),
        *(("duplicate", link.type) for link in issue.links if link.source == issue.id),
    ]


def _references(issue: Issue) -> list[str]:
    return [reference for comment in issue.comments for reference in _REFERENCE.findall(str(comment.body))]


def _moves(issue: Issue) -> list[tuple[str, str]]:
    items = [item for change in issue.changelog for item in change.items if item["field"] == "status"]
    return [(item["fromString"], item["toString"]) for item in items]


def _told(issue: Issue) -> dict[str, Any]:
    kept = ("summary", "labels", "status", "resolution", "description", "priority")
    return {name: issue.fields[name] for name in kept} | {
        "comments": _references(issue),
        "n_comments": len(issue.comments),
        "attachments": sorted((a.filename, a.content) for a in issue.attachments),
        "moves": _moves(issue),
        "pages": [(link.global_id, link.target) for link in issue.remote_links],
        "properties": issue.properties,
    }
