"""Whatever Jira does, each pattern ends with one ticket, nothing is said twice and nothing is lost.

A seeded sample of the matrix runs always. All of it runs with `-m exhaustive`, which prints the tables that are
committed in docs/reliability.md and checks that the committed ones are the same:

    pytest -n 0 -m exhaustive -s feedback_loop_tests/defs/test_tracker_faults.py
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from feedback_loop.clients.jira_wire import JiraWire
from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.tracker_faults import FAILURES, STEPS, WORDS, Cell, Matrix, Outcome, all_cells, try_cells
from feedback_loop_tests.defs.tracker_tables import document_part, read_words, word_for
from feedback_loop_tests.defs.tracker_world import PATTERNS, QUIET_S, FilingWorld, seed
from feedback_loop_tests.factories import rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
N_SAMPLED = 25
ALWAYS = [
    *(Cell("404", step, "cloud", stays=False) for step in STEPS[:2]),  # what every Jira has is not simply unknown
    Cell("200, empty, before", STEPS[4], "dc", stays=True),  # an answer that says nothing says nothing of the property
]
LOST_ANSWERS = [name for name in FAILURES if name.endswith(", after")]
documented = pytest.mark.skipif(not DOCUMENT.exists(), reason="the documents are in the repository only")


def takes_no_pictures(cell: Cell) -> bool:
    """Then those that go with words are given up, and told; a ticket's own picture is tried again."""
    return cell.step.name == "attach" and cell.failure in ("403", "404") and cell.stays


def check(cell: Cell, outcome: Outcome) -> None:
    assert outcome.said in WORDS, cell
    assert outcome.n_struck > 0, cell
    assert outcome.doubled == {}, cell
    if takes_no_pictures(cell):
        assert outcome.lost == {(p, "attachment", f"feedback-loop-{p}-comment:{p}.png"): 1 for p in PATTERNS}, cell
    else:
        assert outcome.lost == {}, cell
        assert outcome.is_same, cell  # texts, order of comments, statuses, the whole ledger
    assert outcome.leads_right, cell  # one issue that counts for each pattern, and the ledger knows it
    assert outcome.problems == [], cell
    assert outcome.n_late_writes == 0, cell
    assert outcome.n_refused == 0, cell


@documented
def test_a_sample_of_failures(database_url: URL) -> None:
    documented = read_words(DOCUMENT.read_text(encoding="utf-8"))
    cells = [*ALWAYS, *random.Random(11).sample(list(all_cells()), N_SAMPLED)]
    for cell, outcome in try_cells(database_url, cells):
        check(cell, outcome)
        assert outcome.said == word_for(cell, documented), cell


@documented
def test_the_document_says_something_of_every_cell() -> None:
    documented = read_words(DOCUMENT.read_text(encoding="utf-8"))
    assert [str(cell) for cell in all_cells() if not word_for(cell, documented)] == []


def test_an_undisturbed_run_makes_everything_once(engine: Engine) -> None:
    with JiraEmulator("cloud") as jira:
        held = Matrix(engine, jira).calm("file").held
    assert set(held.values()) == {1}
    kinds = Counter(item[1] for item in held)
    assert kinds == {"issue": 2, "comment": 6, "attachment": 4, "page": 2, "property": 2, "move": 4}


def test_the_matrix_sees_a_request_that_is_sent_twice(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    def always_repeat(wire: JiraWire, send: Callable[[], Any], *, is_repeatable: bool) -> Any:
        return repeat(wire, send, is_repeatable=True)

    repeat = JiraWire._repeat
    monkeypatch.setattr(JiraWire, "_repeat", always_repeat)
    cells = [Cell("reset, after", step, "dc", stays=False) for step in STEPS if step.name in ("create", "comment")]
    for cell, outcome in try_cells(database_url, cells):
        assert outcome.doubled, cell


@pytest.mark.exhaustive
@pytest.mark.timeout(5400)
def test_every_failure_everywhere(admin: Engine) -> None:
    cells = list(all_cells())
    n_parts = os.cpu_count() or 1
    with ExitStack() as stack:
        urls = [stack.enter_context(_database(admin)) for _ in range(n_parts)]
        pool = stack.enter_context(ProcessPoolExecutor(n_parts, get_context("spawn")))
        parts = pool.map(try_cells, urls, [cells[i::n_parts] for i in range(n_parts)])
        outcomes = {cell: outcome for part in parts for cell, outcome in part}
    tried = [(cell, outcomes[cell]) for cell in cells]
    found = document_part(tried)
    print(found)
    for cell, outcome in tried:
        check(cell, outcome)
    assert found in DOCUMENT.read_text(encoding="utf-8")


@contextmanager
def _database(admin: Engine) -> Iterator[URL]:
    databases = make_database(admin, "template_feedback_loop")
    yield next(databases)
    next(databases, None)


@pytest.mark.parametrize("personality", ["cloud", "dc"])
def test_a_search_that_lags_behind_is_waited_for(engine: Engine, personality: str) -> None:
    """Longer than a run, shorter than the quiet period: nothing is made twice, however often it is run meanwhile."""
    with JiraEmulator(personality, index_lag_seconds=QUIET_S / 3) as jira:  # type: ignore[arg-type]  # of the two
        world = FilingWorld(engine, jira)
        for name in random.Random(5).sample([*LOST_ANSWERS, *(n.replace("after", "before") for n in LOST_ANSWERS)], 6):
            jira.reset()
            seed(engine)
            jira.fail(route="create", **{"seconds": 0.8, **FAILURES[name]})
            first = world.file(timeout_s=0.4)
            assert [name for name, _ in first.unknown] == ["Trouble p1"], name
            for _ in range(3):
                jira.advance(QUIET_S / 9)
                again = world.file()
                assert again.made == [], name
            jira.advance(QUIET_S)
            last = world.file()
            assert [*first.made, *again.adopted, *last.made, *last.adopted], name
            assert [len(world.issues(p)) for p in PATTERNS] == [1, 1], name
            assert world.leads_right(), name
            assert jira.refused == []


@pytest.mark.parametrize("personality", ["cloud", "dc"])
@pytest.mark.parametrize("failure", ["reset, after", "504, after", "200, empty, after"])
def test_a_search_that_lags_for_longer_ends_in_one_ticket_that_counts(
    engine: Engine, personality: str, failure: str
) -> None:
    """Then a second issue is made: it is said to be one, and everything stands on the older."""
    with JiraEmulator(personality, index_lag_seconds=QUIET_S * 4) as jira:  # type: ignore[arg-type]  # of the two
        world = FilingWorld(engine, jira)
        seed(engine)
        jira.fail(route="create", count=None, **FAILURES[failure])
        assert [name for name, _ in world.file().unknown] == ["Trouble p1", "Trouble p2"]
        world.mend()
        jira.advance(QUIET_S + 1)
        assert len(world.file().made) == 2  # search shows nothing yet
        assert [len(world.issues(p)) for p in PATTERNS] == [2, 2]

        jira.advance(QUIET_S * 4 + 1)
        found = world.file()
        assert len(found.duplicates) == 2
        world.file()
        n_before = world.n_writes
        assert world.file().problems == []
        assert world.n_writes == n_before
        for pattern_id in PATTERNS:
            older, younger = world.issues(pattern_id)
            assert world.counting(pattern_id) == [older]
            assert "is the ticket that counts" in str(younger.comments[-1].body)
            assert [c.author for c in older.comments] == [older.fields["creator"]] * 3  # comment, close, reopen
            assert len(older.attachments) == 2
            assert older.fields["status"] == younger.fields["status"] == "To Do"  # where this workflow reopens to
        assert world.leads_right()
        world.follow()
        assert {row["status"] for row in world.tickets()} == {"reopened"}
        assert {row["reopened_by_people_at"] for row in world.tickets()} == {None}
        assert jira.refused == []


def test_a_ticket_whose_pattern_is_not_known_any_more_holds_nobody_up(engine: Engine) -> None:
    """Its week was run again, and people say of its ticket that they will not fix it."""
    with JiraEmulator("cloud") as jira:
        world = FilingWorld(engine, jira)
        seed(engine, kinds=())
        world.file()
        with engine.begin() as conn:
            conn.execute(sa.text("delete from feedback_loop.pattern_states where pattern_id = 'p1'"))
        for pattern_id in PATTERNS:
            jira.people_transition(world.issues(pattern_id)[0].key, "Done", "Won't Do")
        followed = world.follow()
        assert [said for said in followed.reported if "no pattern or ticket is called 'p1'" in said]
        assert {row["status"] for row in world.tickets()} == {"wont_do"}
        assert [row["pattern_id"] for row in rows(engine, "pattern_decisions")] == ["p2"]
