"""Importing from other tools: export files, and sources by their API from where the last import ended.

Belongs here: batches, windows of time and the cursor. Does not belong here: mapping (`mapped.py`) and requests
(`clients/`).

An API is read a day at a time: its traces and scores are stored in batches, and the cursor moves to the day's end in
the transaction of the last one. A source that fails keeps what was stored; the next import goes on from the cursor.

    traces    that began in [cursor - settle, end), where end is at most `settle` before now; read with `settle` on
              either side, so that whole traces are seen
    scores    since cursor - overlap, because people judge later than they ask
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from feedback_loop.errors import ConfigurationError, DatabaseUnavailable, InputError
from feedback_loop.intake.importers.files import Broken, find_files, read_file
from feedback_loop.intake.importers.mapped import Mapped, Mapper, Refused, make_line
from feedback_loop.intake.importers.policy import SourcePolicy
from feedback_loop.intake.importers.tables import map_row
from feedback_loop.intake.importing import BATCH_BYTES, MANY_NEW, ImportSummary, Progress
from feedback_loop.intake.reasons import Rejection
from feedback_loop.intake.rejected import make_rejected
from feedback_loop.intake.storing import Batch, store_batch
from feedback_loop.records import Window
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.store import facts, sources
from feedback_loop.store.installation import check_hash_key

BATCH_ROWS = 5_000
SLICE = timedelta(days=1)
FIRST_IMPORT = timedelta(days=7)
Read = Callable[[Window], Iterable[dict[str, Any]]]


@dataclass
class SourceSummary(ImportSummary):
    """What an import from another tool did.

    Attributes:
        n_left_out: foreign records that the documented rules leave out, by rule.
        imported_to: where the next import goes on; None for files.
    """

    n_left_out: Counter[str] = field(default_factory=Counter)
    imported_to: datetime | None = None


@dataclass(frozen=True)
class Reader:
    """How a source is read.

    Attributes:
        observations: records of traces that began in a window.
        scores: scores of a window.
        rows: rows of a warehouse in a window, instead of both.
    """

    observations: Read | None = None
    scores: Read | None = None
    rows: Read | None = None


class _Storing:
    """Lines into the database, a batch a transaction."""

    def __init__(
        self,
        conn: Connection,
        hash_key: bytes,
        redactor: Redactor,
        summary: ImportSummary,
        on_stored: Callable[[], None] = lambda: None,
    ) -> None:
        self._conn, self._hash_key, self._summary, self._on_stored = conn, hash_key, summary, on_stored
        self._redactor = redactor
        self._batch = Batch(redactor=redactor)
        with conn.begin():
            check_hash_key(conn, hash_key)
            facts.prepare_staging(conn)

    def take(self, mapped: Iterable[Mapped]) -> None:
        for one in mapped:
            if isinstance(one, Refused):
                self._batch.n_lines += 1
                self._batch.n_bytes += len(one.line.data)
                self._batch.rejected.append(make_rejected(one.line, one.reason, self._hash_key, self._redactor))
            else:
                self._batch.add(one, self._hash_key)
            if self._batch.n_lines >= BATCH_ROWS or self._batch.n_bytes >= BATCH_BYTES:
                self.flush()

    def flush(self, finish: Callable[[Connection], None] | None = None) -> None:
        """Store what was taken; what `finish` does is part of the same transaction."""
        batch, self._batch = self._batch, Batch(redactor=self._redactor)
        with self._conn.begin():
            merged = store_batch(self._conn, batch, self._hash_key)
            if finish is not None:
                finish(self._conn)
        self._summary.count(batch, merged)
        self._on_stored()


def import_files(
    engine: Engine,
    paths: Sequence[str],
    policy: SourcePolicy,
    *,
    hash_key: bytes,
    redactor: Redactor = PATTERNS,
    on_progress: Callable[[Progress], None] | None = None,
) -> SourceSummary:
    """Import export files of a tool; importing them again adds nothing.

    Args:
        engine: a database with the current schema.
        paths: files, directories, glob patterns. Files of one import are put together: a trace may lie in several.
        policy: which tool, and what is said about it; `records` for tables.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        redactor: takes personal data and secrets out of texts.
        on_progress: called after every batch and file.

    Raises:
        InputError: a path names nothing (nothing was imported), or a file cannot be read (the others were imported).
        ConfigurationError: Parquet without pyarrow, a table without a mapping, or another hash key.
        DatabaseUnavailable: the database was lost; import again to complete it.
    """
    if policy.tool == "tables" and not policy.records:
        raise ConfigurationError("tables need a mapping file that says which column is what: --mapping FILE")
    started, files, summary = time.perf_counter(), find_files(paths), SourceSummary()
    mapper = Mapper(policy, hash_key, n_left_out=summary.n_left_out)
    sizes, broken, done = [path.stat().st_size for path in files], [], 0

    def show() -> None:
        if on_progress is not None:
            n_rejected, seconds = summary.n_rejected.total(), time.perf_counter() - started
            on_progress(Progress(done, sum(sizes), summary.n_records, n_rejected, seconds))

    with _told(summary), engine.connect() as conn:
        storing = _Storing(conn, hash_key, redactor, summary, show)
        for path, size in zip(files, sizes, strict=True):
            try:
                storing.take(_of_file(path, policy, mapper, summary.n_left_out))
            except InputError as error:
                broken.append(str(error))
            done += size
            show()
        storing.take(mapper.finish())
        _end(storing, conn, summary)
    summary.seconds = time.perf_counter() - started
    if broken:
        raise InputError(f"{'; '.join(broken)}; what could be read was imported: {summary}")
    return summary


def import_source(
    engine: Engine,
    reader: Reader,
    policy: SourcePolicy,
    *,
    hash_key: bytes,
    now: datetime,
    redactor: Redactor = PATTERNS,
) -> SourceSummary:
    """Import what a source has since the last import.

    Args:
        engine: a database with the current schema.
        reader: of its API.
        policy: of the source.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        now: the source is read up to here.
        redactor: takes personal data and secrets out of texts.

    Raises:
        SourceRefused: the source refuses what is asked; what came before is stored.
        SourceUnavailable: it cannot be reached or is too busy; what came before is stored.
        ConfigurationError: another hash key.
        DatabaseUnavailable: the database was lost; import again to complete it.
    """
    started, summary = time.perf_counter(), SourceSummary()
    with _told(summary), engine.connect() as conn:
        storing = _Storing(conn, hash_key, redactor, summary)
        with conn.begin():
            cursor = sources.load_cursor(conn, policy.name)
        end = now - timedelta(minutes=policy.settle_minutes)
        start = cursor or policy.since or end - FIRST_IMPORT
        overlap = timedelta(hours=policy.overlap_hours)
        summary.imported_to = start
        while start < end:
            stop = min(start + SLICE, end)
            storing.take(_of_slice(reader, policy, Window(start, stop), overlap, hash_key, summary.n_left_out))
            storing.flush(partial(sources.save_cursor, source=policy.name, cursor=stop))
            summary.imported_to, start, overlap = stop, stop, timedelta(0)
        _end(storing, conn, summary)
    summary.seconds = time.perf_counter() - started
    return summary


def _of_file(path: Path, policy: SourcePolicy, mapper: Mapper, left_out: Counter[str]) -> Iterator[Mapped]:
    source = f"{policy.tool}:{path}"
    for number, raw in read_file(path):
        if isinstance(raw, Broken):
            yield Refused(make_line(source, number, {"type": policy.tool}), str(raw))
        elif policy.tool == "tables":
            yield from _of_row(source, number, raw, policy, left_out)
        else:
            yield from mapper.add(source, number, raw)


def _of_row(source: str, number: int, row: Any, policy: SourcePolicy, left_out: Counter[str]) -> Iterator[Mapped]:
    if not isinstance(row, dict):
        yield Refused(make_line(source, number, {"type": policy.tool}), "not an object with columns")
        return
    n_made = 0
    for record in map_row(row, policy.records):
        n_made += 1
        if isinstance(record, Rejection):
            key = {"type": policy.tool, "interaction_id": _key_of(row, policy)}
            yield Refused(make_line(source, number, key), str(record))
        else:
            yield make_line(source, number, record)
    if not n_made:
        left_out["a row that makes no record (`only_if`)"] += 1


def _key_of(row: dict[str, Any], policy: SourcePolicy) -> str | None:
    columns = (mapping.fields.get("interaction_id", "") for mapping in policy.records)
    return next((str(row[column]) for column in columns if row.get(column) is not None), None)


def _time_of(row: dict[str, Any], policy: SourcePolicy) -> int:
    """What stands for the number of a row: its time in Unix milliseconds, the same whenever it is read; 0 for none."""
    columns = (mapping.fields.get("occurred_at", "") for mapping in policy.records)
    found = next((row[column] for column in columns if isinstance(row.get(column), datetime)), None)
    return 0 if found is None else int(found.timestamp() * 1000)


def _of_slice(
    reader: Reader, policy: SourcePolicy, window: Window, overlap: timedelta, hash_key: bytes, left_out: Counter[str]
) -> Iterator[Mapped]:
    source = f"{policy.tool}:{policy.name}"
    if reader.rows is not None:
        for row in reader.rows(Window(window.start - overlap, window.end)):
            yield from _of_row(source, _time_of(row, policy), row, policy, left_out)
        return
    settle = timedelta(minutes=policy.settle_minutes)
    first = window.start - settle
    mapper = Mapper(
        policy,
        hash_key,
        is_wanted=lambda root: first <= root.started_at < window.end,
        n_left_out=left_out,
        is_placed_by_time=True,
    )
    wide = Window(first - settle, window.end + settle)
    for raw in reader.observations(wide) if reader.observations is not None else ():
        yield from mapper.add(source, 0, raw)
    for raw in reader.scores(Window(window.start - overlap, wide.end)) if reader.scores is not None else ():
        yield from mapper.add(source, 0, raw)
    yield from mapper.finish()


def _end(storing: _Storing, conn: Connection, summary: SourceSummary) -> None:
    storing.flush()
    with conn.begin():
        summary.n_parked_feedback = facts.count_parked(conn)
        if summary.n_new.total() >= MANY_NEW:
            facts.refresh_statistics(conn)


class _told:  # noqa: N801 - reads as a word in `with`
    """A database that is lost is told with what was stored before."""

    def __init__(self, summary: ImportSummary) -> None:
        self._summary = summary

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DatabaseUnavailable):
            raise DatabaseUnavailable(f"{error}; before that: {self._summary}. Import again to complete it") from error
