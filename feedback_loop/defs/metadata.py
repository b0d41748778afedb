"""What an engineer sees of an asset in the UI.

Belongs here: turning counts, frames and tables into Dagster metadata. Does not belong here: computing any of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from feedback_loop.redaction import visible
from feedback_loop.store.tables import SCHEMA

_MOST_CHARS = 300  # of a text in a table


def about_table(*tables: sa.Table) -> dict[str, Any]:
    """Definition metadata: which table an asset is, and its columns (of the first)."""
    columns = [
        dg.TableColumn(c.name, str(c.type).lower(), constraints=dg.TableColumnConstraints(nullable=bool(c.nullable)))
        for c in tables[0].columns
    ]
    return {
        "dagster/relation_identifier": f"{SCHEMA}.{tables[0].name}",
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "tables": ", ".join(f"{SCHEMA}.{table.name}" for table in tables),
    }


def rows(n: int, **numbers: float) -> dict[str, Any]:
    """Run metadata: a row count and more numbers, each a plot over the weeks."""
    plotted = {name: float(value) if isinstance(value, float) else int(value) for name, value in numbers.items()}
    return {"dagster/partition_row_count": int(n), **plotted}


def table(frame: pd.DataFrame, columns: Mapping[str, str], most: int = 10) -> dg.MetadataValue:
    """The first rows of a frame as a table; `columns` maps its columns to headings.

    The UI shows a cell as it is, never as HTML or Markdown; what would hide or turn text around is taken out here.
    """
    records = []
    for row in frame.head(most).to_dict("records"):
        values = {heading: row[name] for name, heading in columns.items()}
        records.append(dg.TableRecord({h: None if pd.isna(v) else _plain(v) for h, v in values.items()}))
    if not records:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table(records)


def tables(frames: Sequence[pd.DataFrame], columns: Mapping[str, str], most: int = 20) -> dg.MetadataValue:
    """The first rows of several frames, one below the other, as one table."""
    filled = [frame for frame in frames if len(frame)]
    return table(pd.concat(filled), columns, most) if filled else dg.MetadataValue.text("none")


def listing(lines: Sequence[str], most: int = 50) -> dg.MetadataValue:
    """Sentences, one a line."""
    more = [f"... and {len(lines) - most} more"] if len(lines) > most else []
    return dg.MetadataValue.text("\n".join([*(visible(line, _MOST_CHARS) for line in lines[:most]), *more]) or "none")


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return visible(value, _MOST_CHARS)
    number = float(value) if not float(value).is_integer() else int(value)
    return round(number, 4) if isinstance(number, float) else number
