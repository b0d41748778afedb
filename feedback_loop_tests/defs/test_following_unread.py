"""Following where not everything can be read: one ticket loses no other, and a tracker that is away changes nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.defs.following import read_releases
from feedback_loop.errors import TrackerUnavailable
from feedback_loop.testing.jira_emulator.catalogue import DEPLOYED_AT
from feedback_loop_tests.defs.ledger_world import JiraLedger, LedgerWorld, open_ledger
from feedback_loop_tests.factories import rows

FAR = datetime(2030, 1, 1, tzinfo=UTC)
N_ATTEMPTS = 4  # of the client at one request


@pytest.fixture
def cloud(engine: Engine) -> Iterator[JiraLedger]:
    """Tickets of p1 and p2 in Jira since an hour."""
    with open_ledger(engine) as world:
        world.add("p1", "p2")
        world.file()
        world.later(hours=1)
        yield world


def test_one_unreadable_ticket_is_reported_and_the_others_are_followed(engine: Engine, tmp_path: Path) -> None:
    world = LedgerWorld(engine, LocalTracker(tmp_path), lambda: FAR, "resolved_at")
    world.add("p1", "p2")
    world.file()
    for name, said in (("FL-1.md", "fixed"), ("FL-2.md", "wont_do")):
        path = tmp_path / name
        path.write_text(path.read_text(encoding="utf-8").replace("status: open", f"status: {said}"), encoding="utf-8")
    followed = world.follow()
    assert (followed.n_read, followed.changed) == (1, [("FL-2", "open", "wont_do")])
    assert [("FL-1 cannot be read" in said, "'fixed'" in said) for said in followed.reported] == [(True, True)]
    assert world.row("p1")["status"] == "open"


def test_a_file_that_is_not_utf8_is_one_ticket_less_and_is_mended_by_saving_it_again(
    engine: Engine, tmp_path: Path
) -> None:
    waiting, now = LocalTracker(tmp_path / "waiting", "W", released="planned"), datetime(2026, 1, 20, tzinfo=UTC)
    world = LedgerWorld(engine, LocalTracker(tmp_path), lambda: now, "resolved_at")
    world.add("p1", "p2")
    world.add("p3", status="waiting")
    world.file()
    waiting.create(world.ticket("p3"))
    for path in (tmp_path / "FL-1.md", tmp_path / "waiting" / "W-3.md"):
        text = path.read_text(encoding="utf-8") + "Gelöst.\n"
        path.write_bytes(text.replace("status: open", "status: done").encode("latin-1"))
    with engine.begin() as conn:
        released, unreadable = read_releases(conn, waiting)
    followed = world.follow()
    assert (released, followed.n_read, followed.changed) == ([], 1, [])
    told = (*unreadable, *followed.reported)
    assert (len(told), all(" is not UTF-8 " in said for said in told)) == (2, True)
    world.plan("p1", "comment")
    world.plan("p2", "comment")
    filed = world.file()
    assert (filed.said, {key for key, _ in filed.refused}) == (["FL-2"], {"FL-1"})
    path = tmp_path / "FL-1.md"
    path.write_text(path.read_text(encoding="latin-1"), encoding="utf-8")
    assert world.follow().changed == [("FL-1", "open", "done")]
    assert world.file().said == ["FL-1"]


def test_a_waiting_file_may_end_its_ticket_and_any_other_word_is_reported(engine: Engine, tmp_path: Path) -> None:
    waiting, now = LocalTracker(tmp_path / "waiting", "W", released="planned"), datetime(2026, 1, 20, tzinfo=UTC)
    world = LedgerWorld(engine, LocalTracker(tmp_path), lambda: now, "resolved_at")
    world.add("p1", "p2", "p3", "p4", "p5", status="waiting")
    for n, word in enumerate(("wont_do", "cancelled", "released", "done", "waiting"), start=1):
        waiting.create(world.ticket(f"p{n}"))
        path = tmp_path / "waiting" / f"W-{n}.md"
        path.write_text(
            path.read_text(encoding="utf-8").replace("status: waiting", f"status: {word}"), encoding="utf-8"
        )
    with engine.begin() as conn:
        released, reported = read_releases(conn, waiting)
    assert [t.pattern_id for t in released] == ["p3"]
    assert [said.startswith("W-4 says status: done; ") for said in reported] == [True]
    now_are = [world.row(f"p{n}")["status"] for n in range(1, 6)]
    assert now_are == ["wont_do", "cancelled", "planned", "waiting", "waiting"]
    assert world.file().made == ["FL-3"]
    for _ in range(2):
        world.follow()
    assert world.said() == [("p1", "mute", None, now)]


def test_a_ticket_whose_history_fails_loses_no_other(cloud: JiraLedger) -> None:
    for pattern_id in ("p1", "p2"):
        cloud.jira.people_transition(cloud.key(pattern_id), "Done")
    cloud.later(hours=1)
    cloud.jira.fail("status", "changelog", count=N_ATTEMPTS, status=500)
    followed = cloud.follow()
    assert (followed.n_read, followed.changed) == (1, [(cloud.key("p2"), "open", "done")])
    assert [said.startswith(f"{cloud.key('p1')} cannot be read: ") for said in followed.reported] == [True]
    assert [f.pattern_id for f in cloud.fixes()] == ["p2"]
    assert cloud.follow().changed == [(cloud.key("p1"), "open", "done")]


@pytest.mark.parametrize("n_read", [0, 1])
def test_a_tracker_that_is_away_stops_the_reading_and_stores_nothing(cloud: JiraLedger, n_read: int) -> None:
    """Also one that goes away on the way: three in a row."""
    if n_read:
        cloud.add("p3", "p4")
        cloud.file()
    cloud.jira.people_transition(cloud.key("p1"), "Done")
    before = rows(cloud.engine, "tickets")
    cloud.jira.fail("status", "get", nth=n_read + 1, count=None, status=500)
    with pytest.raises(TrackerUnavailable):
        cloud.follow()
    assert rows(cloud.engine, "tickets") == before


def test_another_teams_ticket_that_cannot_be_read_leaves_what_was_known(cloud: JiraLedger) -> None:
    other = cloud.jira.people_create("The same, found by support", project="UX")
    cloud.jira.people_link(cloud.key("p1"), "Duplicate", other.key)
    cloud.jira.people_transition(cloud.key("p1"), "Done", "Duplicate")
    cloud.jira.people_set(other.key, **{DEPLOYED_AT: cloud.later(days=3).isoformat()})
    cloud.later(days=1)
    cloud.follow()
    (known,) = cloud.fixes()
    cloud.jira.people_transition(cloud.key("p2"), "Done")
    cloud.later(hours=1)
    cloud.jira.fail("status", "get", nth=3, count=N_ATTEMPTS, status=500)
    followed = cloud.follow()
    assert [said.startswith(f"{other.key}, which a ticket of ours") for said in followed.reported] == [True]
    assert known in cloud.fixes()
    assert [f.pattern_id for f in cloud.fixes()] == ["p1", "p2"]
