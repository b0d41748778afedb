"""The ledger: one ticket per pattern, numbers without gaps, each event once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from feedback_loop.records import Ticket, TicketEvent
from feedback_loop.store import tickets as ledger
from feedback_loop_tests.factories import APPLICATION, W1, W2, rows

NOW = datetime(2026, 1, 12, tzinfo=UTC)


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
        "body": "b",
        "created_week": W1,
        "created_at": NOW,
        "detector_version": "d1",
    }
    return Ticket(**(values | fields))


def event(key: str, pattern_id: str = "p1", hours: int = 0, body: str = "said") -> TicketEvent:
    return TicketEvent(APPLICATION, pattern_id, key, "comment", body, NOW + timedelta(hours=hours))


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
        ledger.plan_events(conn, [event("late", hours=2), event("early"), event("other", "p2", hours=1)])
        assert ledger.pending_events(conn) == []
        ledger.confirm_ticket(conn, one, "FL-1")
        assert [e.event_key for e in ledger.pending_events(conn)] == ["early", "late"]
        ledger.confirm_ticket(conn, two, "FL-2")
        assert [e.event_key for e in ledger.pending_events(conn)] == ["early", "other", "late"]


def test_an_event_is_planned_and_done_once(engine: Engine) -> None:
    with engine.begin() as conn:
        ledger.confirm_ticket(conn, ledger.add_ticket(conn, ticket(), "local"), "FL-1")
        ledger.plan_events(conn, [event("e", body="first")])
        ledger.plan_events(conn, [event("e", body="second")])
        (pending,) = ledger.pending_events(conn)
        assert pending.body == "first"
        ledger.confirm_event(conn, pending)
        ledger.plan_events(conn, [event("e", body="third")])
        assert ledger.pending_events(conn) == []
        ledger.plan_events(conn, [])


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
