"""Tickets as files that people read and edit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.errors import InputError, TicketRefused
from feedback_loop.tracker import Attachment, TicketRef
from feedback_loop_tests.contracts.test_tracker import CHART, event, status, ticket

FL_1 = TicketRef("FL-1", "FL-1")


@pytest.fixture
def tracker(tmp_path: Path) -> LocalTracker:
    return LocalTracker(tmp_path / "tickets")


def edit(tracker: LocalTracker, old: str, new: str, key: str = "FL-1") -> Path:
    path = tracker.directory / f"{key}.md"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_the_file_reads_well(tracker: LocalTracker) -> None:
    assert tracker.create(ticket()) == FL_1
    tracker.apply(FL_1, event("c", body="Two words."))
    assert (tracker.directory / "FL-1.md").read_text(encoding="utf-8") == (
        "---\nticket: FL-1\nstatus: open\nresolved_at:\nroute: triage\npriority: 2\napplication: shop\npattern: p1\n"
        "created: 2026-01-12\n---\n\n# Broken links\n\nUsers say so.\n\n## History\n\n"
        "<!-- event c -->\n**2026-01-12** Two words.\n"
    )


def test_a_repeated_event_is_one_comment(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    for _ in range(3):
        tracker.apply(FL_1, event("c", body="Once."))
    assert (tracker.directory / "FL-1.md").read_text(encoding="utf-8").count("Once.") == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-02-03", datetime(2026, 2, 3, tzinfo=UTC)),
        ("2026-02-03T10:30:00Z", datetime(2026, 2, 3, 10, 30, tzinfo=UTC)),
        ("2026-02-03 10:30+02:00", datetime(2026, 2, 3, 10, 30, tzinfo=timezone(timedelta(hours=2)))),
        ("", None),
    ],
)
def test_a_person_marks_it_done(tracker: LocalTracker, written: str, read: datetime | None) -> None:
    tracker.create(ticket())
    edit(tracker, "status: open\nresolved_at:", f"status: Done\nresolved_at: {written}")
    state = tracker.fetch(FL_1)
    assert state is not None
    assert (state.status, state.deployed_at, state.resolved_at) == ("done", read, None)


def test_what_people_set_to_done_keeps_its_word_and_date_when_the_loop_agrees(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    path = edit(tracker, "status: open\nresolved_at:", "status: done\nresolved_at: 2026-02-03")
    assert not tracker.apply(FL_1, event("c", "close")).is_moved
    assert "status: done\nresolved_at: 2026-02-03\n" in path.read_text(encoding="utf-8")


def test_reopening_takes_the_resolution_back(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    edit(tracker, "status: open\nresolved_at:", "status: done\nresolved_at: 2026-02-03")
    tracker.apply(FL_1, event("r", "reopen"))
    state = tracker.fetch(FL_1)
    assert state is not None
    assert (state.status, state.deployed_at) == ("reopened", None)


def test_what_a_person_wrote_in_the_body_stays(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    edit(tracker, "Users say so.", "Users say so.\n\nA note of mine: --- see below ---")
    tracker.apply(FL_1, event("c", "close"))
    text = (tracker.directory / "FL-1.md").read_text(encoding="utf-8")
    assert "A note of mine: --- see below ---" in text
    assert status(tracker, FL_1) == "closed"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "status: open",
            "status: fixed",
            "waiting, planned, open, reopened, done, closed, wont_do, duplicate, cancelled; it says 'fixed'",
        ),
        ("status: open\n", "", "it says None"),
        ("resolved_at:", "resolved_at: last week", "resolved_at is a date or time such as 2026-02-03"),
    ],
)
def test_a_wrong_edit_is_named_with_its_file(tracker: LocalTracker, old: str, new: str, words: str) -> None:
    tracker.create(ticket())
    path = edit(tracker, old, new)
    with pytest.raises(InputError, match=words) as caught:
        tracker.fetch(FL_1)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ticket: FL-1\n---\nstatus: done\n", "the head between the two --- lines is gone"),
        ("---\nticket: FL-1\nstatus: done\n---\nGelöst.\n".encode("latin-1"), "is not UTF-8 .*: save it as UTF-8"),
        ("---\nticket: FL-1\nstatus: done\n---\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whatever_is_asked_and_stays(
    tracker: LocalTracker, content: bytes, words: str
) -> None:
    tracker.create(ticket())
    path = tracker.directory / "FL-1.md"
    path.write_bytes(content)
    for ask in (
        lambda: tracker.find(ticket()),
        lambda: tracker.create(ticket()),
        lambda: tracker.fetch(FL_1),
        lambda: tracker.apply(FL_1, event("c", "close")),
        lambda: tracker.link_duplicate(FL_1, FL_1, event("x")),
        lambda: tracker.discard(ticket()),
    ):
        with pytest.raises(TicketRefused, match=words):
            ask()
    assert path.read_bytes() == content


def test_a_file_of_another_pattern_is_never_overwritten(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    before = (tracker.directory / "FL-1.md").read_text(encoding="utf-8")
    with pytest.raises(TicketRefused, match="the ticket of pattern p1, not of p2"):
        tracker.create(ticket(1, "p2"))
    assert (tracker.directory / "FL-1.md").read_text(encoding="utf-8") == before


def test_no_half_written_file_is_left(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    tracker.complete(FL_1, ticket(), [CHART])
    tracker.apply(FL_1, event("c"), [CHART])
    assert sorted(path.name for path in tracker.directory.iterdir()) == [f"FL-1-{CHART.name}", "FL-1.md"]


def test_a_picture_lies_beside_its_file_and_is_shown_in_the_comment_it_came_with(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    tracker.complete(FL_1, ticket(), [CHART])
    tracker.apply(FL_1, event("v", body="A verdict."), [Attachment(CHART.name, b"drawn otherwise")])
    picture = tracker.directory / f"FL-1-{CHART.name}"
    assert picture.read_bytes() == CHART.png  # the same name is the same picture
    assert f"A verdict.\n\n![Trend](<{picture.name}>)\n" in (tracker.directory / "FL-1.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("said", ["wont_do", "duplicate", "cancelled", "Wont_Do"])
def test_a_person_ends_it_otherwise(tracker: LocalTracker, said: str) -> None:
    tracker.create(ticket())
    edit(tracker, "status: open", f"status: {said}\nduplicate_of: FL-9")
    state = tracker.fetch(FL_1)
    assert state is not None
    assert (state.status, state.status_name, state.duplicate_of) == (said.lower(), said, "FL-9")


def test_a_waiting_ticket_is_released_by_a_word_in_its_file(tracker: LocalTracker) -> None:
    waits, ref = LocalTracker(tracker.directory, prefix="W", released="planned"), TicketRef("W-1", "W-1")
    assert waits.create(replace(ticket(), status="waiting")) == ref
    assert status(waits, ref) == "waiting"
    edit(waits, "status: waiting", "status: released", "W-1")
    assert status(waits, ref) == "planned"
    tracker.create(ticket())
    for _ in range(2):
        waits.discard(ticket())
    assert [path.name for path in tracker.directory.iterdir()] == ["FL-1.md"]


def test_what_people_decided_is_said_on_but_not_reopened(tracker: LocalTracker) -> None:
    tracker.create(ticket())
    path = tracker.directory / "FL-1.md"
    path.write_text(path.read_text(encoding="utf-8").replace("status: open", "status: wont_do"), encoding="utf-8")
    assert not tracker.apply(FL_1, event("r", "reopen")).is_moved
    assert "status: wont_do" in path.read_text(encoding="utf-8")
    assert [tracker.apply(FL_1, event("c", "close")).is_moved for _ in range(2)] == [False, False]
    assert "status: wont_do" in path.read_text(encoding="utf-8")
    assert [tracker.link_duplicate(FL_1, FL_1, event("x")) for _ in range(2)] == [True, False]
