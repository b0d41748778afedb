"""What goes in by COPY comes out as it was."""

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from feedback_loop.store.frames import copy_frame, read_frame

THINGS = sa.Table(
    "things",
    sa.MetaData(schema="feedback_loop"),
    sa.Column("n", sa.BigInteger),
    sa.Column("text", sa.Text),
    sa.Column("words", ARRAY(sa.Text)),
    sa.Column("content", JSONB),
    sa.Column("share", sa.Double),
)
# PostgreSQL stores no NUL; lone surrogates are no text.
TEXT = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), max_size=30)
TRICKY = st.sampled_from(["", "\\N", "\\", "\t", "a\nb", "\r\n", '"', "{}", "NULL", "null", ",", "\\x41", "'", "%s"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT | TRICKY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXT | TRICKY,
        st.none() | st.lists(TEXT | TRICKY, max_size=4),
        st.none() | st.dictionaries(TEXT | TRICKY, JSON, max_size=3),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
    ),
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_round_trip(engine: Engine, rows: list[tuple[Any, ...]]) -> None:
    frame = pd.DataFrame([(n, *row) for n, row in enumerate(rows)], columns=list(THINGS.c.keys()), dtype="object")
    with engine.connect() as conn:  # rolled back at the end: each example starts from nothing
        THINGS.create(conn)
        assert copy_frame(conn, THINGS, frame) == len(rows)
        found = conn.execute(sa.select(THINGS).order_by(THINGS.c.n)).all()
    assert [tuple(row) for row in found] == [(n, *row) for n, row in enumerate(rows)]


def test_missing_numbers_and_times_are_null(engine: Engine) -> None:
    table = sa.Table(
        "stamps",
        sa.MetaData(schema="feedback_loop"),
        sa.Column("at", sa.TIMESTAMP(timezone=True)),
        sa.Column("day", sa.Date),
        sa.Column("share", sa.Double),
        sa.Column("flag", sa.Boolean),
    )
    moment = datetime(2026, 1, 5, 12, 30, 0, 123456, tzinfo=UTC)
    frame = pd.DataFrame(
        {
            "at": pd.Series([moment, pd.NaT], dtype="datetime64[us, UTC]"),
            "day": [date(2026, 1, 5), None],
            "share": [0.1, float("nan")],
            "flag": [True, None],
        }
    )
    with engine.connect() as conn:
        table.create(conn)
        copy_frame(conn, table, frame)
        found = [tuple(row) for row in conn.execute(sa.select(table).order_by(table.c.at))]
    assert found == [(moment, date(2026, 1, 5), 0.1, True), (None, None, None, None)]


def test_more_rows_than_one_chunk(engine: Engine) -> None:
    frame = pd.DataFrame({"n": range(45_001)})
    with engine.connect() as conn:
        THINGS.create(conn)
        copy_frame(conn, THINGS, frame)
        n, total = conn.execute(sa.select(sa.func.count(), sa.func.sum(THINGS.c.n))).one()
    assert (n, total) == (45_001, sum(range(45_001)))


def test_a_refused_row_leaves_nothing(engine: Engine) -> None:
    with engine.begin() as conn:
        THINGS.create(conn)
    with pytest.raises(psycopg2.DataError, match="bigint"), engine.begin() as conn:
        copy_frame(conn, THINGS, pd.DataFrame({"n": [1, "two"]}))
    with engine.connect() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(THINGS)).scalar_one() == 0


def test_a_query_without_rows_keeps_its_columns(engine: Engine) -> None:
    with engine.connect() as conn:
        frame = read_frame(conn, "select 1 as a, 'x' as b where false")
        assert list(frame.columns) == ["a", "b"]
        assert frame.empty
        assert read_frame(conn, "select :value as v", {"value": "it's; drop"})["v"].tolist() == ["it's; drop"]
