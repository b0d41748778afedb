"""Patterns: memory, memberships, weekly numbers, frozen detectors and their detections.

Belongs here: SQL of those tables. Does not belong here: how a pattern comes to be (`cluster/`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.errors import NotFoundError
from feedback_loop.records import Detector, Exemplar, PatternState
from feedback_loop.store.frames import copy_frame, read_frame, refresh_statistics
from feedback_loop.store.tables import (
    detections,
    detectors,
    pattern_memberships,
    pattern_states,
    pattern_weeks,
)

_STORED = """
    select interaction_id, pattern_id, similarity from feedback_loop.detections
    where application = :application and detector_version = :version
"""

# One array of ids: SQLAlchemy's `in_` would render a parameter for each.
_FORGET = """
    delete from feedback_loop.detections
    where application = :application and detector_version = :version and interaction_id = any(:ids)
"""


def load_memory(conn: Connection, application: str, before: date | None) -> list[PatternState]:
    """The newest states of an application's patterns before a week (None: of all weeks), by pattern_id."""
    of_application = pattern_states.c.application == application
    newest = sa.select(sa.func.max(pattern_states.c.week)).where(of_application)
    if before is not None:
        newest = newest.where(pattern_states.c.week < before)
    query = sa.select(pattern_states).where(of_application, pattern_states.c.week == newest.scalar_subquery())
    return [_state(row._mapping) for row in conn.execute(query.order_by(pattern_states.c.pattern_id))]


def load_states(conn: Connection, application: str, week: date) -> list[PatternState]:
    """The states at the end of exactly this week, by pattern_id."""
    of_week = (pattern_states.c.application == application) & (pattern_states.c.week == week)
    query = sa.select(pattern_states).where(of_week).order_by(pattern_states.c.pattern_id)
    return [_state(row._mapping) for row in conn.execute(query)]


def detector_of_week(conn: Connection, application: str, week: date) -> str | None:
    """The detector that a week's memory amounts to; None where it holds no pattern."""
    query = sa.select(pattern_states.c.detector_version).where(
        pattern_states.c.application == application, pattern_states.c.week == week
    )
    return conn.execute(query.limit(1)).scalar_one_or_none()


def applications_with_patterns(conn: Connection) -> list[str]:
    """Applications of which any pattern is known, sorted."""
    return sorted(conn.execute(sa.select(pattern_states.c.application).distinct()).scalars())


def newest_detector(conn: Connection, application: str, before: date) -> str | None:
    """The detector that the newest week that was over by a day amounts to; None where there is none."""
    query = (
        sa.select(pattern_states.c.detector_version)
        .where(pattern_states.c.application == application, pattern_states.c.week + 7 <= before)
        .order_by(pattern_states.c.week.desc())
        .limit(1)
    )
    return conn.execute(query).scalar_one_or_none()


def _state(row: Any) -> PatternState:
    names = PatternState.__dataclass_fields__
    exemplars = tuple(Exemplar(**exemplar) for exemplar in row["exemplars"])
    return PatternState(**{**{name: row[name] for name in names}, "exemplars": exemplars})


def save_week(
    conn: Connection,
    application: str,
    week: date,
    states: Sequence[PatternState],
    memberships: pd.DataFrame,
    detector: Detector,
    policy_version: str,
) -> None:
    """Replace an application's week: states, frame `records.MEMBERSHIPS`, and the detector they amount to."""
    for table in (pattern_states, pattern_memberships):
        conn.execute(table.delete().where(table.c.application == application, table.c.week == week))
    stamp = {
        "application": application,
        "week": week,
        "detector_version": detector.detector_version,
        "policy_version": policy_version,
    }
    if states:
        conn.execute(pattern_states.insert(), [asdict(state) | stamp for state in states])
        save_detector(conn, application, detector)
    copy_frame(conn, pattern_memberships, memberships.assign(application=application, week=week))
    refresh_statistics(conn, pattern_memberships)


def save_detector(conn: Connection, application: str, detector: Detector) -> None:
    """Keep a snapshot; its version is its content, so a second save of the same changes nothing."""
    row = {
        "application": application,
        "detector_version": detector.detector_version,
        "embedding_version": detector.embedding_version,
        "describer_version": detector.describer_version,
        "snapshot": [
            {
                **asdict(p),
                "first_seen_week": p.first_seen_week.isoformat(),
                "last_seen_week": p.last_seen_week.isoformat(),
            }
            for p in detector.patterns
        ],
    }
    conn.execute(insert(detectors).values(row).on_conflict_do_nothing())


def load_detector(conn: Connection, application: str, detector_version: str) -> Detector:
    """A frozen detector.

    Raises:
        NotFoundError: it is not there.
    """
    query = sa.select(detectors).where(
        detectors.c.application == application, detectors.c.detector_version == detector_version
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"application {application!r} has no detector {detector_version!r}")
    patterns = tuple(
        PatternState(
            **{
                **p,
                "first_seen_week": date.fromisoformat(p["first_seen_week"]),
                "last_seen_week": date.fromisoformat(p["last_seen_week"]),
                "exemplars": tuple(Exemplar(**e) for e in p["exemplars"]),
            }
        )
        for p in row.snapshot
    )
    return Detector(row.detector_version, row.embedding_version, row.describer_version, patterns)


_MEMBERS = """
with doubted as (
    select distinct interaction_id from feedback_loop.feedback_exclusions
    where application = :application and effect = 'weighted' and interaction_id in (
        select interaction_id from feedback_loop.pattern_memberships
        where application = :application and week = :week)
), complaints as (
    select f.interaction_id, coalesce(min(e.weight), 1) as weight, coalesce(bool_or(e.reason = 'new_account'), false)
           as is_new
    from doubted join feedback_loop.feedback f using (interaction_id)
    left join feedback_loop.feedback_exclusions e on e.feedback_id = f.feedback_id and e.effect = 'weighted'
    where f.occurred_at < cast(:end as timestamp) at time zone 'UTC'
      and f.signal <> all('{thumbs_up,accepted,copied,resolved,task_succeeded,converted,shown,dwell,follow_up}')
      and not (f.signal = 'rating' and f.value > 2)
      and not exists (select from feedback_loop.feedback_exclusions x
                      where x.feedback_id = f.feedback_id and x.effect = 'excluded')
    group by f.interaction_id, f.feedback_id
), raters as (
    select interaction_id, max(weight) as standing, bool_and(is_new) as is_new from complaints group by 1
)
select m.pattern_id, m.is_inferred, n.interaction_id, n.session_key, n.user_hash, n.severity, n.weight,
       concat_ws('|', (n.occurred_at at time zone 'UTC')::date, n.prompt_name, n.prompt_version, n.session_key)
           as exposure_key,
       coalesce(r.standing, 1) as standing, coalesce(r.is_new, false) as is_new
from feedback_loop.pattern_memberships m
join feedback_loop.negative_feedback n using (application, week, interaction_id)
left join raters r using (interaction_id)
where application = :application and week = :week order by n.interaction_id
"""


def read_members(conn: Connection, application: str, week: date) -> pd.DataFrame:
    """A week's members of patterns with their negative feedback: what `prioritise_patterns` reads.

    Those placed by their subject are among them, marked by `is_inferred`. `standing` is what the most trusted of those
    who complained weighs, `is_new` whether all of them were new accounts.
    """
    return read_frame(conn, _MEMBERS, {"application": application, "week": week, "end": week + timedelta(days=7)})


def save_pattern_weeks(conn: Connection, application: str, week: date, frame: pd.DataFrame) -> None:
    """Replace an application's weekly numbers by frame `prioritise.PATTERN_WEEKS`."""
    of_week = (pattern_weeks.c.application == application) & (pattern_weeks.c.week == week)
    conn.execute(pattern_weeks.delete().where(of_week))
    copy_frame(conn, pattern_weeks, frame.assign(application=application, week=week))


def read_pattern_weeks(conn: Connection, week: date, application: str | None = None) -> pd.DataFrame:
    """Weekly numbers with the pattern's name, by application and rank."""
    query = """
        select w.*, s.name, s.likely_cause, s.status
        from feedback_loop.pattern_weeks w join feedback_loop.pattern_states s using (application, week, pattern_id)
        where week = :week and (cast(:application as text) is null or application = :application)
        order by application, rank
    """
    return read_frame(conn, query, {"week": week, "application": application})


def save_detections(
    conn: Connection, application: str, detector_version: str, interaction_ids: Sequence[str], frame: pd.DataFrame
) -> None:
    """What a frozen detector makes of these interactions: frame `records.PLACEMENTS`, and nothing of the others.

    Only what differs from what is stored is written: the months before a fix are counted at each of its looks.
    """
    parameters = {"application": application, "version": detector_version}
    stored = {row[0]: (row[1], row[2]) for row in conn.execute(sa.text(_STORED), parameters)}
    columns = (frame[name].tolist() for name in ("interaction_id", "pattern_id", "similarity"))
    now = {name: (pattern_id, similarity) for name, pattern_id, similarity in zip(*columns, strict=True)}
    is_new = np.array([stored.get(name) != found for name, found in now.items()], dtype=bool)
    gone = [name for name in interaction_ids if name in stored and stored[name] != now.get(name)]
    conn.execute(sa.text(_FORGET), parameters | {"ids": gone})
    copy_frame(conn, detections, frame[is_new].assign(application=application, detector_version=detector_version))


def list_patterns(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """Every pattern as it stands, with the numbers of the last week it was seen, most affected first."""
    query = """
        select p.application, p.pattern_id, p.name, p.likely_cause, p.severity, p.status, p.first_seen_week,
               p.last_seen_week, p.n_occurrences as n_occurrences_total, w.n_occurrences, w.n_users, w.n_inferred,
               w.rate, w.rank,
               t.ticket_key, p.description, p.suggested_fix
        from feedback_loop.patterns p
        left join feedback_loop.pattern_weeks w
             on (w.application, w.pattern_id, w.week) = (p.application, p.pattern_id, p.last_seen_week)
        left join feedback_loop.tickets t on (t.application, t.pattern_id) = (p.application, p.pattern_id)
        where cast(:application as text) is null or p.application = :application
        order by p.application, p.last_seen_week desc, w.rank, p.pattern_id
    """
    return [dict(row) for row in conn.execute(sa.text(query), {"application": application}).mappings()]


def members_of(conn: Connection, application: str, pattern_id: str) -> list[str]:
    """interaction_ids of a pattern's members in all weeks, also of those placed by their subject, sorted."""
    query = """
        select distinct interaction_id from feedback_loop.pattern_memberships
        where application = :application and pattern_id = :pattern_id order by 1
    """
    frame = read_frame(conn, query, {"application": application, "pattern_id": pattern_id})
    return [str(i) for i in frame["interaction_id"]]


def founded_in(conn: Connection, application: str, week: date) -> dict[str, str]:
    """interaction_id -> pattern_id of the members, in this week, of the patterns that it founded when it last ran."""
    query = """
        select m.interaction_id, m.pattern_id
        from feedback_loop.pattern_memberships m
        join feedback_loop.pattern_states s using (application, week, pattern_id)
        where application = :application and week = :week and s.first_seen_week = :week
    """
    frame = read_frame(conn, query, {"application": application, "week": week})
    return dict(zip(frame["interaction_id"], frame["pattern_id"], strict=True))
