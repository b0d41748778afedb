"""Cleaning: what it costs in genuine feedback, and how long it takes.

    python -m feedback_loop_tests.benchmarks.cleaning --simulated 8 --file real_feedback.jsonl.gz --records 100000

`--simulated N` cleans N weeks of the simulator, whose spammers and one campaign are known; `--file` every week of an
import file; `--records` times one week of so many complaints that are all different, of so many users, and of one user.
Markdown goes to stdout.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sqlalchemy import Engine

from feedback_loop.clean import CleanedWeek, CleanPolicy, clean_week
from feedback_loop.defs.cleaning import clean_window
from feedback_loop.intake.importing import import_paths
from feedback_loop.records import Window, monday_of
from feedback_loop.store import schema, weeks
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine
from feedback_loop.testing.simulator import Simulator
from feedback_loop.testing.simulator_plan import SimulatorSettings
from feedback_loop_tests.clean.weeks import frame, say, usual
from feedback_loop_tests.factories import KEY, import_records

WORDS = 4_000


def weeks_of(engine: Engine) -> Iterator[tuple[date, CleanedWeek]]:
    """Every week of every application, cleaned out of the database."""
    with engine.begin() as conn:
        span = "select min(occurred_at), max(occurred_at) from feedback_loop.feedback"
        first, last = conn.exec_driver_sql(span).one()
        week = monday_of(first.date())
        while week <= last.date():
            window = Window.of_week(week)
            for application in weeks.list_applications(conn, window):
                yield week, clean_window(conn, application, window, CleanPolicy())
            week += timedelta(days=7)


def table(title: str, cleaned: Iterable[tuple[date, CleanedWeek]], attackers: set[str]) -> None:
    """Counts by reason, of attackers and of everybody else."""
    counted: dict[tuple[str, str], Counter[str]] = {}
    n_feedback = n_complaints = n_verified = 0
    for _, found in cleaned:
        n_feedback, n_complaints = n_feedback + found.n_feedback, n_complaints + found.n_complaints
        n_verified += found.n_verified
        for row in found.exclusions.to_dict("records"):
            who = "attackers" if row["interaction_id"] in attackers else "others"
            counted.setdefault((row["reason"], row["effect"]), Counter())[who] += 1
    print(f"\n{title}: {n_feedback:,} records, {n_complaints:,} complaints, {n_verified:,} verified\n")
    print("| reason | effect | of attackers | of others |\n|---|---|--:|--:|")
    for (reason, effect), counts in sorted(counted.items()):
        print(f"| `{reason}` | {effect} | {counts['attackers']:,} | {counts['others']:,} |")


def simulated(engine: Engine, folder: Path, n_weeks: int) -> None:
    settings = SimulatorSettings(seed=11, n_weeks=n_weeks)
    simulator = Simulator(settings)
    import_records(engine, folder, (record for week in range(n_weeks) for record in simulator.week(week)))
    table(f"{n_weeks} simulated weeks", weeks_of(engine), set(simulator.truth()["spam_interactions"]))


def timed(n: int) -> None:
    """One week of n complaints with eight words each."""
    rng = np.random.default_rng(1)
    words = np.array(["".join(chr(97 + c) for c in rng.integers(0, 26, rng.integers(3, 9))) for _ in range(WORDS)])
    texts = [" ".join(row) for row in words[rng.integers(0, WORDS, (n, 8))]]
    print("\n| complaints | users | s of CPU | RSS MB |\n|--:|--:|--:|--:|")
    for n_users in (n, n // 20, 1):
        rows: list[dict[str, Any]] = [say(i, f"u{i % n_users}", text) for i, text in enumerate(texts)]
        week = frame([row | {"occurred_at": row["occurred_at"] - timedelta(minutes=i)} for i, row in enumerate(rows)])
        started = time.process_time()
        clean_week(week, usual(), CleanPolicy())
        took, memory = time.process_time() - started, psutil.Process().memory_info().rss / 1e6
        print(f"| {n:,} | {n_users:,} | {took:.1f} | {memory:,.0f} |", flush=True)


def main() -> None:
    """Read the arguments, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=0, metavar="WEEKS")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--records", type=int, default=0)
    given = parser.parse_args()
    if given.records:
        timed(given.records)
    with tempfile.TemporaryDirectory(prefix="fl-") as directory:
        folder = Path(directory).resolve()
        with embedded_server(folder / "postgres", ["simulated", "file"]) as url:
            for name in ("simulated", "file"):
                engine = create_engine(url.set(database=name))
                schema.upgrade(engine)
                if name == "simulated" and given.simulated:
                    simulated(engine, folder, given.simulated)
                if name == "file" and given.file:
                    print(import_paths(engine, [str(given.file)], hash_key=KEY), file=sys.stderr)
                    table(given.file.name, weeks_of(engine), set())
                engine.dispose()


if __name__ == "__main__":
    main()
