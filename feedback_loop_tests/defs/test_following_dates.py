"""Following: when a fix was deployed, when people took that back, and what of it stays."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.records import Fix, Verification
from feedback_loop.store import fixes
from feedback_loop.testing.jira_emulator.catalogue import DEPLOYED_AT
from feedback_loop.verify import METHOD_VERSION
from feedback_loop_tests.defs.ledger_world import JiraLedger, LedgerWorld, filed, open_ledger
from feedback_loop_tests.factories import import_records, make_deployment, rows


@pytest.fixture(params=["cloud", "dc"])
def world(engine: Engine, request: pytest.FixtureRequest) -> Iterator[JiraLedger]:
    """Tickets of p1 and p2 in Jira since an hour."""
    with open_ledger(engine, request.param) as world:
        yield filed(world)


@pytest.fixture
def cloud(engine: Engine) -> Iterator[JiraLedger]:
    with open_ledger(engine) as world:
        yield filed(world)


def told(fix: Fix) -> tuple[str, datetime, str, str]:
    return fix.origin, fix.deployed_at, fix.precision, fix.confidence


def history(world: LedgerWorld) -> list[tuple[datetime, bool, str | None]]:
    """Every fix there ever was: when, whether it counts, why not."""
    found = sorted(rows(world.engine, "fixes"), key=lambda r: r["deployed_at"])
    return [(r["deployed_at"], r["withdrawn_at"] is None, r["withdrawn_reason"]) for r in found]


def in_field(world: JiraLedger, at: datetime) -> tuple[str, datetime, str, str]:
    world.jira.people_set(world.key("p1"), **{DEPLOYED_AT: at.isoformat()})
    return "the field Deployed at", at, "instant", "high"


def by_version(world: JiraLedger, at: datetime) -> tuple[str, datetime, str, str]:
    world.jira.release_version("4.2", f"{at:%Y-%m-%d}")
    world.jira.people_set(world.key("p1"), fixVersions=["4.2"])
    return "fix version 4.2", datetime(at.year, at.month, at.day, tzinfo=UTC), "day", "medium"


def by_status(world: JiraLedger, at: datetime) -> tuple[str, datetime, str, str]:
    world.jira.people_transition(world.key("p1"), "Done")
    world.later(hours=2)
    world.jira.people_transition(world.key("p1"), "Released")
    return "status Released", at + timedelta(hours=2), "instant", "medium"


def by_done(world: JiraLedger, at: datetime) -> tuple[str, datetime, str, str]:
    world.jira.people_transition(world.key("p1"), "Done")
    return "the resolution date", at, "instant", "low"


@pytest.mark.parametrize("say", [in_field, by_version, by_status, by_done])
def test_when_a_fix_was_deployed_comes_from_the_ticket_with_how_sure_that_is(
    world: JiraLedger, say: Callable[[JiraLedger, datetime], tuple[Any, ...]]
) -> None:
    expected = say(world, world.later(days=2))
    world.later(days=1)
    assert [key for key, _ in world.follow().fixes] == [world.key("p1")]
    (fix,) = world.fixes()
    assert told(fix) == expected
    assert (fix.pattern_id, fix.ticket_key, fix.source, fix.detector_version) == ("p1", world.key("p1"), "ticket", "d1")
    before = rows(world.engine, "fixes")
    assert world.follow().fixes == []
    assert rows(world.engine, "fixes") == before


def test_a_better_word_on_the_date_replaces_the_fix_and_the_old_one_is_kept(world: JiraLedger) -> None:
    done_at = world.later(days=2)
    world.jira.people_transition(world.key("p1"), "Done")
    world.later(days=1)
    world.follow()
    shipped = world.later(days=1)
    world.jira.people_set(world.key("p1"), **{DEPLOYED_AT: shipped.isoformat()})
    world.later(days=1)
    world.follow()
    assert [f.deployed_at for f in world.fixes()] == [shipped]
    why = f"its date was changed to {shipped:%Y-%m-%d}, from the field Deployed at"
    assert history(world) == [(done_at, False, why), (shipped, True, None)]
    world.jira.people_set(world.key("p1"), **{DEPLOYED_AT: None})
    world.follow()
    assert [f.deployed_at for f in world.fixes()] == [done_at]  # and the first word counts again
    assert [counts for _, counts, _ in history(world)] == [True, False]


def test_reopened_by_people_before_the_verdict_there_is_no_fix_to_judge(world: JiraLedger) -> None:
    key = world.key("p1")
    done_at = world.later(days=2)
    world.jira.people_transition(key, "Done")
    world.later(days=1)
    world.follow()
    world.jira.people_transition(key, "To Do")
    reopened_at, _ = world.jira.now, world.later(hours=1)
    world.jira.people_transition(key, "In Progress")
    world.later(hours=1)
    world.follow()
    assert (world.row("p1")["status"], world.row("p1")["reopened_by_people_at"]) == ("reopened", reopened_at)
    assert (world.fixes(), history(world)) == ([], [(done_at, False, "the ticket was reopened before the verdict")])
    again_at = world.later(days=2)
    world.jira.people_transition(key, "Done")
    world.later(days=1)
    world.follow()
    assert [f.deployed_at for f in world.fixes()] == [again_at]


def test_reopened_after_another_ending_on_the_same_day_is_dated_by_the_reopening(world: JiraLedger) -> None:
    key = world.key("p1")
    world.jira.people_transition(key, "Done")
    world.later(days=1)
    world.follow()
    world.jira.people_transition(key, "Released")
    reopened_at = world.later(hours=3)
    world.jira.people_transition(key, "To Do")
    world.later(hours=3)
    world.follow()
    assert (world.row("p1")["status"], world.row("p1")["reopened_by_people_at"]) == ("reopened", reopened_at)


@pytest.mark.parametrize("say", [in_field, by_version])
def test_a_fix_shipped_between_the_reopening_and_the_next_reading_counts(
    world: JiraLedger, say: Callable[[JiraLedger, datetime], tuple[Any, ...]]
) -> None:
    key = world.key("p1")
    world.later(days=2)
    world.jira.people_transition(key, "Done")
    world.later(days=1)
    world.follow()
    world.jira.people_transition(key, "In Progress")
    expected = say(world, world.later(hours=3))
    world.later(hours=3)
    world.follow()
    assert world.row("p1")["status"] == "reopened"
    assert [told(f) for f in world.fixes()] == [expected]


def test_a_tracker_that_tells_no_time_of_a_reopening_is_dated_by_its_reading(engine: Engine, tmp_path: Path) -> None:
    now = datetime(2026, 1, 20, tzinfo=UTC)
    world = LedgerWorld(engine, LocalTracker(tmp_path), lambda: now, "resolved_at")
    world.add("p1")
    world.file()
    path = tmp_path / "FL-1.md"
    text = path.read_text(encoding="utf-8")
    for day, status in enumerate(("done", "open"), start=1):
        path.write_text(text.replace("status: open", f"status: {status}"), encoding="utf-8")
        world.follow(now + timedelta(days=day))
    for _ in range(2):
        row = world.row("p1")
        assert (row["status"], row["reopened_by_people_at"]) == ("reopened", now + timedelta(2))
        assert row["is_set_by_people"]  # and the loop does not close it
        world.follow(now + timedelta(days=3))
    path.write_text(text.replace("status: open", "status: done"), encoding="utf-8")
    world.follow(now + timedelta(days=4))
    assert not world.row("p1")["is_set_by_people"]  # not known of endings


def hide_and_show(world: JiraLedger, meanwhile: Callable[[], object] = lambda: None) -> None:
    key = world.key("p1")
    world.jira.people_hide(key)
    world.later(days=1)
    world.follow()
    assert world.row("p1")["status"] == "gone"
    meanwhile()
    world.jira.people_unhide(key)
    world.later(days=1)
    world.follow()


def test_a_ticket_that_was_hidden_for_a_day_keeps_its_status_and_fix(world: JiraLedger) -> None:
    """One that people reopened long ago, and whose second fix is out."""
    key = world.key("p1")
    for status in ("Done", "To Do"):
        world.later(days=1)
        world.jira.people_transition(key, status)
    world.follow()
    reopened_at = world.row("p1")["reopened_by_people_at"]
    in_field(world, world.later(days=1))
    world.later(days=1)
    world.follow()
    known = world.fixes()
    assert len(known) == 1
    hide_and_show(world, lambda: world.jira.people_transition(key, "In Progress"))
    assert (world.row("p1")["status"], world.row("p1")["reopened_by_people_at"]) == ("reopened", reopened_at)
    assert world.fixes() == known


def test_a_ticket_that_was_reopened_while_it_was_hidden_is_reopened(world: JiraLedger) -> None:
    key = world.key("p1")
    world.jira.people_transition(key, "Done")
    in_field(world, world.later(days=1))
    world.later(days=1)
    world.follow()
    assert len(world.fixes()) == 1
    hide_and_show(world, lambda: world.jira.people_transition(key, "To Do"))
    assert (world.row("p1")["status"], world.fixes()) == ("reopened", [])


def test_a_fix_that_was_judged_stays_whatever_the_ticket_says_later(cloud: JiraLedger) -> None:
    at = cloud.later(days=2)
    in_field(cloud, at)
    cloud.later(days=15)
    cloud.follow()
    (fix,) = cloud.fixes()
    look = Verification("shop", fix.fix_id, "p1", 14, "effective", "fewer", as_of=cloud.jira.now)
    with cloud.engine.begin() as conn:
        fixes.save_verifications(conn, [look], METHOD_VERSION)
    in_field(cloud, at - timedelta(days=1))
    cloud.later(days=1)
    cloud.follow()
    assert cloud.fixes() == [fix]


def test_a_deployment_record_wins_over_what_the_ticket_says(world: JiraLedger, tmp_path: Path) -> None:
    done_at = world.later(days=2)
    world.jira.people_transition(world.key("p1"), "Done")
    world.later(days=1)
    world.follow()
    shipped = make_deployment((done_at - timedelta(hours=5)).isoformat(), prompt_version="v2", fixes=[world.key("p1")])
    import_records(world.engine, tmp_path, [shipped])
    for _ in range(2):
        world.follow()
        assert [(f.source, f.prompt_version, f.deployed_at) for f in world.fixes()] == [
            ("deployment", "v2", done_at - timedelta(hours=5))
        ]
    assert history(world)[-1] == (done_at, False, "a deployment record names the ticket")


def test_a_ticket_that_only_says_done_is_dated_by_when_that_was_first_seen(engine: Engine, tmp_path: Path) -> None:
    now = [datetime(2026, 1, 20, tzinfo=UTC)]
    world = LedgerWorld(engine, LocalTracker(tmp_path), lambda: now[0], "resolved_at")
    world.add("p1")
    world.file()
    path = tmp_path / "FL-1.md"
    path.write_text(path.read_text(encoding="utf-8").replace("status: open", "status: done"), encoding="utf-8")
    ends = [now[0] + timedelta(days=n) for n in range(1, 5)]
    found = []
    for end in ends:
        world.follow(end)
        found += world.fixes()
    seen_at = ends[0] - timedelta(seconds=1)  # before the end of the day at whose end it was read
    assert [told(fix) for fix in found] == [("the day it was marked done", seen_at, "instant", "low")] * len(ends)
    assert len({fix.fix_id for fix in found}) == 1
    away = path.rename(tmp_path / "away")
    world.follow(ends[-1] + timedelta(days=1))
    assert world.row("p1")["status"] == "gone"
    away.rename(path)
    for days in (2, 3):
        world.follow(ends[-1] + timedelta(days=days))
        assert (world.row("p1")["status"], world.fixes()) == ("done", found[:1])
