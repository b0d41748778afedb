"""Each check passes on a sound week and fails on a broken one, naming what is wrong."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest
from sqlalchemy import Engine

from feedback_loop.clients.alerts import post_alert
from feedback_loop.defs.partitions import WEEKS
from feedback_loop.errors import ConfigurationError, TransientError
from feedback_loop_tests.defs.world import World, open_world
from feedback_loop_tests.factories import W1, W2, W3, at, make_feedback, make_interaction, traffic


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A real server on loopback, and what was posted to it."""
    posted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", posted
        finally:
            server.shutdown()
            thread.join()


def problems(world: World, week: date) -> dict[str, str]:
    return {check: text for _, check, text in world.loop.run_week(week).problems}


def check_week(world: World, week: date) -> dict[str, dg.AssetCheckEvaluation]:
    """Only the checks, on whatever is stored."""
    result = world.definitions.resolve_job_def("weekly_loop").execute_in_process(
        instance=world.instance, partition_key=str(week), op_selection=["weekly_checks"]
    )
    return {e.asset_check_key.name: e for e in result.get_asset_check_evaluations()}


@pytest.fixture
def sound(world: World) -> World:
    """Two weeks that ran."""
    for week in (W1, W2):
        world.add(traffic(week, failures={"language": 4}))
        assert problems(world, week) == {}
    return world


def test_all_weekly_checks_pass_on_a_sound_week(sound: World) -> None:
    found = check_week(sound, W2)
    assert {name for name, e in found.items() if e.passed} == {
        "denominator_present",
        "feedback_arrived",
        "no_late_facts",
        "members_and_unassigned_add_up",
        "unassigned_share",
        "no_gap_before_this_week",
    }


def test_missing_exposures_are_an_error_that_names_the_application(sound: World) -> None:
    sound.execute("delete from feedback_loop.exposures where week = :week", week=W2)
    found = check_week(sound, W2)["denominator_present"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "shop" in (found.description or "")


def test_a_member_that_is_no_negative_is_an_error(sound: World) -> None:
    sound.execute(
        "delete from feedback_loop.negative_feedback where ctid in "
        "(select n.ctid from feedback_loop.negative_feedback n join feedback_loop.pattern_memberships m "
        "using (application, week, interaction_id) where week = :week limit 1)",
        week=W2,
    )
    found = check_week(sound, W2)["members_and_unassigned_add_up"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "1 members without a negative" in (found.description or "")


@pytest.mark.parametrize("table", ["pattern_memberships", "failure_descriptions"])
def test_a_member_that_is_wrongly_marked_as_inferred_is_an_error(sound: World, table: str) -> None:
    """Inferred members count as members; whoever said something may not be one of them, and the other way round."""
    mark = "update feedback_loop.{} set is_inferred = true where (interaction_id, week) = (:id, :week)"
    member = sound.value("select min(interaction_id) from feedback_loop.pattern_memberships where week = :w", w=W2)
    sound.execute(mark.format(table), id=member, week=W2)
    found = check_week(sound, W2)["members_and_unassigned_add_up"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "1 wrongly marked as inferred or not" in (found.description or "")
    other = {"pattern_memberships", "failure_descriptions"} - {table}
    sound.execute(mark.format(*other), id=member, week=W2)
    found = check_week(sound, W2)["members_and_unassigned_add_up"]
    assert found.passed
    assert (found.metadata["members_inferred"].value, found.metadata["negatives"].value) == (1, 28)


def test_a_lost_description_is_an_error(sound: World) -> None:
    sound.execute(
        "delete from feedback_loop.failure_descriptions where ctid in "
        "(select ctid from feedback_loop.failure_descriptions where week = :week limit 1)",
        week=W2,
    )
    assert not check_week(sound, W2)["members_and_unassigned_add_up"].passed
    assert check_week(sound, W1)["members_and_unassigned_add_up"].passed


def test_a_week_whose_events_are_mostly_in_no_pattern_is_pointed_out(sound: World) -> None:
    assert check_week(sound, W2)["unassigned_share"].passed
    sound.execute("delete from feedback_loop.pattern_memberships where week = :week", week=W2)
    found = check_week(sound, W2)["unassigned_share"]
    assert not found.passed
    assert found.description == "in no pattern, of those who said something: shop: 100%"
    assert check_week(sound, W1)["unassigned_share"].passed


def test_a_gap_is_an_error_that_says_what_to_run(world: World) -> None:
    world.add(traffic(W1) + traffic(W2) + traffic(W3))
    world.loop.run_week(W1)
    found = problems(world, W3)["no_gap_before_this_week"]
    assert found == f"not run before {W3}: {W2}; run them with --week {W2} --through {W3}"


def test_an_empty_week_is_no_gap(world: World) -> None:
    world.add(traffic(W1, failures={"link": 1}) + traffic(W3, failures={"link": 1}))
    world.loop.run_week(W1)
    assert "no_gap_before_this_week" not in problems(world, W3)


def test_late_facts_name_the_week_to_run_again(sound: World) -> None:
    sound.add([make_interaction("late", at(W1)), make_feedback("late", at(W1))])
    sound.add(traffic(W3, failures={"language": 1}))
    text = problems(sound, W3)["no_late_facts"]
    assert text.startswith(f"run again --week {W1} --through {W3}: {W1} (")
    assert f"shop {W1}: 2 facts" in text
    assert problems(sound, W1) == {}


def test_silence_is_heard_at_the_webhook(engine: Engine, tmp_path: Path) -> None:
    with webhook() as (url, posted), open_world(engine, tmp_path, webhook=url) as world:
        world.add(traffic(W1, failures={"language": 4}))
        assert problems(world, W1) == {}
        world.add(traffic(W2))  # traffic, but nobody says anything
        assert problems(world, W2) == {"feedback_arrived": "no feedback this week for shop"}
    assert posted == [f"feedback-loop: no feedback in the week of {W2} for shop"]


def test_a_webhook_that_fails_stops_nothing(engine: Engine, tmp_path: Path) -> None:
    with webhook(500) as (url, posted), open_world(engine, tmp_path, webhook=url) as world:
        world.add(traffic(W1, failures={"language": 2}))
        world.loop.run_week(W1)
        result = world.loop.run_week(W2)
    assert result.is_success
    assert len(posted) == 1


def test_alerts_say_why_they_fail_and_never_where_to() -> None:
    with webhook(404) as (url, _), pytest.raises(TransientError, match="HTTP 404") as caught:
        post_alert(url, "text")
    assert url not in str(caught.value)
    with pytest.raises(ConfigurationError):
        post_alert("file:///etc/hosts", "text")
    with pytest.raises(TransientError, match="did not take the message"):
        post_alert("http://127.0.0.1:1/secret", "text")


def daily_problems(world: World) -> dict[str, str]:
    return {check: text for _, check, text in world.loop.verify(datetime(2026, 2, 3, tzinfo=UTC)).problems}


def test_a_verdict_without_exposures_is_an_error(sound: World) -> None:
    assert daily_problems(sound) == {}
    sound.execute(
        "insert into feedback_loop.verifications (application, fix_id, look_day, method_version, pattern_id, verdict, "
        "reason, as_of, reduction, exposures_before) values ('shop', 'f', 14, 'm', 'p', 'effective', 'r', now(), .9, 5)"
    )
    assert daily_problems(sound) == {"no_verdict_without_exposures": "a reduction without exposures: f day 14"}


def test_the_watch_hears_a_last_week_that_did_not_run(engine: Engine, tmp_path: Path) -> None:
    newest = date.fromisoformat(WEEKS.get_partition_keys()[-1])
    with webhook() as (url, posted), open_world(engine, tmp_path, webhook=url) as world:
        watch = world.definitions.resolve_job_def("daily_watch")
        world.add(traffic(newest, n_days=1, failures={"link": 2}) + traffic(newest + timedelta(days=7), n_days=1))
        for passed in (False, True):
            result = watch.execute_in_process(instance=world.instance)
            assert [e.passed for e in result.get_asset_check_evaluations()] == [passed]
            world.loop.run_week(newest)
    assert posted == [f"feedback-loop: the week of {newest} has facts but has not run"]
