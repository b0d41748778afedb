"""`feedback-loop tickets release`, and what `doctor` says of the tracker before any ticket is made."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from feedback_loop.cli import cli
from feedback_loop.defs.doctor import Check, examine
from feedback_loop.environment import Environment
from feedback_loop.store import tickets as ledger
from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.factories import W1, rows
from feedback_loop_tests.store.test_patterns import save, state
from feedback_loop_tests.store.test_tickets import ticket

Call = Callable[..., Result]


@pytest.fixture
def call(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The real command on a ledger in which W-1 and W-2 wait, and the third is in Jira."""
    with engine.begin() as conn:
        for n in (1, 2, 3):
            added = ledger.add_ticket(conn, ticket(f"p{n}", title=f"Trouble {n}", status="waiting"), "jira")
        ledger.release_ticket(conn, added)
        ledger.confirm_ticket(conn, added, TicketRef("10001", "SHOP-7"))
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(tmp_path / "home"))
    return lambda *arguments: CliRunner().invoke(cli, arguments, catch_exceptions=False)


def statuses(engine: Engine) -> list[str]:
    return [row["status"] for row in sorted(rows(engine, "tickets"), key=lambda row: row["ticket_number"])]


def test_named_tickets_are_let_go_and_no_others(call: Call, engine: Engine) -> None:
    result = call("tickets", "release", "W-2")
    assert (result.exit_code, result.stdout) == (0, "released W-2: Trouble 2\n")
    assert statuses(engine) == ["waiting", "planned", "open"]
    assert call("tickets", "release", "W-1").stdout == "released W-1: Trouble 1\n"
    assert statuses(engine) == ["planned", "planned", "open"]


@pytest.mark.parametrize("names", [("W-3",), ("SHOP-7",), ("FL-1",), ("W-9",), ("W-1", "W-9")])
def test_where_one_name_is_wrong_nothing_is_let_go(call: Call, engine: Engine, names: tuple[str, ...]) -> None:
    result = call("tickets", "release", *names)
    said = f"error: no ticket {names[-1]} waits for its release; those that do: W-1, W-2\n"
    assert (result.exit_code, result.stderr, result.stdout) == (1, said, "")
    assert statuses(engine) == ["waiting", "waiting", "open"]


def test_where_none_waits_that_is_said(call: Call) -> None:
    call("tickets", "release", "W-1", "W-2")
    assert "those that do: none" in call("tickets", "release", "W-1").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("release",), "Missing argument 'TICKET...'"),
        (("--json", "release", "FL-1"), "write options after the command"),
    ],
)
def test_wrong_usage_is_said(call: Call, engine: Engine, arguments: tuple[str, ...], words: str) -> None:
    result = call("tickets", *arguments)
    assert (result.exit_code, words in result.stderr) == (2, True)
    assert statuses(engine) == ["waiting", "waiting", "open"]


def test_an_old_key_is_known_where_a_fix_is_recorded(call: Call, engine: Engine) -> None:
    with engine.begin() as conn:
        (held,) = ledger.load_tickets(conn, pattern_ids=["p3"])
        ledger.move_ticket(conn, held, TicketRef("10001", "MODEL-1"))
    result = call("deployed", "v2", "--fixes", "SHOP-7", "--at", "2026-02-03T10:00:00Z")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [(row["application"], row["fixes"]) for row in rows(engine, "deployments")] == [("shop", ["SHOP-7"])]


def test_a_pattern_is_enough_where_a_fix_is_recorded_and_says_its_application(call: Call, engine: Engine) -> None:
    with engine.begin() as conn:
        save(conn, W1, state("p1"))
    result = call("deployed", "v2", "--fixes", "p1", "--at", "2026-02-03T10:00:00Z")
    assert (result.exit_code, result.stderr) == (0, "")
    with engine.begin() as conn:
        save(conn, W1, state("p1"), application="other")
    unclear = call("deployed", "v3", "--fixes", "p1", "--at", "2026-02-04T10:00:00Z")
    assert (unclear.exit_code, "several applications (other, shop)" in unclear.stderr) == (1, True)
    said = call("deployed", "v3", "--fixes", "p1", "--at", "2026-02-04T10:00:00Z", "--application", "other")
    assert (said.exit_code, said.stderr) == (0, "")
    assert {(row["application"], row["prompt_version"]) for row in rows(engine, "deployments")} == {
        ("shop", "v2"),
        ("other", "v3"),
    }


@pytest.fixture
def jira() -> Iterator[JiraEmulator]:
    with JiraEmulator() as jira:
        yield jira
        assert {request.method for request in jira.requests} <= {"GET"}  # a look changes nothing


def tracker_check(folder: Path, settings: str = "", **environment: Any) -> Check:
    (folder / "feedback_loop.yaml").write_text(settings, encoding="utf-8")
    surroundings = Environment(
        folder, "postgresql://nobody@127.0.0.1:1/none", config_path=folder / "feedback_loop.yaml", **environment
    )
    (check,) = (c for c in examine(surroundings) if c.name == "tracker")
    return check


def test_without_jira_doctor_names_the_directory(tmp_path: Path) -> None:
    assert tracker_check(tmp_path) == Check("tracker", True, f"Markdown files in {tmp_path / 'tickets'}")
    assert tracker_check(tmp_path, "tracker: {is_dry_run: true}").detail.endswith(", dry run")
    assert tracker_check(tmp_path, "tracker: {needs_release: true}").detail.endswith(", tickets wait for their release")


@pytest.mark.parametrize(
    ("settings", "token", "is_ok", "says"),
    [
        ("project: FL", "jira-token", True, "project FL"),
        ("project: FL", None, False, "needs the environment variable FEEDBACK_LOOP_JIRA_TOKEN"),
        ("project: FL", "wrong-token", False, "401"),
        ("project: NONE", "jira-token", False, "Jira has no project 'NONE'"),
        ("project: FL, issue_type: Epic", "jira-token", False, "has no issue type 'Epic'; it has Bug, Task, Story"),
        ("project: FL, deployed_field: customfield_9", "jira-token", False, "Jira has no field 'customfield_9'"),
    ],
)
def test_doctor_asks_jira_whether_tickets_would_get_through(
    tmp_path: Path, jira: JiraEmulator, settings: str, token: str | None, is_ok: bool, says: str
) -> None:
    text = f"tracker: {{tracker: jira, jira: {{server: '{jira.base_url}', {settings}}}}}"
    check = tracker_check(tmp_path, text, jira_email="bot@example.com", jira_token=token)
    assert (check.is_ok, says in check.detail) == (is_ok, True), check.detail
    assert not {"jira-token", "wrong-token"} & set(check.detail.split())
    if is_ok:
        assert check.detail.startswith(f"Jira at {jira.base_url}")
