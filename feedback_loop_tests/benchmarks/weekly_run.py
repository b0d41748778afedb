"""How long a weekly run takes at scale, step by step, and how much memory it and its database take.

    python -m feedback_loop_tests.benchmarks.weekly_run --interactions 1000000 --negatives 100000 --weeks 2
    python -m feedback_loop_tests.benchmarks.weekly_run --verify 300000

The traffic is the simulator's, with all its planted failures from the first day on, at rates that give about the
wanted number of negatives. It goes into the database by COPY, with the statistics that an import leaves behind
(importing itself is measured in `import_jsonl.py`). Each run is a process of its own; autovacuum is off here.
"""

import argparse
import dataclasses
import functools
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sqlalchemy import Engine

from feedback_loop.environment import Environment, read_environment
from feedback_loop.store.engine import copy_in, open_database
from feedback_loop.store.facts import COLUMNS, FactKind, encode_row, refresh_statistics
from feedback_loop.testing.simulator_feedback import BACKGROUND_RATE, draw_reactions
from feedback_loop.testing.simulator_plan import (
    COHORTS,
    FAILURES,
    PlantedFailure,
    SimulatedDeployment,
    SimulatorSettings,
)
from feedback_loop.testing.simulator_records import WeekWriter, stamps
from feedback_loop.testing.simulator_traffic import TURN_SHARES, draw_traffic, draw_users, to_ms
from feedback_loop_tests.benchmarks.import_jsonl import SYSTEM_PROMPT, peak_mb

CHUNK_ROWS = 20_000
FIXED = "action_not_done"
KNOWN_IN_THE_SAME_WEEK = 0.89  # share of the feedback; the rest comes later
SPAM_RATE = 0.006


class World:
    """Simulated traffic of a given size, week after week, straight into the fact tables.

    Args:
        n_interactions: per week, about.
        n_negatives: per week, about.
        deployments: what ships when, and what it fixes.
        seed: of everything random.
    """

    def __init__(
        self, n_interactions: int, n_negatives: int, seed: int, deployments: Sequence[SimulatedDeployment] = ()
    ) -> None:
        turns = sum(share * n for n, share in enumerate(TURN_SHARES, start=1))
        self.settings = SimulatorSettings(seed=seed, sessions_per_week=round(n_interactions / turns), growth=0.0)
        self._deployments = deployments
        self._users = draw_users(np.random.default_rng([seed, 0]), self.settings)
        self._failures = _scaled(n_negatives / n_interactions)
        self._late: list[tuple[int, dict[str, Any]]] = []

    def copy_week(self, engine: Engine, index: int) -> tuple[int, int]:
        """Store one week; returns the numbers of interactions and feedback records."""
        rng = np.random.default_rng([self.settings.seed, index + 1])
        traffic = draw_traffic(rng, self.settings, self._users, index, self._failures, self._deployments)
        writer = WeekWriter(rng, self.settings, index, traffic, self._users)
        arrived, end = draw_reactions(rng, writer.week).records + self._late, to_ms(self.settings.week_start(index + 1))
        self._late = [pair for pair in arrived if pair[0] >= end]
        due = sorted((pair for pair in arrived if pair[0] < end), key=lambda pair: pair[0])
        times = stamps(np.array([at_ms for at_ms, _ in due], dtype=np.int64))
        said = (record | {"occurred_at": at} for (_, record), at in zip(due, times, strict=True))
        asked = (record | {"system_prompt": SYSTEM_PROMPT} for record in writer.interactions())
        return copy_records(engine, "interaction", asked), copy_records(engine, "feedback", said)


def _scaled(share_negative: float) -> list[PlantedFailure]:
    """All planted failures from the first week on, at rates that make about this share of interactions negative."""
    response = sum(c.share * c.negative_response for c in COHORTS)
    wanted = (share_negative / KNOWN_IN_THE_SAME_WEEK - BACKGROUND_RATE - SPAM_RATE) / response
    factor = max(0.001, wanted / sum(f.rate for f in FAILURES))
    return [dataclasses.replace(f, rate=f.rate * factor, starts_in_week=0) for f in FAILURES]


def copy_records(engine: Engine, kind: FactKind, records: Iterator[dict[str, Any]]) -> int:
    """COPY import records as they are, without redaction; returns how many."""
    columns, n = COLUMNS[kind], 0
    table = {"interaction": "interactions", "feedback": "feedback", "deployment": "deployments"}[kind]
    statement = f"COPY feedback_loop.{table} ({', '.join(columns)}) FROM STDIN"
    with engine.begin() as conn:
        while chunk := list(islice(records, CHUNK_ROWS)):
            copy_in(conn, statement, io.StringIO("".join(_line(columns, record) for record in chunk)))
            n += len(chunk)
    return n


def _line(columns: Sequence[str], record: dict[str, Any]) -> str:
    known = record | {"user_hash": _hash(record.get("user_id")), "content_hash": b"\x00" * 16}
    values = (known.get(name) for name in columns)
    is_json = (list, dict) if "fixes" not in record else dict
    return encode_row(json.dumps(v) if isinstance(v, is_json) else v for v in values) + "\n"


@functools.lru_cache(maxsize=1 << 20)
def _hash(user_id: str | None) -> str | None:
    return None if user_id is None else hashlib.sha256(user_id.encode()).hexdigest()


class ServerMemory(threading.Thread):
    """The most memory that all processes of a server held together: proportional, so shared buffers count once."""

    def __init__(self, directory: Path) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0
        self._postmaster = psutil.Process(int((directory / "data" / "postmaster.pid").read_text().split()[0]))
        self._is_over = threading.Event()

    def run(self) -> None:
        """Sample until told to stop."""
        while not self._is_over.wait(0.25):
            total = 0
            for process in [self._postmaster, *self._postmaster.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.NoSuchProcess:
                    continue
            self.peak_mb = max(self.peak_mb, total / 1e6)

    def stop(self) -> float:
        """End; the peak in MB."""
        self._is_over.set()
        self.join()
        return self.peak_mb


def measure(home: Path, job: str, day: date) -> dict[str, Any]:
    """Run a job in a process of its own: seconds per step and in all, peak memory of both sides."""
    memory = ServerMemory(home / "postgres")
    memory.start()
    start = time.perf_counter()
    command = [sys.executable, "-m", __spec__.name, "--job", job, "--day", day.isoformat()]
    variables = os.environ | {"FEEDBACK_LOOP_HOME": str(home), "FEEDBACK_LOOP_DATABASE_URL": ""}
    try:
        done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        server_mb = memory.stop()
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result | {"wall_s": time.perf_counter() - start, "server_mb": server_mb}


def run_job(job: str, day: date) -> None:
    """In the child: run one job as the command line does, and print what it took as JSON."""
    import dagster as dg

    from feedback_loop.definitions import defs
    from feedback_loop.defs.runs import open_loop

    with open_loop(read_environment(), defs) as loop:
        start = time.perf_counter()
        result = (
            loop.run_week(day) if job == "week" else loop.verify(datetime(day.year, day.month, day.day, tzinfo=UTC))
        )
        seconds = time.perf_counter() - start
        if result.has_errors:
            raise SystemExit(f"{job} {day}: {result.error or result.problems}")
        with dg.DagsterInstance.get() as instance:
            stats = instance.get_run_step_stats(result.run_id)
    steps = {
        s.step_key: (s.end_time or 0) - (s.start_time or 0) for s in sorted(stats, key=lambda s: s.start_time or 0)
    }
    print(json.dumps({"steps": steps, "run_s": seconds, "python_mb": peak_mb(), "metadata": _numbers(result.metadata)}))


def _numbers(metadata: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {a: {k: v for k, v in values.items() if isinstance(v, int | float)} for a, values in metadata.items()}


def run_weeks(n_interactions: int, n_negatives: int, n_weeks: int, seed: int) -> None:
    """Weeks of one size, one after the other; prints what each took."""
    with tempfile.TemporaryDirectory(prefix="fl-") as name:
        home = Path(name).resolve()
        with open_database(Environment(home=home)) as engine:
            _without_autovacuum(engine)
            world = World(n_interactions, n_negatives, seed)
            for index in range(n_weeks):
                size = _fill(engine, world, index)
                report(f"week {index + 1}", size, measure(home, "week", world.settings.week_start(index).date()))
                _analyze(engine)


def run_verification(n_interactions: int, n_negatives: int, seed: int) -> None:
    """One fix with a window of so many interactions before and after it; prints what its first look took."""
    plan = SimulatorSettings(seed=seed)
    fix = SimulatedDeployment(plan.week_start(2), "2", (FIXED,))
    with tempfile.TemporaryDirectory(prefix="fl-") as name:
        home = Path(name).resolve()
        with open_database(Environment(home=home)) as engine:
            _without_autovacuum(engine)
            world = World(n_interactions // 2, n_negatives // 2, seed, [fix])
            for index in range(4):
                size = _fill(engine, world, index)
                report(f"week {index + 1}", size, measure(home, "week", world.settings.week_start(index).date()))
                _analyze(engine)
            with engine.connect() as conn:
                key = conn.exec_driver_sql(
                    "select ticket_key from feedback_loop.tickets order by priority, ticket_number limit 1"
                ).scalar_one()
            copy_records(engine, "deployment", iter([_deployment(fix, world.settings, key)]))
            report(f"verify {key}", size, measure(home, "verify", world.settings.week_start(4).date() + timedelta(1)))
            with engine.connect() as conn:
                for row in conn.exec_driver_sql("select * from feedback_loop.verifications").mappings():
                    print(dict(row))


def _deployment(fix: SimulatedDeployment, settings: SimulatorSettings, ticket_key: str) -> dict[str, Any]:
    return {
        "deployment_id": "fix",
        "application": settings.application,
        "deployed_at": fix.deployed_at.isoformat(),
        "prompt_name": settings.prompt_name,
        "prompt_version": fix.prompt_version,
        "rollout_share": 1.0,
        "fixes": [ticket_key],
    }


def _fill(engine: Engine, world: World, index: int) -> tuple[int, int]:
    start = time.perf_counter()
    size = world.copy_week(engine, index)
    with engine.begin() as conn:
        refresh_statistics(conn)  # as an import does at its end
    print(f"week {index + 1}: {size[0]:,} interactions, {size[1]:,} feedback in {time.perf_counter() - start:.0f} s")
    return size


def _without_autovacuum(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("alter system set autovacuum = off")
        conn.exec_driver_sql("select pg_reload_conf()")


def _analyze(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.exec_driver_sql("analyze")


def report(title: str, size: tuple[int, int], took: dict[str, Any]) -> None:
    """Print one run."""
    n_negatives = took["metadata"].get("loop_metrics", {}).get("negative", 0)
    print(f"\n{title}: {size[0]:,} interactions, {size[1]:,} feedback records, {n_negatives:,} negatives")
    for step, seconds in took["steps"].items():
        print(f"  {step:24} {seconds:8.1f} s")
    print(f"  {'run':24} {took['run_s']:8.1f} s  ({1e6 * took['run_s'] / size[0]:.1f} us per interaction)")
    print(f"  {'process':24} {took['wall_s']:8.1f} s")
    print(f"  python {took['python_mb']:,.0f} MB, database {took['server_mb']:,.0f} MB at their peaks")
    print(f"  {json.dumps(took['metadata'])}", flush=True)


def main() -> None:
    """Read the arguments, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=100_000)
    parser.add_argument("--negatives", type=int, help="default: a tenth of the interactions")
    parser.add_argument("--weeks", type=int, default=1)
    parser.add_argument("--verify", type=int, metavar="N", help="instead: verify a fix, N interactions in each window")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--job", choices=["week", "verify"], help=argparse.SUPPRESS)
    parser.add_argument("--day", type=date.fromisoformat, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        run_job(arguments.job, arguments.day)
    elif arguments.verify:
        run_verification(arguments.verify, arguments.negatives or arguments.verify // 10, arguments.seed)
    else:
        n_negatives = arguments.negatives or arguments.interactions // 10
        run_weeks(arguments.interactions, n_negatives, arguments.weeks, arguments.seed)


if __name__ == "__main__":
    main()
