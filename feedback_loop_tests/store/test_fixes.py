"""Which deployments are fixes of what, and verdicts that are given once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from feedback_loop.deployed import DeployedAt, reconcile_fixes
from feedback_loop.records import Fix, Verification
from feedback_loop.store import fixes
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.factories import APPLICATION, W1, import_records, make_deployment
from feedback_loop_tests.store.test_patterns import save, state
from feedback_loop_tests.store.test_tickets import ticket

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def at(day: int, hour: int = 0) -> str:
    return f"2026-02-{day:02}T{hour:02}:00:00+00:00"


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """A transaction on a database with pattern p1 and its ticket FL-1."""
    with engine.begin() as conn:
        save(conn, W1, state())
        ledger.confirm_ticket(conn, ledger.add_ticket(conn, ticket(), "local"), TicketRef("FL-1", "FL-1"))
    with engine.begin() as conn:
        yield conn


def resolve(conn: Connection, as_of: datetime = AS_OF) -> list[Fix]:
    return fixes.resolve_fixes(conn, as_of)


def test_day_zero_of_a_ramp_is_its_first_record_with_half_the_traffic(
    conn: Connection, engine: Engine, tmp_path: Path
) -> None:
    ramp = [(at(1), 0.2), (at(2), 1.0), (at(3), 0.6)]
    records = [
        make_deployment(day, prompt_name="support", prompt_version="v2", rollout_share=share, fixes=["FL-1"])
        for day, share in ramp
    ]
    import_records(engine, tmp_path, records)
    (fix,) = resolve(conn)
    assert (fix.deployed_at, fix.pattern_id, fix.ticket_key) == (datetime(2026, 2, 2, tzinfo=UTC), "p1", "FL-1")
    assert (fix.prompt_version, fix.detector_version, fix.source) == ("v2", "d1", "deployment")


def test_a_canary_alone_is_no_fix(conn: Connection, engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, [make_deployment(at(1), prompt_version="v2", rollout_share=0.49, fixes=["FL-1"])])
    assert resolve(conn) == []


def test_each_change_without_a_version_is_a_fix_of_its_own(conn: Connection, engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, [make_deployment(at(day), fixes=["FL-1"]) for day in (1, 5)])
    found = resolve(conn)
    assert [f.deployed_at.day for f in found] == [1, 5]
    assert len({f.fix_id for f in found}) == 2
    assert {f.prompt_version for f in found} == {None}


def test_a_pattern_may_be_named_instead_of_its_ticket(conn: Connection, engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, [make_deployment(at(1), prompt_version="v2", fixes=["p1"])])
    (fix,) = resolve(conn)
    assert (fix.pattern_id, fix.ticket_key, fix.detector_version) == ("p1", None, "d1")


def test_an_unknown_ticket_is_parked_until_it_is_there(conn: Connection, engine: Engine, tmp_path: Path) -> None:
    import_records(
        engine, tmp_path, [make_deployment(at(1), deployment_id="d9", prompt_version="v2", fixes=["FL-2", "FL-1"])]
    )
    assert [f.pattern_id for f in resolve(conn)] == ["p1"]
    assert fixes.parked_claims(conn) == [("d9", "FL-2")]
    ledger.confirm_ticket(conn, ledger.add_ticket(conn, ticket("p2"), "local"), TicketRef("FL-2", "FL-2"))
    assert sorted(f.pattern_id for f in resolve(conn)) == ["p1", "p2"]
    assert fixes.parked_claims(conn) == []


def test_a_ticket_of_another_application_is_not_meant(conn: Connection, engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, [make_deployment(at(1), application="other", prompt_version="v", fixes=["FL-1"])])
    assert resolve(conn) == []
    assert [name for _, name in fixes.parked_claims(conn)] == ["FL-1"]


def test_what_is_deployed_later_is_not_known_yet_and_resolving_again_changes_nothing(
    conn: Connection, engine: Engine, tmp_path: Path
) -> None:
    import_records(
        engine,
        tmp_path,
        [make_deployment(at(day), prompt_version=f"v{day}", fixes=["FL-1"]) for day in (1, 20)],
    )
    assert [f.prompt_version for f in resolve(conn, datetime(2026, 2, 20, tzinfo=UTC))] == ["v1"]
    assert [f.prompt_version for f in resolve(conn)] == ["v1", "v20"]
    assert resolve(conn) == resolve(conn)


def read(day: int, hour: int = 10) -> Fix:
    """What the ticket says of its fix when people set it to done then."""
    found = DeployedAt(datetime(2026, 2, day, hour, tzinfo=UTC), "the resolution date", "instant", "low")
    held = ticket(ticket_number=1, ticket_key="FL-1", status="done")
    change = reconcile_fixes([], found, held, frozenset())
    assert change.add is not None
    return change.add


def test_a_resolved_ticket_is_a_fix_of_that_time(conn: Connection) -> None:
    for _ in range(2):
        fixes.add_fix(conn, read(3))
    (fix,) = fixes.load_fixes(conn, AS_OF)
    assert (fix.source, fix.deployed_at, fix.prompt_version, fix.detector_version, fix.ticket_key) == (
        "ticket",
        datetime(2026, 2, 3, 10, tzinfo=UTC),
        None,
        "d1",
        "FL-1",
    )
    assert (fix.origin, fix.precision, fix.confidence) == ("the resolution date", "instant", "low")


def test_a_resolved_ticket_that_a_deployment_names_is_no_second_fix(
    conn: Connection, engine: Engine, tmp_path: Path
) -> None:
    fixes.add_fix(conn, read(3))
    import_records(engine, tmp_path, [make_deployment(at(1), prompt_version="v2", fixes=["FL-1"])])
    known = resolve(conn)
    assert [f.source for f in known] == ["deployment", "ticket"]
    held = ticket(ticket_number=1, ticket_key="FL-1", status="done")
    found = DeployedAt(datetime(2026, 2, 3, 10, tzinfo=UTC), "the resolution date", "instant", "low")
    change = reconcile_fixes(known, found, held, frozenset())
    assert change.add is None
    for fix_id, why in change.withdraw:
        fixes.withdraw_fix(conn, APPLICATION, fix_id, why, AS_OF)
    assert [f.source for f in fixes.load_fixes(conn, AS_OF)] == ["deployment"]


def test_a_withdrawn_fix_stays_as_history_and_counts_again_when_the_ticket_says_so_again(conn: Connection) -> None:
    first = read(3)
    fixes.add_fix(conn, first)
    fixes.withdraw_fix(conn, APPLICATION, first.fix_id, "changed", AS_OF)
    fixes.withdraw_fix(conn, APPLICATION, first.fix_id, "said again", AS_OF + timedelta(days=1))
    assert fixes.load_fixes(conn, AS_OF) == []
    query = "select withdrawn_at, withdrawn_reason from feedback_loop.fixes"
    assert [tuple(row) for row in conn.execute(sa.text(query))] == [(AS_OF, "changed")]
    fixes.add_fix(conn, first)
    assert [f.fix_id for f in fixes.load_fixes(conn, AS_OF)] == [first.fix_id]
    assert [tuple(row) for row in conn.execute(sa.text(query))] == [(None, None)]


def test_a_deployment_may_name_a_ticket_by_a_key_that_it_had(conn: Connection, engine: Engine, tmp_path: Path) -> None:
    (held,) = ledger.load_tickets(conn)
    ledger.move_ticket(conn, held, TicketRef("FL-1", "SHOP-7"))
    conn.commit()
    import_records(engine, tmp_path, [make_deployment(at(1), prompt_version="v2", fixes=["FL-1"])])
    with engine.begin() as later:
        assert [(f.pattern_id, f.ticket_key) for f in resolve(later)] == [("p1", "SHOP-7")]
        assert fixes.parked_claims(later) == []


def add_namesake(engine: Engine, pattern_id: str, made_on: datetime, key: str = "FL-1") -> None:
    """Another tracker's ticket of the same name."""
    with engine.begin() as conn:
        made = ledger.add_ticket(conn, ticket(pattern_id, created_at=made_on), "jira")
        ledger.confirm_ticket(conn, made, TicketRef(pattern_id, key))


@pytest.mark.usefixtures("conn")
@pytest.mark.parametrize(("made_on", "meant"), [(1, "p2"), (10, "p2"), (11, "p1")])
def test_of_two_tickets_of_one_name_the_younger_that_was_there_is_meant(
    engine: Engine, tmp_path: Path, made_on: int, meant: str
) -> None:
    add_namesake(engine, "p2", datetime(2026, 2, made_on, tzinfo=UTC))
    import_records(engine, tmp_path, [make_deployment(at(10), prompt_version="v2", fixes=["FL-1"])])
    with engine.begin() as later:
        assert [f.pattern_id for f in resolve(later)] == [meant]


@pytest.mark.usefixtures("conn")
def test_a_claim_means_for_ever_what_it_meant_once(engine: Engine, tmp_path: Path) -> None:
    ramp = [(at(10), 0.6), (at(17), 1.0)]
    records = [
        make_deployment(day, prompt_name="support", prompt_version="v2", rollout_share=share, fixes=["FL-1", "FL-9"])
        for day, share in ramp
    ]
    import_records(engine, tmp_path, records)
    with engine.begin() as first:
        assert [f.pattern_id for f in resolve(first)] == ["p1"]
    # Both were made before some record of the ramp, as far as their dates tell; FL-9 after all of it.
    add_namesake(engine, "p2", datetime(2026, 2, 9, tzinfo=UTC))
    add_namesake(engine, "p3", datetime(2026, 2, 20, tzinfo=UTC), key="FL-9")
    with engine.begin() as later:
        assert [f.pattern_id for f in resolve(later)] == ["p1", "p3"]
    add_namesake(engine, "p4", datetime(2026, 2, 3, tzinfo=UTC), key="SUP-9")
    with engine.begin() as later:
        later.execute(sa.text("update feedback_loop.tickets set old_keys = '{FL-9}' where pattern_id = 'p4'"))
        assert [f.pattern_id for f in resolve(later)] == ["p1", "p3"]


def look(day: int, **fields: object) -> Verification:
    values: dict[str, object] = {
        "application": APPLICATION,
        "fix_id": "f1",
        "pattern_id": "p1",
        "look_day": day,
        "verdict": "inconclusive",
        "reason": "r",
        "as_of": datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=day),
    }
    return Verification(**(values | fields))  # type: ignore[arg-type]


def test_a_verdict_is_given_once(conn: Connection) -> None:
    fixes.save_verifications(conn, [look(14, reduction=0.5, n_before=3)], "m1")
    fixes.save_verifications(conn, [look(14, verdict="effective"), look(21, verdict="worse")], "m1")
    fixes.save_verifications(conn, [], "m1")
    assert fixes.load_verifications(conn, AS_OF) == [
        look(14, reduction=0.5, n_before=3),
        look(21, verdict="worse"),
    ]
    assert fixes.looks_done(conn, "m1", APPLICATION) == {"f1": {14: "inconclusive", 21: "worse"}}
    assert fixes.looks_done(conn, "m2", APPLICATION) == {"f1": {21: "worse"}}  # settled stays settled
    assert [v.look_day for v in fixes.load_verifications(conn, look(14).as_of)] == [14]


def test_two_applications_may_have_fixes_of_one_name(conn: Connection) -> None:
    fixes.save_verifications(conn, [look(14), look(14, application="other", verdict="worse")], "m1")
    assert fixes.looks_done(conn, "m1", APPLICATION) == {"f1": {14: "inconclusive"}}
    assert fixes.looks_done(conn, "m1", "other") == {"f1": {14: "worse"}}
    assert [fixes.judged(conn, "m1", of) for of in (APPLICATION, "other")] == [frozenset(), {"f1"}]
