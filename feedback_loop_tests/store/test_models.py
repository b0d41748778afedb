"""The ledger, the cache and the batches, as rows."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from feedback_loop.llm.requests import Item, Reply, Usage
from feedback_loop.store import models
from feedback_loop.store.models import Batch, BatchedRequest, Call, CallEnd, Spending

NOW, WEEK = datetime(2026, 11, 20, tzinfo=UTC), date(2026, 11, 16)
REQUESTS = (
    BatchedRequest("fl-a", "hash-a", "describe-1", 0.25, (Item("k1", {}, 0), Item("k2", {}, 3))),
    BatchedRequest("fl-b", "hash-b", "describe-1", 0.5, (Item("k3", {}, 0),)),
)


def call(call_id: str = "c1", **changes: object) -> Call:
    fields: dict[str, object] = {
        "application": "shop",
        "week": WEEK,
        "called_at": NOW,
        "purpose": "describe",
        "model": "m",
        "prompt_version": "describe-1",
        "request_hash": "h",
    }
    return Call(call_id=call_id, **fields | changes)  # type: ignore[arg-type]


def batch(key: str = "b1", **changes: object) -> Batch:
    fields: dict[str, object] = {
        "application": "shop",
        "purpose": "describe",
        "model": "m",
        "week": WEEK,
        "reserved_usd": 0.75,
        "planned_at": NOW,
        "requests": REQUESTS,
    }
    return Batch(batch_key=key, **fields | changes)  # type: ignore[arg-type]


def test_a_call_counts_with_its_reserve_until_its_price_is_known(engine: Engine) -> None:
    usage = Usage(10, 20, cache_write_5m_tokens=1, cache_write_1h_tokens=2, cache_read_tokens=3)
    with engine.begin() as conn:
        assert models.read_spending(conn, "shop", WEEK) == Spending(0, 0)
        models.begin_call(conn, call(), 0.5)
        assert models.read_spending(conn, "shop", WEEK) == Spending(0.5, 0)
        models.finish_call(conn, call(), CallEnd("answered", 0.1, Reply("", "end_turn", usage, "msg_1", "req_1")))
        assert models.read_spending(conn, "shop", WEEK) == Spending(0.1, 0)
        assert models.read_spending(conn, "other", WEEK) == Spending(0, 0)
        assert models.read_spending(conn, "shop", None) == Spending(0, 0)
        row = conn.exec_driver_sql(
            "select outcome, input_tokens, output_tokens, cache_write_tokens, cache_read_tokens, message_id,"
            " request_id, stop_reason, error from feedback_loop.llm_calls"
        ).one()
    assert tuple(row) == ("answered", 10, 20, 3, 3, "msg_1", "req_1", "end_turn", None)


def test_calls_of_a_batch_are_added_once(engine: Engine) -> None:
    calls = [(call("c1"), CallEnd("answered", 0.1)), (call("c2", week=None), CallEnd("lost", 0.2, error="gone"))]
    with engine.begin() as conn:
        models.add_calls(conn, calls)
        models.add_calls(conn, calls)
        models.add_calls(conn, [])
        assert models.read_spending(conn, "shop", WEEK).spent_usd == pytest.approx(0.1)
        assert models.read_spending(conn, "shop", None).spent_usd == pytest.approx(0.2)
        assert models.count_calls(conn, "shop", WEEK, "h") == 1
        assert models.count_calls(conn, "shop", WEEK, "other") == 0


def test_replies_are_remembered_per_application(engine: Engine) -> None:
    with engine.begin() as conn:
        models.save_replies(
            conn, "shop", "describe", "m", {"k1": {"failure": "é \u2028"}, "k2": {"problem": "cut"}}, NOW
        )
        models.save_replies(conn, "shop", "describe", "m", {"k2": {"failure": "newer"}}, NOW)
        models.save_replies(conn, "shop", "describe", "m", {}, NOW)
        assert models.recall_replies(conn, "shop", ["k1", "k2", "k3"]) == {
            "k1": {"failure": "é \u2028"},
            "k2": {"failure": "newer"},
        }
        assert models.recall_replies(conn, "shop", []) == {}
        assert models.recall_replies(conn, "other", ["k1"]) == {}


def test_the_life_of_a_batch(engine: Engine) -> None:
    with engine.begin() as conn:
        models.plan_batch(conn, batch())
        models.plan_batch(conn, batch("b2", application="other", week=None))
        assert models.open_batches(conn, "shop") == [batch()]
        assert models.read_spending(conn, "shop", WEEK) == Spending(0, 0.75)
        models.name_batch(conn, batch(), "msgbatch_1")
        assert models.open_batches(conn, "shop") == [batch(batch_id="msgbatch_1")]
        assert models.known_batch_ids(conn) == {"msgbatch_1"}
        models.name_batch(conn, batch(), None)
        assert models.open_batches(conn, "shop") == [batch()]
        models.close_batch(conn, batch(), "ended", NOW)
        assert models.open_batches(conn, "shop") == []
        assert models.read_spending(conn, "shop", WEEK) == Spending(0, 0)
        [other] = models.open_batches(conn, "other")
        assert other.item_keys == ["k1", "k2", "k3"]
        assert other.requests == REQUESTS


def test_batches_come_back_oldest_first(engine: Engine) -> None:
    with engine.begin() as conn:
        for key, day in (("b", 3), ("a", 3), ("c", 2)):
            models.plan_batch(conn, batch(key, planned_at=NOW.replace(day=day)))
        assert [found.batch_key for found in models.open_batches(conn, "shop")] == ["c", "a", "b"]
