"""The database as a sink of `capture/`: lines of an application straight into the facts, by COPY.

Belongs here: one connection, one transaction a batch. Does not belong here: what a line must be (`storing.py`) and when
it is sent again (`capture/writer.py`). SQLAlchemy and the driver are imported in capture's background thread, at the
first batch.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from feedback_loop.capture.sinks import Receipt, SinkUnavailable
from feedback_loop.errors import FeedbackLoopError

if TYPE_CHECKING:
    from sqlalchemy import Connection

SOURCE = "capture"


class PostgresSink:
    """Stores lines in the facts.

    Args:
        url: of the database; None means what `FEEDBACK_LOOP_DATABASE_URL` says.
        hash_key: 32 bytes; None means that of the installation. It must be the one that capture uses.
    """

    def __init__(self, url: str | None = None, hash_key: bytes | None = None) -> None:
        self._url, self._hash_key = url, hash_key
        self._key = b""
        self._connection: Connection | None = None
        self._open = ExitStack()

    def send(self, lines: Sequence[bytes]) -> Receipt:
        """Store a batch in one transaction; what cannot be taken lies in `rejected_records` afterwards.

        Raises:
            SinkUnavailable: the database cannot be used now, or not with this URL, schema or key.
        """
        from sqlalchemy.exc import SQLAlchemyError

        from feedback_loop.intake.reading import Line
        from feedback_loop.intake.storing import Batch, store_batch
        from feedback_loop.store import facts

        try:
            conn = self._connection or self._connect()
            batch = Batch()
            for number, line in enumerate(lines):
                batch.add(Line(SOURCE, number, line, len(line)), self._key)
            with conn.begin():
                merged = store_batch(conn, batch, self._key)
                facts.forget_parked(conn)
        except (FeedbackLoopError, SQLAlchemyError) as error:
            self.close()
            raise SinkUnavailable(str(error)) from error
        except BaseException:
            self.close()
            raise
        return Receipt(
            sum(one.n_new for one in merged.values()),
            sum(one.n_duplicate for one in merged.values()),
            tuple(sorted((row["line_number"], row["reason"]) for row in batch.rejected)),
        )

    def close(self) -> None:
        """Give the connection back."""
        self._connection = None
        stack, self._open = self._open, ExitStack()
        stack.close()

    def forget(self) -> None:
        """In a forked child: the connection is the parent's; the engine lets go of it without closing it."""
        if self._connection is not None:
            engine = self._connection.engine
            self._connection.detach()
            engine.dispose(close=False)
            self._kept = self._connection  # collected, its socket would say goodbye in the parent's name
        self._connection, self._open = None, ExitStack()

    def _connect(self) -> "Connection":
        from feedback_loop.environment import read_environment
        from feedback_loop.identity import load_hash_key
        from feedback_loop.store import facts
        from feedback_loop.store.engine import create_engine, database_url
        from feedback_loop.store.installation import check_hash_key

        environment = read_environment()
        self._key = self._hash_key or load_hash_key(environment)
        engine = create_engine(self._url or database_url(environment))
        self._open.callback(engine.dispose)
        conn = self._open.enter_context(engine.connect())
        with conn.begin():
            check_hash_key(conn, self._key)
            facts.prepare_staging(conn)
        self._connection = conn
        return conn
