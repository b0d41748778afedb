"""Counts that verdicts rest on: exposures by segment, steps of roll-outs, sizes of arms, what retention took away.

Belongs here: SQL that `verify` is fed from. Does not belong here: what the numbers mean (`verify/`), events and their
texts (`negatives.py`), the rows of verdicts (`fixes.py`, `aftermath.py`).
"""

from datetime import date, datetime

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.records import Fix, Window
from feedback_loop.store.frames import read_frame

_MOST_SHARED = 0.05  # of the users in both arms: above, it was not users that were assigned

_EXPOSURES = """
select date, prompt_name, prompt_version, cohort, sum(weight) as n_exposures
from (
    select (occurred_at at time zone 'UTC')::date as date, coalesce(prompt_name, '') as prompt_name, prompt_version,
           min(cohort) as cohort, 1 / max(sample_rate) as weight
    from feedback_loop.interactions
    where application = :application and occurred_at >= :start and occurred_at < :end
    group by 1, 2, 3, coalesce(session_id, interaction_id)
) sessions
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""

_MIXED = """
select (occurred_at at time zone 'UTC')::date as date, coalesce(prompt_name, '') as prompt_name, prompt_version,
       coalesce(session_id, interaction_id) as session_key, min(cohort) as cohort
from feedback_loop.interactions
where application = :application and occurred_at >= :start and occurred_at < :end
group by 1, 2, 3, 4
having min(cohort) <> max(cohort) or count(cohort) between 1 and count(*) - 1
"""

_LOST = """
select (n.occurred_at at time zone 'UTC')::date as date, count(*) as n_negative,
       count(*) filter (where i.interaction_id is null) as n_lost
from (select distinct interaction_id, occurred_at from feedback_loop.negative_feedback
      where application = :application and occurred_at >= :start and occurred_at < :end) n
left join feedback_loop.interactions i using (interaction_id)
group by 1 order by 1
"""

_ARMS = """
with units as (
    select user_unit is not null as is_user, bool_or(is_new) as is_new, bool_or(not is_new) as is_old
    from (
        select coalesce(user_hash, session_id, interaction_id) as user_unit,
               coalesce(session_id, interaction_id) as session_unit, prompt_version = :version as is_new
        from feedback_loop.interactions
        where application = :application and occurred_at >= :start and occurred_at < :end
          and (cast(:name as text) is null or coalesce(prompt_name, '') = :name)
    ) served
    group by grouping sets ((user_unit), (session_unit))
)
select count(*) filter (where is_new), count(*) filter (where is_old), count(*) filter (where is_new and is_old)
from units group by is_user order by is_user desc
"""


def count_sessions(conn: Connection, window: Window, application: str) -> pd.DataFrame:
    """Sessions per day, version and cohort, weighted by 1 / sample_rate; they add up to those of `count_exposures`.

    A session has the first of its cohorts by name.
    """
    parameters = {"application": application, "start": window.start, "end": window.end}
    return read_frame(conn, _EXPOSURES, parameters).astype({"n_exposures": "float64"})


def roll_out_steps(conn: Connection, fix: Fix, as_of: datetime) -> list[tuple[datetime, float]]:
    """Deployments of the version that carries a fix, oldest first: when, and share of the traffic.

    A later version of the same prompt takes its share away: from then on the fix is planned to get the rest. Empty for
    a fix without a version, and for one that no deployment record tells of.
    """
    if fix.prompt_version is None or fix.source != "deployment":
        return []
    query = """
        select deployed_at, max(case when prompt_version = :version then rollout_share else 1 - rollout_share end)
        from feedback_loop.deployments
        where application = :application and deployed_at < :as_of
          and (prompt_version = :version or prompt_version is not null and deployed_at > :since)
          and (cast(:name as text) is null or prompt_name is null or prompt_name = :name)
        group by 1 order by 1
    """
    parameters = {
        "application": fix.application,
        "version": fix.prompt_version,
        "name": fix.prompt_name,
        "as_of": as_of,
        "since": fix.deployed_at,
    }
    return [(row[0], float(row[1])) for row in conn.execute(sa.text(query), parameters)]


def count_arms(conn: Connection, fix: Fix, window: Window) -> tuple[int, int] | None:
    """Units that got the version of a fix, and units that got another of the same prompt, while both were served.

    Units are users, or sessions where many users got both; None where many sessions did too, as in a split by request:
    then the sizes of the arms say nothing of its shares.
    """
    parameters = {
        "application": fix.application,
        "version": fix.prompt_version,
        "name": fix.prompt_name,
        "start": window.start,
        "end": window.end,
    }
    for new, old, both in conn.execute(sa.text(_ARMS), parameters):  # by user, then by session
        if both <= _MOST_SHARED * (new + old):
            return int(new), int(old)
    return None


def mixed_sessions(conn: Connection, window: Window, application: str) -> pd.DataFrame:
    """Sessions of several cohorts by day and version, with the one that `count_sessions` counts them in."""
    return read_frame(conn, _MIXED, {"application": application, "start": window.start, "end": window.end})


def lost_by_day(conn: Connection, window: Window, application: str) -> pd.DataFrame:
    """Negative interactions that weeks have counted, by day, and how many of them are gone since (`n_lost`)."""
    return read_frame(conn, _LOST, {"application": application, "start": window.start, "end": window.end})


def split_parents(conn: Connection, application: str, before: date) -> dict[str, str]:
    """Pattern -> the pattern that it was found to be a part of, in weeks that were over by a day."""
    query = """
        select distinct on (pattern_id) pattern_id, other_pattern_id from feedback_loop.pattern_lineage
        where application = :application and relation = 'split_from' and week + 7 <= :before
        order by pattern_id, week
    """
    parameters = {"application": application, "before": before}
    return {str(row[0]): str(row[1]) for row in conn.execute(sa.text(query), parameters)}
