"""Models: the ledger of calls, the cache of replies, the batches that are under way.

Belongs here: SQL of those tables. Does not belong here: when something is asked (`defs/asking.py`).

Every call is in the ledger before it is made, at the most it can cost, and gets its real price afterwards: where a
process is killed in between, the ledger says more than was spent, never less.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.llm.requests import Item, Purpose, Reply
from feedback_loop.store.tables import llm_batches, llm_calls, llm_replies

_OPEN = ("planned", "submitted")


@dataclass(frozen=True)
class Call:
    """One row of the ledger, before its end."""

    call_id: str
    application: str
    week: date | None
    called_at: datetime
    purpose: Purpose
    model: str
    prompt_version: str
    request_hash: str
    batch_id: str | None = None


@dataclass(frozen=True)
class CallEnd:
    """How a call ended and what it cost.

    Attributes:
        outcome: `answered`, or the reason why there is no answer.
        reply: for its tokens and ids; None where none came.
    """

    outcome: str
    cost_usd: float
    reply: Reply | None = None
    error: str | None = None


@dataclass(frozen=True)
class BatchedRequest:
    """What is kept of a request in a batch: enough to read its result without the run that asked."""

    custom_id: str
    request_hash: str
    prompt_version: str
    reserved_usd: float
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Batch:
    """A batch: `planned` before it is asked for, `submitted` once its id is known, then `ended` or `failed`."""

    application: str
    batch_key: str
    purpose: Purpose
    model: str
    week: date | None
    reserved_usd: float
    planned_at: datetime
    requests: tuple[BatchedRequest, ...] = field(repr=False)
    batch_id: str | None = None

    @property
    def item_keys(self) -> list[str]:
        """Of everything asked in it."""
        return [item.key for request in self.requests for item in request.items]


@dataclass(frozen=True)
class Spending:
    """Dollars of an application's week: spent for sure or perhaps, and reserved for batches under way."""

    spent_usd: float
    reserved_usd: float


def read_spending(conn: Connection, application: str, week: date | None) -> Spending:
    """What the runs of a week have spent so far."""
    spent = sa.select(sa.func.coalesce(sa.func.sum(llm_calls.c.cost_usd), 0.0)).where(
        llm_calls.c.application == application, llm_calls.c.week.is_not_distinct_from(week)
    )
    reserved = sa.select(sa.func.coalesce(sa.func.sum(llm_batches.c.reserved_usd), 0.0)).where(
        llm_batches.c.application == application,
        llm_batches.c.week.is_not_distinct_from(week),
        llm_batches.c.status.in_(_OPEN),
    )
    return Spending(float(conn.execute(spent).scalar_one()), float(conn.execute(reserved).scalar_one()))


def count_calls(conn: Connection, application: str, week: date | None, request_hash: str) -> int:
    """How often this very request is in the ledger of a week."""
    query = sa.select(sa.func.count()).where(
        llm_calls.c.application == application,
        llm_calls.c.week.is_not_distinct_from(week),
        llm_calls.c.request_hash == request_hash,
    )
    return int(conn.execute(query).scalar_one())


def begin_call(conn: Connection, call: Call, reserved_usd: float) -> None:
    """Write a call down before it is made."""
    conn.execute(llm_calls.insert().values(_row_of_call(call, CallEnd("asked", reserved_usd))))


def finish_call(conn: Connection, call: Call, end: CallEnd) -> None:
    """Write down how it ended."""
    conn.execute(llm_calls.update().where(llm_calls.c.call_id == call.call_id).values(_row_of_end(end)))


def add_calls(conn: Connection, calls: Sequence[tuple[Call, CallEnd]]) -> None:
    """Calls that are over already: those of a collected batch. The same call twice is one row."""
    if calls:
        rows = [_row_of_call(call, end) for call, end in calls]
        conn.execute(insert(llm_calls).on_conflict_do_nothing(), rows)


def _row_of_call(call: Call, end: CallEnd) -> dict[str, Any]:
    return {**vars(call), **_row_of_end(end)}


def _row_of_end(end: CallEnd) -> dict[str, Any]:
    reply, usage = end.reply, end.reply.usage if end.reply else None
    return {
        "outcome": end.outcome,
        "cost_usd": end.cost_usd,
        "error": end.error,
        "message_id": reply.message_id if reply else None,
        "request_id": reply.request_id if reply else None,
        "stop_reason": reply.stop_reason if reply else None,
        "input_tokens": usage.input_tokens if usage else 0,
        "output_tokens": usage.output_tokens if usage else 0,
        "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens if usage else 0,
        "cache_read_tokens": usage.cache_read_tokens if usage else 0,
    }


def recall_replies(conn: Connection, application: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is remembered of these items, by key."""
    query = sa.select(llm_replies.c.request_hash, llm_replies.c.reply).where(
        llm_replies.c.application == application, llm_replies.c.request_hash == sa.func.any(sa.cast(list(keys), _TEXTS))
    )
    return {row.request_hash: dict(row.reply) for row in conn.execute(query)}


_TEXTS = sa.ARRAY(sa.Text)


def save_replies(
    conn: Connection,
    application: str,
    purpose: Purpose,
    model: str,
    entries: Mapping[str, Mapping[str, Any]],
    replied_at: datetime,
) -> None:
    """Remember answers, or final reasons why there is none, by item key."""
    if not entries:
        return
    stamp = {"application": application, "purpose": purpose, "model": model, "replied_at": replied_at}
    rows = [stamp | {"request_hash": key, "reply": dict(entry)} for key, entry in sorted(entries.items())]
    statement = insert(llm_replies)
    newer = {name: statement.excluded[name] for name in ("reply", "replied_at")}
    key = [llm_replies.c.application, llm_replies.c.request_hash]
    conn.execute(statement.on_conflict_do_update(index_elements=key, set_=newer), rows)


def count_batches(conn: Connection, application: str) -> int:
    """All batches that were ever planned."""
    query = sa.select(sa.func.count()).where(llm_batches.c.application == application)
    return int(conn.execute(query).scalar_one())


def plan_batch(conn: Connection, batch: Batch) -> None:
    """Write a batch down before it is asked for."""
    row = {
        **{name: getattr(batch, name) for name in ("application", "batch_key", "purpose", "model", "week")},
        "status": "planned",
        "n_requests": len(batch.requests),
        "reserved_usd": batch.reserved_usd,
        "requests": [_json_of(request) for request in batch.requests],
        "planned_at": batch.planned_at,
    }
    conn.execute(llm_batches.insert().values(row))


def name_batch(conn: Connection, batch: Batch, batch_id: str | None) -> None:
    """Store the API's id of a batch before anything else is done with it; None: the one stored was not ours."""
    status = "submitted" if batch_id else "planned"
    conn.execute(_of(batch).values(batch_id=batch_id, status=status))


def close_batch(conn: Connection, batch: Batch, status: Literal["ended", "failed"], ended_at: datetime) -> None:
    """A batch is over: its results are in the ledger and the cache, or it does not exist."""
    conn.execute(_of(batch).values(status=status, ended_at=ended_at, is_collected=status == "ended"))


def _of(batch: Batch) -> sa.Update:
    return llm_batches.update().where(
        llm_batches.c.application == batch.application, llm_batches.c.batch_key == batch.batch_key
    )


def open_batches(conn: Connection, application: str) -> list[Batch]:
    """Batches that were planned or submitted and are not over, oldest first."""
    query = sa.select(llm_batches).where(llm_batches.c.application == application, llm_batches.c.status.in_(_OPEN))
    rows = conn.execute(query.order_by(llm_batches.c.planned_at, llm_batches.c.batch_key)).mappings()
    names = ("application", "batch_key", "purpose", "model", "week", "reserved_usd", "planned_at", "batch_id")
    return [
        Batch(**{name: row[name] for name in names}, requests=tuple(_request_of(each) for each in row["requests"]))
        for row in rows
    ]


def known_batch_ids(conn: Connection) -> set[str]:
    """Ids of all batches of the database, whose ever they are."""
    query = sa.select(llm_batches.c.batch_id).where(llm_batches.c.batch_id.is_not(None))
    return {str(batch_id) for batch_id in conn.execute(query).scalars()}


def _json_of(request: BatchedRequest) -> dict[str, Any]:
    return {**vars(request), "items": [[item.key, item.n_inner] for item in request.items]}


def _request_of(row: Mapping[str, Any]) -> BatchedRequest:
    items = tuple(Item(key, {}, n_inner) for key, n_inner in row["items"])
    return BatchedRequest(**{**row, "items": items})
