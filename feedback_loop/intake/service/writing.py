"""What requests bring into the database: one thread, one connection, many requests in one transaction.

Belongs here: when it is written, and what becomes of each request. Does not belong here: how rows are merged
(`intake/storing.py`, `store/facts.py`).

Requests that wait at the same time share a transaction: its price is then paid once (`docs/benchmarks.md`, "Ingest
over HTTP"). Who stored what can be told only where all rows are new, so a group with anything known is undone and
written again request by request; the same for a group in which one request has something the database refuses.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from feedback_loop.errors import DatabaseUnavailable, FeedbackLoopError
from feedback_loop.intake.rejected import make_rejected
from feedback_loop.intake.service.reading import Received
from feedback_loop.intake.storing import KINDS, Batch, store_batch
from feedback_loop.store import facts
from feedback_loop.store.installation import check_hash_key

MAX_GROUP_ROWS = 4_000
_STATEMENT_TIMEOUT = "set statement_timeout = '60s'"
_DATABASE_ERRORS = (FeedbackLoopError, sa.exc.SQLAlchemyError, psycopg2.Error)


@dataclass(frozen=True)
class Stored:
    """What became of a request.

    Attributes:
        n_new: records that were stored.
        n_duplicate: records that were known with the same content.
        rejected: rows of `rejected_records`.
    """

    n_new: int
    n_duplicate: int
    rejected: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class _Waiting:
    received: Received
    done: "Future[Stored]"


class Writer:
    """The thread that writes; `start` before use, `close` after.

    Args:
        engine: a database with the current schema.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        max_group_rows: most rows of a transaction that several requests share; 1: none shares any.
    """

    def __init__(self, engine: Engine, hash_key: bytes, max_group_rows: int = MAX_GROUP_ROWS) -> None:
        self._engine = engine
        self._hash_key = hash_key
        self._max_group_rows = max_group_rows
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._conn: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="ingest writer", daemon=True)

    def start(self) -> None:
        """Connect, and write from now on.

        Raises:
            ConfigurationError: the database was filled with another hash key.
            DatabaseUnavailable: it cannot be reached.
        """
        self._connect()
        self._thread.start()

    def close(self) -> None:
        """Write what is waiting, and end."""
        self._queue.put(None)
        self._thread.join()

    def store(self, received: Received) -> "Future[Stored]":
        """Store a request's records; the result is there once they are durable.

        The result raises `DatabaseUnavailable` where the database is away, even after trying anew.
        """
        done: Future[Stored] = Future()
        self._queue.put(_Waiting(received, done))
        return done

    def _run(self) -> None:
        is_open, carried = True, None
        while is_open or carried is not None:
            first = carried if carried is not None else self._queue.get()
            if first is None:
                break
            group, carried, is_open = self._collect(first, is_open)
            # a request that was given up before its turn is left out; from here on none can be
            self._write([waiting for waiting in group if waiting.done.set_running_or_notify_cancel()])
        self._disconnect()

    def _collect(self, first: _Waiting, is_open: bool) -> tuple[list[_Waiting], _Waiting | None, bool]:
        """The requests that wait with the first one and fit, one that does not, and whether more can come."""
        group, n_rows = [first], first.received.n_lines
        while n_rows < self._max_group_rows:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return group, None, False
            n_rows += waiting.received.n_lines
            if n_rows > self._max_group_rows:
                return group, waiting, is_open
            group.append(waiting)
        return group, None, is_open

    def _write(self, group: Sequence[_Waiting]) -> None:
        """Store a group at once, else each by itself; every request hears what became of it."""
        if not group:
            return
        try:
            outcomes = self._try_twice(group)
        except Exception as error:  # of this thread: raised again where the request is answered
            if len(group) == 1 or isinstance(error, DatabaseUnavailable):
                for waiting in group:
                    waiting.done.set_exception(error)
                return
            outcomes = None
        if outcomes is None:
            for waiting in group:
                self._write([waiting])
            return
        for waiting, outcome in zip(group, outcomes, strict=True):
            waiting.done.set_result(outcome)

    def _try_twice(self, group: Sequence[_Waiting]) -> list[Stored] | None:
        """A connection that broke while nobody used it is not the end; what is stored twice counts once."""
        received = [waiting.received for waiting in group]
        try:
            return self._store(received)
        except DatabaseUnavailable:
            self._disconnect()
            return self._store(received)

    def _store(self, group: Sequence[Received]) -> list[Stored] | None:
        """Store a group in one transaction; None, and nothing stored, where it cannot be told whose records are new."""
        conn = self._conn or self._connect()
        try:
            with conn.begin() as transaction:
                self._turn_away(conn, group)
                combined = _combine(group)
                merged = store_batch(conn, combined, self._hash_key, parks=False)
                for kind in merged:
                    facts.empty_staging(conn, kind, len(combined.rows[kind]))
                is_told_apart = len(group) == 1 or (
                    all(outcome.n_new == len(combined.rows[kind]) for kind, outcome in merged.items())
                    and len(combined.rejected) == sum(len(one.rejected) for one in group)  # nobody opted out
                )
                if not is_told_apart:
                    transaction.rollback()
        except BaseException:
            self._disconnect()
            raise
        if not is_told_apart:
            return None
        if len(group) > 1:
            return [Stored(sum(map(len, one.rows.values())), 0, one.rejected) for one in group]
        n_new = sum(outcome.n_new for outcome in merged.values())
        return [Stored(n_new, sum(outcome.n_duplicate for outcome in merged.values()), combined.rejected)]

    def _turn_away(self, conn: Connection, group: Sequence[Received]) -> None:
        """Reject feedback on interactions that are known to be of another application than its key."""
        pairs = {(name, received.application) for received in group for name in received.interaction_ids}
        elsewhere = facts.find_elsewhere(conn, sorted(pairs)) if pairs else set()
        for received in group if elsewhere else ():
            rows, lines = received.rows["feedback"], received.lines["feedback"]
            for position in range(len(rows) - 1, -1, -1):
                if (received.interaction_ids[position], received.application) in elsewhere:
                    reason = "the interaction is of another application than the key"
                    received.rejected.append(
                        make_rejected(lines[position], reason, self._hash_key, known_kind="feedback")
                    )
                    del rows[position], lines[position], received.interaction_ids[position]

    def _connect(self) -> Connection:
        conn = self._engine.connect()
        try:
            with conn.begin():
                conn.exec_driver_sql(_STATEMENT_TIMEOUT)
                check_hash_key(conn, self._hash_key)
                facts.prepare_staging(conn, empties_itself=False)
        except BaseException:
            conn.close()
            raise
        self._conn = conn
        return conn

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(*_DATABASE_ERRORS):
                conn.invalidate()
            with suppress(*_DATABASE_ERRORS):
                conn.close()


def _combine(group: Sequence[Received]) -> Batch:
    """The rows of all requests as one batch, which can be stored without changing them."""
    combined = Batch()
    for received in group:
        for kind in KINDS:
            combined.rows[kind] += received.rows[kind]
            combined.lines[kind] += received.lines[kind]
        combined.rejected += received.rejected
    return combined
