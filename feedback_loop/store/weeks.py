"""Weeks: which applications and weeks there are, which ran, what came late.

Belongs here: the run rows of the weekly loop (`week_runs`) and the facts behind them. Does not belong here: what a
week's stages store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.errors import InputError
from feedback_loop.records import Window
from feedback_loop.store.tables import week_runs


@dataclass(frozen=True)
class WeekFacts:
    """How much was recorded for an application in a week; compared later to notice facts that came late."""

    application: str
    n_interactions: int
    n_feedback: int


_MOST_GONE = 0.5
"""Share of a week's interactions that may be gone before it cannot be run again."""

_GONE = """
select (select sum(n_interactions)::bigint from feedback_loop.week_runs where week = :week),
       (select count(*) from feedback_loop.interactions where occurred_at >= :start and occurred_at < :end)
"""

_APPLICATIONS = """
with recursive app as (
    (select application from feedback_loop.interactions order by application limit 1)
    union all
    select (select i.application from feedback_loop.interactions i
            where i.application > app.application order by i.application limit 1)
    from app where app.application is not null
)
select application, (select min(occurred_at) from feedback_loop.interactions i where i.application = app.application)
from app where application is not null
"""

_FACTS = """
select application, week, sum(n_interactions)::bigint, sum(n_feedback)::bigint from (
    select application, date_trunc('week', occurred_at at time zone 'UTC')::date as week,
           count(*) as n_interactions, 0 as n_feedback
    from feedback_loop.interactions where occurred_at >= :start and occurred_at < :end group by 1, 2
    union all
    select i.application, date_trunc('week', f.occurred_at at time zone 'UTC')::date, 0, count(*)
    from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
    where f.occurred_at >= :start and f.occurred_at < :end group by 1, 2
) facts group by 1, 2 order by 1, 2
"""

# Looks into facts only where no run is recorded: the years before would have to be counted again every week.
_NOT_RUN = """
select distinct cast(start at time zone 'UTC' as date) as week
from unnest(cast(:applications as text[])) as a(application) cross join unnest(:weeks) as w(start)
where not exists (select from feedback_loop.week_runs r where r.application = a.application
                  and r.week = cast(start at time zone 'UTC' as date) and r.is_complete)
  and (exists (select from feedback_loop.interactions i where i.application = a.application
               and i.occurred_at >= start and i.occurred_at < start + interval '7 days')
       or exists (select from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
                  where i.application = a.application
                    and f.occurred_at >= start and f.occurred_at < start + interval '7 days'))
order by 1
"""


def check_facts(conn: Connection, window: Window) -> None:
    """Refuse to run a week again whose facts retention took away: what was made of them would be replaced by nothing.

    Raises:
        InputError: more than half of the interactions that an earlier run counted are gone.
    """
    week = window.start.date()
    counted, there = conn.execute(sa.text(_GONE), {"week": week, "start": window.start, "end": window.end}).one()
    if counted and there < counted * (1 - _MOST_GONE):
        raise InputError(
            f"the week of {week} cannot be run again: of {counted:,} interactions {there:,} are left, the others are"
            " past retention or deleted; what was made of them is kept as it is"
        )


def list_applications(conn: Connection, before: Window) -> list[str]:
    """Applications with an interaction before the window's end, sorted."""
    rows = conn.execute(sa.text(_APPLICATIONS)).all()
    return sorted(application for application, first in rows if first < before.end)


def count_facts(conn: Connection, window: Window) -> dict[tuple[str, date], WeekFacts]:
    """Facts per application and week of the window; weeks without any are absent."""
    rows = conn.execute(sa.text(_FACTS), {"start": window.start, "end": window.end}).all()
    return {(application, week): WeekFacts(application, n, m) for application, week, n, m in rows}


def begin_run(
    conn: Connection, week: date, facts: Sequence[WeekFacts], n_negative: dict[str, int], policy: str
) -> None:
    """Say that a week is running on these facts; it counts as run when `complete_run` says so."""
    if not facts:
        return
    conn.execute(week_runs.delete().where(week_runs.c.week == week))
    conn.execute(
        week_runs.insert(),
        [
            {
                "application": f.application,
                "week": week,
                "n_interactions": f.n_interactions,
                "n_feedback": f.n_feedback,
                "n_negative": n_negative.get(f.application, 0),
                "is_complete": False,
                "is_stale": False,
                "policy_version": policy,
            }
            for f in facts
        ],
    )


def complete_run(conn: Connection, week: date) -> None:
    """All of the week is stored; to be called in the transaction of its last step."""
    conn.execute(week_runs.update().where(week_runs.c.week == week).values(is_complete=True))


def mark_later_stale(conn: Connection, application: str, week: date) -> int:
    """The memory that later weeks started from has changed: they are to be run again. Returns how many."""
    later = (week_runs.c.application == application) & (week_runs.c.week > week)
    return conn.execute(week_runs.update().where(later).values(is_stale=True)).rowcount


def is_newest(conn: Connection, application: str, week: date) -> bool:
    """Whether no later week of the application has run: only then side effects are carried out."""
    later = (week_runs.c.application == application) & (week_runs.c.week > week) & week_runs.c.is_complete
    return conn.execute(sa.select(sa.func.count()).where(later)).scalar_one() == 0


def stale_weeks(conn: Connection) -> list[date]:
    """Weeks that ran on a memory that has changed since, oldest first."""
    query = sa.select(week_runs.c.week).where(week_runs.c.is_stale).distinct().order_by(week_runs.c.week)
    return list(conn.execute(query).scalars())


def weeks_not_run(conn: Connection, window: Window) -> list[date]:
    """Weeks of the window that have facts but never ran to their end, for any application, oldest first.

    Args:
        conn: inside the caller's transaction.
        window: whole weeks.
    """
    parameters = {
        "applications": list_applications(conn, window),
        "weeks": [window.start + timedelta(days=n) for n in range(0, (window.end - window.start).days, 7)],
    }
    return list(conn.execute(sa.text(_NOT_RUN), parameters).scalars())


def late_facts(conn: Connection, window: Window) -> list[tuple[str, date, int]]:
    """(application, week, number) of facts that were imported after their week ran, oldest first."""
    inside = (week_runs.c.week >= window.start.date()) & (week_runs.c.week < window.end.date())
    seen = {
        (r.application, r.week): r.n_interactions + r.n_feedback
        for r in conn.execute(sa.select(week_runs).where(inside))
    }
    now = count_facts(conn, window)
    late = [(key, facts.n_interactions + facts.n_feedback - seen[key]) for key, facts in now.items() if key in seen]
    return [(application, week, n) for (application, week), n in sorted(late, key=lambda x: (x[0][1], x[0])) if n > 0]
