"""Retention through Dagster: texts go first, what was made of them later, and what patterns remember stays."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from feedback_loop.config import Settings
from feedback_loop.store.retention import RetentionPolicy
from feedback_loop_tests.defs.world import World, open_world
from feedback_loop_tests.factories import W1, W2, traffic


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> Iterator[World]:
    with open_world(engine, tmp_path, settings=Settings(retention=RetentionPolicy(90, 120))) as world:
        yield world


def retain(world: World, day: date) -> dict[str, Any]:
    """Materialise the asset for a day; returns its metadata."""
    job = world.definitions.resolve_job_def("daily_retention")
    result = job.execute_in_process(partition_key=day.isoformat(), instance=world.instance)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def count(world: World, table: str) -> int:
    return int(world.value(f"select count(*) from feedback_loop.{table}"))


def test_texts_go_after_90_days_and_the_rest_later(world: World) -> None:
    world.add([*traffic(W1, per_day=30, failures={"language": 9}), *traffic(W2, per_day=30, failures={"language": 9})])
    for week in (W1, W2):
        assert not world.loop.run_week(week).has_errors
    tables = ("negative_feedback", "pattern_memberships", "pattern_weeks", "exposures", "text_vectors", "tickets")
    before = {table: count(world, table) for table in tables}
    states = world.rows("pattern_states")
    n_old = world.value("select count(*) from feedback_loop.interactions where occurred_at < :end", end=W2)
    n_all = count(world, "interactions")

    assert retain(world, W1)["deleted_interactions"] == 0
    told = retain(world, W2 + timedelta(days=89))  # its end is 90 days after W2's start
    assert told["deleted_interactions"] == n_old
    assert count(world, "interactions") == n_all - n_old
    assert count(world, "failure_descriptions") < sum(r["n_negative"] for r in world.rows("week_runs"))
    assert (
        world.value(
            "select min(f.occurred_at)::date from feedback_loop.feedback f join feedback_loop.interactions i"
            " using (interaction_id)"
        )
        >= W2
    )
    assert {table: count(world, table) for table in tables} == before
    assert world.rows("pattern_states") == states
    assert retain(world, W2 + timedelta(days=89))["deleted_interactions"] == 0

    again = world.loop.run_week(W1)
    assert not again.is_success
    assert "cannot be run again" in (again.error or "")
    assert {table: count(world, table) for table in tables} == before

    world.execute("update feedback_loop.text_vectors set kept_at = :long_ago", long_ago=W1)
    retain(world, W2 + timedelta(days=140))
    assert [count(world, table) for table in tables[:-1]] == [0] * 5
    assert count(world, "tickets") == before["tickets"]
    kept = world.rows("pattern_states")
    assert kept == [state for state in states if state["week"] == W2]
    assert all(state["exemplars"] for state in kept)


@pytest.mark.parametrize(("policy", "says"), [((30, 400), "texts_days must be 56"), ((90, 80), "derived_days must be")])
def test_a_retention_that_breaks_verdicts_is_refused(policy: tuple[int, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RetentionPolicy(*policy)
