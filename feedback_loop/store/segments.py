"""Segments: who met which version, cohort, model and document in a week, who of them had a pattern, and who liked it.

Belongs here: SQL of `pattern_segments` and `pattern_contradictions`, and the counts they are made from. Does not belong
here: the tests (`segments.py`).

A person is a user, or a session where no user is known. Interactions count in the week they occurred in; events placed
by their subject do not count: they are over-represented in the documents of that subject by construction.
"""

from datetime import date

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.records import Window
from feedback_loop.store.frames import copy_frame, read_frame
from feedback_loop.store.tables import pattern_contradictions, pattern_segments

# 64-bit hashes stand for persons and sessions, so that what is grouped by the million fits into memory. Of a million,
# two share one in a week out of 40,000, and count as one.
_SEEN = """
    select hashtextextended(coalesce(user_hash, session_id, interaction_id), 0) as person,
           hashtextextended(coalesce(session_id, interaction_id), 0) as session, cohort, model,
           coalesce(prompt_name || '@', '') || prompt_version as prompt_version, documents,
           left(coalesce(documents -> 0 ->> 'id', documents -> 0 ->> 'title', ''), 200) as document
    from feedback_loop.interactions i, lateral (
        select case when jsonb_typeof(retrieved_documents) = 'array' then retrieved_documents end as documents
    ) d
    where application = :application
"""
_OF_WEEK = "and i.occurred_at >= :start and i.occurred_at < :end"
_VALUES = """
    select 'prompt_version' as dimension, prompt_version as value union all
    select 'cohort', cohort union all select 'model', model union all
    select 'document', left(coalesce(d ->> 'id', d ->> 'title'), 200) from jsonb_array_elements(documents) d
"""
_MEMBERS = """
    select m.pattern_id, seen.*
    from feedback_loop.pattern_memberships m
         join lateral ({seen} {of_week} and i.interaction_id = m.interaction_id) seen on true
    where m.application = :application and m.week = :week and not m.is_inferred
"""

_EXPOSED = """
select dimension, value, n_sessions, count(*) as n_persons
from (
    select dimension, value, person, count(*) as n_sessions
    from (select distinct dimension, value, person, session
          from ({seen} {of_week}) seen, lateral ({values}) v where value is not null) sessions
    group by 1, 2, 3
) persons
group by 1, 2, 3
order by 1, 2, 3
"""

_HITS = """
select pattern_id, dimension, value, count(distinct person) as n_persons
from ({members}) members, lateral ({values}) v
where value is not null
group by 1, 2, 3
order by 1, 2, 3
"""

_LIKING = """
with members as materialized ({members}
), versions as (
    select pattern_id, mode() within group (order by prompt_version) as prompt_version from members group by 1
), documents as (
    select pattern_id, prompt_version, mode() within group (order by document) as document
    from members join versions using (pattern_id, prompt_version) group by 1, 2
), kinds as (
    select pattern_id, prompt_version,
           case when 2 * count(*) filter (where m.document = d.document) >= count(*) then nullif(d.document, '') end
               as document
    from members m join documents d using (pattern_id, prompt_version) group by 1, 2, d.document
), negative as (
    select pattern_id, cohort, count(distinct person) as n_negative
    from members m join kinds k using (pattern_id, prompt_version)
    where k.document is null or m.document = k.document group by 1, 2
), liked as (
    select prompt_version, document, cohort, count(distinct person) as n_positive
    from feedback_loop.feedback f join lateral ({seen} and i.interaction_id = f.interaction_id) seen on true
    where f.occurred_at >= :start and f.occurred_at < :end
      and (f.signal = any('{{thumbs_up,accepted}}') or (f.signal = 'rating' and f.value >= 4))
    group by grouping sets ((prompt_version, cohort), (prompt_version, document, cohort))
), positive as (
    select k.pattern_id, l.cohort, l.n_positive
    from kinds k join liked l on l.prompt_version = k.prompt_version and l.document is not distinct from k.document
)
select pattern_id, 'cohort' as dimension, cohort as value, coalesce(n_negative, 0) as n_negative,
       coalesce(n_positive, 0) as n_positive
from negative full join positive using (pattern_id, cohort)
where cohort is not null
order by 1, 3
"""

_PARTS = {"seen": _SEEN, "of_week": _OF_WEEK, "values": _VALUES}
_PARTS["members"] = _MEMBERS.format(**_PARTS)


def count_exposed(conn: Connection, application: str, week: date) -> pd.DataFrame:
    """Frame `segments.EXPOSED`: in how many of their sessions of the week persons met which value."""
    return _count(conn, _EXPOSED, application, week)


def count_hits(conn: Connection, application: str, week: date) -> pd.DataFrame:
    """Frame `segments.HITS`: persons with a pattern per value; the week's memberships must be stored."""
    return _count(conn, _HITS, application, week)


def count_liking(conn: Connection, application: str, week: date) -> pd.DataFrame:
    """Frame `segments.LIKING` by cohort: who had a pattern, and who liked answers of its kind in the same week.

    The kind is the pattern's main prompt version, and its main first document where at least half of its members in
    that version have it. Liked is a thumb up, a rating of 4 or 5, or `accepted`.
    """
    return _count(conn, _LIKING, application, week)


def save_segments(conn: Connection, application: str, week: date, frame: pd.DataFrame) -> None:
    """Replace an application's segments of a week by frame `segments.SEGMENTS`."""
    _replace(conn, pattern_segments, application, week, frame)


def save_contradictions(conn: Connection, application: str, week: date, frame: pd.DataFrame) -> None:
    """Replace an application's contradictions of a week by frame `segments.CONTRADICTIONS`."""
    _replace(conn, pattern_contradictions, application, week, frame)


def read_segments(conn: Connection, application: str, week: date) -> pd.DataFrame:
    """An application's segments of a week, frame `segments.SEGMENTS`, most certain first."""
    return _read(conn, pattern_segments, application, week)


def read_contradictions(conn: Connection, application: str, week: date) -> pd.DataFrame:
    """An application's contradictions of a week, frame `segments.CONTRADICTIONS`, most certain first."""
    return _read(conn, pattern_contradictions, application, week)


def _count(conn: Connection, query: str, application: str, week: date) -> pd.DataFrame:
    window = Window.of_week(week)
    parameters = {"application": application, "week": week, "start": window.start, "end": window.end}
    return read_frame(conn, query.format(**_PARTS), parameters)


def _replace(conn: Connection, table: sa.Table, application: str, week: date, frame: pd.DataFrame) -> None:
    conn.execute(table.delete().where((table.c.application == application) & (table.c.week == week)))
    copy_frame(conn, table, frame.assign(application=application, week=week))


def _read(conn: Connection, table: sa.Table, application: str, week: date) -> pd.DataFrame:
    columns = [column for column in table.c if column.name not in ("application", "week")]
    query = sa.select(*columns).where(table.c.application == application, table.c.week == week)
    certain_first = (table.c.q_value, table.c.p_value, *table.primary_key)
    rows = conn.execute(query.order_by(*certain_first)).fetchall()
    return pd.DataFrame.from_records([tuple(row) for row in rows], columns=[column.name for column in columns])
