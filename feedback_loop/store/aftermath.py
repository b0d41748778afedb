"""After the verdict: regression watches and the error rates of placebo fixes.

Belongs here: SQL of `regression_watches` and `placebo_rates`. Does not belong here: the tests (`verify/`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.store.tables import placebo_rates, regression_watches


def save_watches(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add looks of the watch, one dict per row; one that has a row keeps it."""
    if rows:
        conn.execute(insert(regression_watches).on_conflict_do_nothing(), [dict(row) for row in rows])


def watches_done(conn: Connection, method_version: str) -> dict[tuple[str, str], dict[int, str]]:
    """(application, fix_id) -> look -> what it found, of one method version."""
    done: dict[tuple[str, str], dict[int, str]] = {}
    table = regression_watches.c
    query = sa.select(table.application, table.fix_id, table.look, table.state)
    for application, fix_id, look, state in conn.execute(query.where(table.method_version == method_version)):
        done.setdefault((application, fix_id), {})[look] = state
    return done


def load_watches(conn: Connection, as_of: datetime, state: str = "returned") -> list[dict[str, Any]]:
    """Looks of the watch by a time that found this, oldest first."""
    table = regression_watches.c
    query = sa.select(regression_watches).where(table.as_of <= as_of, table.state == state)
    ordered = query.order_by(table.as_of, table.application, table.fix_id)
    return [dict(row) for row in conn.execute(ordered).mappings()]


def save_placebo_rates(conn: Connection, month: date, method_version: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a month's rates of all applications; a row is a dict without `month` and `method_version`."""
    table = placebo_rates.c
    conn.execute(placebo_rates.delete().where(table.month == month, table.method_version == method_version))
    if rows:
        stamp = {"month": month, "method_version": method_version}
        conn.execute(placebo_rates.insert(), [dict(row) | stamp for row in rows])


def false_effective_rate(
    conn: Connection, application: str, method_version: str, as_of: datetime, least: int = 1
) -> float | None:
    """The newest rate known by a time at which placebo fixes were called effective.

    None where there is none, or where fewer than `least` placebos were judged: a rate of three is no rate.
    """
    table = placebo_rates.c
    query = (
        sa.select(sa.case((table.n_judged >= least, table.false_effective)))
        .where(table.application == application, table.method_version == method_version, table.as_of <= as_of)
        .order_by(table.month.desc())
        .limit(1)
    )
    return conn.execute(query).scalar_one_or_none()
