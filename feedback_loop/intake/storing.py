"""A batch of lines into the database: parsed, merged, and what cannot be taken noted with its reason.

Belongs here: what every way in has in common, one transaction a batch. Does not belong here: where lines come from
(`importing.py` for files), rules (`contract.py`), rows (`rows.py`, `rejected.py`) and SQL (`store/facts.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from feedback_loop.intake.contract import Record, parse
from feedback_loop.intake.reading import Line
from feedback_loop.intake.reasons import Rejection
from feedback_loop.intake.rejected import make_refused, make_rejected
from feedback_loop.intake.rows import Row, make_row
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.store import facts
from feedback_loop.store.facts import FactKind
from feedback_loop.store.opt_outs import opted_out

MAX_LINE_BYTES = 4 << 20
OPTED_OUT = "the user has opted out"
KINDS: tuple[FactKind, ...] = ("interaction", "feedback", "evaluation", "deployment")


@dataclass
class Batch:
    """Lines parsed, not yet stored.

    Attributes:
        n_bytes: of the lines.
        n_lines: parsed, also those rejected.
        rows: by kind of fact.
        lines: that the rows were made of, in the same order.
        rejected: rows of `rejected_records`; `line_number` tells which line.
        redactor: takes personal data and secrets out of every text.
    """

    n_bytes: int = 0
    n_lines: int = 0
    rows: dict[FactKind, list[Row]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    lines: dict[FactKind, list[Line]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    rejected: list[dict[str, Any]] = field(default_factory=list)
    redactor: Redactor = PATTERNS

    def add(
        self,
        line: Line,
        hash_key: bytes,
        max_line_bytes: int = MAX_LINE_BYTES,
        *,
        read: Callable[[bytes], Record] = parse,
        kind: FactKind | None = None,
    ) -> None:
        """Parse a line into a row, or into a rejected record.

        Args:
            line: as it came.
            hash_key: from `identity.load_hash_key`; 32 bytes.
            max_line_bytes: a longer line is rejected.
            read: makes a record of a line, or raises `Rejection`.
            kind: of a line that does not name its type.
        """
        self.n_lines += 1
        self.n_bytes += len(line.data)
        try:
            row = make_row(_parse(line, max_line_bytes, read), hash_key, self.redactor)
        except Rejection as rejection:
            self.rejected.append(make_rejected(line, str(rejection), hash_key, self.redactor, kind))
        else:
            self.rows[row.kind].append(row)
            self.lines[row.kind].append(line)


def store_batch(conn: Connection, batch: Batch, hash_key: bytes, *, parks: bool = True) -> dict[FactKind, facts.Merged]:
    """Store a batch; what is known with other content, or of people who opted out, joins `batch.rejected`.

    Args:
        conn: in a transaction, with `facts.prepare_staging` done in its session.
        batch: of lines; stored once.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        parks: note which feedback has no interaction yet, for `facts.count_parked` at the session's end.

    Returns:
        What became of the rows of each kind that the batch has.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    _refuse_opted_out(conn, batch, hash_key)
    merged: dict[FactKind, facts.Merged] = {}
    for kind in KINDS:
        if batch.rows[kind]:
            merged[kind] = facts.merge(conn, kind, [row.text for row in batch.rows[kind]])
            batch.rejected += _conflicts(batch, kind, merged[kind], hash_key)
    if parks and batch.rows["feedback"]:
        facts.park_feedback(conn)
    facts.add_rejected(conn, batch.rejected)
    return merged


def _refuse_opted_out(conn: Connection, batch: Batch, hash_key: bytes) -> None:
    """Take the records of people who opted out from the batch; that it was one is noted, without its content."""
    refused = opted_out(conn, (row.user_hash for rows in batch.rows.values() for row in rows))
    if not refused:
        return
    for kind in KINDS:
        pairs = list(zip(batch.rows[kind], batch.lines[kind], strict=True))
        kept = [pair for pair in pairs if pair[0].user_hash not in refused]
        for row, line in pairs:
            if row.user_hash in refused:
                batch.rejected.append(make_refused(line, OPTED_OUT, hash_key) | {"record_type": row.kind})
        batch.rows[kind], batch.lines[kind] = [row for row, _ in kept], [line for _, line in kept]


def _parse(line: Line, max_line_bytes: int, read: Callable[[bytes], Record]) -> Record:
    if line.is_cut:
        raise Rejection(f"the line has {line.n_bytes:,} bytes, more than {max_line_bytes:,}")
    return read(line.data)


def _conflicts(batch: Batch, kind: FactKind, merged: facts.Merged, hash_key: bytes) -> list[dict[str, Any]]:
    rows, lines = batch.rows[kind], batch.lines[kind]
    return [
        make_rejected(
            lines[position],
            f"{kind}_id '{rows[position].key}' was imported before with other content",
            hash_key,
            batch.redactor,
            kind,
        )
        for position in merged.conflicts
    ]
