"""The loop through the command line, as a user runs it.

Most of it on one's own database, which saves each command the start of a server; `simulate` to `patterns` on the
embedded one.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, make_url, text

from feedback_loop import terminal
from feedback_loop.defs.runs import weeks_between
from feedback_loop.errors import InputError
from feedback_loop.records import monday_of
from feedback_loop.store import schema
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.factories import W1, W2, W3, W4, W5, traffic

COMMAND = [sys.executable, "-m", "feedback_loop.cli"]


def call(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FEEDBACK_LOOP_", "DAGSTER_"))}
    if (directory / "url").exists():
        clean["FEEDBACK_LOOP_DATABASE_URL"] = (directory / "url").read_text()
    return subprocess.run(
        [*COMMAND, *arguments], cwd=directory, env=clean | variables, capture_output=True, text=True, check=False
    )


def listing(directory: Path, *arguments: str) -> list[dict[str, Any]]:
    result = call(directory, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def shop(admin: Engine) -> Iterator[Path]:
    """A directory in which two weeks were imported and run; the first tickets were fixed, and two more weeks ran."""
    with (
        tempfile.TemporaryDirectory(prefix="fl-") as name,
        contextmanager(make_database)(admin, "template_feedback_loop") as url,
    ):
        directory = Path(name).resolve()
        (directory / "url").write_text(url.render_as_string(hide_password=False))
        unaudited = "guards: {needs_audit: false, needs_placebo: false}\n"
        (directory / "feedback_loop.yaml").write_text(unaudited, encoding="utf-8")
        failures = {"language": 9, "link": 6}
        write(directory / "old.jsonl", [r for w in (W1, W2) for r in traffic(w, per_day=60, failures=failures)])
        succeed(call(directory, "import", "old.jsonl"))
        log = succeed(call(directory, "run", "--week", str(W1), "--through", str(W2))).stdout
        (directory / "run.log").write_text(log, encoding="utf-8")
        keys = [t["ticket_key"] for t in listing(directory, "tickets")]
        shipped = ("v2", "--fixes", *keys, "FL-99", "--at", f"{W3}T00:00:00Z", "--prompt-name", "support")
        assert "no ticket or pattern FL-99 yet" in succeed(call(directory, "deployed", *shipped)).stderr
        fixed = [r for w in (W3, W4) for r in traffic(w, per_day=60, failures={"link": 6}, prompt_version="v2")]
        write(directory / "new.jsonl", fixed)
        succeed(call(directory, "import", "new.jsonl"))
        succeed(call(directory, "run", "--week", str(W3), "--through", str(W4)))
        verdicts = succeed(call(directory, "verify", "--as-of", str(W5))).stdout
        assert re.fullmatch(
            rf"ok   looks due by the end of {W5 - timedelta(days=1)}  \d+ fixes, \d+ verdicts\n", verdicts
        )
        yield directory


def write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def succeed(result: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_patterns_as_json(shop: Path) -> None:
    rows = listing(shop, "patterns")
    assert {
        "application",
        "pattern_id",
        "name",
        "likely_cause",
        "status",
        "n_occurrences",
        "rate",
        "ticket_key",
    } <= set(rows[0])
    assert {row["application"] for row in rows} == {"shop"}
    assert {row["last_seen_week"] for row in rows} >= {str(W4)}
    assert listing(shop, "patterns", "--application", "nobody") == []


def test_verdicts_as_json_follow_what_really_happened(shop: Path) -> None:
    kinds = {row["pattern_id"]: "language" if "English" in row["name"] else "link" for row in listing(shop, "patterns")}
    rows = listing(shop, "verifications")
    verdicts = {(kinds[row["pattern_id"]], row["verdict"]) for row in rows if row["look_day"] == 14}
    assert ("language", "effective") in verdicts
    assert not {("link", "effective"), ("link", "partial")} & verdicts
    for row in rows:
        assert row["prompt_version"] == "v2"
        assert row["as_of"] == f"{W5}T00:00:00+00:00"


def test_placebos_are_tried_for_a_month_and_an_audit_has_what_the_looks_drew(shop: Path) -> None:
    said = succeed(call(shop, "placebos", "--month", "2026-01")).stdout
    assert said.startswith("ok   placebo fixes of the month from 2026-01-01")
    result = call(shop, "placebos", "--month", "2025-01")
    assert (result.returncode, "2025-01-01 is no month that can run" in result.stderr) == (1, True)
    waiting = listing(shop, "audit")
    assert waiting
    assert set(waiting[0]) == {
        *("application", "audit_number", "pattern_id", "pattern", "description", "comment", "user_input", "output")
    }


def test_tickets_as_json_and_as_files_agree(shop: Path) -> None:
    rows = listing(shop, "tickets")
    assert [row["ticket_number"] for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        path = shop / ".feedback_loop" / "tickets" / f"{row['ticket_key']}.md"
        assert f"status: {row['status']}\n" in path.read_text(encoding="utf-8")
    assert "closed" in {row["status"] for row in rows}
    assert all(row["verdict"] == "effective" for row in rows if row["status"] == "closed")


def test_listings_do_not_wait_for_dagster(tmp_path: Path) -> None:
    code = "import sys, feedback_loop.terminal; print('dagster' in sys.modules, 'pandas' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout == "False False\n"


@pytest.mark.parametrize("what", ["patterns", "tickets", "verifications"])
def test_listings_as_tables(shop: Path, what: str) -> None:
    result = succeed(call(shop, what))
    assert "FL-1" in result.stdout
    if what != "verifications":
        assert "application" in result.stdout
        assert "│ shop " in result.stdout


def test_a_redirected_run_leaves_one_line_a_week(shop: Path) -> None:
    lines = [line for line in (shop / "run.log").read_text(encoding="utf-8").splitlines() if not line.startswith("  ")]
    numbers = r"([\d,]+) negative, ([\d,]+) unassigned, \d+ new patterns, \d+ new tickets"
    found = [re.fullmatch(rf"ok   week {week}  {numbers}", line) for week, line in zip((W1, W2), lines, strict=True)]
    negative, unassigned = (sum(int(match[n].replace(",", "")) for match in found if match) for n in (1, 2))
    with create_engine(make_url((shop / "url").read_text())).connect() as conn:
        parameters = {"last": W2}
        members = conn.execute(
            text("select count(*) from feedback_loop.pattern_memberships where week <= :last"), parameters
        )
        assert (negative - unassigned, negative) == (members.scalar_one(), 2 * 7 * 15)


def test_what_a_terminal_would_obey_is_not_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b[31mred\x1b]8;;http://x\x07y\u202ez\nw [bold]v[/bold]"
    row: dict[str, Any] = dict.fromkeys(terminal.COLUMNS["tickets"], hostile)
    terminal.print_rows(terminal.console(), "tickets", [row])
    shown = capsys.readouterr().out
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "[bold]" in shown
    terminal.print_json([row])
    assert json.loads(capsys.readouterr().out) == [row]


def test_importing_and_running_again_changes_nothing(shop: Path) -> None:
    before = {what: listing(shop, what) for what in ("patterns", "tickets", "verifications")}
    assert "known already" in succeed(call(shop, "import", "old.jsonl", "new.jsonl")).stdout
    succeed(call(shop, "run", "--week", str(W3), "--through", str(W4)))
    assert {what: listing(shop, what) for what in before} == before


def test_a_change_without_a_version_and_a_time_without_zone(shop: Path) -> None:
    succeed(call(shop, "deployed", "-", "--fixes", "FL-1", "--at", "2026-02-10", "--rationale", "new index"))
    wrong = call(shop, "deployed", "v3", "--fixes", "FL-1", "--at", "2026-02-10T10:00:00")
    assert wrong.returncode == 2
    assert "has no time zone" in wrong.stderr
    share = call(shop, "deployed", "v3", "--fixes", "FL-1", "--share", "0")
    assert share.returncode == 1
    assert "rollout_share" in share.stderr


def test_a_wrong_week_is_named(shop: Path) -> None:
    future = monday_of(datetime.now(UTC).date()) + timedelta(days=14)
    for arguments, words in (
        (("--week", "2026-01-07"), "2026-01-07 is a Wednesday"),
        (("--week", str(future)), f"{future} is no week that can run: the first is {W1}"),
    ):
        result = call(shop, "run", *arguments)
        assert result.returncode == 1, arguments
        assert words in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [(W1 + timedelta(days=2), W2, "Wednesday"), (W1, W2 + timedelta(days=1), "Tuesday"), (W2, W1, "lies before")],
)
def test_weeks_are_mondays_in_order(first: date, last: date, words: str) -> None:
    with pytest.raises(InputError, match=words):
        weeks_between(first, last)
    assert weeks_between(W1, W3) == [W1, W2, W3]
    assert weeks_between(W1, W1) == [W1]


def test_an_import_with_bad_lines_says_so_and_takes_the_rest(shop: Path) -> None:
    good = [r | {"application": "other"} if r["type"] == "interaction" else r for r in traffic(W5, 1, 2)]
    good = [r | {"interaction_id": f"x-{r['interaction_id']}"} for r in good]
    (shop / "bad.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in good) + '{oops\n{"type": "feedback"}\n', encoding="utf-8"
    )
    result = call(shop, "import", "bad.jsonl")
    assert result.returncode == 1
    assert "rejected" in result.stdout
    assert "bad.jsonl:3" in result.stdout
    assert call(shop, "import", "missing.jsonl").returncode == 1


def test_what_is_simulated_can_be_imported_and_run(short_dir: Path) -> None:
    succeed(call(short_dir, "simulate", "--out", "world", "--weeks", "2", "--sessions", "700"))
    assert {path.name for path in (short_dir / "world").iterdir()} == {
        f"week-{W1}.jsonl.gz",
        f"week-{W2}.jsonl.gz",
        "truth.json",
    }
    succeed(call(short_dir, "import", "world"))
    succeed(call(short_dir, "run", "--week", str(W1), "--through", str(W2)))
    assert listing(short_dir, "patterns")


def test_an_unreachable_database_is_75(short_dir: Path) -> None:
    result = call(short_dir, "run", "--week", str(W1), FEEDBACK_LOOP_DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/d")
    assert result.returncode == 75
    assert "database d on 127.0.0.1:1 cannot be reached" in result.stderr
    assert "hidden" not in result.stderr


def test_a_newer_schema_is_1(short_dir: Path, database_url: URL) -> None:
    engine = create_engine(database_url)
    with engine.begin() as conn:
        conn.execute(text(f"update feedback_loop.{schema.VERSION_TABLE} set version_num = '9999'"))
    engine.dispose()
    url = database_url.render_as_string(hide_password=False)
    result = call(short_dir, "run", "--week", str(W1), FEEDBACK_LOOP_DATABASE_URL=url)
    assert result.returncode == 1
    assert "the database has schema 9999" in result.stderr
