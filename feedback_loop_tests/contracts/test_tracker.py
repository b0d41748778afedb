"""What every tracker keeps to, whichever holds the tickets. A further tracker joins by one line in `TRACKERS`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.documents import plain
from feedback_loop.errors import TicketRefused
from feedback_loop.tracker import Attachment, Ticket, TicketEvent, TicketRef, Tracker
from feedback_loop_tests.clients.jira_world import open_world
from feedback_loop_tests.store.test_tickets import ticket as make_ticket

NOW = datetime(2026, 1, 12, tzinfo=UTC)
CHART = Attachment("feedback-loop-trend.png", b"\x89PNG chart")
GONE = TicketRef("404", "FL-404")


@contextmanager
def jira(personality: str, _: Path) -> Iterator[Tracker]:
    with open_world(personality) as world, world.connect() as tracker:
        yield tracker
        assert world.jira.refused == []  # nothing was sent that Jira refuses


TRACKERS: dict[str, Callable[[Path], AbstractContextManager[Tracker]]] = {
    "local": lambda folder: nullcontext(LocalTracker(folder / "tickets")),
    "jira cloud": partial(jira, "cloud"),
    "jira data center": partial(jira, "dc"),
}


@pytest.fixture(params=list(TRACKERS))
def tracker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tracker]:
    with TRACKERS[request.param](tmp_path) as tracker:
        yield tracker


def ticket(number: int = 1, pattern_id: str = "p1") -> Ticket:
    return make_ticket(pattern_id, ticket_number=number, title="Broken links", body=plain("Users say so."))


def event(key: str, kind: Literal["comment", "reopen", "close"] = "comment", body: str = "Said.") -> TicketEvent:
    return TicketEvent("shop", "p1", key, kind, plain(body), NOW)


class TestTracker:
    def test_a_new_ticket_is_open_and_unresolved(self, tracker: Tracker) -> None:
        state = tracker.fetch(tracker.create(ticket()))
        assert state is not None
        assert (state.status, state.resolved_at, state.deployed_at) == ("open", None, None)
        assert (state.changes, state.released, state.duplicate_of) == ((), (), None)

    def test_a_ticket_that_was_made_is_found_by_its_pattern_and_no_other(self, tracker: Tracker) -> None:
        assert tracker.find(ticket()) == []
        made = tracker.create(ticket())
        assert tracker.find(ticket()) == [made]
        assert tracker.find(ticket(2, "p2")) == []

    def test_tickets_have_ids_and_keys_of_their_own(self, tracker: Tracker) -> None:
        refs = [tracker.create(ticket(1)), tracker.create(ticket(2, "p2"))]
        assert len({ref.issue_id for ref in refs}) == len({ref.ticket_key for ref in refs}) == 2
        assert all(tracker.fetch(ref) is not None for ref in refs)

    def test_completing_again_changes_nothing(self, tracker: Tracker) -> None:
        ref = tracker.create(ticket())
        for _ in range(3):
            tracker.complete(ref, ticket(), [CHART])
        assert status(tracker, ref) == "open"

    def test_close_and_reopen_set_the_status_and_a_comment_does_not(self, tracker: Tracker) -> None:
        ref = tracker.create(ticket())
        for name, kind, expected in (
            ("a", "comment", "open"),
            ("b", "close", "closed"),
            ("c", "comment", "closed"),
            ("d", "reopen", "reopened"),
            ("e", "close", "closed"),
        ):
            tracker.apply(ref, event(name, kind), [CHART])  # type: ignore[arg-type]  # literals above
            assert status(tracker, ref) == expected

    def test_applying_an_event_twice_changes_nothing(self, tracker: Tracker) -> None:
        ref = tracker.create(ticket())
        tracker.apply(ref, event("first", "close"))
        tracker.apply(ref, event("second", "reopen"))
        tracker.apply(ref, event("first", "close"))
        assert status(tracker, ref) == "reopened"

    def test_finding_keeps_what_happened_since(self, tracker: Tracker) -> None:
        ref = tracker.create(ticket())
        tracker.apply(ref, event("c", "close"))
        assert tracker.find(ticket()) == [ref]
        assert status(tracker, ref) == "closed"

    def test_saying_that_another_counts_may_be_repeated(self, tracker: Tracker) -> None:
        kept, extra = tracker.create(ticket()), tracker.create(ticket(2, "p2"))
        for _ in range(2):
            tracker.link_duplicate(extra, kept, event("extra"))
        assert {status(tracker, kept), status(tracker, extra)} == {"open"}

    def test_a_ticket_that_is_not_there_is_none_and_never_an_error(self, tracker: Tracker) -> None:
        assert tracker.fetch(GONE) is None

    def test_a_ticket_is_located_by_its_key(self, tracker: Tracker) -> None:
        ref = tracker.create(ticket())
        assert tracker.locate(ref.ticket_key) == ref
        assert tracker.locate("FL-404") is None
        assert tracker.locate("../FL-1") is None

    def test_nothing_can_be_said_on_a_ticket_that_is_gone(self, tracker: Tracker) -> None:
        with pytest.raises(TicketRefused, match="FL-404"):
            tracker.apply(GONE, event("c"))

    def test_a_person_finds_the_page_by_its_key(self, tracker: Tracker) -> None:
        ref = tracker.create(ticket())
        assert ref.ticket_key in tracker.page(ref)


def status(tracker: Tracker, ref: TicketRef) -> str:
    state = tracker.fetch(ref)
    assert state is not None
    return state.status
