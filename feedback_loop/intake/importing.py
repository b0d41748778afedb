"""Import: files in, facts and rejected records out, in batches that are each one transaction.

Belongs here: the order of things, counting, and what is said when the import breaks off. Does not belong here: reading
(`reading.py`) and storing (`storing.py`).

While one batch is being stored the next is parsed: the database works on its own core, and waiting for it frees this
one. Whatever breaks off can be run again: what was stored already counts as duplicate.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from feedback_loop.errors import DatabaseUnavailable, InputError
from feedback_loop.intake.reading import Source, find_sources
from feedback_loop.intake.storing import KINDS, MAX_LINE_BYTES, Batch, store_batch
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.store import facts
from feedback_loop.store.facts import FactKind
from feedback_loop.store.installation import check_hash_key

BATCH_ROWS = 20_000
BATCH_BYTES = 16 << 20  # of lines; what bounds memory when records are large
N_EXAMPLES = 20
MANY_NEW = 1_000  # new rows that make the planner's picture of a table wrong
_UNREAD = "unreadable"


@dataclass(frozen=True)
class RejectedLine:
    """Where a rejected line is and why."""

    source: str
    line_number: int
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far an import is.

    Attributes:
        bytes_read: of all files so far, compressed where a file is.
        bytes_total: of all files; standard input counts 0.
        n_records: lines stored, known or rejected so far.
        n_rejected: of these, rejected.
        seconds: since the start.
    """

    bytes_read: int
    bytes_total: int
    n_records: int
    n_rejected: int
    seconds: float


@dataclass
class ImportSummary:
    """What an import did.

    Attributes:
        n_new: records stored, by type.
        n_duplicate: records that were known already with the same content, by type.
        n_rejected: records not taken, by type; `unreadable` where the line is no record at all.
        reasons: rejected records by reason.
        n_parked_feedback: feedback records of this import whose interaction is not known yet.
        seconds: duration.
        examples: the first rejected lines.
    """

    n_new: Counter[str] = field(default_factory=Counter)
    n_duplicate: Counter[str] = field(default_factory=Counter)
    n_rejected: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    n_parked_feedback: int = 0
    seconds: float = 0.0
    examples: list[RejectedLine] = field(default_factory=list)

    def count(self, batch: Batch, merged: Mapping[FactKind, facts.Merged]) -> None:
        """Count a batch; only once it is committed."""
        for kind, outcome in merged.items():
            self.n_new[kind] += outcome.n_new
            self.n_duplicate[kind] += outcome.n_duplicate
        for row in batch.rejected:
            self.n_rejected[row["record_type"] if row["record_type"] in KINDS else _UNREAD] += 1
            self.reasons[row["reason"]] += 1
            if len(self.examples) < N_EXAMPLES:
                self.examples.append(RejectedLine(row["source"], row["line_number"], row["reason"]))

    @property
    def has_rejected(self) -> bool:
        """Some lines were not taken."""
        return self.n_rejected.total() > 0

    @property
    def n_records(self) -> int:
        """Lines that were stored, known or rejected."""
        return self.n_new.total() + self.n_duplicate.total() + self.n_rejected.total()

    def __str__(self) -> str:
        return f"{self.n_new.total():,} new, {self.n_duplicate.total():,} known, {self.n_rejected.total():,} rejected"


@dataclass
class _Batch(Batch):
    """Lines parsed, and how far into the files that is."""

    bytes_read: int = 0


def import_paths(
    engine: Engine,
    paths: Sequence[str],
    *,
    hash_key: bytes,
    on_progress: Callable[[Progress], None] | None = None,
    batch_rows: int = BATCH_ROWS,
    max_line_bytes: int = MAX_LINE_BYTES,
    redactor: Redactor = PATTERNS,
) -> ImportSummary:
    """Import JSON Lines files; importing them again adds nothing.

    Args:
        engine: a database with the current schema.
        paths: files (`.jsonl`, `.jsonl.gz`), directories, glob patterns, `-` for standard input.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        on_progress: called after every stored batch, from another thread.
        batch_rows: most lines per transaction.
        max_line_bytes: a longer line is rejected unread.
        redactor: takes personal data and secrets out of every text.

    Raises:
        InputError: a path names nothing (nothing was imported), or a file breaks off (all that could be read, of it and
            of the files after it, was imported).
        ConfigurationError: the database was filled with another hash key.
        DatabaseUnavailable: the database was lost; says what is stored. Import again to complete it.
    """
    started = time.perf_counter()
    sources = find_sources(paths)
    summary = ImportSummary()
    total = sum(source.n_bytes for source in sources)
    broken: list[str] = []
    try:
        with engine.connect() as conn, ThreadPoolExecutor(1, "import") as writer:
            with conn.begin():
                check_hash_key(conn, hash_key)
                facts.prepare_staging(conn)
            pending: Future[None] | None = None
            for batch in _batches(sources, hash_key, batch_rows, max_line_bytes, broken, redactor):
                if pending is not None:
                    pending.result()
                pending = writer.submit(_store, conn, batch, summary, hash_key, started, total, on_progress)
            if pending is not None:
                pending.result()
            summary.n_parked_feedback = facts.count_parked(conn)
            if summary.n_new.total() >= MANY_NEW:
                facts.refresh_statistics(conn)
            conn.commit()
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{error}; before that: {summary}. Import again to complete it") from error
    summary.seconds = time.perf_counter() - started
    if broken:
        raise InputError(f"{'; '.join(broken)}; what could be read was imported: {summary}")
    return summary


def _batches(
    sources: Sequence[Source],
    hash_key: bytes,
    batch_rows: int,
    max_line_bytes: int,
    broken: list[str],
    redactor: Redactor,
) -> Iterator[_Batch]:
    """The lines of all sources in batches; a file that breaks off is noted in `broken` and the next one is read."""
    batch, done = _Batch(redactor=redactor), 0
    for source in sources:
        try:
            for line in source.lines(max_line_bytes):
                batch.add(line, hash_key, max_line_bytes)
                if batch.n_lines >= batch_rows or batch.n_bytes >= BATCH_BYTES:
                    batch.bytes_read = done + source.position
                    yield batch
                    batch = _Batch(redactor=redactor)
        except InputError as error:
            broken.append(str(error))
        done += source.n_bytes
        batch.bytes_read = done
    if batch.n_lines:
        yield batch


def _store(
    conn: Connection,
    batch: _Batch,
    summary: ImportSummary,
    hash_key: bytes,
    started: float,
    bytes_total: int,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Store a batch in one transaction; count it only once it is committed."""
    with conn.begin():
        merged = store_batch(conn, batch, hash_key)
    summary.count(batch, merged)
    if on_progress is not None:
        n_rejected = summary.n_rejected.total()
        seconds = time.perf_counter() - started
        on_progress(Progress(batch.bytes_read, bytes_total, summary.n_records, n_rejected, seconds))
