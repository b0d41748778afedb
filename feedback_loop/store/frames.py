"""Frames in and out of PostgreSQL in bulk.

Belongs here: `COPY` of a frame into a table, and a query as a frame. Does not belong here: what is in them (one
module per noun beside this one).
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.store.engine import copy_in

_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_CHUNK_ROWS = 20_000


def read_frame(conn: Connection, query: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """The rows of a SQL text with `:named` parameters; columns keep the names of the query, also without rows."""
    result = conn.execute(sa.text(query), dict(parameters or {}))
    # Plain tuples: pandas asks a row of SQLAlchemy for attributes it does not have, once per row.
    return pd.DataFrame.from_records([tuple(row) for row in result.fetchall()], columns=list(result.keys()))


def copy_frame(conn: Connection, table: sa.Table, frame: pd.DataFrame) -> int:
    """Append every row of a frame by `COPY`.

    Args:
        conn: inside the caller's transaction.
        table: has every column of the frame.
        frame: None and NaN become NULL; lists become arrays, or JSON where the column is JSON.

    Returns:
        Number of rows.
    """
    columns = [table.c[name] for name in frame.columns]
    names = ", ".join(f'"{column.name}"' for column in columns)
    statement = f'COPY "{table.schema}"."{table.name}" ({names}) FROM STDIN'
    for start in range(0, len(frame), _CHUNK_ROWS):
        chunk = frame.iloc[start : start + _CHUNK_ROWS]
        fields = [_encode_column(chunk[column.name], column.type) for column in columns]
        lines = "".join("\t".join(row) + "\n" for row in zip(*fields, strict=True))
        copy_in(conn, statement, io.StringIO(lines))
    return len(frame)


def refresh_statistics(conn: Connection, table: sa.Table) -> None:
    """Tell the planner what was just stored: without it, it takes a new week for one row and joins it row by row."""
    conn.execute(sa.text(f'ANALYZE "{table.schema}"."{table.name}"'))


def _encode_column(values: pd.Series, type_: sa.types.TypeEngine[Any]) -> list[str]:
    if isinstance(type_, sa.ARRAY):
        return [_NULL if v is None else _array(v) for v in values]
    if isinstance(type_, sa.JSON):
        return [_NULL if v is None else json.dumps(v, ensure_ascii=False).translate(_ESCAPES) for v in values]
    missing = values.isna().to_numpy()
    if isinstance(type_, sa.Text):
        return [_NULL if gone else v.translate(_ESCAPES) for v, gone in zip(values, missing, strict=True)]
    return [_NULL if gone else str(v) for v, gone in zip(values, missing, strict=True)]


def _array(values: Any) -> str:
    quoted = ('"' + str(v).replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values)
    return ("{" + ",".join(quoted) + "}").translate(_ESCAPES)
