"""Late facts: sessions that were imported after a look had counted their days.

Belongs here: the check that says so. Does not belong here: the look, which keeps its row (`verdicts.py`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

import dagster as dg
from sqlalchemy import Connection

from feedback_loop.defs.seeing import Traffic
from feedback_loop.store import fixes

_WATCHED = timedelta(days=28)  # after a look; facts that come later still are told by the weeks' own check


def late_facts_check(conn: Connection, as_of: datetime) -> dg.AssetCheckResult:
    """Whether looks of the last four weeks would count more sessions today than they did."""
    told = list(_late(conn, as_of))
    return dg.AssetCheckResult(
        check_name="late_facts",
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(told) or "no sessions came after the looks that count their days",
        metadata={"looks": len(told)},
    )


def _late(conn: Connection, as_of: datetime) -> Iterator[str]:
    looks = fixes.looks_since(conn, as_of - _WATCHED, as_of)
    for application, own in groupby(looks, key=lambda look: look[0]):
        traffic = Traffic(conn, application)
        for _, fix_id, day, window, counted in own:
            n = float(traffic.sessions(window)["n_exposures"].sum()) - counted
            if n >= 1:
                yield f"{fix_id} day {day}: {n:,.0f} sessions of its {counted + n:,.0f} came later"
