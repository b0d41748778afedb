"""Tickets through the real loop: dry runs, release by a person, limits, and weeks in an emulated Jira, once each."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from feedback_loop.cli import cli
from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.clients.trackers import TrackerPolicy
from feedback_loop.config import Settings
from feedback_loop.records import midnight
from feedback_loop.route import RoutePolicy
from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop.testing.jira_emulator.catalogue import DEPLOYED_AT
from feedback_loop_tests.defs.ledger_world import WRITES, comments, moves
from feedback_loop_tests.defs.world import UNAUDITED, World, open_world
from feedback_loop_tests.factories import OF_THE_CLOCK, W1, W2, W3, W5, Record, at, make_deployment, traffic

FAILURES = {"language": 5, "link": 4}
BEGINNING = midnight(W2)


@pytest.fixture(params=["cloud"])
def jira(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[JiraEmulator]:
    """Signed in to by the environment."""
    monkeypatch.setenv("FEEDBACK_LOOP_JIRA_TOKEN", "jira-token")
    if request.param == "cloud":
        monkeypatch.setenv("FEEDBACK_LOOP_JIRA_EMAIL", "bot@example.com")
    with JiraEmulator(request.param, start=BEGINNING) as jira:
        yield jira
        assert jira.refused == []


@contextmanager
def loop(
    engine: Engine, folder: Path, jira: JiraEmulator, route: RoutePolicy | None = None, **how: Any
) -> Iterator[World]:
    """The loop with its tickets in this Jira."""
    policy = TrackerPolicy("jira", jira=JiraPolicy(jira.base_url, project="FL", deployed_field=DEPLOYED_AT), **how)
    settings = Settings(tracker=policy, route=route or RoutePolicy(), guards=UNAUDITED)
    with open_world(engine, folder, settings=settings) as world:
        yield world


def n_writes(jira: JiraEmulator) -> int:
    return sum(request.method in WRITES for request in jira.requests)


def key_of(world: World, word: str) -> str:
    """Of the ticket whose title has the word."""
    (key,) = (t["ticket_key"] for t in world.rows("tickets") if word in t["title"])
    return str(key)


def test_a_dry_run_asks_nothing_leaves_nothing_and_says_what_it_would_do(
    engine: Engine, tmp_path: Path, jira: JiraEmulator
) -> None:
    with loop(engine, tmp_path, jira, is_dry_run=True) as world:
        world.add(traffic(W1, failures=FAILURES))
        result = world.loop.run_week(W1)
        assert not result.has_errors
        assert (world.rows("tickets"), world.rows("ticket_events"), jira.requests) == ([], [], [])
        said = result.metadata["tickets"]
        titles = [record.data["title"] for record in said["tickets"].records]
        assert len(titles) == said["new_tickets"] >= 2
        assert (said["tickets_made"], said["refused"]) == (0, 0)
        for title in titles:
            assert title
        assert not (tmp_path / "tickets").exists()
    with loop(engine, tmp_path, jira) as world:
        assert world.loop.run_week(W1).metadata["tickets"]["tickets_made"] == len(titles)
        assert sorted(issue.fields["summary"] for issue in jira.issues) == sorted(titles)
        world.add([make_deployment(at(W2, 0), prompt_version="v2", fixes=[issue.key for issue in jira.issues])])
    n = n_writes(jira)
    with loop(engine, tmp_path, jira, is_dry_run=True) as world:
        daily = world.loop.verify(BEGINNING + timedelta(days=1))
        assert not daily.has_errors
        assert (n_writes(jira), world.rows("ticket_events")) == (n, [])
        for issue in jira.issues:
            assert f"{issue.key}: comment (deployed)" in daily.metadata["fixes"]["would_say"]


def by_command(world: World, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", world.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(world.folder / "home"))
    result = CliRunner().invoke(cli, ["tickets", "release", f"W-{number}"], catch_exceptions=False)
    assert (result.exit_code, result.stdout.partition(":")[0]) == (0, f"released W-{number}")


def by_hand(world: World, number: int, _: pytest.MonkeyPatch) -> None:
    path = world.folder / "waiting" / f"W-{number}.md"
    path.write_text(path.read_text(encoding="utf-8").replace("status: waiting", "status: released"), encoding="utf-8")


def test_tickets_wait_as_files_until_a_person_lets_them_go(
    engine: Engine, tmp_path: Path, jira: JiraEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loop(engine, tmp_path, jira, needs_release=True) as world:
        world.add(traffic(W1, failures=FAILURES))
        assert not world.loop.run_week(W1).has_errors
        waiting = {row["ticket_number"]: row for row in world.rows("tickets")}
        assert len(waiting) >= 2
        never = {(row["status"], row["ticket_key"], row["attempted_at"]) for row in waiting.values()}
        assert never == {("waiting", None, None)}
        files = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "waiting").glob("*.md")}
        assert sorted(files) == [f"W-{number}.md" for number in sorted(waiting)]
        assert all("status: waiting\n" in text and "What users say" in text for text in files.values())
        assert not world.loop.verify(BEGINNING).has_errors
        assert (jira.issues, n_writes(jira)) == ([], 0)

        expected: dict[int, tuple[str, str | None]] = dict.fromkeys(waiting, ("waiting", None))
        for number, release in ((1, by_command), (2, by_hand)):
            release(world, number, monkeypatch)
            assert not world.loop.verify(BEGINNING + timedelta(days=1)).has_errors
            assert [issue.fields["summary"] for issue in jira.issues[number - 1 :]] == [waiting[number]["title"]]
            expected[number] = ("open", jira.issues[-1].key)
            assert not (tmp_path / "waiting" / f"W-{number}.md").exists()  # it lies in Jira now
        after = {row["ticket_number"]: (row["status"], row["ticket_key"]) for row in world.rows("tickets")}
        assert after == expected


def test_what_no_tracker_holds_goes_along_to_another_and_what_one_holds_is_listed(
    engine: Engine, tmp_path: Path, jira: JiraEmulator
) -> None:
    local = Settings(tracker=TrackerPolicy(needs_release=True))
    with open_world(engine, tmp_path, settings=local) as world:
        world.add(traffic(W1, failures=FAILURES))
        world.loop.run_week(W1)
        by_hand(world, 1, pytest.MonkeyPatch())
        assert not world.loop.verify(BEGINNING).has_errors
    with loop(engine, tmp_path, jira, needs_release=True) as world:
        assert not world.loop.run_week(W1).has_errors
        by_hand(world, 2, pytest.MonkeyPatch())
        world.add([make_deployment(at(W2, 0), prompt_version="v2", fixes=["FL-1"])])
        daily = world.loop.verify(BEGINNING + timedelta(days=1))
        assert not daily.has_errors
        assert (
            daily.metadata["ticket_updates"]["left_in_other_tracker"].strip("- \n") == "FL-1 (local): 1 not said there"
        )
        tickets = {row["ticket_number"]: (row["tracker"], row["status"]) for row in world.rows("tickets")}
    assert (tickets[1], tickets[2]) == (("local", "open"), ("jira", "open"))
    assert {tickets[n] for n in tickets if n > 2} <= {("jira", "waiting")}
    assert len(jira.issues) == 1


def test_a_slip_of_the_pen_in_a_waiting_file_stops_nothing_else(
    engine: Engine, tmp_path: Path, jira: JiraEmulator
) -> None:
    with loop(engine, tmp_path, jira, needs_release=True) as world:
        world.add(traffic(W1, failures=FAILURES))
        world.loop.run_week(W1)
        path = tmp_path / "waiting" / "W-1.md"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("status: waiting", "status: relaesed"), encoding="utf-8")
        by_hand(world, 2, pytest.MonkeyPatch())
        daily = world.loop.verify(BEGINNING + timedelta(days=1))
        assert not daily.has_errors
        assert "it says 'relaesed'" in daily.metadata["ticket_states"]["to_look_at"]
        assert {row["ticket_number"]: row["status"] for row in world.rows("tickets")}[2] == "open"
        path.write_text(text.replace("pattern: p-", "pattern: other-"), encoding="utf-8")
        weekly = world.loop.run_week(W1)
        assert weekly.is_success
        ((_, _, said),) = [problem for problem in weekly.problems if problem[1] == "everything_filed"]
        assert "belongs to another database" in said
        assert len(jira.issues) == 1


def test_what_does_not_fit_the_week_is_listed_and_comes_next_week(
    engine: Engine, tmp_path: Path, jira: JiraEmulator
) -> None:
    with loop(engine, tmp_path, jira, RoutePolicy(max_new_tickets=1)) as world:
        world.add(record for week in (W1, W2) for record in traffic(week, failures=FAILURES))
        first = world.loop.run_week(W1).metadata["tickets"]
        assert (first["new_tickets"], len(jira.issues)) == (1, 1)
        listed = [record.data["title"] for record in first["waiting_for_next_week"].records]
        assert len(listed) == first["over_limit"] >= 1
        again = world.loop.run_week(W1).metadata["tickets"]
        assert (again["new_tickets"], len(jira.issues)) == (0, 1)  # it is the week's limit, however often it runs
        second = world.loop.run_week(W2).metadata["tickets"]
        assert (second["new_tickets"], len(jira.issues)) == (1, 2)
    assert jira.issues[1].fields["summary"] == listed[0]


def test_a_jira_that_lets_nobody_in_stops_neither_the_week_nor_the_day(
    engine: Engine, tmp_path: Path, jira: JiraEmulator
) -> None:
    with loop(engine, tmp_path, jira) as world:
        world.add(traffic(W1, failures=FAILURES))
        jira.fail("status", "myself", status=401)
        weekly = world.loop.run_week(W1)
        assert (weekly.is_success, weekly.has_errors) == (True, True)
        ((is_error, check, said),) = (problem for problem in weekly.problems if problem[1].startswith("everything"))
        assert (is_error, check, "every ticket: " in said, "401" in said) == (True, "everything_filed", True, True)
        assert {(row["status"], row["attempted_at"]) for row in world.rows("tickets")} == {("planned", None)}
        assert world.loop.run_week(W1).metadata["tickets"]["tickets_made"] == len(jira.issues) >= 2
        jira.fail("status", "myself", status=401)
        daily = world.loop.verify(BEGINNING)
        assert daily.is_success
        assert [check for _, check, _ in daily.problems] == ["everything_read"]
        assert {row["status"] for row in world.rows("tickets")} == {"open"}
        assert not world.loop.verify(BEGINNING).problems


@pytest.mark.parametrize("jira", ["cloud", "dc"], indirect=True)
def test_weeks_in_jira_end_closed_where_the_fix_worked_and_reopened_where_not(
    engine: Engine, tmp_path: Path, jira: JiraEmulator
) -> None:
    with loop(engine, tmp_path, jira) as world:
        world.add(r for week in (W1, W2) for r in traffic(week, per_day=60, failures={"language": 9, "link": 6}))
        for week in (W1, W2):
            assert not world.loop.run_week(week).has_errors
            jira.advance(timedelta(weeks=1).total_seconds())
        keys = [t["ticket_key"] for t in world.rows("tickets")]
        works, fails = (keys_of_kind(world, kind)[0] for kind in ("English", "link"))
        assert sorted(keys) == sorted(issue.key for issue in jira.issues)

        # People ship: for one ticket the application says so, for the other its people do, in Jira.
        shipped = deployment_of(keys_of_kind(world, "English"))
        served = traffic(W3, 15, per_day=60, failures={"language": 1, "link": 26}, prompt_version="v2")
        world.add([shipped, *served])
        jira.people_transition(fails, "Done")
        jira.people_set(fails, **{DEPLOYED_AT: at(W3, 0)})
        the_day_after = W5 + timedelta(days=1)  # of the field only the day is known, so its windows start a day later
        for day in (W3 + timedelta(days=1), the_day_after):
            assert not world.loop.verify(midnight(day)).has_errors
            jira.advance(max(0.0, (midnight(day) - jira.now).total_seconds()))

        closed, reopened = (jira.find(key) for key in (works, fails))
        assert closed is not None
        assert reopened is not None
        assert [s for s in comments(closed) if "Effective after 14 days" in s and "the ticket is closed" in s]
        assert [s for s in comments(reopened) if "Worse after 14 days" in s and "the ticket is reopened" in s]
        assert (moves(closed), moves(reopened)) == (["Done"], ["Done", "To Do"])
        status = {t["ticket_key"]: t["status"] for t in world.rows("tickets")}
        assert (status[works], status[fails]) == ("closed", "reopened")
        assert sum("A fix was deployed" in said for said in comments(closed)) == 1
        origins = {row["ticket_key"]: (row["source"], row["origin"]) for row in world.rows("fixes")}
        assert (origins[works], origins[fails]) == (("deployment", ""), ("ticket", "the field Deployed at"))
        for issue in jira.issues:
            assert jira.active_content(issue.key) == []
            assert [a.filename for a in issue.attachments if a.filename.startswith("feedback-loop-trend-")]

        as_read = (*OF_THE_CLOCK, "status_name", "resolution")  # of before the last transition, until it is read again
        n, before = n_writes(jira), world.rows("tickets", without=as_read)
        assert world.loop.run_week(W2).is_success
        assert not world.loop.verify(midnight(the_day_after)).has_errors
        assert (n_writes(jira), world.rows("tickets", without=as_read)) == (n, before)


def deployment_of(keys: list[str]) -> Record:
    """For every ticket of its failure: an unnamed twin would pass for what befell everything alike."""
    return make_deployment(at(W3, 0), prompt_name="support", prompt_version="v2", fixes=keys)


def keys_of_kind(world: World, word: str) -> list[str]:
    """Tickets that quote complaints with this word, the first made first."""
    found = sorted((t["ticket_number"], t["ticket_key"]) for t in world.rows("tickets") if word in str(t["body"]))
    return [str(key) for _, key in found]
