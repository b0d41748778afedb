"""The demo: twelve weeks of a simulated assistant through the real loop, week by week.

Belongs here: the order of a demo week (simulate, import, run, verify, let people ship) and what is kept for the story.
Does not belong here: the simulated world (`testing/`), printing (`cli.py`), or any short cut: what the demo does, the
commands do.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
from sqlalchemy import Engine

from feedback_loop.defs.demo_surroundings import Surroundings
from feedback_loop.defs.runs import Loop, RunResult, open_loop
from feedback_loop.environment import Environment
from feedback_loop.errors import InputError, PermanentError
from feedback_loop.identity import load_hash_key
from feedback_loop.intake.importing import import_paths
from feedback_loop.records import Fix, Verification
from feedback_loop.store import aftermath, fixes, patterns, tickets
from feedback_loop.testing.people import Decision, Driver
from feedback_loop.testing.simulator import Simulator
from feedback_loop.testing.simulator_plan import SimulatorSettings


@dataclass(frozen=True)
class Planted:
    """The truth behind a fix, which the loop never sees: what failed, and what the fix really does to it."""

    failure: str
    effect: str


@dataclass(frozen=True)
class DemoVerdict:
    """A look of the loop beside the truth."""

    look: Verification
    ticket_key: str
    deployed_at: datetime
    planted: Planted


@dataclass(frozen=True)
class DemoWeek:
    """What one week of the demo brought."""

    week: date
    n_records: int
    metadata: dict[str, dict[str, Any]]
    new_tickets: tuple[tuple[str, str], ...]  # key, title
    verdicts: tuple[DemoVerdict, ...]
    decisions: tuple[Decision, ...]
    returned: tuple[tuple[str, int, float], ...] = ()  # key, affected sessions seen and expected


@dataclass
class Demo:
    """The demo's world; `weeks` grows as it is stepped."""

    environment: Environment
    definitions: dg.Definitions
    settings: SimulatorSettings
    surroundings: Surroundings = field(default_factory=Surroundings)
    weeks: list[DemoWeek] = field(default_factory=list)
    _planted: dict[tuple[str, str], Planted] = field(default_factory=dict)  # by deployment and ticket

    def run(self, on_week: Callable[[DemoWeek], None]) -> None:
        """Run every week in order, calling back after each.

        Raises:
            InputError: the database already holds other interactions; a demo needs one of its own.
            PermanentError: a run failed; says why.
        """
        simulator = Simulator(self.settings)
        driver = Driver(self.settings, simulator.failed_interactions)
        hash_key = load_hash_key(self.environment)
        folder = self.environment.home / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        with open_loop(self.environment, self.definitions) as loop:
            _require_empty(loop.engine, self.settings.application)
            for index in range(self.settings.n_weeks):
                week = self.settings.week_start(index).date()
                path = folder / f"week-{week}.jsonl"
                _write(path, list(simulator.week(index, driver.deployments)))
                n_records = import_paths(loop.engine, [str(path)], hash_key=hash_key).n_records
                done = self._step(loop, driver, index, n_records)
                for decision in done.decisions:
                    self._remember(decision, driver)
                    path = folder / f"deployment-{decision.records[0]['deployment_id']}.jsonl"
                    _write(path, decision.records)
                    import_paths(loop.engine, [str(path)], hash_key=hash_key)
                    self.surroundings.ship(decision.tickets, decision.deployment.deployed_at)
                self.weeks.append(done)
                on_week(done)
        self.surroundings.save_pages(folder / "tickets")
        (folder / "truth.json").write_text(json.dumps(simulator.truth()))

    def _step(self, loop: Loop, driver: Driver, index: int, n_records: int) -> DemoWeek:
        week, as_of = self.settings.week_start(index).date(), self.settings.week_start(index + 1)
        self.surroundings.reach(as_of)
        result = _succeed(loop.run_week(week))
        daily = _succeed(loop.verify(as_of))
        with loop.engine.connect() as conn:
            found = tickets.load_tickets(conn, self.settings.application)
            looks = [v for v in fixes.load_verifications(conn, as_of) if self._is_new(v, index)]
            known = {f.fix_id: f for f in fixes.load_fixes(conn, as_of)}
            members = {t.ticket_key or "": patterns.members_of(conn, t.application, t.pattern_id) for t in found}
            back = [
                row for row in aftermath.load_watches(conn, as_of) if row["as_of"] > self.settings.week_start(index)
            ]
        verdicts = tuple(self._beside_truth(look, known[look.fix_id]) for look in looks)
        returned = tuple((known[r["fix_id"]].ticket_key or "", r["n_observed"], r["n_expected"]) for r in back)
        decisions = driver.decide([(t.ticket_key or "", t.status) for t in found], members, as_of)
        new = tuple((t.ticket_key or "", t.title) for t in found if t.created_week == week)
        told = result.metadata | daily.metadata
        return DemoWeek(week, n_records, told, new, verdicts, tuple(decisions), returned)

    def _remember(self, decision: Decision, driver: Driver) -> None:
        """Keep what each ticket is about now: later members may be about something else."""
        for key in decision.tickets:
            failure = driver.planted_failure(key)
            title = failure.title if failure else "no planted failure"
            self._planted[decision.records[-1]["deployment_id"], key] = Planted(title, driver.planted_effect(key))

    def _beside_truth(self, look: Verification, fix: Fix) -> DemoVerdict:
        key = fix.ticket_key or ""
        return DemoVerdict(look, key, fix.deployed_at, self._planted[fix.deployment_id, key])

    def _is_new(self, look: Verification, index: int) -> bool:
        start: datetime = self.settings.week_start(index)
        return look.as_of > start


def _require_empty(engine: Engine, application: str) -> None:
    with engine.connect() as conn:
        n = conn.exec_driver_sql("select count(*) from (select from feedback_loop.interactions limit 1) i").scalar_one()
    if n:
        raise InputError(
            f"the database already holds interactions; the demo ({application!r}) needs an empty one. Remove the "
            "directory .feedback_loop of an earlier demo, or choose another with FEEDBACK_LOOP_HOME"
        )


def _succeed(result: RunResult) -> RunResult:
    if not result.is_success:
        raise PermanentError(f"the run of {result.partition} failed: {result.error} (run {result.run_id})")
    return result


def _write(path: Path, records: Any) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
