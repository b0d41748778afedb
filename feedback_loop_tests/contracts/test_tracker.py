"""What every tracker keeps to, whichever holds the tickets. A further tracker joins by one line in `TRACKERS`."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.errors import FeedbackLoopError
from feedback_loop.records import Ticket, TicketEvent, Tracker
from feedback_loop_tests.store.test_tickets import ticket as make_ticket

NOW = datetime(2026, 1, 12, tzinfo=UTC)
TRACKERS: dict[str, Callable[[Path], Tracker]] = {"local": lambda folder: LocalTracker(folder / "tickets")}


@pytest.fixture(params=list(TRACKERS))
def tracker(request: pytest.FixtureRequest, tmp_path: Path) -> Tracker:
    return TRACKERS[request.param](tmp_path)


def ticket(number: int = 1, pattern_id: str = "p1") -> Ticket:
    return make_ticket(pattern_id, ticket_number=number, title="Broken links", body="Users say so.")


def event(key: str, kind: Literal["comment", "reopen", "close"] = "comment", body: str = "Said.") -> TicketEvent:
    return TicketEvent("shop", "p1", key, kind, body, NOW)


class TestTracker:
    def test_a_new_ticket_is_open_and_unresolved(self, tracker: Tracker) -> None:
        state = tracker.fetch(tracker.create(ticket()))
        assert state is not None
        assert (state.status, state.resolved_at) == ("open", None)

    def test_creating_twice_is_one_ticket(self, tracker: Tracker) -> None:
        assert tracker.create(ticket()) == tracker.create(ticket())

    def test_tickets_have_keys_of_their_own(self, tracker: Tracker) -> None:
        keys = {tracker.create(ticket(1)), tracker.create(ticket(2, "p2"))}
        assert len(keys) == 2
        assert all(tracker.fetch(key) is not None for key in keys)

    def test_creating_again_keeps_what_happened_since(self, tracker: Tracker) -> None:
        key = tracker.create(ticket())
        tracker.apply(key, event("c", "close"))
        tracker.create(ticket())
        assert status(tracker, key) == "closed"

    def test_close_and_reopen_set_the_status_and_a_comment_does_not(self, tracker: Tracker) -> None:
        key = tracker.create(ticket())
        for name, kind, expected in (
            ("a", "comment", "open"),
            ("b", "close", "closed"),
            ("c", "comment", "closed"),
            ("d", "reopen", "reopened"),
            ("e", "close", "closed"),
        ):
            tracker.apply(key, event(name, kind))  # type: ignore[arg-type]  # literals above
            assert status(tracker, key) == expected

    def test_applying_an_event_twice_changes_nothing(self, tracker: Tracker) -> None:
        key = tracker.create(ticket())
        tracker.apply(key, event("first", "close"))
        tracker.apply(key, event("second", "reopen"))
        tracker.apply(key, event("first", "close"))
        assert status(tracker, key) == "reopened"

    def test_a_ticket_that_is_not_there_is_none_and_never_an_error(self, tracker: Tracker) -> None:
        assert tracker.fetch("FL-404") is None

    def test_nothing_can_be_said_on_a_ticket_that_is_gone(self, tracker: Tracker) -> None:
        with pytest.raises(FeedbackLoopError, match="FL-404"):
            tracker.apply("FL-404", event("c"))


def status(tracker: Tracker, key: str) -> str:
    state = tracker.fetch(key)
    assert state is not None
    return state.status
