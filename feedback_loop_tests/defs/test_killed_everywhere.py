"""A run and a verification, killed at every moment at which they leave something behind, then run again.

The table in `docs/reference/killed-runs.md` lists these moments; `pytest -n 0 -m exhaustive -s` here prints it anew.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine

from feedback_loop.store.engine import create_engine
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.test_killed import STORED, ticket_files
from feedback_loop_tests.factories import (
    OF_THE_CLOCK,
    W1,
    W2,
    W3,
    W4,
    W5,
    at,
    import_records,
    make_deployment,
    rows,
    traffic,
)

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "reference" / "killed-runs.md"
RUN = ("run", "--week", str(W1), "--through", str(W2))
VERIFY = ("verify", "--as-of", str(W5))
NEVER = -1

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not DOCUMENT.exists(), reason="the documents are in the repository only"),
]


def before_the_run(engine: Engine, folder: Path) -> None:
    import_records(engine, folder, [r for week in (W1, W2) for r in traffic(week, failures={"language": 4, "link": 3})])


def before_the_verification(engine: Engine, folder: Path) -> None:
    before_the_run(engine, folder)
    assert call(folder, engine.url, NEVER, RUN) == 0
    keys = [row["ticket_key"] for row in rows(engine, "tickets")]
    shipped = make_deployment(at(W3, 0), prompt_name="support", prompt_version="v2", fixes=keys)
    served = [r for week in (W3, W4) for r in traffic(week, failures={"language": 4}, prompt_version="v2")]
    import_records(engine, folder, [shipped, *served])
    assert call(folder, engine.url, NEVER, ("run", "--week", str(W3), "--through", str(W4))) == 0


def call(folder: Path, url: URL, fatal: int, arguments: tuple[str, ...]) -> int:
    """The command line in a process of its own; returns its exit status."""
    variables = {
        "FEEDBACK_LOOP_HOME": str(folder),
        "FEEDBACK_LOOP_DATABASE_URL": url.render_as_string(hide_password=False),
    }
    command = [sys.executable, "-m", "feedback_loop_tests.defs.killed_run", str(fatal), str(folder / "moments")]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env={**os.environ, **variables}, capture_output=True, timeout=180
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


@contextmanager
def copied(admin: Engine, template: URL, folder: Path, copy: Path) -> Iterator[URL]:
    """The prepared database and tickets, for one disturbance."""
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    databases = make_database(admin, str(template.database))
    yield next(databases)
    next(databases, None)
    shutil.rmtree(copy)


def left_behind(url: URL, folder: Path) -> dict[str, Any]:
    """All that a run stores, without the times of the clock on the wall, and all tickets."""
    engine = create_engine(url)
    found: dict[str, Any] = {
        table: rows(engine, table, without=OF_THE_CLOCK) for table in (*STORED, "fixes", "detections", "verifications")
    }
    engine.dispose()
    return found | {"files": ticket_files(folder / "tickets")}


@pytest.mark.parametrize(
    ("prepare", "command"), [(before_the_run, RUN), (before_the_verification, VERIFY)], ids=["run", "verify"]
)
def test_killed_at_every_moment_and_run_again_ends_the_same(
    prepare: Callable[[Engine, Path], None],
    command: tuple[str, ...],
    admin: Engine,
    database_url: URL,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "prepared"
    folder.mkdir()
    engine = create_engine(database_url)
    prepare(engine, folder)
    engine.dispose()
    (folder / "moments").unlink(missing_ok=True)
    with copied(admin, database_url, folder, tmp_path / "calm") as url:
        assert call(tmp_path / "calm", url, NEVER, command) == 0
        moments = (tmp_path / "calm" / "moments").read_text().splitlines()
        expected = left_behind(url, tmp_path / "calm")
    names = sorted(expected["files"])
    assert len([name for name in names if name.endswith(".md")]) == len(expected["tickets"]) > 0
    assert len([name for name in names if name.endswith(".png")]) >= len(expected["tickets"])

    for fatal, moment in enumerate(moments):
        home = tmp_path / f"killed-{fatal}"
        with copied(admin, database_url, folder, home) as url:
            assert call(home, url, fatal, command) == -signal.SIGKILL
            assert call(home, url, NEVER, command) == 0
            assert left_behind(url, home) == expected, moment
        print(f"| {command[0]} | {fatal + 1} | {moment} | same |", flush=True)
    documented = [
        line.split(" | ")[2] for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| {command[0]} ")
    ]
    assert documented == moments
