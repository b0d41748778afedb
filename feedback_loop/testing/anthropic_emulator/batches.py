"""Message batches on the virtual clock: created at once, worked on at a steady pace, ended, and read in any order.

Belongs here: the life of a batch and its results. Does not belong here: HTTP (`app.py`), messages.

A batch of n requests takes `batch_seconds` of virtual time. Where it is canceled or expires (24 hours) before, the
share of the requests that was done by then succeeds and is billed, and the rest is canceled or expired. Results are
kept for 29 days. With `batch_seconds=0` a batch has ended when it is first looked at after its creation.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from feedback_loop.testing.anthropic_emulator.checks import check_batch_params
from feedback_loop.testing.anthropic_emulator.faults import Route
from feedback_loop.testing.anthropic_emulator.messages import make_message
from feedback_loop.testing.anthropic_emulator.refusals import RefusedError, error_body
from feedback_loop.testing.anthropic_emulator.state import State

LIFETIME, KEPT = timedelta(hours=24), timedelta(days=29)
_KINDS = ("succeeded", "errored", "canceled", "expired")


@dataclass
class Batch:
    """One batch; `results` stays None until it has ended."""

    id: str
    requests: list[dict[str, Any]]
    created_at: datetime
    takes: timedelta
    cancel_initiated_at: datetime | None = None
    ended_at: datetime | None = None
    results: list[dict[str, Any]] | None = field(default=None, repr=False)

    @property
    def due_at(self) -> datetime:
        """When processing ends, by completion, expiry or cancellation."""
        end = self.created_at + min(self.takes, LIFETIME)
        return min(end, self.cancel_initiated_at or end)

    def n_done(self) -> int:
        """How many requests are done when processing ends."""
        if not self.takes:
            return 0 if self.cancel_initiated_at else len(self.requests)
        return int(len(self.requests) * min(1.0, (self.due_at - self.created_at) / self.takes))

    def counts(self) -> dict[str, int]:
        """`request_counts`: everything is processing until the whole batch has ended."""
        if self.results is None:
            return {"processing": len(self.requests)} | dict.fromkeys(_KINDS, 0)
        kinds = [row["result"]["type"] for row in self.results]
        return {"processing": 0} | {kind: kinds.count(kind) for kind in _KINDS}


def create_batch(state: State, body: Mapping[str, Any]) -> Batch:
    """A new batch of requests whose shell passed `check_batch`."""
    batch = Batch(state.new_id("msgbatch", body), list(body["requests"]), state.now, state.batch_takes)
    state.batches[batch.id] = batch
    return batch


def settle_batches(state: State) -> None:
    """End every batch whose time has come: answer its requests and bill them."""
    for batch in state.batches.values():
        if batch.results is None and batch.due_at <= state.now:
            batch.ended_at = batch.due_at
            rest = "canceled" if batch.cancel_initiated_at else "expired"
            n_done = batch.n_done()
            rows = [_result(state, r, None if i < n_done else rest) for i, r in enumerate(batch.requests)]
            batch.results = _shuffled(rows, batch.id)


def _result(state: State, request: Mapping[str, Any], fate: str | None) -> dict[str, Any]:
    custom_id = request["custom_id"]
    fault = state.faults.take("item", "batches.item")
    if fault is not None:
        fate = fault.name.removeprefix("batch_")
    if fate == "errored":
        body = error_body(500, "Internal server error", None)
        return {"custom_id": custom_id, "result": {"type": "errored", "error": body}}
    if fate is not None:
        return {"custom_id": custom_id, "result": {"type": fate}}
    params = request["params"]
    try:
        message = make_message(state, params, check_batch_params(params), "batches.item", custom_id)
    except RefusedError as error:
        body = error_body(error.status, error.message, None)
        return {"custom_id": custom_id, "result": {"type": "errored", "error": body}}
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}


def _shuffled(rows: list[dict[str, Any]], seed: str) -> list[dict[str, Any]]:
    """In an order that follows from the ids and is never the order of the requests (from two on)."""
    shuffled = sorted(rows, key=lambda row: sha256(f"{seed}{row['custom_id']}".encode()).digest())
    return shuffled[::-1] if shuffled == rows else shuffled


def find_batch(state: State, batch_id: str) -> Batch:
    """The batch of this id, as far as it has come.

    Raises:
        RefusedError: 404.
    """
    settle_batches(state)
    batch: Batch | None = state.batches.get(batch_id)
    if batch is None:
        raise RefusedError(404, f"Message batch {batch_id} not found")
    return batch


def cancel_batch(state: State, batch_id: str) -> Batch:
    """Ask for the end of a batch. It is `canceling` in this answer and ended at the next look.

    Raises:
        RefusedError: 404, or 400 where it has ended.
    """
    batch = find_batch(state, batch_id)
    if batch.results is not None:
        raise RefusedError(400, f"Batch {batch_id} has already ended and cannot be canceled")
    batch.cancel_initiated_at = batch.cancel_initiated_at or state.now
    return batch


def delete_batch(state: State, batch_id: str) -> dict[str, Any]:
    """Forget an ended batch.

    Raises:
        RefusedError: 404, or 400 where it has not ended.
    """
    if find_batch(state, batch_id).results is None:
        raise RefusedError(400, f"Batch {batch_id} is still being processed; cancel it before deleting it")
    del state.batches[batch_id]
    return {"id": batch_id, "type": "message_batch_deleted"}


def list_batches(state: State, query: Mapping[str, str]) -> dict[str, Any]:
    """One page, newest first; `query` may have `limit` (1 to 1000), `after_id` (older ones), `before_id` (newer ones).

    Raises:
        RefusedError: 400, for a limit or an id that cannot be.
    """
    settle_batches(state)
    ids = list(reversed(state.batches))
    limit = int(query.get("limit", 20)) if query.get("limit", "20").isdigit() else 0
    if not 1 <= limit <= 1000:
        raise RefusedError(400, "limit: Input should be between 1 and 1000")
    if "after_id" in query:
        ids = ids[_position(ids, query["after_id"]) + 1 :]
        page, has_more = ids[:limit], len(ids) > limit
    elif "before_id" in query:
        ids = ids[: _position(ids, query["before_id"])]
        page, has_more = ids[-limit:], len(ids) > limit
    else:
        page, has_more = ids[:limit], len(ids) > limit
    data = [batch_json(state, state.batches[batch_id], "batches.list") for batch_id in page]
    ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
    return {"data": data, "has_more": has_more, **ends}


def _position(ids: list[str], batch_id: str) -> int:
    if batch_id not in ids:
        raise RefusedError(400, f"Message batch {batch_id} not found")
    return ids.index(batch_id)


def results_lines(state: State, batch_id: str) -> list[bytes]:
    """The results file, one JSON line per request.

    Raises:
        RefusedError: 404 where there is none: not ended, or older than 29 days.
    """
    batch = find_batch(state, batch_id)
    if batch.results is None or state.now >= batch.created_at + KEPT:
        raise RefusedError(404, f"Message batch {batch_id} has no available results")
    rows = batch.results
    fault = state.faults.take("results", "batches.results")
    name = fault.name if fault else ""
    if name == "missing_custom_id":
        rows = rows[1:]
    elif name == "duplicate_custom_id":
        rows = [*rows, rows[0]]
    elif name == "unknown_custom_id":
        rows = [*rows, {**rows[0], "custom_id": "never-sent"}]
    lines = [json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n" for row in rows]
    if name == "cut_jsonl":
        lines[-1] = lines[-1][: len(lines[-1]) // 2]
    return lines


def batch_json(state: State, batch: Batch, route: Route) -> dict[str, Any]:
    """The object of the API. `results_url` lies on the emulator's own base."""
    is_archived = state.now >= batch.created_at + KEPT
    url = None
    if batch.results is not None and not is_archived:
        fault = state.faults.take("batch", route)
        url = fault.url if fault else f"{state.base_url}/v1/messages/batches/{batch.id}/results"
    status = "canceling" if batch.cancel_initiated_at else "in_progress"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status if batch.results is None else "ended",
        "request_counts": batch.counts(),
        "created_at": _time(batch.created_at),
        "expires_at": _time(batch.created_at + LIFETIME),
        "ended_at": _time(batch.ended_at),
        "archived_at": _time(batch.created_at + KEPT) if is_archived else None,
        "cancel_initiated_at": _time(batch.cancel_initiated_at),
        "results_url": url,
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
