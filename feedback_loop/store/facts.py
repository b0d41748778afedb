"""Facts into the database: interactions, feedback, evaluations, deployments and rejected records. Insert-only.

Belongs here: COPY, its text format, and the merge that makes a second import of the same records add nothing. Does not
belong here: what a record must look like and what is redacted (`intake/`).

A fact's business key decides: a new key is stored, a known key with the same content is a duplicate, a known key with
other content is a conflict and changes nothing.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg2
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.errors import DatabaseUnavailable
from feedback_loop.store import tables
from feedback_loop.store.tables import SCHEMA

FactKind = Literal["interaction", "feedback", "evaluation", "deployment"]

_TABLES: dict[FactKind, sa.Table] = {
    "interaction": tables.interactions,
    "feedback": tables.feedback,
    "evaluation": tables.evaluations,
    "deployment": tables.deployments,
}
COLUMNS: dict[FactKind, tuple[str, ...]] = {
    kind: tuple(column.name for column in table.columns if column.name != "imported_at")
    for kind, table in _TABLES.items()
}
"""Columns of a row, in the order that `encode_row` and `merge` expect them; the first is the business key."""

_NOT_KNOWN = (
    f"WHERE NOT EXISTS (SELECT FROM {SCHEMA}.interactions known WHERE known.interaction_id = staged.interaction_id)"
)
_SUMMARISE = """
select brin_summarize_new_values(oid) from pg_class
where oid = 'feedback_loop.ix_interactions_occurred_at'::regclass and pg_has_role(relowner, 'member')
"""
_ELSEWHERE = """
select named.interaction_id, named.application
from unnest(cast(:ids as text[]), cast(:applications as text[])) named(interaction_id, application)
join feedback_loop.interactions known using (interaction_id) where known.application <> named.application
"""
_MANY_STAGED = 1_000  # rows from which on a truncation is cheaper than to delete them
_COPY_BYTES = 1 << 20  # per read of the driver


@dataclass(frozen=True)
class Merged:
    """What became of a batch of rows.

    Attributes:
        n_new: rows stored.
        n_duplicate: rows that were known with the same content.
        conflicts: positions in the batch of rows that are known with other content, ascending.
    """

    n_new: int
    n_duplicate: int
    conflicts: tuple[int, ...]


def encode_row(values: Iterable[Any]) -> str:
    """One row in COPY's text format, without its line end. Lists become text arrays; encode JSON before, as text."""
    return "\t".join([_ENCODERS[type(value)](value) for value in values])


def prepare_staging(conn: Connection, *, empties_itself: bool = True) -> None:
    """Make this session's staging tables, which end with the session.

    Args:
        conn: in a transaction.
        empties_itself: at every commit. That takes longer than storing a few rows; else call `empty_staging`.
    """
    on_commit = "DELETE" if empties_itself else "PRESERVE"
    for kind, columns in COLUMNS.items():
        conn.exec_driver_sql(
            f"CREATE TEMP TABLE IF NOT EXISTS staged_{kind} ON COMMIT {on_commit} ROWS AS "  # noqa: S608
            f"SELECT 0::bigint AS position, {', '.join(columns)} FROM {SCHEMA}.{_TABLES[kind].name} WITH NO DATA"
        )
    conn.exec_driver_sql(
        "CREATE TEMP TABLE IF NOT EXISTS parked_feedback (feedback_id text, interaction_id text) "
        "ON COMMIT PRESERVE ROWS"
    )


def merge(conn: Connection, kind: FactKind, rows: Sequence[str]) -> Merged:
    """Store the rows whose business key is new; of several rows with one key the first counts.

    Args:
        conn: in a transaction, with `prepare_staging` done in its session. Each kind once per transaction.
        kind: which fact table.
        rows: from `encode_row`, in the order of `COLUMNS[kind]`.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    columns = ", ".join(COLUMNS[kind])
    table, key = f"{SCHEMA}.{_TABLES[kind].name}", COLUMNS[kind][0]
    _copy(conn, f"COPY staged_{kind} FROM STDIN", rows)
    n_new = conn.exec_driver_sql(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM staged_{kind} "  # noqa: S608
        f"ORDER BY position ON CONFLICT ({key}) DO NOTHING"
    ).rowcount
    if n_new == len(rows):
        return Merged(n_new, 0, ())
    conflicts = conn.exec_driver_sql(
        f"SELECT position FROM staged_{kind} staged JOIN {table} USING ({key}) "  # noqa: S608
        f"WHERE staged.content_hash <> {_TABLES[kind].name}.content_hash ORDER BY position"
    ).scalars()
    positions = tuple(conflicts)
    return Merged(n_new, len(rows) - n_new - len(positions), positions)


def empty_staging(conn: Connection, kind: FactKind, n_rows: int) -> None:
    """Empty a staging table that does not do so itself, in the transaction that filled it."""
    statement = "TRUNCATE" if n_rows > _MANY_STAGED else "DELETE FROM"
    conn.exec_driver_sql(f"{statement} staged_{kind}")


def park_feedback(conn: Connection) -> None:
    """Note which feedback of this transaction's batch has no interaction yet; call after the merges."""
    conn.exec_driver_sql(
        f"INSERT INTO parked_feedback SELECT feedback_id, interaction_id FROM staged_feedback staged {_NOT_KNOWN}"  # noqa: S608
    )


def forget_parked(conn: Connection) -> None:
    """Empty what `park_feedback` notes; for sessions that live on and never ask `count_parked`."""
    conn.exec_driver_sql("TRUNCATE parked_feedback")


def count_parked(conn: Connection) -> int:
    """How many feedback records that this session staged have no interaction yet."""
    statement = f"SELECT count(DISTINCT feedback_id) FROM parked_feedback staged {_NOT_KNOWN}"  # noqa: S608
    return int(conn.exec_driver_sql(statement).scalar_one())


def add_rejected(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep rejected records, redacted; the same line of the same source twice adds nothing.

    Args:
        conn: in a transaction.
        rows: columns of `rejected_records` but for `rejected_at`.
    """
    if rows:
        conn.execute(insert(tables.rejected_records).on_conflict_do_nothing(), list(rows))


def _copy(conn: Connection, statement: str, rows: Sequence[str]) -> None:
    """COPY with the row's position as first column, past SQLAlchemy, which has no COPY."""
    text = "".join([f"{position}\t{row}\n" for position, row in enumerate(rows)])
    driver = conn.connection.driver_connection
    assert driver is not None  # noqa: S101 - only a detached connection has none
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, io.BytesIO(text.encode()), _COPY_BYTES)
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise DatabaseUnavailable(f"the database was lost while rows were sent: {error}") from error


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _encode_array(items: list[str]) -> str:
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return _escape("{" + ",".join(f'"{item}"' for item in quoted) + "}")


_ENCODERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: r"\N",
    str: _escape,
    int: repr,
    float: repr,
    datetime: datetime.isoformat,
    bytes: lambda value: rf"\\x{value.hex()}",
    list: _encode_array,
}


def refresh_statistics(conn: Connection) -> None:
    """Tell the planner what was imported, and the index of weeks where.

    A week that the planner does not know of is joined row by row. Blocks that the index does not know of are read for
    every week, until autovacuum comes by.
    """
    conn.exec_driver_sql("ANALYZE feedback_loop.interactions, feedback_loop.feedback")
    conn.exec_driver_sql(_SUMMARISE)


def find_elsewhere(conn: Connection, pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of pairs of interaction and application those whose interaction is known, and of another application."""
    found = conn.execute(sa.text(_ELSEWHERE), {"ids": [i for i, _ in pairs], "applications": [a for _, a in pairs]})
    return {(row.interaction_id, row.application) for row in found}
