"""Following: what people do with tickets is read back, means what they say, and what they set is never changed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from feedback_loop.defs.tracking import judged_fixes, plan_merges, plan_regressions
from feedback_loop.route import Regression, UpdatePolicy
from feedback_loop.store import decisions, fixes
from feedback_loop.store.engine import create_engine
from feedback_loop.testing.jira_emulator.catalogue import DEPLOYED_AT
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.ledger_world import JiraLedger, comments, filed, moves, open_ledger
from feedback_loop_tests.factories import W1, import_records, make_deployment, rows

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


def test_what_the_loop_closed_comes_back_from_hiding_as_closed(world: JiraLedger) -> None:
    world.plan("p1", "close")
    world.file()
    key = world.key("p1")
    for away in ("people_hide", "people_unhide"):
        getattr(world.jira, away)(key)
        world.later(hours=1)
        world.follow()
    assert (world.row("p1")["status"], world.fixes()) == ("closed", [])


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


def test_a_merge_leaves_a_ticket_that_people_work_on_as_it_is(world: JiraLedger) -> None:
    one, two = world.key("p1"), world.key("p2")
    world.jira.people_transition(two, "In Progress")
    world.later(hours=1)
    world.follow()
    assert world.row("p2")["is_set_by_people"]
    assert not world.row("p1")["is_set_by_people"]
    with world.engine.begin() as conn:
        decisions.decide(conn, "p2", "merge", "p1", author="maria", decided_at=world.jira.now)
        plan_merges(conn)
    assert world.file().said == [one, two]
    assert (world.row("p2")["status"], moves(world.issue("p2"))) == ("open", ["In Progress"])
    assert "Close this ticket if you agree." in comments(world.issue("p2"))[-1]


def test_a_regression_reopens_what_counted_as_fixed_once(world: JiraLedger) -> None:
    """Ended by people, and by the loop."""
    world.jira.people_transition(world.key("p1"), "Done")
    world.plan("p2", "close")
    world.file()
    world.later(days=20)
    world.follow()
    ids = {fix.pattern_id: fix.fix_id for fix in world.fixes()}
    for n in range(3):
        now = world.later(days=1)
        with world.engine.begin() as conn:
            found = [
                Regression("shop", p, ids.get(p, ""), now - timedelta(40), W1, now, 41, 12.3, 0.99)
                for p in ("p1", "p2")
            ]
            plan_regressions(conn, found, now, UpdatePolicy())
        assert sorted(world.file().said) == ([] if n else [world.key("p1"), world.key("p2")])
        world.follow()
    for pattern_id in ("p1", "p2"):
        assert moves(world.issue(pattern_id)) == ["Done", "To Do"]
        assert "Back after a fix that had helped" in comments(world.issue(pattern_id))[-1]
        assert (world.row(pattern_id)["status"], world.row(pattern_id)["is_set_by_people"]) == ("reopened", False)


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
