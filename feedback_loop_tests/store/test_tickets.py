"""The ledger: one ticket per pattern, numbers without gaps, each event once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from feedback_loop.documents import plain
from feedback_loop.store import ticket_events
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import Ticket, TicketEvent, TicketRef, TrackerState
from feedback_loop_tests.factories import APPLICATION, W1, W2, rows

NOW = datetime(2026, 1, 12, tzinfo=UTC)
W1_START = datetime(2026, 1, 5, tzinfo=UTC)


def ticket(pattern_id: str = "p1", **fields: Any) -> Ticket:
    values: dict[str, Any] = {
        "application": APPLICATION,
        "pattern_id": pattern_id,
        "ticket_number": 0,
        "ticket_key": None,
        "status": "planned",
        "route": "triage",
        "priority": 2,
        "title": "t",
        "body": plain("b"),
        "created_week": W1,
        "created_at": NOW,
        "detector_version": "d1",
    }
    return Ticket(**(values | fields))


def event(key: str, pattern_id: str = "p1", hours: int = 0, body: str = "said") -> TicketEvent:
    return TicketEvent(APPLICATION, pattern_id, key, "comment", plain(body), NOW + timedelta(hours=hours))


def test_numbers_count_up_across_applications(engine: Engine) -> None:
    with engine.begin() as conn:
        made = [
            ledger.add_ticket(conn, ticket(p, application=a), "local") for a, p in (("x", "p"), ("x", "q"), ("y", "p"))
        ]
    assert [t.ticket_number for t in made] == [1, 2, 3]


def test_a_pattern_keeps_its_first_ticket(engine: Engine) -> None:
    with engine.begin() as conn:
        first = ledger.add_ticket(conn, ticket(title="first"), "local")
        again = ledger.add_ticket(conn, ticket(title="second"), "local")
        other = ledger.add_ticket(conn, ticket("p2"), "local")
    assert again == first
    assert (first.title, other.ticket_number) == ("first", 2)


def test_two_connections_at_once_make_one_ticket_and_no_gap(engine: Engine) -> None:
    start = threading.Barrier(2)

    def plan(worker: int) -> list[int]:
        numbers = []
        for n in range(15):
            start.wait(timeout=20)
            with engine.begin() as conn:
                numbers.append(ledger.add_ticket(conn, ticket(f"shared-{n}", title=str(worker)), "local").ticket_number)
            with engine.begin() as conn:
                numbers.append(ledger.add_ticket(conn, ticket(f"own-{worker}-{n}"), "local").ticket_number)
        return numbers

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(plan, range(2))
    assert a[::2] == b[::2]  # both see the same ticket of a shared pattern
    assert [row["ticket_number"] for row in sorted(rows(engine, "tickets"), key=lambda r: r["ticket_number"])] == list(
        range(1, 46)
    )


def test_a_transaction_that_fails_takes_its_number_back(engine: Engine) -> None:
    with engine.connect() as conn:
        ledger.add_ticket(conn, ticket("lost"), "local")
        conn.rollback()
    with engine.begin() as conn:
        assert ledger.add_ticket(conn, ticket("next"), "local").ticket_number == 1


def test_events_wait_until_their_ticket_is_in_the_tracker_and_come_in_order(engine: Engine) -> None:
    with engine.begin() as conn:
        one, two = (ledger.add_ticket(conn, ticket(p), "local") for p in ("p1", "p2"))
        ticket_events.plan_events(conn, [event("late", hours=2), event("early"), event("other", "p2", hours=1)])
        assert ticket_events.pending_events(conn) == []
        ledger.confirm_ticket(conn, one, TicketRef("1", "FL-1"))
        assert [e.event_key for e in ticket_events.pending_events(conn)] == ["early", "late"]
        ledger.confirm_ticket(conn, two, TicketRef("2", "FL-2"))
        assert [e.event_key for e in ticket_events.pending_events(conn)] == ["early", "other", "late"]


def test_an_event_is_planned_and_done_once(engine: Engine) -> None:
    with engine.begin() as conn:
        ledger.confirm_ticket(conn, ledger.add_ticket(conn, ticket(), "local"), TicketRef("1", "FL-1"))
        ticket_events.plan_events(conn, [event("e", body="first")])
        ticket_events.plan_events(conn, [event("e", body="second")])
        (pending,) = ticket_events.pending_events(conn)
        assert pending.body == plain("first")
        ticket_events.confirm_event(conn, pending)
        ticket_events.plan_events(conn, [event("e", body="third")])
        assert ticket_events.pending_events(conn) == []
        ticket_events.plan_events(conn, [])


def test_open_tickets_of_a_week(engine: Engine) -> None:
    with engine.begin() as conn:
        for n, status in enumerate(["open", "reopened", "done", "closed"]):
            ledger.add_ticket(conn, ticket(f"p{n}"), "local")
            ledger.set_status(conn, APPLICATION, f"p{n}", status, NOW)
        ledger.add_ticket(conn, ticket("later", created_week=W2), "local")
        assert ledger.count_open(conn, APPLICATION, W1) == 2
        assert ledger.count_open(conn, APPLICATION, W2) == 3
        assert ledger.count_open(conn, "other", W2) == 0


def test_tickets_are_found_by_application_and_pattern(engine: Engine) -> None:
    with engine.begin() as conn:
        for p in ("a", "b"):
            ledger.add_ticket(conn, ticket(p), "local")
        assert [t.pattern_id for t in ledger.load_tickets(conn, APPLICATION, ["b", "zzz"])] == ["b"]
        assert ledger.load_tickets(conn, "other") == ledger.load_tickets(conn, APPLICATION, []) == []
        assert [row["ticket_number"] for row in ledger.list_tickets(conn)] == [1, 2]
        assert ledger.list_tickets(conn)[0]["verdict"] is None


def test_an_attempt_is_known_until_the_tracker_says_what_became_of_it(engine: Engine) -> None:
    with engine.begin() as conn:
        planned = ledger.add_ticket(conn, ticket(), "jira")
        assert ledger.attempts(conn) == {}
        ledger.note_attempt(conn, planned, NOW)
        assert ledger.attempts(conn) == {(APPLICATION, "p1"): NOW}
        ledger.confirm_ticket(conn, planned, TicketRef("10001", "SHOP-7"))
        assert ledger.attempts(conn) == {}
        assert [t.ref for t in ledger.attempted_since(conn, "jira", NOW - timedelta(1))] == [
            TicketRef("10001", "SHOP-7")
        ]
        assert ledger.attempted_since(conn, "jira", NOW) == ledger.attempted_since(conn, "local", W1_START) == []


def test_a_moved_ticket_keeps_its_id_and_is_known_by_its_old_name(engine: Engine) -> None:
    with engine.begin() as conn:
        held = ledger.add_ticket(conn, ticket(), "jira")
        ledger.confirm_ticket(conn, held, TicketRef("10001", "SHOP-7"))
        held = ledger.load_tickets(conn)[0]
        ledger.confirm_complete(conn, held)
        ledger.move_ticket(conn, held, TicketRef("10001", "MODEL-1"))
        held = ledger.load_tickets(conn)[0]
        assert held.ref == TicketRef("10001", "MODEL-1")
        assert ledger.incomplete(conn, "jira") == []
        ledger.move_ticket(conn, held, TicketRef("9999", "MODEL-0"))  # another ticket stands for it now
        assert [t.ref for t in ledger.incomplete(conn, "jira")] == [TicketRef("9999", "MODEL-0")]
    assert rows(engine, "tickets")[0]["old_keys"] == ["SHOP-7", "MODEL-1"]


def test_what_the_tracker_says_is_kept_and_a_ticket_that_is_gone_keeps_what_it_said_last(engine: Engine) -> None:
    with engine.begin() as conn:
        held = ledger.add_ticket(conn, ticket(), "jira")
        said = TrackerState("SHOP-7", "wont_do", "Closed", "Won't Do")
        ledger.save_state(conn, held, said, "wont_do", NOW)
        ledger.save_state(conn, held, None, "gone", NOW)
    (row,) = rows(engine, "tickets")
    assert (row["status"], row["status_name"], row["resolution"], row["fetched_at"]) == (
        "gone",
        "Closed",
        "Won't Do",
        NOW,
    )


def test_tickets_of_two_trackers_may_share_a_name_and_are_told_apart(engine: Engine) -> None:
    with engine.begin() as conn:
        for pattern, tracker in (("p1", "local"), ("p2", "jira")):
            held = ledger.add_ticket(conn, ticket(pattern), tracker)
            ledger.confirm_ticket(conn, held, TicketRef(pattern, "FL-1"))
        ticket_events.plan_events(conn, [event("a"), event("b", "p2")])
        assert [t.pattern_id for t in ledger.load_tickets(conn, tracker="jira")] == ["p2"]
        assert [e.event_key for e in ticket_events.pending_events(conn, "jira")] == ["b"]


def test_nothing_is_said_on_a_ticket_that_is_gone(engine: Engine) -> None:
    with engine.begin() as conn:
        held = ledger.add_ticket(conn, ticket(), "jira")
        ledger.confirm_ticket(conn, held, TicketRef("1", "SHOP-1"))
        ticket_events.plan_events(conn, [event("e")])
        ledger.save_state(conn, held, None, "gone", NOW)
        assert ticket_events.pending_events(conn) == []


def test_a_waiting_ticket_is_released_once(engine: Engine) -> None:
    with engine.begin() as conn:
        held = ledger.add_ticket(conn, ticket(status="waiting"), "jira")
        ledger.release_ticket(conn, held)
        assert ledger.load_tickets(conn)[0].status == "planned"
        ledger.confirm_ticket(conn, held, TicketRef("1", "SHOP-1"))
        ledger.release_ticket(conn, held)
        assert ledger.load_tickets(conn)[0].status == "open"
