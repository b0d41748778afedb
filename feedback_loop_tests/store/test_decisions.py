"""Decisions are facts: added, never changed; what makes no sense is refused with its reason."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from feedback_loop.decisions import effective_decisions
from feedback_loop.errors import FeedbackLoopError, InputError, NotFoundError
from feedback_loop.records import DecisionKind, PatternDecision
from feedback_loop.redaction import visible
from feedback_loop.store import decisions
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.factories import APPLICATION, W1, W2, rows
from feedback_loop_tests.store.test_patterns import save, state
from feedback_loop_tests.store.test_tickets import ticket

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """A transaction on patterns p1 to p4, of which p1 and p2 have tickets FL-1 and FL-2; p1 is also elsewhere."""
    with engine.begin() as conn:
        save(conn, W1, *(state(f"p{n}") for n in range(1, 5)))
        save(conn, W1, state("p1"), state("q"), application="other")
        for n in (1, 2):
            ledger.confirm_ticket(
                conn, ledger.add_ticket(conn, ticket(f"p{n}"), "local"), TicketRef(f"FL-{n}", f"FL-{n}")
            )
    with engine.begin() as conn:
        yield conn


def decide(
    conn: Connection, name: str, decision: DecisionKind, value: str | None = None, minute: int = 0, **how: Any
) -> tuple[PatternDecision, bool]:
    given_by_default: dict[str, Any] = {"author": "maria", "application": APPLICATION}
    return decisions.decide(
        conn, name, decision, value, decided_at=NOW + timedelta(minutes=minute), **(given_by_default | how)
    )


def test_a_decision_comes_back_as_it_was_said(conn: Connection) -> None:
    made, is_new = decide(conn, "FL-1", "merge", "FL-2")
    assert is_new
    assert made == PatternDecision(APPLICATION, "p1", "merge", "p2", "maria", NOW)
    assert decisions.load_decisions(conn) == [made]
    assert decisions.load_decisions(conn, "other") == []
    assert decisions.load_decisions(conn, before=NOW) == []
    assert decisions.load_decisions(conn, before=NOW + timedelta(seconds=1)) == [made]


@pytest.mark.parametrize(
    ("decision", "value"),
    [("merge", "p3"), ("rename", "Broken links"), ("cause", "prompt"), ("mute", None), ("unmute", None)],
)
def test_saying_it_again_records_nothing(conn: Connection, decision: DecisionKind, value: str | None) -> None:
    decide(conn, "FL-1", decision, value)
    before = decisions.load_decisions(conn)
    assert decide(conn, "p1", decision, value, minute=1, author="someone else")[1] is False
    assert decisions.load_decisions(conn) == before


def test_a_moved_ticket_goes_by_its_old_key_too(conn: Connection) -> None:
    (held,) = ledger.load_tickets(conn, APPLICATION, ["p1"])
    ledger.move_ticket(conn, held, TicketRef("FL-1", "SHOP-7"))
    for minute, name in enumerate(("FL-1", "SHOP-7")):
        assert decide(conn, name, "rename", name, minute=minute)[0].pattern_id == "p1"
    assert ledger.applications_by_key(conn) == dict.fromkeys(("FL-1", "FL-2", "SHOP-7"), APPLICATION)


def test_taking_back_and_saying_again_are_three_facts(conn: Connection) -> None:
    for minute, decision in enumerate(("mute", "unmute", "mute")):
        assert decide(conn, "p1", decision, minute=minute)[1]  # type: ignore[arg-type]  # literals above
    assert len(decisions.load_decisions(conn)) == 3
    assert decisions.load_effective(conn)[APPLICATION].muted == {"p1"}


def test_nobody_has_to_unmute_what_is_not_muted(conn: Connection) -> None:
    assert decide(conn, "p1", "unmute")[1] is False


@pytest.mark.parametrize(
    ("name", "decision", "value", "words"),
    [
        ("FL-9", "mute", None, "no pattern or ticket is called 'FL-9' in application 'shop'"),
        ("q", "mute", None, "no pattern or ticket is called 'q' in application 'shop'; it belongs to other"),
        ("FL-1", "merge", "zzz", "no pattern or ticket is called 'zzz'"),
        ("FL-1", "merge", "q", "'q' in application 'shop'; it belongs to other"),
        ("FL-1", "merge", "p1", "FL-1 cannot be merged into itself"),
        ("FL-1", "rename", " \u200b\n\t", "the name is empty"),
        ("FL-1", "cause", "weather", "'weather' is no cause; it is one of prompt, retrieval, model, product, unknown"),
        ("FL-1", "cause", "Prompt", "'Prompt' is no cause"),
        ("x\udc80\x00", "mute", None, "is called 'x?'"),
    ],
)
def test_what_is_wrong_is_named(
    conn: Connection, name: str, decision: DecisionKind, value: str | None, words: str
) -> None:
    with pytest.raises((InputError, NotFoundError)) as error:
        decide(conn, name, decision, value)
    assert words in str(error.value)
    assert decisions.load_decisions(conn) == []


def test_an_author_is_someone(conn: Connection) -> None:
    with pytest.raises(InputError, match="the author is empty"):
        decide(conn, "p1", "mute", author="\u202e ")
    assert decide(conn, "p1", "mute", author="maria@shop.example")[0].author == "maria@shop.example"


def test_an_id_of_several_applications_needs_one(conn: Connection) -> None:
    with pytest.raises(InputError, match=r"several applications \(other, shop\).*--application"):
        decide(conn, "p1", "mute", application=None)
    assert decide(conn, "FL-1", "mute", application=None)[0].application == APPLICATION
    assert decide(conn, "p1", "mute", application="other")[0].application == "other"


def test_a_circle_of_merges_is_refused_however_long(conn: Connection) -> None:
    decide(conn, "p1", "merge", "p2")
    with pytest.raises(InputError, match="FL-2 cannot be merged into FL-1: FL-1 was itself merged into FL-2"):
        decide(conn, "p2", "merge", "p1", minute=1)
    decide(conn, "p2", "merge", "p3", minute=2)
    with pytest.raises(InputError, match="p3 cannot be merged into FL-1"):
        decide(conn, "p3", "merge", "p1", minute=3)
    decide(conn, "p4", "merge", "p1", minute=4)
    with pytest.raises(InputError, match="itself merged"):  # also where the old merge of p1 hides the circle
        decide(conn, "p1", "merge", "p4", minute=5)
    assert decisions.load_effective(conn)[APPLICATION].merges == dict.fromkeys(("p1", "p2", "p4"), "p3")


def test_a_merged_pattern_is_spoken_of_by_the_one_that_stays(conn: Connection) -> None:
    decide(conn, "p3", "merge", "FL-1")
    for decision, value in (("mute", None), ("unmute", None), ("rename", "x"), ("cause", "prompt")):
        with pytest.raises(InputError, match="p3 was merged into FL-1 and counts there: say it of FL-1"):
            decide(conn, "p3", decision, value, minute=1)  # type: ignore[arg-type]  # literals above


def test_muted_patterns_are_not_merged_either_way(conn: Connection) -> None:
    decide(conn, "FL-1", "mute")
    for name, into in (("p1", "p2"), ("p2", "p1")):
        with pytest.raises(InputError, match=r"FL-1 is muted.*unmute it first"):
            decide(conn, name, "merge", into, minute=1)
    decide(conn, "FL-1", "unmute", minute=2)
    assert decide(conn, "p1", "merge", "p2", minute=3)[1]


def test_a_clock_that_runs_behind_is_noticed(conn: Connection) -> None:
    decide(conn, "p1", "rename", "late", minute=10)
    with pytest.raises(InputError, match=r"later decision, of 2026-03-02 09:40:00 UTC by maria"):
        decide(conn, "p1", "rename", "early", minute=10)
    assert decide(conn, "p1", "cause", "prompt", minute=1)[1]


@given(text=st.text(st.characters(), max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_is_stored_so_that_it_shows_what_it_is_or_refused(conn: Connection, text: str) -> None:
    with conn.begin_nested() as savepoint:
        if visible(text):
            made, _ = decide(conn, "p1", "rename", text)
            assert decisions.load_decisions(conn) == [made]
            assert made.value == visible(made.value or "", decisions.MAX_NAME)
        else:
            with pytest.raises(InputError, match="the name is empty"):
                decide(conn, "p1", "rename", text)
        savepoint.rollback()


def test_a_name_hides_nothing_and_names_nobody(conn: Connection) -> None:
    made, _ = decide(conn, "p1", "rename", "Links\x1b[31m\u202e of jo@mail.example.com\nbroken" + "x" * 200)
    assert made.value is not None
    assert made.value.startswith("Links [31m of <email> brokenxxx")
    assert (len(made.value), made.value[-1]) == (decisions.MAX_NAME, "…")


names, kinds = st.sampled_from(["p1", "p2", "p3", "p4"]), st.sampled_from(["merge", "mute", "unmute", "rename"])


@given(st.lists(st.tuples(names, kinds, names), max_size=10))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_decision_that_is_taken_counts_and_never_a_circle(
    conn: Connection, said: list[tuple[str, DecisionKind, str]]
) -> None:
    with conn.begin_nested() as savepoint:
        for minute, (name, decision, value) in enumerate(said):
            try:
                made, _ = decide(conn, name, decision, value, minute=minute)
            except FeedbackLoopError:
                continue
            found = effective_decisions(decisions.load_decisions(conn, APPLICATION))
            if decision == "merge":
                assert found.stays(name) == found.stays(value) != name
            else:
                expected = found.names.get(name) == value if decision == "rename" else found.is_muted(name)
                assert expected == (decision != "unmute")
            assert made.pattern_id == name
        newest = {d.pattern_id for d in decisions.load_decisions(conn) if d.decision == "merge"}
        assert set(decisions.load_effective(conn).get(APPLICATION, effective_decisions([])).merges) == newest
        savepoint.rollback()


def test_two_people_at_once_close_no_circle(engine: Engine) -> None:
    with engine.begin() as conn:
        save(conn, W1, state("p1"), state("p2"))
    start = threading.Barrier(2)

    def merge(name: str, into: str) -> str:
        start.wait(timeout=20)
        try:
            with engine.begin() as conn:
                decide(conn, name, "merge", into)
        except InputError as error:
            return str(error)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(merge, ("p1", "p2"), ("p2", "p1")))
    assert said[0] == "done"
    assert "itself merged" in said[1]
    assert len(rows(engine, "pattern_decisions")) == 1


def test_the_listing_of_patterns_is_as_people_decided(conn: Connection) -> None:
    save(conn, W2, *(state(f"p{n}", last_seen_week=W2) for n in (1, 2, 3)))
    decide(conn, "p1", "merge", "p3")
    decide(conn, "p3", "rename", "Dead links", minute=1)
    decide(conn, "p3", "cause", "retrieval", minute=1)
    decide(conn, "p2", "mute", minute=1)
    found = {r["pattern_id"]: r for r in decisions.list_patterns(conn, APPLICATION)}
    assert (found["p1"]["merged_into"], found["p1"]["ticket_key"]) == ("p3", "FL-1")
    assert (found["p3"]["name"], found["p3"]["likely_cause"], found["p3"]["suggested_fix"]) == (
        "Dead links", "retrieval", "",
    )  # fmt: skip
    assert (found["p3"]["ticket_key"], found["p3"]["merged_into"]) == ("FL-1", None)  # the one they have between them
    assert [p for p, row in found.items() if row["is_muted"]] == ["p2"]
    assert {r["is_muted"] for r in decisions.list_patterns(conn, "other")} == {False}


def test_the_listing_of_decisions_says_which_count(conn: Connection) -> None:
    decide(conn, "p1", "rename", "one")
    decide(conn, "p1", "rename", "two", minute=1)
    decide(conn, "p2", "mute", minute=2)
    decide(conn, "p2", "unmute", minute=3)
    listed = [(r["ticket_key"], r["decision"], r["value"], r["counts"]) for r in decisions.list_decisions(conn)]
    assert listed == [
        ("FL-1", "rename", "one", False),
        ("FL-1", "rename", "two", True),
        ("FL-2", "mute", None, False),
        ("FL-2", "unmute", None, True),
    ]
    assert {r["name"] for r in decisions.list_decisions(conn) if r["pattern_id"] == "p1"} == {"two"}
    assert decisions.list_decisions(conn, "other") == []


def test_other_listings_show_the_names_that_people_gave(conn: Connection) -> None:
    decide(conn, "p1", "rename", "Dead links")
    titles = [r["title"] for r in decisions.with_names(conn, ledger.list_tickets(conn), "title")]
    assert titles == ["Dead links", "t"]
