"""Lineage and judgements are replaced per application and week, and nothing else is touched."""

from datetime import date

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from feedback_loop.cluster import GroupJudgement, Lineage
from feedback_loop.store.lineage import read_lineage, save_judgements, save_lineage
from feedback_loop_tests.factories import APPLICATION, W1, W2, rows

SPLIT = Lineage("p-part", "split_from", "p-whole", 7)
MERGED = Lineage("p-other", "merged_into", "p-whole", 0)
WHERE = ("application", "week")


def lineage_of(conn: Connection, application: str | None = None) -> list[tuple[str, date, Lineage]]:
    found = read_lineage(conn, application).itertuples(index=False, name=None)
    return [(application, week, Lineage(*values)) for application, week, *values in found]


def test_lineage_comes_back_as_it_was_oldest_first(engine: Engine) -> None:
    with engine.begin() as conn:
        save_lineage(conn, APPLICATION, W2, [SPLIT])
        save_lineage(conn, APPLICATION, W1, [MERGED, SPLIT])
        save_lineage(conn, "other", W1, [SPLIT])
        shop = [(APPLICATION, W1, MERGED), (APPLICATION, W1, SPLIT), (APPLICATION, W2, SPLIT)]
        assert lineage_of(conn, APPLICATION) == shop
        assert lineage_of(conn) == [("other", W1, SPLIT), *shop]


def test_without_any_there_are_columns(engine: Engine) -> None:
    with engine.begin() as conn:
        save_lineage(conn, APPLICATION, W1, [])
        found = read_lineage(conn)
    assert list(found.columns) == [*WHERE, *Lineage.__dataclass_fields__]


def test_a_week_is_replaced_and_only_that_of_the_application(engine: Engine) -> None:
    judged = [
        GroupJudgement("p1", "new", None, "gate", 'two worlds \\ \n "quoted"'),
        GroupJudgement("p2", "same", "p-whole", "claude", "the same link"),
    ]
    with engine.begin() as conn:
        for application, week in ((APPLICATION, W1), (APPLICATION, W2), ("other", W1)):
            save_lineage(conn, application, week, [SPLIT, MERGED])
            save_judgements(conn, application, week, judged)
        save_lineage(conn, APPLICATION, W1, [])
        save_judgements(conn, APPLICATION, W1, judged[1:])
    of_lineage, of_judgements = rows(engine, "pattern_lineage"), rows(engine, "pattern_judgements")
    assert {(r["application"], r["week"]) for r in of_lineage} == {(APPLICATION, W2), ("other", W1)}
    left = [GroupJudgement(**{k: v for k, v in r.items() if k not in WHERE}) for r in of_judgements]
    assert sorted(left, key=lambda j: j.pattern_id) == [judged[0]] * 2 + [judged[1]] * 3


PATTERNS = st.sampled_from([f"p{n}" for n in range(5)])
LINEAGES = st.lists(
    st.builds(Lineage, PATTERNS, st.sampled_from(["split_from", "merged_into"]), PATTERNS, st.integers(0, 10**12)),
    max_size=6,
    unique_by=lambda row: (row.pattern_id, row.relation, row.other_pattern_id),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=LINEAGES, second=LINEAGES)
def test_saving_again_is_saving_once(engine: Engine, first: list[Lineage], second: list[Lineage]) -> None:
    with engine.begin() as conn:
        for found in (first, second, second):
            save_lineage(conn, APPLICATION, W1, found)
        by_key = sorted(second, key=lambda row: (row.pattern_id, row.relation, row.other_pattern_id))
        assert [row for _, _, row in lineage_of(conn)] == by_key


def test_what_is_said_twice_of_one_pattern_is_refused_and_changes_nothing(engine: Engine) -> None:
    with engine.begin() as conn:
        save_lineage(conn, APPLICATION, W1, [SPLIT])
    with pytest.raises(IntegrityError), engine.begin() as conn:
        save_lineage(conn, APPLICATION, W1, [MERGED, MERGED])
    with engine.connect() as conn:
        assert lineage_of(conn) == [(APPLICATION, W1, SPLIT)]
        assert conn.execute(sa.text("select count(*) from feedback_loop.pattern_judgements")).scalar_one() == 0
