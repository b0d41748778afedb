"""One failure of Jira, a run that meets it, and later runs without it: what is lost, what is said twice.

Belongs here: the matrix of failures and steps, and what is measured of each cell. Does not belong here: what must hold
(`test_tracker_faults.py`), the two tickets and their Jira (`tracker_world.py`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import URL, Engine

from feedback_loop.defs.filing import Filed
from feedback_loop.defs.following import Followed
from feedback_loop.errors import FeedbackLoopError, TrackerRefused, TrackerUnavailable
from feedback_loop.store import tickets as ledger
from feedback_loop.store.engine import create_engine
from feedback_loop.testing.jira_emulator import FAULTS, JiraEmulator
from feedback_loop_tests.defs.tracker_world import PATTERNS, QUIET_S, FilingWorld, plan_event, seed

Personality = Literal["cloud", "dc"]
PERSONALITIES: tuple[Personality, ...] = ("cloud", "dc")
Scene = Literal["file", "sweep", "follow"]
TIMEOUT_S = 0.4  # of runs in which Jira does not answer in time
WORDS = ("made", "unknown", "refused", "unavailable", "stopped", "read", "skipped", "gone")
_OF_SEARCHES = ("repeated page token", "duplicate hits")
FAILURES: Mapping[str, Mapping[str, Any]] = {
    **FAULTS,
    "429, the tenant's quota": {"name": "status", "status": 429, "retry_after": 2, "reason": "jira-quota-tenant-based"},
}


@dataclass(frozen=True)
class Step:
    """One request among those of a run: the `nth` of a route.

    A run files two tickets and says three things on each (`file`), finds two twins of its making (`sweep`), or reads
    what people did to the two (`follow`).
    """

    name: str
    scene: Scene
    route: str
    nth: int = 1
    is_cloud_only: bool = False


STEPS = (
    Step("which Jira", "file", "serverinfo"),
    Step("sign in", "file", "myself"),
    Step("search", "file", "search"),
    Step("create", "file", "create"),
    Step("property", "file", "property.put"),
    Step("page link", "file", "remotelink"),
    Step("look at files", "file", "get"),
    Step("attach", "file", "attachment"),
    Step("sweep", "file", "search", nth=3),
    Step("read comments", "file", "comment.list"),
    Step("comment", "file", "comment.add"),
    Step("look at status", "file", "get", nth=5),
    Step("statuses", "file", "priority"),
    Step("history", "file", "changelog", is_cloud_only=True),
    Step("ways to go", "file", "transition.list"),
    Step("close", "file", "transition.do"),
    Step("reopen", "file", "transition.do", nth=3),
    Step("link types", "sweep", "link.get"),
    Step("link twins", "sweep", "link"),
    Step("follow: ticket", "follow", "get"),
    Step("follow: statuses", "follow", "priority"),
    Step("follow: history", "follow", "changelog", is_cloud_only=True),
)


@dataclass(frozen=True)
class Cell:
    """A failure at a step; it strikes once, or stays until the next run."""

    failure: str
    step: Step
    personality: Personality
    stays: bool

    def __str__(self) -> str:
        return f"{self.personality}, {self.step.name}, {self.failure}, {'stays' if self.stays else 'once'}"


@dataclass(frozen=True)
class Outcome:
    """What the first run said, and what there is after the last.

    Attributes:
        said: one of `WORDS`.
        n_requests: of the first run.
        n_tickets: issues that count.
        n_comments: of ours.
        doubled, lost: what is there more often, or less often, than after an undisturbed run.
        is_same: the issues that count read, and the ledger is, as after an undisturbed run.
        n_late_writes: of the last run, which had nothing left to do.
        problems: what the last two runs still complained of.
        leads_right: each pattern has one issue that counts, and the ledger leads to it.
        n_refused: requests that Jira itself turned down.
        n_struck: requests that met the failure.
    """

    said: str
    n_requests: int
    n_tickets: int
    n_comments: int
    doubled: Counter[tuple[str, ...]]
    lost: Counter[tuple[str, ...]]
    is_same: bool
    n_late_writes: int
    problems: list[tuple[str, str]]
    leads_right: bool
    n_refused: int
    n_struck: int


@dataclass(frozen=True)
class Calm:
    """What an undisturbed run leaves."""

    held: Counter[tuple[str, ...]]
    story: dict[str, Any]


def all_cells() -> Iterator[Cell]:
    """Every failure wherever it can strike, once and until the next run."""
    for personality in PERSONALITIES:
        for step in STEPS:
            if step.is_cloud_only and personality != "cloud":
                continue
            for failure in FAILURES:
                if failure not in _OF_SEARCHES or step.route == "search":
                    yield Cell(failure, step, personality, stays=False)
                    yield Cell(failure, step, personality, stays=True)


class Matrix:
    """Tries cells, one after the other, in one database and one Jira; what an undisturbed run leaves is found once."""

    def __init__(self, engine: Engine, jira: JiraEmulator) -> None:
        self._world = FilingWorld(engine, jira)
        self.calm = cache(self._calm)

    def try_cell(self, cell: Cell) -> Outcome:
        """The failure, then runs without it: one after the quiet period, and one more."""
        calm, world = self.calm(cell.step.scene), self._world
        self._prepare(cell.step.scene)
        how = dict(FAILURES[cell.failure]) | _pace(cell.failure)
        world.n_requests.clear()
        is_late = "timeout" in cell.failure
        world.jira.fail(route=cell.step.route, nth=cell.step.nth, count=None if cell.stays else 1, **how)
        said = self._first(cell.step.scene, TIMEOUT_S if is_late else 30.0)
        world.mend()
        world.jira.advance(QUIET_S + 1)
        problems, n_late_writes = self._recover(cell.step.scene)
        held = world.held()
        return Outcome(
            said=said,
            n_requests=world.n_requests[0],
            n_tickets=sum(len(world.counting(p)) for p in PATTERNS),
            n_comments=sum(n for item, n in held.items() if item[1] == "comment"),
            doubled=held - calm.held,
            lost=calm.held - held,
            is_same=world.story() == calm.story,
            n_late_writes=n_late_writes,
            problems=problems,
            leads_right=world.leads_right(),
            n_refused=len(world.jira.refused),
            n_struck=sum(request.fault is not None for request in world.jira.requests),
        )

    def _calm(self, scene: Scene) -> Calm:
        self._prepare(scene)
        assert self._first(scene, 30.0) in ("made", "read")
        self._recover(scene)
        return Calm(self._world.held(), self._world.story())

    def _prepare(self, scene: Scene) -> None:
        world = self._world
        world.jira.reset()
        seed(world.engine)
        if scene == "sweep":
            self._make_twins()
        if scene == "follow":
            world.file()
            for pattern_id, resolution in zip(PATTERNS, ("Done", "Won't Do"), strict=True):
                (issue,) = world.issues(pattern_id)
                world.jira.people_transition(issue.key, "Done", resolution)
                world.jira.people_comment(issue.key, "Seen.")
                world.jira.people_set(issue.key, summary="In our words", priority="High")
            with world.engine.begin() as conn:
                plan_event(conn, "after", "comment", hours=24)
            world.jira.advance(60)

    def _make_twins(self) -> None:
        """Two issues for each pattern, as after an answer that was lost for longer than the quiet period."""
        world = self._world
        with world.connect() as tracker, world.engine.begin() as conn:
            for ticket in ledger.load_tickets(conn):
                tracker.create(ticket)
                tracker.create(ticket)
                ledger.note_attempt(conn, ticket, world.jira.now)

    def _first(self, scene: Scene, timeout_s: float) -> str:
        """The run that meets the failure, in one word."""
        try:
            if scene == "follow":
                return _word_of_following(self._world.follow(timeout_s))
            return _word_of_filing(self._world.file(timeout_s))
        except TrackerUnavailable:
            return "unavailable"
        except TrackerRefused:
            return "stopped"
        except FeedbackLoopError as error:
            return type(error).__name__  # none of `WORDS`

    def _recover(self, scene: Scene) -> tuple[list[tuple[str, str]], int]:
        """Two runs: what they complain of, and what the second still writes."""
        world = self._world
        if scene == "follow":
            world.follow()
        problems = world.file().problems
        n_before = world.n_writes
        problems += world.file().problems
        return problems, world.n_writes - n_before


def _word_of_filing(filed: Filed) -> str:
    return "refused" if filed.refused else "unknown" if filed.unknown else "made"


def _word_of_following(followed: Followed) -> str:
    if any(now == "gone" for _, _, now in followed.changed):
        return "gone"
    return "skipped" if followed.reported else "read"


def _pace(failure: str) -> dict[str, float]:
    """How long the emulator waits, in seconds: longer than the client, or shorter."""
    return {"seconds": 2 * TIMEOUT_S} if "timeout" in failure else {"seconds": 0.02} if failure == "slow" else {}


def try_cells(url: URL, cells: Sequence[Cell]) -> list[tuple[Cell, Outcome]]:
    """Each of these, in a database of one's own."""
    engine = create_engine(url, poolclass=sa.NullPool)
    found = []
    try:
        for personality in PERSONALITIES:
            own = [cell for cell in cells if cell.personality == personality]
            if own:
                with JiraEmulator(personality) as jira:
                    matrix = Matrix(engine, jira)
                    found += [(cell, matrix.try_cell(cell)) for cell in own]
    finally:
        engine.dispose()
    return found
