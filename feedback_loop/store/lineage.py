"""Lineage: which pattern came from which, and what was decided of the groups that no known pattern held.

Belongs here: SQL of `pattern_lineage` and `pattern_judgements`. Does not belong here: how a split or a judgement comes
about (`cluster/`), and what people decided (`decisions.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.cluster import GroupJudgement, Lineage
from feedback_loop.store.frames import read_frame
from feedback_loop.store.tables import pattern_judgements, pattern_lineage


def save_lineage(conn: Connection, application: str, week: date, rows: Sequence[Lineage]) -> None:
    """Replace an application's lineage of a week."""
    _replace(conn, pattern_lineage, application, week, rows)


def save_judgements(conn: Connection, application: str, week: date, rows: Sequence[GroupJudgement]) -> None:
    """Replace what was decided in a week of an application's new groups."""
    _replace(conn, pattern_judgements, application, week, rows)


def read_lineage(conn: Connection, application: str | None = None) -> pd.DataFrame:
    """Where patterns came from and went to, oldest week first.

    Args:
        conn: in a transaction.
        application: whose; None for all.

    Returns:
        application, week, pattern_id, relation (`split_from` or `merged_into`), other_pattern_id, n_shared.
    """
    query = """
        select application, week, pattern_id, relation, other_pattern_id, n_shared from feedback_loop.pattern_lineage
        where cast(:application as text) is null or application = :application
        order by application, week, pattern_id, relation, other_pattern_id
    """
    return read_frame(conn, query, {"application": application})


def _replace(
    conn: Connection, table: sa.Table, application: str, week: date, rows: Sequence[Lineage | GroupJudgement]
) -> None:
    conn.execute(table.delete().where((table.c.application == application) & (table.c.week == week)))
    if rows:
        conn.execute(table.insert(), [asdict(row) | {"application": application, "week": week} for row in rows])
