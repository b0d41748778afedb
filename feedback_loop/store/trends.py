"""Trends: a pattern's numbers over its weeks, for tickets and their pictures.

Belongs here: SQL that reads several weeks of one pattern. Does not belong here: one week's numbers (`patterns.py`), and
what is said of them (`route/`).
"""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.records import Window
from feedback_loop.store.frames import read_frame
from feedback_loop.store.metrics import PASSIVE

_TREND = """
select r.week, coalesce(w.n_occurrences, 0) as n_occurrences, coalesce(w.n_sessions, 0) as n_sessions,
       coalesce(w.affected, 0.0) as affected, e.exposures
from feedback_loop.week_runs r
left join (select week, sum(n_occurrences)::bigint as n_occurrences, sum(n_sessions)::bigint as n_sessions,
                  sum(affected) as affected
           from feedback_loop.pattern_weeks
           where application = :application and pattern_id = any(:pattern_ids) group by 1) w using (week)
left join (select application, week, sum(n_exposures) as exposures
           from feedback_loop.exposures where application = :application group by 1, 2) e
     on (e.application, e.week) = (r.application, r.week)
where r.application = :application and r.week > :after and r.week <= :week and r.n_feedback > 0
  and r.week >= (select min(s.first_seen_week) from feedback_loop.pattern_states s
                 where s.application = :application and s.pattern_id = any(:pattern_ids))
order by r.week
"""

_VERSIONS = """
select n.prompt_name, n.prompt_version, count(*) as n_events
from feedback_loop.pattern_memberships m
join feedback_loop.negative_feedback n using (application, week, interaction_id)
where m.application = :application and m.week = :week and m.pattern_id = any(:pattern_ids) and not m.is_inferred
group by 1, 2 order by 3 desc, 1, 2
"""

_DAILY = """
select e.date, coalesce(d.affected, 0) as affected, e.n_exposures as exposures
from (select date, sum(n_exposures) as n_exposures from feedback_loop.exposures
      where application = :application and week = :week group by 1) e
left join (
    select date, sum(weight) as affected from (
        select distinct on (n.session_key, (n.occurred_at at time zone 'UTC')::date, n.prompt_name, n.prompt_version)
               (n.occurred_at at time zone 'UTC')::date as date, n.weight
        from feedback_loop.pattern_memberships m
        join feedback_loop.negative_feedback n using (application, week, interaction_id)
        where m.application = :application and m.week = :week and m.pattern_id = any(:pattern_ids) and not m.is_inferred
        order by n.session_key, (n.occurred_at at time zone 'UTC')::date, n.prompt_name, n.prompt_version, n.weight
    ) sessions group by 1
) d using (date)
order by 1
"""

_WEEK = """
select (select count(distinct (prompt_name, prompt_version)) from feedback_loop.exposures
        where application = :application and week = :week) as n_versions,
       (select sum(weight) from (
            select 1 / max(i.sample_rate) as weight
            from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
            where i.application = :application and i.occurred_at >= :start and i.occurred_at < :end
              and f.occurred_at >= :start and f.occurred_at < :end and f.signal <> all(:passive)
            group by coalesce(i.session_id, i.interaction_id)) heard) as n_heard,
       (select sum(n_exposures) from feedback_loop.exposures
        where application = :application and week = :week) as n_sessions
"""

_SAID_AT = """
select interaction_id, known_at from feedback_loop.negative_feedback
where application = :application and interaction_id = any(:ids)
"""


def read_trend(
    conn: Connection, application: str, pattern_ids: Sequence[str], week: date, n_weeks: int
) -> pd.DataFrame:
    """The weeks that ran of a pattern and of those merged into it, oldest first, none before it was first seen.

    A session that two of them hit in a week from before their merge counts twice.

    Returns:
        Columns week, n_occurrences, n_sessions, affected (weighted sessions), exposures (NaN: none were recorded). A
        week in which it was not seen has 0, for the week ran and would have seen it; one without any feedback is left
        out, for silence is not zero.
    """
    after = week - timedelta(weeks=n_weeks)
    parameters = {"application": application, "pattern_ids": list(pattern_ids), "week": week, "after": after}
    frame = read_frame(conn, _TREND, parameters)
    return frame.astype({"affected": "float64", "exposures": "float64"})


def read_daily(conn: Connection, application: str, pattern_ids: Sequence[str], week: date) -> pd.DataFrame:
    """A pattern's days of one week with exposures: date, affected (weighted sessions), exposures."""
    parameters = {"application": application, "pattern_ids": list(pattern_ids), "week": week}
    return read_frame(conn, _DAILY, parameters).astype({"affected": "float64", "exposures": "float64"})


def read_versions(conn: Connection, application: str, pattern_ids: Sequence[str], week: date) -> pd.DataFrame:
    """The prompt versions whose answers the week's members complain of: prompt_name, prompt_version, n_events."""
    return read_frame(conn, _VERSIONS, {"application": application, "pattern_ids": list(pattern_ids), "week": week})


def read_week(conn: Connection, application: str, week: date) -> tuple[int, float | None]:
    """How many prompt versions a week served, and the share of its sessions that said anything; None without any."""
    window = Window.of_week(week)
    parameters = {"application": application, "week": week, "start": window.start, "end": window.end}
    row = conn.execute(sa.text(_WEEK), {**parameters, "passive": list(PASSIVE)}).one()
    return int(row.n_versions), min(1.0, float((row.n_heard or 0) / row.n_sessions)) if row.n_sessions else None


def said_on(conn: Connection, application: str, interaction_ids: list[str]) -> dict[str, date]:
    """interaction_id -> the day on which the first negative feedback on it came; unknown ids are absent."""
    rows = conn.execute(sa.text(_SAID_AT), {"application": application, "ids": interaction_ids})
    return {str(row[0]): row[1].date() for row in rows}
