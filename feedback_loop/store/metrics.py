"""Metrics: counting a week in SQL, and its three tables.

Belongs here: SQL of `prompt_version_weeks`, `cohort_weeks` and `loop_weeks`. Does not belong here: rates
(`metrics.py`).
"""

from datetime import date

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.records import Window
from feedback_loop.store.frames import copy_frame, read_frame

# Straight after an import the planner takes a week for one row, and then works out anew for each of its rows what is
# joined to it. So every part is counted on its own before it is joined, once ("materialized"), and answers find their
# interactions by key, never by week.
_VERSIONS = """
with asked as materialized (
    select application, coalesce(prompt_name, '') as prompt_name, prompt_version, count(*) as n_interactions,
           percentile_cont(.5) within group (order by latency_ms) as latency_p50_ms,
           percentile_cont(.95) within group (order by latency_ms) as latency_p95_ms, sum(cost_usd) as cost_usd
    from feedback_loop.interactions where occurred_at >= :start and occurred_at < :end group by 1, 2, 3
), exposed as materialized (
    select application, prompt_name, prompt_version, sum(n_exposures) as exposures
    from feedback_loop.exposures where week = :week group by 1, 2, 3
), negative as materialized (
    select application, prompt_name, prompt_version, count(*) as n_negative, sum(weight) as negative
    from feedback_loop.negative_feedback where week = :week group by 1, 2, 3
)
select application, prompt_name, prompt_version, n_interactions, coalesce(exposures, 0) as exposures,
       coalesce(n_negative, 0) as n_negative, coalesce(negative, 0) as negative, latency_p50_ms, latency_p95_ms,
       cost_usd
from asked left join exposed using (application, prompt_name, prompt_version)
     left join negative using (application, prompt_name, prompt_version)
order by 1, 2, 3
"""

_COHORTS = """
with answers as (
    select interaction_id, bool_or(signal = 'shown') as is_shown, bool_or(signal <> all(:passive)) as is_answered
    from feedback_loop.feedback where occurred_at >= :start and occurred_at < :end group by 1
), answered as materialized (
    select i.application, coalesce(i.cohort, '') as cohort, count(*) filter (where is_shown and is_of_week) as n_shown,
           count(*) filter (where is_shown and is_answered and is_of_week) as n_responses,
           sum(1 / sample_rate) filter (where is_shown and is_of_week) as shown,
           sum(1 / sample_rate) filter (where is_shown and is_answered and is_of_week) as responses
    from answers join feedback_loop.interactions i using (interaction_id),
         lateral (select i.occurred_at >= :start and i.occurred_at < :end as is_of_week) w
    group by 1, 2
), negative as materialized (
    select application, coalesce(cohort, '') as cohort, count(*) as n_negative
    from feedback_loop.negative_feedback where week = :week group by 1, 2
), asked as materialized (  -- per user first: distinct users of a whole cohort would be sorted, on disk
    select application, cohort, sum(n)::bigint as n_interactions, count(user_hash) as n_users
    from (select application, coalesce(cohort, '') as cohort, user_hash, count(*) as n
          from feedback_loop.interactions where occurred_at >= :start and occurred_at < :end group by 1, 2, 3) users
    group by 1, 2
)
select application, cohort, n_interactions, n_users, coalesce(n_shown, 0) as n_shown,
       coalesce(n_responses, 0) as n_responses, coalesce(n_negative, 0) as n_negative, coalesce(shown, 0) as shown,
       coalesce(responses, 0) as responses
from asked left join answered using (application, cohort) left join negative using (application, cohort)
order by 1, 2
"""

_LOOP = """
select r.application, r.n_interactions, r.n_negative,
       coalesce((select sum(n_exposures) from feedback_loop.exposures e
                 where e.application = r.application and e.week = r.week), 0) as exposures,
       (select count(*) from feedback_loop.pattern_memberships m
        where m.application = r.application and m.week = r.week) as n_assigned,
       (select count(distinct pattern_id) from feedback_loop.pattern_memberships m
        where m.application = r.application and m.week = r.week) as n_patterns_seen,
       (select count(*) from feedback_loop.pattern_states s
        where s.application = r.application and s.week = r.week and s.first_seen_week = r.week) as n_patterns_new,
       (select count(*) from feedback_loop.tickets t where t.application = r.application
        and t.created_week <= r.week and t.status not in ('closed', 'done')) as n_open_tickets
from feedback_loop.week_runs r where r.week = :week order by 1
"""

# What people do without being asked says nothing of how willingly they answer.
PASSIVE = ["shown", "dwell", "copied", "abandoned", "regenerated", "retried", "follow_up", "accepted"]
"""Signals that come without anybody meaning to say something."""


def count_versions(conn: Connection, week: date) -> pd.DataFrame:
    """Per prompt version: interactions, exposures, negatives, latency and cost.

    `negative` are the negatives, each weighted by 1 / sample_rate as exposures are; a rate divides these two.
    """
    return read_frame(conn, _VERSIONS, {**_span(week), "week": week})


def count_cohorts(conn: Connection, week: date) -> pd.DataFrame:
    """Per cohort: interactions, users, impressions of the feedback widget, answers to it, negatives.

    `shown` and `responses` are impressions and answers, each weighted by 1 / sample_rate; a rate divides these two.
    """
    return read_frame(conn, _COHORTS, {**_span(week), "week": week, "passive": PASSIVE})


def count_loop(conn: Connection, week: date) -> pd.DataFrame:
    """Per application: the week of the loop itself."""
    return read_frame(conn, _LOOP, {"week": week})


def save_metrics(conn: Connection, table: sa.Table, week: date, frame: pd.DataFrame) -> None:
    """Replace one metric table's week; columns that only rates were made of are left out."""
    conn.execute(table.delete().where(table.c.week == week))
    copy_frame(conn, table, frame[[name for name in frame.columns if name in table.c]].assign(week=week))


def _span(week: date) -> dict[str, object]:
    window = Window.of_week(week)
    return {"start": window.start, "end": window.end}
