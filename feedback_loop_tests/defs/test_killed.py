"""A run that is killed at any moment and started again ends like one that was never disturbed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine

from feedback_loop.store.engine import create_engine
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.world import open_world
from feedback_loop_tests.factories import OF_THE_CLOCK, W1, W2, import_records, rows, traffic

STORED = (
    "week_runs", "exposures", "negative_feedback", "failure_descriptions", "pattern_states", "pattern_memberships",
    "pattern_weeks", "detectors", "tickets", "ticket_events", "loop_weeks", "prompt_version_weeks",
)  # fmt: skip
# Each kill waits for one of these to appear, and then for up to 60 ms more, by a seeded draw.
MOMENTS = ("negative_feedback", "pattern_states", "tickets", "pattern_weeks where week = '2026-01-12'")


@pytest.fixture
def other_url(admin: Engine) -> Iterator[URL]:
    yield from make_database(admin, "template_feedback_loop")


def start(home: Path, url: URL) -> subprocess.Popen[bytes]:
    variables = {
        "FEEDBACK_LOOP_HOME": str(home),
        "FEEDBACK_LOOP_DATABASE_URL": url.render_as_string(hide_password=False),
    }
    command = [sys.executable, "-m", "feedback_loop.cli", "run", "--week", str(W1), "--through", str(W2)]
    return subprocess.Popen(
        command, cwd=home, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def kill_when(process: subprocess.Popen[bytes], engine: Engine, moment: str, delay: float) -> int:
    """SIGKILL once a row is there; returns the exit status."""
    deadline = time.monotonic() + 60
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        while process.poll() is None and time.monotonic() < deadline:
            if conn.exec_driver_sql(f"select exists (select from feedback_loop.{moment})").scalar():
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
    process.communicate()
    return process.returncode


def test_killed_runs_end_like_undisturbed_ones(engine: Engine, other_url: URL, tmp_path: Path) -> None:
    records = [r for week in (W1, W2) for r in traffic(week, failures={"language": 4, "link": 3})]
    (tmp_path / "killed").mkdir()
    with open_world(engine, tmp_path) as calm:
        calm.add(records)
        for week in (W1, W2):
            assert calm.loop.run_week(week).is_success
        expected, files = stored(engine), ticket_files(calm.tickets_dir)

    other, chance = create_engine(other_url), random.Random(11)
    import_records(other, tmp_path, records)
    statuses = []
    for moment in MOMENTS:
        statuses.append(kill_when(start(tmp_path / "killed", other_url), other, moment, chance.uniform(0, 0.06)))
    last = start(tmp_path / "killed", other_url)
    _, said = last.communicate(timeout=120)
    assert last.returncode == 0, said.decode()
    found = stored(other)
    other.dispose()
    assert statuses.count(-signal.SIGKILL) >= 3, statuses  # they were really killed, and not always at the end
    assert {table: found[table] for table in STORED} == expected
    assert ticket_files(tmp_path / "killed" / "tickets") == files
    assert len(files) == 2 * len(expected["tickets"]) > 0  # each with its picture


def stored(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(engine, table, without=OF_THE_CLOCK) for table in STORED}


def ticket_files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}
