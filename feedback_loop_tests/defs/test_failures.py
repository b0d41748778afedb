"""What fails is said, and tried again only where that can help."""

from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import URL, Engine

from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.clients.trackers import TrackerPolicy
from feedback_loop.config import Settings
from feedback_loop.defs.failures import MAX_RETRIES, as_dagster_failure
from feedback_loop.defs.resources import Alerts, Database
from feedback_loop.defs.schedules import alert_on_failure
from feedback_loop.errors import DatabaseUnavailable, FeedbackLoopError, InputError, PermanentError, TransientError
from feedback_loop_tests.defs.test_checks import webhook
from feedback_loop_tests.defs.world import World, open_world
from feedback_loop_tests.factories import W1, traffic


@pytest.mark.parametrize("error", [TransientError("busy"), DatabaseUnavailable("gone")])
def test_a_transient_error_asks_for_another_try(error: TransientError) -> None:
    with pytest.raises(dg.RetryRequested) as caught, as_dagster_failure():
        raise error
    assert caught.value.max_retries == MAX_RETRIES
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [PermanentError("never"), InputError("line 3 is wrong")])
def test_a_permanent_error_fails_for_good(error: FeedbackLoopError) -> None:
    with pytest.raises(dg.Failure, match=str(error)) as caught, as_dagster_failure():
        raise error
    assert caught.value.allow_retries is False


def test_a_defect_passes_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), as_dagster_failure():
        raise ZeroDivisionError


def test_a_permanent_error_in_a_run_is_not_retried_and_is_the_reason_given(engine: Engine, tmp_path: Path) -> None:
    nowhere = Settings(tracker=TrackerPolicy(tracker="jira", jira=JiraPolicy("http://127.0.0.1:1", project="FL")))
    with open_world(engine, tmp_path, settings=nowhere) as world:
        world.add(traffic(W1, failures={"language": 6, "link": 3}))
        result = world.loop.run_week(W1)
        assert not result.is_success
        assert "tracker: jira needs the environment variable FEEDBACK_LOOP_JIRA_TOKEN" in (result.error or "")
        events = [e.dagster_event.event_type for e in world.instance.all_logs(result.run_id) if e.dagster_event]
    assert dg.DagsterEventType.STEP_FAILURE in events
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in events


def test_a_file_of_another_database_is_a_refused_ticket_and_stops_no_other(world: World) -> None:
    world.add(traffic(W1, failures={"language": 6, "link": 3}))
    assert not world.loop.run_week(W1).has_errors
    keys = sorted(row["ticket_key"] for row in world.rows("tickets"))
    path = world.tickets_dir / f"{keys[0]}.md"
    foreign = path.read_text(encoding="utf-8").replace("pattern: p-", "pattern: other-")
    path.write_text(foreign, encoding="utf-8")
    forgotten = "ticket_key = null, issue_id = null, status = 'planned', is_complete = false"
    world.execute(f"update feedback_loop.tickets set {forgotten}")
    result = world.loop.run_week(W1)
    assert result.is_success
    ((is_error, _, said),) = [p for p in result.problems if p[1] == "everything_filed"]
    assert (is_error, result.has_errors) == (True, True)
    assert "belongs to another database; move its files away" in said
    refused = {row["ticket_number"]: (row["status"], row["problem"]) for row in world.rows("tickets")}
    status, problem = refused.pop(1)
    assert (status, problem is not None and problem in said) == ("planned", True)
    assert set(refused.values()) == ({("open", None)} if refused else set())
    assert path.read_text(encoding="utf-8") == foreign
    path.unlink()
    assert not world.loop.run_week(W1).has_errors
    assert {(row["status"], row["problem"]) for row in world.rows("tickets")} == {("open", None)}


def test_a_database_that_cannot_be_reached_fails_the_run_with_its_name(
    engine: Engine, database_url: URL, tmp_path: Path
) -> None:
    away = Database(url="postgresql://nobody:hidden-word@127.0.0.1:1/away")
    with open_world(engine, tmp_path, database=away) as world:
        result = world.loop.run_week(W1)
    assert not result.is_success
    assert "hidden-word" not in str(result)


def test_a_failed_run_is_said_out_loud() -> None:
    @dg.op
    def fail() -> None:
        raise dg.Failure("the disk is full")

    @dg.job
    def breaking() -> None:
        fail()

    with webhook() as (url, posted), dg.DagsterInstance.ephemeral() as instance:
        result = breaking.execute_in_process(
            instance=instance, raise_on_error=False, tags={"dagster/partition": "2026-01-05"}
        )
        context = dg.build_run_status_sensor_context(
            sensor_name="alert_on_failure",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            resources={"alerts": Alerts(webhook=url)},
        ).for_run_failure()
        alert_on_failure(context)
    (text,) = posted
    assert text.startswith(f"feedback-loop: run {result.run_id[:8]} of breaking (2026-01-05) failed: ")
