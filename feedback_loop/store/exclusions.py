"""Cleaning in SQL: a week's feedback and what is usual around it, and the rows that say what is left out.

Belongs here: SQL of `feedback_exclusions` and `cleaning_weeks`. Does not belong here: which feedback is left out
(`clean/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.clean import FEEDBACK, HISTORY, CleanedWeek, Past
from feedback_loop.records import Window
from feedback_loop.store.frames import copy_frame, read_frame, refresh_statistics
from feedback_loop.store.tables import cleaning_weeks, feedback_exclusions

_COMMENT_CHARS = 1_000
_SAID = {
    "complaint": "(f.signal = any('{thumbs_down,report,comment,correction}') or f.signal = 'rating' and f.value <= 2)",
    "user": "coalesce(f.user_hash, i.user_hash)",
}

_FEEDBACK = """
with own as (
    select f.feedback_id, f.interaction_id, f.occurred_at, {user} as user_hash,
           coalesce(i.session_id, i.interaction_id) as session_key, f.signal, f.value, f.reason,
           left(f.comment, :chars) as comment, md5(f.edited_output) as edited_output, {complaint} as is_complaint
    from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
    where i.application = :application and f.occurred_at >= :start and f.occurred_at < :end
      and f.signal <> all('{{shown,dwell,follow_up}}')
), used as (
    select user_hash, min(occurred_at) as first_at, count(*) as n_interactions
    from feedback_loop.interactions
    where application = :application and occurred_at >= :since and occurred_at < :end
      and user_hash in (select user_hash from own)
    group by 1
), complained as (
    select {user} as user_hash, count(distinct f.interaction_id) as n_complained
    from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
    where i.application = :application and f.occurred_at >= :since and f.occurred_at < :end and {complaint}
    group by 1
)
select own.*, first_at, coalesce(n_interactions, 0) as n_interactions, coalesce(n_complained, 0) as n_complained
from own left join used using (user_hash) left join complained using (user_hash)
order by feedback_id
"""

_HISTORY = """
with used as (
    select user_hash, date_trunc('week', occurred_at at time zone 'UTC') as week, count(*) as n,
           min(occurred_at) as first_at
    from feedback_loop.interactions
    where application = :application and occurred_at >= :since and occurred_at < :end and user_hash is not null
    group by 1, 2
), said as (
    select f.feedback_id, f.occurred_at, {user} as user_hash
    from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
    where i.application = :application and f.occurred_at >= :told_from and f.occurred_at < :end and {complaint}
), judged as (
    select s.occurred_at,
           coalesce(s.occurred_at - min(u.first_at) < :new_for and sum(u.n) <= :new_interactions, true) as is_new
    from said s left join used u
         on u.user_hash = s.user_hash and u.week <= date_trunc('week', s.occurred_at at time zone 'UTC')
    where s.user_hash is not null
    group by s.feedback_id, s.occurred_at
)
select date_trunc('hour', occurred_at at time zone 'UTC') at time zone 'UTC' as hour,
       count(*) filter (where is_new) as n_new, count(*) filter (where not is_new) as n_established
from judged group by 1 order by 1
"""

_USUAL = """
with used as (
    select user_hash, count(*) as n from feedback_loop.interactions
    where application = :application and occurred_at >= :since and occurred_at < :end and user_hash is not null
    group by 1
), complained as (
    select {user} as user_hash, count(distinct f.interaction_id) as n
    from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
    where i.application = :application and f.occurred_at >= :since and f.occurred_at < :end and {complaint}
    group by 1
)
select (select min(occurred_at) from feedback_loop.interactions
        where application = :application and occurred_at >= :since and occurred_at < :end) as first_at,
       (select avg(least(1.0, coalesce(c.n, 0)::float / u.n)) from used u left join complained c using (user_hash))
           as complained
"""

_LISTED = """
select application, week, feedback_id, interaction_id, user_hash, occurred_at, signal, reason, effect, weight, detail
from feedback_loop.feedback_exclusions
where week = :week and (cast(:application as text) is null or application = :application)
  and (cast(:reason as text) is null or reason = :reason)
order by application, reason, occurred_at, feedback_id
"""

_OF_TABLE = """not exists (select from feedback_loop.feedback_exclusions e
                        where e.feedback_id = f.feedback_id and e.effect = '{effect}')"""


@dataclass(frozen=True)
class LeftOut:
    """Feedback that is left out of a count, beside what the table says: feedback_id -> interaction_id.

    Attributes:
        excluded: does not count.
        wordless: counts without its comment.
    """

    excluded: Mapping[str, str] = field(default_factory=dict)
    wordless: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, exclusions: pd.DataFrame) -> "LeftOut":
        """Of the rows of frame `clean.EXCLUSIONS`."""
        parts = (exclusions[exclusions["effect"] == effect] for effect in ("excluded", "wordless"))
        return cls(*(dict(zip(part["feedback_id"], part["interaction_id"], strict=True)) for part in parts))

    def __or__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut({**self.excluded, **other.excluded}, {**self.wordless, **other.wordless})

    def changed(self, other: "LeftOut") -> set[str]:
        """Interactions on which the two do not leave out the same."""
        pairs = ((self.excluded, other.excluded), (self.wordless, other.wordless))
        return {of for one, two in pairs for _, of in one.items() ^ two.items()}


def counting(left_out: LeftOut | None) -> tuple[dict[str, str], dict[str, Any]]:
    """SQL conditions on feedback `f`, `counts` and `speaks`, and their parameters.

    Args:
        left_out: what is left out; None: what the table says.
    """
    if left_out is None:
        of_table = (("counts", "excluded"), ("speaks", "wordless"))
        return {name: _OF_TABLE.format(effect=effect) for name, effect in of_table}, {}
    conditions = {
        "counts": "f.feedback_id <> all(cast(:excluded as text[]))",
        "speaks": "f.feedback_id <> all(cast(:wordless as text[]))",
    }
    return conditions, {"excluded": sorted(left_out.excluded), "wordless": sorted(left_out.wordless)}


def read_feedback(conn: Connection, application: str, window: Window, past_weeks: int) -> pd.DataFrame:
    """Feedback of an application that came within a window, and what is known of its raters. Frame `clean.FEEDBACK`."""
    parameters = _parameters(application, window, past_weeks) | {"end": window.end, "chars": _COMMENT_CHARS}
    frame = read_frame(conn, _FEEDBACK.format(**_SAID), parameters)
    frame["first_at"] = pd.to_datetime(frame["first_at"], utc=True)
    return FEEDBACK.check(frame)


def read_past(
    conn: Connection, application: str, window: Window, past_weeks: int, new_days: int, new_interactions: int
) -> Past:
    """What was usual in the weeks before a window; of the habit of users, also within it."""
    parameters = _parameters(application, window, past_weeks) | {"end": window.end}
    first_at, complained = conn.execute(sa.text(_USUAL.format(**_SAID)), parameters).one()
    told_from = None if first_at is None else max(first_at, parameters["since"]) + timedelta(days=new_days)
    parameters |= {"end": window.start, "new_for": timedelta(days=new_days), "new_interactions": new_interactions}
    hours = read_frame(conn, _HISTORY.format(**_SAID), parameters | {"told_from": told_from or window.start})
    hours["hour"] = pd.to_datetime(hours["hour"], utc=True)
    n_days = 0.0 if told_from is None else max(0.0, (window.start - told_from) / timedelta(days=1))
    return Past(HISTORY.check(hours), told_from, n_days, float(complained or 0.0))


def _parameters(application: str, window: Window, past_weeks: int) -> dict[str, Any]:
    return {"application": application, "start": window.start, "since": window.start - timedelta(weeks=past_weeks)}


def save_cleaning(conn: Connection, week: date, cleaned: Mapping[str, CleanedWeek], policy_version: str) -> None:
    """Replace the week's exclusions and counts of all applications."""
    for table in (feedback_exclusions, cleaning_weeks):
        conn.execute(table.delete().where(table.c.week == week))
    for application, found in cleaned.items():
        stamped: dict[str, Any] = {"application": application, "week": week, "policy_version": policy_version}
        copy_frame(conn, feedback_exclusions, found.exclusions.assign(**stamped))
        numbers = {
            "n_feedback": found.n_feedback,
            "n_complaints": found.n_complaints,
            "n_verified": found.n_verified,
            "n_verified_complaints": found.n_verified_complaints,
            "n_excluded": found.count("excluded"),
            "n_wordless": found.count("wordless"),
            "n_weighted": found.count("weighted"),
            "new_odds": found.new_odds,
        }
        conn.execute(cleaning_weeks.insert().values(**stamped, **numbers))
    refresh_statistics(conn, feedback_exclusions)


def cleaned_weeks(conn: Connection, application: str, policy_version: str) -> set[date]:
    """Weeks of an application that were cleaned by this policy."""
    of = (cleaning_weeks.c.application == application) & (cleaning_weeks.c.policy_version == policy_version)
    return set(conn.execute(sa.select(cleaning_weeks.c.week).where(of)).scalars())


def load_exclusions(conn: Connection, application: str, week: date) -> pd.DataFrame:
    """Stored exclusions of an application's week, frame `clean.EXCLUSIONS`."""
    frame = read_frame(conn, _LISTED, {"week": week, "application": application, "reason": None})
    return frame.drop(columns=["application", "week"])


def new_odds(conn: Connection, application: str, week: date) -> float | None:
    """Usual complaints of new accounts per complaint of established ones; None: not known."""
    of = (cleaning_weeks.c.application == application) & (cleaning_weeks.c.week == week)
    found = conn.execute(sa.select(cleaning_weeks.c.new_odds).where(of)).scalar()
    return None if found is None else float(found)


def list_exclusions(
    conn: Connection, week: date, application: str | None = None, reason: str | None = None
) -> list[dict[str, Any]]:
    """Rows of a week for people."""
    parameters = {"week": week, "application": application, "reason": reason}
    return [dict(row) for row in conn.execute(sa.text(_LISTED), parameters).mappings()]


def list_cleaning(conn: Connection, week: date, application: str | None = None) -> list[dict[str, Any]]:
    """Counts of a week, one row per application."""
    query = sa.select(cleaning_weeks).where(cleaning_weeks.c.week == week).order_by(cleaning_weeks.c.application)
    if application is not None:
        query = query.where(cleaning_weeks.c.application == application)
    return [dict(row) for row in conn.execute(query).mappings()]
