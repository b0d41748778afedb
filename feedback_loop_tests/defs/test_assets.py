"""Materialised weeks store what they say, and running them again changes nothing."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import URL, Engine

from feedback_loop.defs.runs import RunResult
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.world import World, open_world
from feedback_loop_tests.factories import (
    OF_THE_CLOCK,
    W1,
    W2,
    W3,
    W4,
    at,
    make_feedback,
    make_interaction,
    said,
    traffic,
)

WEEKS = (W1, W2, W3)
FAILURES = {"language": 4, "link": 3}
STORED = (
    "patterns",
    "pattern_states",
    "pattern_memberships",
    "pattern_weeks",
    "pattern_prospects",
    "tickets",
    "negative_feedback",
    "loop_weeks",
)


@pytest.fixture(scope="module")
def shared_url(admin: Engine) -> Iterator[URL]:
    yield from make_database(admin, "template_feedback_loop")


@pytest.fixture(scope="module")
def ran(shared_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[RunResult]]]:
    """Three weeks of two applications, run in order."""
    engine = create_engine(shared_url)
    with open_world(engine, tmp_path_factory.mktemp("world")) as world:
        world.add(record for week in WEEKS for record in traffic(week, failures=FAILURES))
        world.add(traffic(W2, per_day=5, application="small"))
        yield world, [world.loop.run_week(week) for week in WEEKS]
    engine.dispose()


def test_every_week_succeeds_and_no_check_complains(ran: tuple[World, list[RunResult]]) -> None:
    _, results = ran
    assert [(r.partition, r.is_success, r.error) for r in results] == [(str(week), True, None) for week in WEEKS]
    # Another seed may see the fifty texts of a week in another way, and the check may say so.
    checks = {check for r in results for _, check, _ in r.problems}
    assert checks - {"ids_are_stable"} == set()


def test_reported_numbers_are_the_stored_ones(ran: tuple[World, list[RunResult]]) -> None:
    world, results = ran
    for week, result in zip(WEEKS, results, strict=True):
        reported = result.metadata
        n = {
            table: world.value(f"select count(*) from feedback_loop.{table} where week = :week", week=week)
            for table in (
                "exposures", "negative_feedback", "failure_descriptions", "pattern_states", "pattern_memberships",
                "pattern_prospects", "pattern_weeks", "loop_weeks",
            )
        }  # fmt: skip
        for asset in ("exposures", "negative_feedback", "failure_descriptions", "pattern_prospects", "pattern_weeks"):
            assert reported[asset]["dagster/partition_row_count"] == n[asset], asset
        patterns = reported["failure_patterns"]
        assert patterns["members"] == n["pattern_memberships"]
        assert patterns["members"] + patterns["unassigned"] == n["negative_feedback"] == 7 * 7
        assert reported["loop_metrics"]["dagster/partition_row_count"] == n["loop_weeks"]
        assert f"Week of {week}" in reported["loop_metrics"]["summary"]


def test_patterns_are_reported_by_what_became_of_them(ran: tuple[World, list[RunResult]]) -> None:
    world, results = ran
    for week, result in zip(WEEKS, results, strict=True):
        reported, states = result.metadata["failure_patterns"], world.rows("pattern_states")
        by_status = Counter(r["status"] for r in states if r["week"] == week)
        for status in ("candidate", "dormant", "regressed"):
            assert reported[f"patterns_{status}"] == by_status[status], status
        founded = {r["pattern_id"] for r in states if r["first_seen_week"] == r["week"] == week}
        assert reported["patterns_new"] == len(founded)
        assert reported["unassigned_share"] == pytest.approx(reported["unassigned"] / 49)  # everybody said something
        assert reported["members_inferred"] == 0
        judgements = [r for r in world.rows("pattern_judgements") if r["week"] == week]
        assert reported.get("judged_by_gate", 0) == len(judgements)
        assert "![the week](data:image/png;base64," in reported["map"]


def test_examples_name_patterns_and_quote_their_members(ran: tuple[World, list[RunResult]]) -> None:
    world, results = ran
    names = {r["name"] for r in world.rows("pattern_states")} | {r["name"] for r in world.rows("pattern_cards")}
    records = [record.data for record in results[-1].metadata["failure_patterns"]["examples"].records]
    assert [r["number"] for r in records] == list(range(1, len(records) + 1))
    assert records == sorted(records, key=lambda r: -r["members"])
    comments = {said(kind, n) for kind in ("language", "link") for n in range(42)}
    for record in records:
        assert record["pattern"] in names
        assert {record[f"quote {n}"] for n in (1, 2, 3)} - {None} <= comments


def test_most_complaints_find_a_pattern_and_the_big_ones_a_ticket(ran: tuple[World, list[RunResult]]) -> None:
    world, results = ran
    assert world.value("select count(*) from feedback_loop.pattern_memberships") > 120  # of 147
    tickets = world.rows("tickets")
    assert tickets
    assert sum(r.metadata["tickets"]["new_tickets"] for r in results) == len(tickets)
    files = {name for t in tickets for name in (f"{t['ticket_key']}.md", f"{t['ticket_key']}-{picture(t)}")}
    assert {path.name for path in world.tickets_dir.iterdir()} == files
    assert all(t["is_complete"] and t["problem"] is None for t in tickets)
    assert {t["status"] for t in tickets} == {"open"}
    assert len({t["pattern_id"] for t in tickets}) == len(tickets)
    for t in tickets:
        assert world.value(
            "select count(*) from feedback_loop.detectors where detector_version = :v", v=t["detector_version"]
        )


def test_derived_rows_carry_the_versions_that_made_them(ran: tuple[World, list[RunResult]]) -> None:
    world, _ = ran
    for table, column in (
        ("negative_feedback", "policy_version"),
        ("failure_descriptions", "describer_version"),
        ("pattern_states", "detector_version"),
        ("pattern_states", "policy_version"),
        ("week_runs", "policy_version"),
    ):
        assert world.value(f"select count(*) from feedback_loop.{table} where coalesce({column}, '') = ''") == 0


def test_rates_are_affected_sessions_over_exposures(ran: tuple[World, list[RunResult]]) -> None:
    world, _ = ran
    for row in world.rows("pattern_weeks"):
        assert row["exposures"] == 280
        assert row["rate"] == pytest.approx(row["affected"] / 280)
        assert row["affected"] == row["n_sessions"] == row["n_occurrences"]


def test_metric_tables_hold_versions_and_cohorts(ran: tuple[World, list[RunResult]]) -> None:
    world, _ = ran
    versions = {(r["application"], r["week"]): r for r in world.rows("prompt_version_weeks")}
    assert versions["shop", W1]["n_interactions"] == 280
    assert versions["shop", W1]["negative_rate"] == pytest.approx(49 / 280)
    assert versions["small", W2]["negative_rate"] == 0
    assert all(r["response_rate"] is None for r in world.rows("cohort_weeks"))  # no widget was shown


def test_running_all_weeks_again_changes_not_one_row(ran: tuple[World, list[RunResult]]) -> None:
    world, _ = ran
    before, files = snapshot(world), ticket_files(world)
    for week in WEEKS:
        assert world.loop.run_week(week).is_success
    assert snapshot(world) == before
    assert ticket_files(world) == files


def test_running_an_older_week_alone_changes_not_one_row(ran: tuple[World, list[RunResult]]) -> None:
    world, _ = ran
    before = snapshot(world)
    result = world.loop.run_week(W1)
    assert result.metadata["tickets"]["new_tickets"] == 0
    assert snapshot(world) == before


def snapshot(world: World) -> dict[str, list[dict[str, Any]]]:
    return {table: world.rows(table, without=OF_THE_CLOCK) for table in STORED}


def ticket_files(world: World) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in world.tickets_dir.iterdir()}


def picture(ticket: dict[str, Any]) -> str:
    """Named by the day on which the ticket was made: the end of its week."""
    return f"feedback-loop-trend-{ticket['created_week'] + timedelta(days=7)}.png"


def test_weeks_run_late_and_out_of_order_hold_their_tickets_back(world: World) -> None:
    for week in (W1, W2):
        world.add(traffic(week, failures=FAILURES))
    world.loop.run_week(W2)
    n = len(world.rows("tickets"))
    older = world.loop.run_week(W1)
    assert older.metadata["tickets"]["new_tickets"] == 0
    assert older.metadata["tickets"]["held_back_older_week"] > 0
    assert len(world.rows("tickets")) == n


def test_a_week_without_anything_says_so(world: World) -> None:
    result = world.loop.run_week(W1)
    assert (result.is_success, result.problems) == (True, ())
    assert "no interactions and no feedback" in result.metadata["loop_metrics"]["summary"]
    assert result.metadata["negative_feedback"]["dagster/partition_row_count"] == 0


def test_a_week_with_feedback_but_no_exposures_says_so_and_goes_on(world: World) -> None:
    world.add(make_interaction(f"i{n}", at(W1)) for n in range(20))
    world.loop.run_week(W1)
    world.add(make_feedback(f"i{n}", at(W2, n), comment="the link is broken") for n in range(20))
    result = world.loop.run_week(W2)
    assert result.is_success
    assert result.has_errors
    assert (True, "denominator_present", "no exposures this week for shop: rates stay empty") in result.problems
    assert all(row["rate"] is None for row in world.rows("pattern_weeks") if row["week"] == W2)


def test_feedback_of_a_later_week_makes_a_new_event_of_an_old_interaction(world: World) -> None:
    world.add([make_interaction("old", at(W1)), make_feedback("old", at(W2), comment="broken")])
    for week in (W1, W2):
        world.loop.run_week(week)
    assert [(r["week"], r["interaction_id"]) for r in world.rows("negative_feedback")] == [(W2, "old")]
    world.add([make_feedback("old", at(W4), "report")])
    for week in (W3, W4):
        world.loop.run_week(week)
    assert [(r["week"], r["signals"]) for r in world.rows("negative_feedback")] == [(W2, ["thumbs_down"])]


def test_a_changed_memory_makes_later_weeks_stale_until_they_run_again(world: World) -> None:
    for week in (W1, W2, W3):
        world.add(traffic(week, failures={"language": 4}))
        world.loop.run_week(week)
    world.add(record | with_other_ids(record) for record in traffic(W1, failures={"sum": 4}))
    world.loop.run_week(W1)
    stale = {r["week"]: r["is_stale"] for r in world.rows("week_runs")}
    assert stale == {W1: False, W2: True, W3: True}
    for week in (W2, W3):
        world.loop.run_week(week)
    assert not any(r["is_stale"] for r in world.rows("week_runs"))


def with_other_ids(record: dict[str, Any]) -> dict[str, Any]:
    name = f"late-{record['interaction_id']}"
    return {"interaction_id": name} | ({"session_id": name} if record["type"] == "interaction" else {})
