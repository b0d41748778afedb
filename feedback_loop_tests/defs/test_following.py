"""Following: what people do with tickets is read back, means what they say, and what they set is never changed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.defs.following import read_releases
from feedback_loop.defs.tracking import judged_fixes, plan_merges
from feedback_loop.errors import TrackerUnavailable
from feedback_loop.records import Fix, Verification
from feedback_loop.store import decisions, fixes
from feedback_loop.store.engine import create_engine
from feedback_loop.testing.jira_emulator.catalogue import DEPLOYED_AT
from feedback_loop.tracker import TicketRef
from feedback_loop.verify import METHOD_VERSION
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.ledger_world import JiraLedger, LedgerWorld, comments, moves, open_ledger
from feedback_loop_tests.factories import import_records, make_deployment, rows

FAR = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["cloud", "dc"])
def world(engine: Engine, request: pytest.FixtureRequest) -> Iterator[JiraLedger]:
    """Tickets of p1 and p2 in Jira since an hour."""
    with open_ledger(engine, request.param) as world:
        yield filed(world)


@pytest.fixture
def cloud(engine: Engine) -> Iterator[JiraLedger]:
    with open_ledger(engine) as world:
        yield filed(world)


def filed(world: JiraLedger) -> JiraLedger:
    world.add("p1", "p2")
    world.file()
    world.later(hours=1)
    return world


def told(fix: Fix) -> tuple[str, datetime, str, str]:
    return fix.origin, fix.deployed_at, fix.precision, fix.confidence


def history(world: LedgerWorld) -> list[tuple[datetime, bool, str | None]]:
    """Every fix there ever was: when, whether it counts, why not."""
    found = sorted(rows(world.engine, "fixes"), key=lambda r: r["deployed_at"])
    return [(r["deployed_at"], r["withdrawn_at"] is None, r["withdrawn_reason"]) for r in found]


def test_a_moved_ticket_is_followed_and_worked_on_where_it_is(world: JiraLedger, tmp_path: Path) -> None:
    old = world.key("p1")
    new = world.jira.people_move(old, "MODEL")
    assert world.follow().moved == [(old, new)]
    assert (world.key("p1"), world.row("p1")["old_keys"], world.row("p1")["status"]) == (new, [old], "open")
    assert world.follow().moved == []
    world.plan("p1", "comment", "close")
    assert world.file().said == [new, new]
    assert (len(world.jira.issues), world.issue("p1").project, moves(world.issue("p1"))) == (2, "MODEL", ["Done"])
    import_records(world.engine, tmp_path, [make_deployment("2026-11-20T12:00:00Z", prompt_version="v2", fixes=[old])])
    with world.engine.begin() as conn:
        assert [(f.pattern_id, f.ticket_key) for f in fixes.resolve_fixes(conn, FAR)] == [("p1", new)]


@pytest.mark.parametrize("away", ["hide", "delete"])
def test_a_ticket_that_is_gone_is_said_and_keeps_what_it_told(world: JiraLedger, away: str) -> None:
    key = world.key("p1")
    world.jira.people_transition(key, "Done")
    world.later(hours=1)
    world.follow()
    known = world.fixes()
    assert len(known) == 1
    world.later(hours=1)
    getattr(world.jira, f"people_{away}")(key)
    followed = world.follow()
    assert followed.changed == [(key, "done", "gone")]
    assert followed.reported == [f"{key} is gone: it was deleted, or we may not see it any more"]
    assert (world.row("p1")["status_name"], world.row("p1")["resolution"]) == ("Done", "Done")
    assert world.fixes() == known
    if away == "hide":
        world.jira.people_unhide(key)
        assert world.follow().changed == [(key, "gone", "done")]
        assert world.fixes() == known


def test_wont_do_mutes_with_its_date_and_reopening_unmutes(world: JiraLedger) -> None:
    key = world.key("p1")
    world.jira.people_transition(key, "Done", "Won't Do")
    muted_at = world.later(hours=1)
    for _ in range(2):
        world.follow()
    assert world.said() == [("p1", "mute", None, muted_at)]
    assert (world.row("p1")["status"], world.fixes()) == ("wont_do", [])
    world.jira.people_transition(key, "To Do")
    open_at = world.later(hours=1)
    for _ in range(2):
        world.follow()
    assert world.said() == [("p1", "mute", None, muted_at), ("p1", "unmute", None, open_at)]
    assert world.row("p1")["status"] == "reopened"
    with world.engine.connect() as conn:
        assert [r["author"] for r in decisions.list_decisions(conn)] == ["jira", "jira"]


def test_what_a_person_unmutes_by_hand_stays_so_while_the_ticket_says_otherwise(cloud: JiraLedger) -> None:
    cloud.jira.people_transition(cloud.key("p1"), "Done", "Won't Do")
    cloud.later(hours=1)
    cloud.follow()
    with cloud.engine.begin() as conn:
        decisions.decide(conn, "p1", "unmute", author="maria", decided_at=cloud.later(hours=1))
    cloud.later(days=1)
    cloud.follow()
    assert [kind for _, kind, _, _ in cloud.said()] == ["mute", "unmute"]


def test_a_duplicate_of_one_of_ours_merges_the_patterns(world: JiraLedger) -> None:
    one, two = world.key("p1"), world.key("p2")
    world.jira.people_link(two, "Duplicate", one)
    world.jira.people_transition(two, "Done", "Duplicate")
    at = world.later(hours=1)
    for _ in range(2):
        world.follow()
    assert world.said() == [("p2", "merge", "p1", at)]
    assert (world.row("p2")["status"], world.row("p2")["duplicate_of"]) == ("duplicate", one)
    with world.engine.begin() as conn:
        plan_merges(conn)
    world.file()
    assert f"{two} is a duplicate of this ticket" in comments(world.issue("p1"))[-1]
    assert f"Duplicate of {one}" in comments(world.issue("p2"))[-1]
    assert (world.issue("p2").fields["resolution"], moves(world.issue("p2"))) == ("Duplicate", ["Done"])
    assert moves(world.issue("p1")) == []


def test_a_duplicate_without_a_link_is_reported_and_merges_nothing(cloud: JiraLedger) -> None:
    cloud.jira.people_transition(cloud.key("p2"), "Done", "Duplicate")
    assert cloud.follow().reported == [
        f"{cloud.key('p2')} is a duplicate, but does not say of which ticket: link the other one"
    ]
    assert (cloud.said(), cloud.fixes()) == ([], [])


def test_where_a_ticket_duplicates_another_teams_ticket_that_one_says_when_it_was_deployed(world: JiraLedger) -> None:
    other = world.jira.people_create("The same, found by support", project="UX")
    world.jira.people_link(world.key("p1"), "Duplicate", other.key)
    world.jira.people_transition(world.key("p1"), "Done", "Duplicate")
    world.follow()
    assert (world.said(), world.fixes()) == ([], [])
    shipped = world.later(days=3)
    world.jira.people_set(other.key, **{DEPLOYED_AT: shipped.isoformat()})
    world.later(days=1)
    world.follow()
    (fix,) = world.fixes()
    assert (fix.pattern_id, fix.ticket_key, fix.deployed_at) == ("p1", world.key("p1"), shipped)
    assert (fix.detector_version, fix.origin) == ("d1", "the field Deployed at")


def test_a_cancelled_ticket_gets_no_looks_until_it_is_reopened(world: JiraLedger, tmp_path: Path) -> None:
    key = world.key("p1")
    import_records(
        world.engine, tmp_path, [make_deployment("2026-11-20T12:00:00Z", prompt_version="v2", fixes=["p1", "p2"])]
    )
    world.jira.people_transition(key, "Done", "Cancelled")
    world.later(days=1)
    world.follow()

    def judged() -> list[str]:
        with world.engine.begin() as conn:
            return sorted(f.pattern_id for f in judged_fixes(conn, FAR, decisions.load_effective(conn)))

    assert (world.row("p1")["status"], judged(), world.said()) == ("cancelled", ["p2"], [])
    world.plan("p1", "comment")
    assert world.file().said == []
    world.jira.people_transition(key, "To Do")
    world.later(hours=1)
    world.follow()
    assert (judged(), world.file().said) == (["p1", "p2"], [key])


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
    assert (world.row("p1")["status"], world.row("p1")["reopened_by_people_at"]) == ("reopened", now + timedelta(2))


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


N_ATTEMPTS = 4  # of the client at one request


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


PEOPLE: dict[str, Callable[[JiraLedger, str], object]] = {
    "priority": lambda w, key: w.jira.people_set(key, priority="Lowest"),
    "summary": lambda w, key: w.jira.people_set(key, summary="Say it in my own words"),
    "description": lambda w, key: w.jira.people_set(key, description=_text("Mine.")),
    "labels": lambda w, key: w.jira.people_set(key, labels=["ours", "not-yours"]),
    "assignee": lambda w, key: w.jira.people_set(key, assignee=None),
    "components": lambda w, key: w.jira.people_set(key, components=["Chat"]),
    "start": lambda w, key: w.jira.people_transition(key, "In Progress"),
    "done": lambda w, key: w.jira.people_transition(key, "Done"),
    "wont do": lambda w, key: w.jira.people_transition(key, "Done", "Won't Do"),
    "cancel": lambda w, key: w.jira.people_transition(key, "Done", "Cancelled"),
    "reopen": lambda w, key: w.jira.people_transition(key, "To Do"),
    "move": lambda w, key: w.jira.people_move(key, "UX"),
    "comment": lambda w, key: w.jira.people_comment(key, _text("I look into it.")),
    "field": lambda w, key: w.jira.people_set(key, **{DEPLOYED_AT: w.jira.now.isoformat()}),
}


def _text(words: str) -> dict[str, Any]:
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": words}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}


@pytest.fixture(scope="module")
def people_world(admin: Engine) -> Iterator[JiraLedger]:
    """One ticket that many examples work on, one after the other."""
    for url in make_database(admin, "template_feedback_loop"):
        engine = create_engine(url)
        with open_ledger(engine) as world:
            yield filed(world)
        engine.dispose()


@given(st.lists(st.sampled_from(sorted(PEOPLE)), min_size=1, max_size=5))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_people_set_is_never_changed(people_world: JiraLedger, actions: list[str]) -> None:
    """Whatever they do, in any order, with the loop commenting, completing and following after each step."""
    world = people_world
    first = len(rows(world.engine, "ticket_events"))
    for n, action in enumerate(actions):
        PEOPLE[action](world, world.issue("p1").key)
        world.later(hours=1)
        issue = world.issue("p1")
        set_by_people, said = dict(issue.fields), comments(issue)
        world.follow()
        world.plan("p1", "comment", first=first + n)
        world.file()
        world.follow()
        issue = world.issue("p1")
        assert {k: v for k, v in issue.fields.items() if k != "updated"} == {
            k: v for k, v in set_by_people.items() if k != "updated"
        }
        assert comments(issue)[: len(said)] == said
        assert world.ticket("p1").ref == TicketRef(issue.id, issue.key)
    assert len(world.jira.issues) == 2
