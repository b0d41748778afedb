"""Audits: questions about stored weeks that must have one answer.

Belongs here: the SQL behind the asset checks. Does not belong here: what a wrong answer leads to (`defs/checks.py`).
"""

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.records import Window


@dataclass(frozen=True)
class MembershipCounts:
    """How many events of a week are what.

    Attributes:
        negatives: negative.
        described: described.
        members: in a pattern, in whichever way they came to it.
        inferred: of the members, those placed by their subject.
        strangers: in a pattern, and not negative.
        contradicted: placed by their subject though they say what went wrong, or the other way round.
    """

    negatives: int
    described: int
    members: int
    inferred: int
    strangers: int
    contradicted: int


def membership_counts(conn: Connection, week: date) -> MembershipCounts:
    """Of all applications."""
    query = """
        select (select count(*) from feedback_loop.negative_feedback where week = :week),
               (select count(*) from feedback_loop.failure_descriptions where week = :week),
               (select count(*) from feedback_loop.pattern_memberships where week = :week),
               (select count(*) from feedback_loop.pattern_memberships where week = :week and is_inferred),
               (select count(*) from feedback_loop.pattern_memberships m where week = :week and not exists (
                   select from feedback_loop.negative_feedback n
                   where (n.application, n.week, n.interaction_id) = (m.application, m.week, m.interaction_id))),
               (select count(*) from feedback_loop.pattern_memberships m join feedback_loop.failure_descriptions d
                    using (application, week, interaction_id)
                where week = :week and m.is_inferred <> d.is_inferred)
    """
    return MembershipCounts(*conn.execute(sa.text(query), {"week": week}).one())


def unassigned_shares(conn: Connection, week: date) -> dict[str, float]:
    """Application -> share of the events that say something and are in no pattern; without such events absent."""
    query = """
        select application, (count(*) filter (where m.interaction_id is null))::float / count(*)
        from feedback_loop.failure_descriptions d
        left join feedback_loop.pattern_memberships m using (application, week, interaction_id)
        where week = :week and not d.is_inferred group by 1 order by 1
    """
    return {str(row[0]): float(row[1]) for row in conn.execute(sa.text(query), {"week": week})}


def negatives_without_exposures(conn: Connection, week: date) -> list[str]:
    """Applications with negative feedback but no exposures in a week."""
    query = """
        select distinct application from feedback_loop.negative_feedback n where week = :week and not exists (
            select from feedback_loop.exposures e where e.application = n.application and e.week = n.week)
        order by 1
    """
    return list(conn.execute(sa.text(query), {"week": week}).scalars())


def silent_applications(conn: Connection, window: Window) -> list[str]:
    """Applications with feedback before the window and none within it."""
    query = """
        select distinct application from feedback_loop.week_runs r
        where r.week < :day and r.n_feedback > 0 and not exists (
            select from feedback_loop.week_runs t
            where t.application = r.application and t.week = :day and t.n_feedback > 0)
        order by 1
    """
    return list(conn.execute(sa.text(query), {"day": window.start.date()}).scalars())


def verdicts_without_exposures(conn: Connection) -> list[str]:
    """Looks that give a reduction though one side had no exposures."""
    query = """
        select fix_id || ' day ' || look_day from feedback_loop.verifications
        where reduction is not null and not (coalesce(exposures_before, 0) > 0 and coalesce(exposures_after, 0) > 0)
        order by 1
    """
    return list(conn.execute(sa.text(query)).scalars())
