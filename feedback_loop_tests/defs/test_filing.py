"""Filing: what is planned is in the tracker once, whatever happened before, and one stuck thing stops nothing else."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.defs.filing import Filed, apply_plan
from feedback_loop.defs.resources import Alerts
from feedback_loop.defs.ticketing import everything_filed
from feedback_loop.errors import OutcomeUnknown, TrackerRefused, TrackerUnavailable
from feedback_loop.store import tickets as ledger
from feedback_loop.store.engine import create_engine
from feedback_loop.tracker import Attachment, Ticket, TicketRef
from feedback_loop_tests.defs.ledger_world import JiraLedger, LedgerWorld, comments, moves, open_ledger
from feedback_loop_tests.factories import rows
from feedback_loop_tests.store.test_tickets import NOW

QUIET = timedelta(minutes=15)


@pytest.fixture(params=["cloud", "dc"])
def world(engine: Engine, request: pytest.FixtureRequest) -> Iterator[JiraLedger]:
    with open_ledger(engine, request.param) as world:
        yield world


@pytest.fixture
def cloud(engine: Engine) -> Iterator[JiraLedger]:
    with open_ledger(engine) as world:
        yield world


def test_a_ticket_is_made_with_its_page_and_picture_and_never_again(world: JiraLedger) -> None:
    world.add("p1", "p2")
    world.plan("p1", "comment")
    assert world.file().made == [world.key("p1"), world.key("p2")]
    assert [r["is_complete"] for r in rows(world.engine, "tickets")] == [True, True]
    issue = world.issue("p1")
    assert [a.filename for a in issue.attachments] == ["feedback-loop-trend.png"]
    assert [link.target["url"][:8] for link in issue.remote_links] == ["https://"]
    n = world.n_writes
    again = world.file()
    assert (again.made, again.adopted, again.said, again.problems) == ([], [], [], [])
    assert (len(world.jira.issues), world.n_writes) == (2, n)


def test_what_is_in_the_tracker_already_is_adopted_the_oldest_first(world: JiraLedger) -> None:
    world.add("p1")
    with world.engine.connect() as conn:
        (planned,) = ledger.load_tickets(conn)
    first = world.tracker.create(planned)  # by a run that was killed before it could write that down
    world.later(hours=1)
    world.tracker.create(planned)
    filed = world.file()
    assert (filed.adopted, filed.made) == ([first.ticket_key], [])
    assert world.ticket("p1").ref == first
    assert (world.row("p1")["status"], world.row("p1")["is_complete"]) == ("open", True)
    assert world.row("p1")["attempted_at"] == world.jira.now  # so that the sweeper looks at it too


class Watching(LocalTracker):
    """Notes what the ledger says while a ticket is being made."""

    def __init__(self, directory: Path, engine: Engine) -> None:
        super().__init__(directory)
        self.engine, self.seen = engine, dict[tuple[str, str], datetime]()

    def create(self, ticket: Ticket) -> TicketRef:
        with self.engine.connect() as conn:
            self.seen |= ledger.attempts(conn)
        return super().create(ticket)


def test_an_attempt_is_written_down_before_anything_is_sent(engine: Engine, tmp_path: Path) -> None:
    tracker = Watching(tmp_path / "tickets", engine)
    world = LedgerWorld(engine, tracker, lambda: NOW)
    world.add("p1", "p2")
    world.file()
    assert tracker.seen == {("shop", "p1"): NOW, ("shop", "p2"): NOW}
    with engine.connect() as conn:
        assert ledger.attempts(conn) == {}


@pytest.mark.parametrize(("status", "n_refused"), [(400, 1), (429, 0)])
def test_an_attempt_that_surely_made_nothing_is_taken_back(cloud: JiraLedger, status: int, n_refused: int) -> None:
    cloud.add("p1")
    cloud.jira.fail("status", "create", status=status, count=None, retry_after=900)
    if n_refused:
        assert len(cloud.file().refused) == n_refused
    else:
        with pytest.raises(TrackerUnavailable):
            cloud.file()
    assert (cloud.row("p1")["attempted_at"], cloud.row("p1")["status"]) == (None, "planned")
    assert cloud.jira.issues == []


def test_an_earlier_attempt_in_doubt_stays_so_when_a_later_one_is_refused(cloud: JiraLedger) -> None:
    cloud.add("p1")
    cloud.jira.fail("reset_before", "create")
    cloud.file()
    first = cloud.jira.now
    cloud.later(minutes=16)
    cloud.jira.fail("status", "create", status=400)
    assert len(cloud.file().refused) == 1
    assert cloud.row("p1")["attempted_at"] == first


def test_after_a_lost_answer_nothing_is_sent_until_the_search_must_show_it(engine: Engine) -> None:
    with open_ledger(engine, index_lag_seconds=600) as world:
        world.add("p1", "p2")
        world.jira.fail("reset_after", "create")
        sent_at = world.jira.now
        ((name, why),) = world.file().unknown
        assert (name, len(world.jira.issues)) == ("Trouble p1", 2)
        assert world.row("p1")["problem"] == why
        made = world.jira.issues[0].key
        world.later(minutes=5)
        ((_, waits),) = world.file().unknown
        assert f"looked for again until {sent_at + QUIET:%H:%M}" in waits
        assert len(world.jira.issues) == 2
        world.later(minutes=6)
        assert world.file().adopted == [made]
        assert (world.key("p1"), world.row("p1")["problem"], len(world.jira.issues)) == (made, None, 2)


class Slow(LocalTracker):
    """Time passes while a ticket is made, and whether it was made stays open."""

    name, settles_after = "slow", QUIET

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.at = NOW

    def create(self, ticket: Ticket) -> TicketRef:
        self.at += timedelta(minutes=10)
        raise OutcomeUnknown("no answer arrived")


def test_the_quiet_period_begins_with_the_last_word_to_the_tracker(engine: Engine, tmp_path: Path) -> None:
    tracker = Slow(tmp_path / "tickets")
    world = LedgerWorld(engine, tracker, lambda: tracker.at)
    world.add("p1")
    world.file()
    assert world.row("p1")["attempted_at"] == tracker.at == NOW + timedelta(minutes=10)
    tracker.at += timedelta(minutes=14)  # 24 after the beginning of the run
    ((_, why),) = world.file().unknown
    assert "looked for again until" in why


def test_a_stop_says_what_was_done_before_it(cloud: JiraLedger) -> None:
    cloud.add("p1", "p2")
    cloud.jira.fail("status", "create", nth=2, status=401)
    filed = Filed()
    with pytest.raises(TrackerRefused):
        cloud.file(into=filed)
    assert filed.made == [cloud.key("p1")]


def test_what_never_arrived_is_sent_once_more_after_the_quiet_period(world: JiraLedger) -> None:
    world.add("p1")
    world.jira.fail("reset_before", "create")
    world.file()
    for minutes in (5, 9):
        world.later(minutes=minutes)
        assert len(world.file().unknown) == 1
    world.later(minutes=1)
    assert world.file().made == [world.key("p1")]
    assert len(world.jira.issues) == 1


def test_a_stuck_event_holds_back_the_later_ones_of_its_own_ticket_only(world: JiraLedger) -> None:
    world.add("p1", "p2")
    for pattern in ("p1", "p2"):
        world.plan(pattern, "comment", "close", "reopen")
    world.jira.fail("status", "transition.do", status=403)  # the first that is closed: p1
    filed = world.file()
    assert [name for name, _ in filed.refused] == [world.key("p1")]
    assert (moves(world.issue("p1")), moves(world.issue("p2"))) == ([], ["Done", "To Do"])
    assert ["Step 2" in said for said in comments(world.issue("p1"))] == [False, False]
    events = {(r["pattern_id"], r["event_key"]): r for r in rows(world.engine, "ticket_events")}
    stuck = {key: (r["is_applied"], r["problem"] is not None) for key, r in events.items() if key[0] == "p1"}
    assert stuck == {
        ("p1", "0-comment"): (True, False),
        ("p1", "1-close"): (False, True),
        ("p1", "2-reopen"): (False, False),
    }
    assert all(r["is_applied"] for key, r in events.items() if key[0] == "p2")
    world.file()
    for pattern in ("p1", "p2"):
        told = comments(world.issue(pattern))
        assert [f"Step {n} of {pattern}." in said for n, said in enumerate(told)] == [True, True, True]
        assert (moves(world.issue(pattern)), world.row(pattern)["status"]) == (["Done", "To Do"], "reopened")
    assert {r["problem"] for r in rows(world.engine, "ticket_events")} == {None}


def test_a_way_that_the_workflow_bars_holds_back_nothing(world: JiraLedger) -> None:
    world.add("p1")
    world.plan("p1", "close", "comment")
    world.jira.fail("status", "transition.do", status=400, count=None)  # as a validator says it, each time
    filed = world.file()
    key = world.key("p1")
    assert filed.said == [key, key]
    ((name, why),) = filed.refused
    assert (name, f"{key} was not closed" in why) == (key, True)
    events = [(r["event_key"], r["is_applied"], r["problem"]) for r in rows(world.engine, "ticket_events")]
    assert sorted(events) == [("0-close", True, why), ("1-comment", True, None)]
    assert world.row("p1")["status"] == "open"
    again = world.file()
    assert (again.said, again.problems) == ([], [])


@pytest.mark.parametrize("status", [403, 404, 413])
def test_a_picture_that_is_refused_holds_back_no_verdict(cloud: JiraLedger, status: int) -> None:
    cloud.add("p1")
    cloud.file()
    cloud.plan("p1", "close")
    cloud.jira.fail("status", "attachment", status=status, count=None)
    filed = apply_plan(cloud.engine.begin, cloud.tracker, cloud.clock, lambda *_: [Attachment("verdict.png", b"PNG")])
    assert (filed.said, moves(cloud.issue("p1")), cloud.row("p1")["status"]) == ([cloud.key("p1")], ["Done"], "closed")
    ((name, why),) = filed.refused
    assert (name, "a picture was not taken" in why, f"HTTP {status}" in why) == (cloud.key("p1"), True, True)
    assert [r["problem"] for r in rows(cloud.engine, "ticket_events")] == [why]


def test_the_ledger_claims_no_reopening_that_was_not_made(world: JiraLedger) -> None:
    world.add("p1", "p2")
    world.file()
    world.jira.people_transition(world.key("p1"), "Done", "Won't Do")
    for pattern in ("p1", "p2"):  # p2 is still open
        world.plan(pattern, "reopen")
    assert world.file().said == [world.key("p1"), world.key("p2")]
    assert [world.row(p)["status"] for p in ("p1", "p2")] == ["open", "open"]
    assert world.issue("p1").fields["resolution"] == "Won't Do"


def test_a_move_whose_answer_was_lost_is_the_loops(world: JiraLedger) -> None:
    world.add("p1")
    world.plan("p1", "close")
    world.jira.fail("reset_after", "transition.do")
    assert len(world.file().unknown) == 1
    assert (world.file().said, world.row("p1")["status"]) == ([world.key("p1")], "closed")
    assert moves(world.issue("p1")) == ["Done"]


def test_nothing_is_written_on_the_same_number_in_another_jira(world: JiraLedger) -> None:
    world.add("p1", "p2")
    world.file()
    world.plan("p1", "close")
    world.jira.people_set(world.key("p1"), labels=[])
    world.issue("p1").properties.clear()  # somebody else's issue has this number there
    with world.engine.begin() as conn:
        conn.execute(sa.text("update feedback_loop.tickets set is_complete = false where pattern_id = 'p1'"))
    n = world.n_writes
    filed = world.file()
    assert (world.n_writes, filed.said, moves(world.issue("p1"))) == (n, [], [])
    assert {name for name, _ in filed.refused} == {world.key("p1")}
    assert all("is not the ticket of pattern p1" in why for _, why in filed.refused)
    world.jira.people_transition(world.key("p1"), "Done", "Won't Do")
    (reported,) = world.follow().reported
    assert "is not the ticket of pattern p1" in reported
    assert (world.row("p1")["status"], world.said()) == ("open", [])


def test_labels_that_people_took_away_do_not_make_a_ticket_a_strangers(world: JiraLedger) -> None:
    world.add("p1")
    world.file()
    world.jira.people_set(world.key("p1"), labels=[])
    world.plan("p1", "comment")
    assert world.file().said == [world.key("p1")]


def test_a_refused_ticket_stops_no_other_and_is_told(world: JiraLedger) -> None:
    world.add("p1", "p2")
    world.jira.fail("status", "create", status=400)
    filed = world.file()
    assert filed.made == [world.key("p2")]
    ((name, why),) = filed.refused
    assert (name, world.row("p1")["problem"], world.row("p2")["problem"]) == ("Trouble p1", why, None)
    check = everything_filed(filed, Alerts())
    assert (check.passed, check.severity.value) == (False, "ERROR")
    assert check.description == f"Trouble p1: {why}"
    check = everything_filed(world.file(), Alerts())
    assert (check.passed, world.row("p1")["problem"]) == (True, None)


def test_what_is_not_allowed_on_one_ticket_stops_no_other(world: JiraLedger) -> None:
    world.add("p1", "p2", "p3")
    world.plan("p2", "comment")
    world.plan("p3", "comment")
    world.jira.fail("status", "create", status=403)  # people may not make issues in its project
    world.jira.fail("status", "comment.add", status=403)  # nor comment on that one
    filed = world.file()
    assert (filed.made, filed.said) == ([world.key("p2"), world.key("p3")], [world.key("p3")])
    assert [name for name, _ in filed.refused] == ["Trouble p1", world.key("p2")]
    filed = world.file()
    assert (filed.made, filed.said, filed.problems) == ([world.key("p1")], [world.key("p2")], [])


def test_tickets_of_another_tracker_are_left_alone(cloud: JiraLedger, tmp_path: Path) -> None:
    cloud.add("p1", "p3")
    cloud.add("p2", tracker="local")
    files = LedgerWorld(cloud.engine, LocalTracker(tmp_path), lambda: cloud.jira.now, "resolved_at")
    assert files.file().made == ["FL-3"]
    assert [path.name for path in sorted(tmp_path.glob("*.md"))] == ["FL-3.md"]
    assert cloud.jira.requests == [r for r in cloud.jira.requests if r.method == "GET"]
    cloud.file()
    for pattern in ("p1", "p2"):
        cloud.plan(pattern, "comment")
    text, n = (tmp_path / "FL-3.md").read_text(encoding="utf-8"), len(cloud.jira.issues)
    assert cloud.file().said == [cloud.key("p1")]
    assert ((tmp_path / "FL-3.md").read_text(encoding="utf-8"), n) == (text, 2)
    before = cloud.row("p1")
    assert (files.file().said, files.follow().n_read) == (["FL-3"], 1)
    assert cloud.row("p1") == before
    assert cloud.follow().n_read == 2


def test_two_writers_at_once_make_one_ticket_and_say_everything_once(world: JiraLedger) -> None:
    world.add("p1", "p2")
    world.plan("p1", "comment", "close")
    world.jira.fail("slow", "create", count=None, seconds=0.2)
    start, others = threading.Barrier(2), [create_engine(world.engine.url) for _ in range(2)]

    def file(engine: Engine) -> list[str]:
        start.wait(timeout=20)
        return world.file(engine).made

    with ThreadPoolExecutor(2) as pool:
        made = sorted(pool.map(file, others), key=len)
    for other in others:
        other.dispose()
    assert made == [[], [world.key("p1"), world.key("p2")]]
    assert len(world.jira.issues) == 2
    assert (len(comments(world.issue("p1"))), moves(world.issue("p1"))) == (2, ["Done"])


def test_a_ticket_that_is_gone_gets_nothing_until_it_is_back(world: JiraLedger) -> None:
    world.add("p1", "p2")
    world.file()
    world.jira.people_hide(world.key("p1"))
    world.follow()
    world.plan("p1", "comment", "close")
    with world.engine.begin() as conn:
        ledger.move_ticket(
            conn, world.ticket("p1"), replace(world.ticket("p1").ref or TicketRef("", ""), ticket_key="FL-1")
        )
    n = world.n_writes
    filed = world.file()
    assert (filed.said, filed.problems, world.n_writes) == ([], [], n)
    assert len(world.jira.issues) == 2  # and no other is made for it
    world.jira.people_unhide(world.key("p1"))
    assert world.follow().changed == [(world.key("p1"), "gone", "open")]
    assert world.file().said == [world.key("p1"), world.key("p1")]
