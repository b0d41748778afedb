"""Seeded traffic of a support assistant with planted failures, as import records.

Belongs here: the engine that steps through the weeks, and `write_simulation`. The plan is in `simulator_plan.py`, draws
in `simulator_traffic.py` and `simulator_feedback.py`, records in `simulator_records.py`, words in `simulator_texts.py`.
The truth about what failed is kept apart from the records: the loop never sees it.

The same seed and the same deployments give the same records, byte for byte.
"""

import gzip
import heapq
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from feedback_loop.errors import InputError
from feedback_loop.testing.simulator_feedback import draw_reactions
from feedback_loop.testing.simulator_plan import (
    FAILURES,
    SimulatedDeployment,
    SimulatorSettings,
    deployment_records,
    format_time,
    planned_deployments,
)
from feedback_loop.testing.simulator_records import Record, WeekWriter, stamps, user_id
from feedback_loop.testing.simulator_traffic import N_SPAMMERS, draw_traffic, draw_users, to_ms


class Simulator:
    """Steps through the weeks of one simulated world, in order.

    Args:
        settings: size, dates and seed.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self._users = draw_users(np.random.default_rng([settings.seed, 0]), settings)
        self._next_week = 0
        self._waiting: list[tuple[int, Record]] = []
        self._failed: dict[str, str] = {}
        self._background: list[str] = []
        self._spam: list[str] = []
        self._deployments: list[SimulatedDeployment] = []

    @property
    def failed_interactions(self) -> Mapping[str, str]:
        """interaction_id -> planted failure id, of every failed interaction so far; grows with each week."""
        return self._failed

    def week(self, index: int, deployments: Sequence[SimulatedDeployment] = ()) -> Iterator[Record]:
        """Records of week `index`, in time order; feedback comes in the week in which it arrives.

        Args:
            index: 0, 1, 2, ... without gaps.
            deployments: all so far; what is deployed after the end of this week has no influence on it.

        Returns:
            Interactions and feedback; deployments are recorded by those who deploy.

        Raises:
            InputError: the week is out of order or beyond `n_weeks`, or a deployment has no such attempt.
        """
        if index != self._next_week or index >= self.settings.n_weeks:
            raise InputError(f"week {index} asked for, but week {self._next_week} of {self.settings.n_weeks} is next")
        self._check(deployments)
        self._next_week += 1
        end = self.settings.week_start(index + 1)
        self._deployments = [d for d in deployments if (d.canary_at or d.deployed_at) < end]
        rng = np.random.default_rng([self.settings.seed, index + 1])
        traffic = draw_traffic(rng, self.settings, self._users, index, FAILURES, self._deployments)
        writer = WeekWriter(rng, self.settings, index, traffic, self._users)
        reactions = draw_reactions(rng, writer.week)
        self._failed.update((i, f) for i, f in zip(writer.interaction_ids, writer.failure_ids, strict=True) if f)
        self._background += reactions.background
        self._spam += reactions.spam
        return _merge(writer.interactions(), self._due(end, reactions.records))

    def truth(self) -> dict[str, Any]:
        """What was planted and what happened so far, ready for JSON."""
        first_spammer, n_users = self._users.n_regular, len(self._users.cohort)
        return {
            "seed": self.settings.seed,
            "first_week": self.settings.first_week.isoformat(),
            "n_weeks": self._next_week,
            "failures": [asdict(failure) | {"fate": failure.fate} for failure in FAILURES],
            "deployments": [
                asdict(d)
                | {"deployed_at": d.deployed_at.isoformat(), "canary_at": d.canary_at and d.canary_at.isoformat()}
                for d in self._deployments
            ],
            "spam_users": [user_id(self.settings, user) for user in range(first_spammer, first_spammer + N_SPAMMERS)],
            "campaign_users": [user_id(self.settings, user) for user in range(first_spammer + N_SPAMMERS, n_users)],
            "failed_interactions": dict(self._failed),
            "background_interactions": list(self._background),
            "spam_interactions": list(self._spam),
        }

    def _check(self, deployments: Sequence[SimulatedDeployment]) -> None:
        left = {failure.failure_id: len(failure.attempts) for failure in FAILURES}
        for deployment in deployments:
            for failure_id in deployment.planted_failures:
                left[failure_id] = left.get(failure_id, 0) - 1
                if left[failure_id] < 0:
                    raise InputError(f"deployment of {deployment.deployed_at}: no attempt at {failure_id!r} is planned")

    def _due(self, end: datetime, new: list[tuple[int, Record]]) -> list[Record]:
        """Feedback that arrives before `end`, in time order; the rest goes on waiting."""
        end_ms, everything = to_ms(end), self._waiting + new
        due = sorted((pair for pair in everything if pair[0] < end_ms), key=lambda pair: pair[0])
        self._waiting = [pair for pair in everything if pair[0] >= end_ms]
        times = stamps(np.array([at_ms for at_ms, _ in due], dtype=np.int64))
        return [record | {"occurred_at": time} for (_, record), time in zip(due, times, strict=True)]


def write_simulation(
    out_dir: Path, settings: SimulatorSettings, on_progress: Callable[[str, int], None] | None = None
) -> dict[str, int]:
    """Write every week as `week-YYYY-MM-DD.jsonl.gz`, and `truth.json`, which the loop never reads.

    Deployments come on the plan's own dates and are written with `fixes: []`: nobody read a ticket.

    Args:
        out_dir: made where it does not exist; files in it are overwritten.
        settings: what to simulate.
        on_progress: called with the name of each finished file and its number of records.

    Returns:
        Number of records per file name.

    Raises:
        InputError: the directory cannot be made.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write the simulation to {out_dir}: {error}") from error
    simulator, deployments = Simulator(settings), planned_deployments(settings)
    planned = [r for d in deployments for r in deployment_records(d, settings, (), "planned change")]
    counts = {}
    for index in range(settings.n_weeks):
        start, end = (format_time(settings.week_start(n)) for n in (index, index + 1))
        deployed = sorted((r for r in planned if start <= r["deployed_at"] < end), key=_time)
        name = f"week-{start[:10]}.jsonl.gz"
        counts[name] = _write_jsonl(out_dir / name, _merge(simulator.week(index, deployments), deployed))
        if on_progress is not None:
            on_progress(name, counts[name])
    (out_dir / "truth.json").write_text(json.dumps(simulator.truth(), indent=1, sort_keys=True), encoding="utf-8")
    return counts


def _time(record: Record) -> str:
    """Sorts like the moment itself: all times are UTC with milliseconds."""
    return str(record.get("occurred_at") or record["deployed_at"])


def _merge(*sources: Iterable[Record]) -> Iterator[Record]:
    """Records of several sources, each in time order, in time order."""
    return heapq.merge(*sources, key=_time)


def _write_jsonl(path: Path, records: Iterable[Record]) -> int:
    n_records = 0
    # No name and no time in the header: equal records make equal files.
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        rest = iter(records)
        while chunk := list(itertools.islice(rest, 1000)):
            packed.write("".join(encode(record) + "\n" for record in chunk).encode())
            n_records += len(chunk)
    return n_records
