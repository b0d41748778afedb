"""Tickets made twice after all: the oldest counts, and what people do about it stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from feedback_loop.clients.jira_fields import label_of
from feedback_loop.store import fixes
from feedback_loop.testing.jira_emulator import Issue
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.defs.ledger_world import JiraLedger, comments, moves, open_ledger
from feedback_loop_tests.factories import import_records, make_deployment


@pytest.fixture
def cloud(engine: Engine) -> Iterator[JiraLedger]:
    with open_ledger(engine) as world:
        yield world


@pytest.fixture
def twice(engine: Engine) -> Iterator[tuple[JiraLedger, Issue, Issue]]:
    """A ticket made twice, for Jira's search was behind for longer than the quiet period; a comment is on the newer."""
    with open_ledger(engine, index_lag_seconds=1800) as world:
        world.add("p1")
        world.plan("p1", "comment")
        world.jira.fail("reset_after", "create")
        world.file()
        world.later(minutes=16)
        world.file()
        oldest, newest = world.jira.issues
        assert (world.key("p1"), len(comments(newest))) == (newest.key, 1)
        world.later(minutes=40)
        yield world, oldest, newest


def test_of_two_tickets_the_oldest_counts_and_the_other_says_so(twice: tuple[JiraLedger, Issue, Issue]) -> None:
    world, oldest, newest = twice
    world.plan("p1", "close", first=1)
    filed = world.file()
    assert (filed.duplicates, filed.said) == ([newest.key], [oldest.key] * 2)
    assert [f"Step {n}" in said for n, said in enumerate(comments(oldest))] == [True, True]
    assert world.ticket("p1").ref == TicketRef(oldest.id, oldest.key)
    assert f"{oldest.key} is the ticket that counts" in comments(newest)[-1]
    assert [(link.type, link.source, link.target) for link in newest.links] == [("Duplicate", newest.id, oldest.id)]
    assert (moves(oldest), moves(newest)) == (["Done"], [])
    world.file()  # the picture of the one that counts now
    assert [a.filename for a in oldest.attachments] == ["feedback-loop-trend.png"]
    n = world.n_writes
    world.file()
    assert world.n_writes == n


def test_what_people_took_away_from_a_second_ticket_stays_away(twice: tuple[JiraLedger, Issue, Issue]) -> None:
    world, _, newest = twice
    assert world.file().duplicates == [newest.key]
    newest.comments.clear()
    newest.links.clear()
    world.file()  # the picture of the one that counts now
    n = world.n_writes
    assert (world.file().duplicates, world.n_writes) == ([], n)
    assert (newest.comments, newest.links) == ([], [])


def test_both_names_of_a_ticket_made_twice_lead_to_the_one_that_counts(
    twice: tuple[JiraLedger, Issue, Issue], tmp_path: Path
) -> None:
    world, oldest, newest = twice
    world.file()
    assert world.row("p1")["old_keys"] == [newest.key]
    shipped = [
        make_deployment("2026-11-20T12:00:00Z", prompt_version=version, fixes=[issue.key])
        for version, issue in (("v2", newest), ("v3", oldest))
    ]
    import_records(world.engine, tmp_path, shipped)
    with world.engine.begin() as conn:
        found = fixes.resolve_fixes(conn, world.later(days=2))
        assert fixes.parked_claims(conn) == []
    assert [(f.prompt_version, f.pattern_id, f.ticket_key) for f in found] == [
        ("v2", "p1", oldest.key),
        ("v3", "p1", oldest.key),
    ]


def test_a_copy_that_people_made_of_a_ticket_is_theirs(cloud: JiraLedger) -> None:
    cloud.add("p1")
    cloud.file()
    cloud.later(hours=1)
    copy = cloud.jira.people_create("Trouble p1, my half of it", labels=["feedback-loop", label_of(cloud.ticket("p1"))])
    cloud.later(hours=1)
    assert cloud.file().duplicates == []
    assert (comments(copy), copy.links, moves(copy)) == ([], [], [])
    assert cloud.key("p1") != copy.key
