"""Filing killed by `kill -9` at every request to Jira and every commit, then run again: as if it had not been.

Three seeded moments run always. All of them run with `-m exhaustive`, which prints the table that is committed in
docs/reliability.md and checks that the committed one is the same:

    pytest -n 0 -m exhaustive -s feedback_loop_tests/defs/test_tracker_killed.py

Jira's search lags behind throughout, so that what was made just before the kill is not found at once.
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop_tests.defs.tracker_faults import PERSONALITIES, Personality
from feedback_loop_tests.defs.tracker_tables import NAMES
from feedback_loop_tests.defs.tracker_world import QUIET_S, FilingWorld, seed

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
NEVER = -1


@contextmanager
def killed_world(engine: Engine, personality: Personality) -> Iterator[FilingWorld]:
    """One ticket to make, to comment and to close, in a Jira whose search lags."""
    with JiraEmulator(personality, index_lag_seconds=QUIET_S / 2) as jira:
        yield FilingWorld(engine, jira, patterns=("p1",))


def prepare(world: FilingWorld) -> None:
    world.jira.reset()
    seed(world.engine, world.patterns, ("comment", "close"))


def run(world: FilingWorld, file: Path, fatal: int) -> list[str]:
    """A run in a process of its own; the moments it passed, the last of them fatal."""
    url = world.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "feedback_loop_tests.defs.killed_filing", str(fatal), str(file), url]
    where = [world.jira.personality, world.jira.base_url, world.jira.now.isoformat()]
    file.unlink(missing_ok=True)
    variables = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run([*command, *where], cwd=ROOT, env=variables, capture_output=True, timeout=120)
    assert done.returncode == (0 if fatal == NEVER else -signal.SIGKILL), done.stderr.decode()
    return file.read_text().splitlines()


def undisturbed(world: FilingWorld, file: Path) -> tuple[list[str], object]:
    """The moments of a run that nobody kills, and what it leaves."""
    prepare(world)
    moments = run(world, file, NEVER)
    return moments, (world.held(), world.story())


def outcome_of(world: FilingWorld, file: Path, fatal: int, expected: object) -> tuple[str, str]:
    """Kill at a moment, run again at once, and once more after the quiet period: what each run left."""
    prepare(world)
    run(world, file, fatal)
    said = []
    for seconds in (0.0, QUIET_S + 1):
        world.jira.advance(seconds)
        world.file()
        said.append("same" if (world.held(), world.story()) == expected else "waits")
    n_before = world.n_writes
    assert world.file().problems == []
    assert world.n_writes == n_before
    assert world.leads_right()
    assert world.jira.refused == []
    return said[0], said[1]


def documented_rows(personality: Personality) -> list[str]:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines() if DOCUMENT.exists() else []
    return [line for line in lines if line.startswith(f"| {NAMES[personality]} | ")]


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the documents are in the repository only")
def test_killed_at_some_moments_and_run_again_ends_the_same(engine: Engine, tmp_path: Path) -> None:
    draw = random.Random(3)
    personality = draw.choice(PERSONALITIES)
    with killed_world(engine, personality) as world:
        moments, expected = undisturbed(world, tmp_path / "moments")
        for fatal in sorted(draw.sample(range(len(moments)), 2)):
            said = outcome_of(world, tmp_path / "moments", fatal, expected)
            assert row(personality, fatal, moments[fatal], said) in documented_rows(personality)
            assert said[1] == "same"


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("personality", PERSONALITIES)
def test_killed_at_every_moment_and_run_again_ends_the_same(
    personality: Personality, engine: Engine, tmp_path: Path
) -> None:
    found = []
    with killed_world(engine, personality) as world:
        moments, expected = undisturbed(world, tmp_path / "moments")
        for fatal, moment in enumerate(moments):
            said = outcome_of(world, tmp_path / "moments", fatal, expected)
            found.append(row(personality, fatal, moment, said))
            print(found[-1], flush=True)
            assert said[1] == "same", moment
    assert found == documented_rows(personality)


def row(personality: Personality, fatal: int, moment: str, said: tuple[str, str]) -> str:
    return f"| {NAMES[personality]} | {fatal + 1} | {moment} | {said[0]} | {said[1]} |"
