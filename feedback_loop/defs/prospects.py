"""What each look could show of a fix, of the patterns that matter most this week.

Belongs here: the asset `pattern_prospects`. Does not belong here: the power of a comparison (`stats/prospects.py`).
"""

from datetime import date

import dagster as dg
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.defs import metadata
from feedback_loop.defs.partitions import WEEKS, week_of
from feedback_loop.defs.resources import Database
from feedback_loop.stats.rates import dispersion
from feedback_loop.store import metrics, patterns, tables, trends
from feedback_loop.verify import PROSPECTS, days_to_decision, prospects_of

_MOST = 50  # patterns of an application, by rank
_WEEKS = 16  # of history, as a verdict looks at


@dg.asset(
    deps=["pattern_weeks"],
    partitions_def=WEEKS,
    group_name="verify",
    kinds={"postgres", "scipy"},
    code_version="prospects-1",
    metadata=metadata.about_table(tables.pattern_prospects),
)
def pattern_prospects(
    context: dg.AssetExecutionContext, database: Database, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """The smallest cut that each look would most likely show, with and without a hold-back, and the days to know."""
    week = week_of(context)
    with database.begin() as conn:
        ranked = patterns.read_pattern_weeks(conn, week).query("n_occurrences > 0").groupby("application").head(_MOST)
        found = [_of_pattern(conn, str(r.application), str(r.pattern_id), week, settings) for r in ranked.itertuples()]
        frame = pd.concat([PROSPECTS.check(pd.DataFrame(columns=list(PROSPECTS.columns))), *found])
        metrics.save_metrics(conn, tables.pattern_prospects, week, frame)
    decided = days_to_decision(frame)
    first = frame[frame["look_day"] == settings.verify.looks[0]]
    shown = first.merge(ranked[["pattern_id", "name"]], on="pattern_id").assign(
        days=lambda f: f["pattern_id"].map(decided)
    )
    columns = ("name", "per_week", "smallest_cut", "with_hold_back_10", "with_hold_back_20", "days")
    return dg.MaterializeResult(
        metadata=metadata.rows(len(frame), n_patterns=len(ranked), n_halvings_seen=len(decided))
        | {"first_look": metadata.table(shown, {name: name for name in columns}, most=_MOST)}
    )


def _of_pattern(conn: Connection, application: str, pattern_id: str, week: date, settings: Settings) -> pd.DataFrame:
    daily = trends.read_daily(conn, application, [pattern_id], week)
    weekly = trends.read_trend(conn, application, [pattern_id], week, _WEEKS)["affected"].to_list()
    phi = dispersion(daily["affected"].to_list(), daily["exposures"].to_list())
    return prospects_of(pattern_id, weekly, phi, settings.verify).assign(application=application)
