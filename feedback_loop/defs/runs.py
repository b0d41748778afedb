"""Runs from the command line: a job for one partition, in this process, on the persistent instance.

Belongs here: starting a run and saying how it went. Does not belong here: what a job does (`schedules.py`).
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import psutil
from sqlalchemy import Engine

from feedback_loop.defs.instance import open_instance
from feedback_loop.defs.partitions import DAYS, FIRST_WEEK, MONTHS, WEEKS
from feedback_loop.environment import Environment
from feedback_loop.errors import InputError
from feedback_loop.records import Window
from feedback_loop.store.engine import open_database

_OWNER_TAG = "feedback-loop/process"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        partition: week or day.
        run_id: in the Dagster UI.
        is_success: every step succeeded.
        error: why not.
        problems: what failed checks say, worst first, as (is_error, check, text).
        metadata: asset -> its metadata.
    """

    partition: str
    run_id: str
    is_success: bool
    error: str | None
    problems: tuple[tuple[bool, str, str], ...]
    metadata: dict[str, dict[str, Any]]

    @property
    def has_errors(self) -> bool:
        """A failed step or a failed check that is an error."""
        return not self.is_success or any(is_error for is_error, _, _ in self.problems)


class Loop:
    """The loop's jobs on an open instance. Made by `open_loop`."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, engine: Engine) -> None:
        self.engine = engine
        self._definitions = definitions
        self._instance = instance

    def run_week(self, week: date) -> RunResult:
        """Run the weekly loop for one week.

        Raises:
            InputError: the week is no Monday, before the first week or not over yet.
        """
        return self._run("weekly_loop", _partition(WEEKS, week.isoformat(), "week"))

    def verify(self, as_of: datetime) -> RunResult:
        """Make every look that is due by the start of the day of `as_of`.

        Raises:
            InputError: the day is before the first week or in the future.
        """
        day = (as_of - timedelta(days=1)).date()
        return self._run("daily_verification", _partition(DAYS, day.isoformat(), "day"))

    def try_placebos(self, month: date) -> RunResult:
        """Measure the error rates of placebo fixes at the end of a month, named by any of its days.

        Raises:
            InputError: the month is before the first week or not over yet.
        """
        return self._run("monthly_placebos", _partition(MONTHS, month.replace(day=1).isoformat(), "month"))

    def _run(self, job_name: str, partition: str) -> RunResult:
        job = self._definitions.resolve_job_def(job_name)
        result = job.execute_in_process(
            instance=self._instance,
            partition_key=partition,
            run_config=_QUIET,
            raise_on_error=False,
            tags={_OWNER_TAG: _this_process()},
        )
        failed = [event for event in result.all_events if event.is_step_failure or event.is_run_failure]
        evaluations = [e for e in result.get_asset_check_evaluations() if not e.passed]
        problems = [
            (e.severity == dg.AssetCheckSeverity.ERROR, e.asset_check_key.name, e.description or "failed")
            for e in evaluations
        ]
        return RunResult(
            partition=partition,
            run_id=result.run_id,
            is_success=result.success,
            error=_reason(failed[0]) if failed else None,
            problems=tuple(sorted(problems, key=lambda p: (not p[0], p[1]))),
            metadata={
                event.materialization.label: {
                    name: value.value for name, value in event.materialization.metadata.items()
                }
                for event in result.all_events
                if event.is_step_materialization
            },
        )

    def end_orphans(self) -> int:
        """Runs whose process was killed can never report their end; report it for them. Returns how many."""
        n = 0
        for run in self._instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
            owner = run.tags.get(_OWNER_TAG)
            if owner is not None and not _is_alive(owner):
                self._instance.report_run_failed(run, "the process that ran it is gone")
                n += 1
        return n


@contextlib.contextmanager
def open_loop(environment: Environment, definitions: dg.Definitions) -> Iterator[Loop]:
    """Open the database and Dagster's instance.

    Args:
        environment: what the surroundings say.
        definitions: with the jobs `weekly_loop` and `daily_verification`.

    Raises:
        ConfigurationError: the settings or URLs are wrong.
        DatabaseUnavailable: the database cannot be reached.
        SchemaError: the schema does not fit this code.
    """
    with open_database(environment) as engine, open_instance(environment, engine) as instance:
        loop = Loop(definitions, instance, engine)
        loop.end_orphans()
        yield loop


def weeks_between(first: date, last: date) -> list[date]:
    """Mondays from `first` through `last`.

    Raises:
        InputError: one of them is no Monday, or they are the wrong way round.
    """
    for day in (first, last):
        try:
            Window.of_week(day)
        except ValueError as error:
            raise InputError(str(error)) from error
    if last < first:
        raise InputError(f"--through {last} lies before --week {first}")
    return [first + timedelta(days=7 * i) for i in range((last - first).days // 7 + 1)]


def _partition(partitions: dg.TimeWindowPartitionsDefinition, key: str, what: str) -> str:
    keys = partitions.get_partition_keys()
    if key not in keys:
        raise InputError(
            f"{key} is no {what} that can run: the first is {keys[0]}, the last that is over {keys[-1]}"
            if keys
            else f"no {what} since the first week, {FIRST_WEEK}, is over yet"
        )
    return key


def _reason(event: dg.DagsterEvent) -> str:
    data: Any = event.event_specific_data
    error = getattr(data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    step = f"{event.step_key}: " if event.step_key else ""
    return step + (error.message.strip() if error is not None else event.message or "failed")


def _this_process() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{int(psutil.Process().create_time())}"


def _is_alive(owner: str) -> bool:
    """Whether a run's process lives; one on another machine is taken to."""
    host, pid, started = owner.rsplit("/", 2)
    if host != socket.gethostname():
        return True
    try:
        return int(psutil.Process(int(pid)).create_time()) == int(started)
    except psutil.NoSuchProcess:
        return False
