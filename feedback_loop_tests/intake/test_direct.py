"""The database as a sink: rows as the importer makes them, once each, and nothing silently dropped."""

import json

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.capture import Receipt, SinkUnavailable
from feedback_loop.intake.direct import PostgresSink
from feedback_loop.store import tables
from feedback_loop_tests.intake.records import KEY, feedback, interaction, line


def sink_on(engine: Engine, key: bytes = KEY) -> PostgresSink:
    return PostgresSink(engine.url.render_as_string(hide_password=False), key)


def stored(engine: Engine, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    with engine.connect() as conn:
        return list(conn.execute(sa.select(table)).fetchall())


def test_a_batch_is_stored_once_and_bad_lines_lie_in_rejected_records(engine: Engine) -> None:
    sink = sink_on(engine)
    batch = [line(interaction("i1")), line(feedback("i1", feedback_id="f1")), b"{oops", line(interaction("i2"))]
    receipt = sink.send(batch)
    assert (receipt.n_stored, receipt.n_duplicate) == (3, 0)
    assert [position for position, _ in receipt.rejected] == [2]
    assert sink.send(batch).n_duplicate == 3
    other = sink.send([line(interaction("i1", output="changed")), line(interaction("i3"))])
    assert other == Receipt(1, 0, ((0, "interaction_id 'i1' was imported before with other content"),))
    sink.close()
    assert len(stored(engine, tables.interactions)) == 3
    assert len(stored(engine, tables.feedback)) == 1
    assert len(stored(engine, tables.rejected_records)) == 2


def test_a_long_life_leaves_nothing_in_the_session(engine: Engine) -> None:
    sink = sink_on(engine)
    for n in range(5):
        sink.send([line(feedback(f"unknown-{n}", feedback_id=f"f{n}"))])
    assert sink._connection is not None
    assert sink._connection.exec_driver_sql("select count(*) from parked_feedback").scalar_one() == 0
    sink.close()


def test_another_key_than_that_of_the_database_stores_nothing(engine: Engine) -> None:
    first = sink_on(engine)
    first.send([line(interaction("i1"))])
    first.close()
    other = sink_on(engine, b"x" * 32)
    with pytest.raises(SinkUnavailable, match="every user would become two people"):
        other.send([line(interaction("i2"))])
    assert len(stored(engine, tables.interactions)) == 1


def test_no_database_and_an_old_schema_are_not_now(engine: Engine) -> None:
    with pytest.raises(SinkUnavailable):
        PostgresSink("postgresql://nobody@127.0.0.1:1/none", KEY).send([line(interaction("i1"))])
    with engine.begin() as conn:
        conn.exec_driver_sql("alter table feedback_loop.interactions rename to moved")
    sink = sink_on(engine)
    with pytest.raises(SinkUnavailable, match="interactions"):
        sink.send([json.dumps(interaction("i1")).encode()])
