"""Negative feedback: signals and texts out of the facts, and the derived rows of a week in.

Belongs here: SQL of `negative_feedback`, `failure_descriptions` and `exposures`. Does not belong here: which signal
is negative (`extract.py`) and what went wrong (`describe.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pandas as pd
from sqlalchemy import Connection

from feedback_loop.records import DESCRIPTIONS, SIGNALS, TEXTS, Window
from feedback_loop.store.exclusions import LeftOut, counting
from feedback_loop.store.frames import copy_frame, read_frame, refresh_statistics
from feedback_loop.store.tables import exposures, failure_descriptions, negative_feedback

_IDS_PER_QUERY = 50_000
_OUTPUT_CHARS = 2_000
_EDIT_CHARS = 20_000  # of an answer and of what became of it: the distance between them costs the product of both

_SIGNALS = """
with touched as ({touched})
select i.application, f.interaction_id, i.occurred_at, f.occurred_at as feedback_at,
       coalesce(i.session_id, i.interaction_id) as session_key, coalesce(f.user_hash, i.user_hash) as user_hash,
       i.cohort, coalesce(i.prompt_name, '') as prompt_name, i.prompt_version, i.sample_rate, i.safety_level,
       f.signal, f.value, left(f.edited_output, :edit_chars) as edited_output,
       case when f.edited_output is not null then left(i.output, :edit_chars) end as output
from touched
join feedback_loop.feedback f using (interaction_id)
join feedback_loop.interactions i using (interaction_id)
where f.signal = any(:signals) and f.occurred_at < :known_before and {counts} {of_application}
"""

_TOUCHED_BY_FEEDBACK = """
    select distinct interaction_id from feedback_loop.feedback
    where occurred_at >= :start and occurred_at < :end and signal = any(:signals)
"""

_TOUCHED_BY_INTERACTION = """
    select interaction_id from feedback_loop.interactions
    where application = :application and occurred_at >= :start and occurred_at < :end
"""

_HEARD_BETWEEN = """
    select distinct f.interaction_id
    from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
    where i.application = :application and i.occurred_at >= :start and i.occurred_at < :end
      and f.occurred_at >= :since and f.occurred_at < :until
"""

_TEXTS = """
with heard as (
    select f.feedback_id, f.interaction_id, f.occurred_at, f.signal, f.value, f.reason, f.edited_output,
           case when {speaks} then f.comment end as comment
    from feedback_loop.feedback f
    where f.interaction_id = any(:ids) and f.occurred_at < :known_before and {counts}
), said as (
    select interaction_id,
           array_agg(comment order by occurred_at, feedback_id)
               filter (where comment is not null and comment <> '') as comments,
           array_agg(reason order by occurred_at, feedback_id)
               filter (where reason is not null and reason <> '') as reasons,
           array_agg(distinct signal order by signal) as signals,
           (array_agg(edited_output order by occurred_at, feedback_id) filter (where edited_output is not null))[1]
               as edited_output
    from heard
    where signal <> all('{{thumbs_up,accepted,copied,resolved,task_succeeded,converted}}')
      and not (signal = 'rating' and value > 3)
    group by interaction_id
)
select i.application, i.interaction_id, left(i.user_input, :chars) as user_input, left(i.output, :chars) as output,
       coalesce(s.comments, '{{}}') as comments, coalesce(s.reasons, '{{}}') as reasons,
       coalesce(s.signals, '{{}}') as signals, s.edited_output,
       i.error is not null as has_error,
       case when jsonb_typeof(i.retrieved_documents) = 'array' then jsonb_array_length(i.retrieved_documents) end
           as n_documents
from feedback_loop.interactions i left join said s using (interaction_id)
where i.interaction_id = any(:ids)
order by i.interaction_id
"""

_EXPOSURES = """
select application, date, prompt_name, prompt_version,
       sum(weight) as n_exposures, count(*) as n_sessions, sum(n)::bigint as n_interactions
from (
    select application, (occurred_at at time zone 'UTC')::date as date, coalesce(prompt_name, '') as prompt_name,
           prompt_version, 1 / max(sample_rate) as weight, count(*) as n
    from feedback_loop.interactions
    where occurred_at >= :start and occurred_at < :end {of_application}
    group by application, 2, 3, prompt_version, coalesce(session_id, interaction_id)
) sessions
group by 1, 2, 3, 4
order by 1, 2, 3, 4
"""


def read_signals(conn: Connection, window: Window, signals: Sequence[str]) -> pd.DataFrame:
    """Candidate signals of every interaction that got one within the window, earlier ones included.

    Returns:
        Frame `records.SIGNALS`. Feedback whose interaction has not come yet is not in it; it is there when it has.
    """
    parameters = {
        "start": window.start,
        "end": window.end,
        "known_before": window.end,
        "signals": list(signals),
        "edit_chars": _EDIT_CHARS,
    }
    conditions, _ = counting(None)
    query = _SIGNALS.format(touched=_TOUCHED_BY_FEEDBACK, of_application="", **conditions)
    return SIGNALS.check(read_frame(conn, query, parameters))


def read_signals_of(
    conn: Connection,
    application: str,
    occurred: Window,
    known_before: datetime,
    signals: Sequence[str],
    left_out: LeftOut | None = None,
) -> pd.DataFrame:
    """Candidate signals on an application's interactions of an event-time window, as far as they were known.

    `left_out`: which are not; None: those that the weeks' cleaning excluded.
    """
    conditions, ids = counting(left_out)
    parameters = {
        "start": occurred.start,
        "end": occurred.end,
        "known_before": known_before,
        "signals": list(signals),
        "edit_chars": _EDIT_CHARS,
        "application": application,
    }
    of_application = "and i.application = :application"
    query = _SIGNALS.format(touched=_TOUCHED_BY_INTERACTION, of_application=of_application, **conditions)
    return SIGNALS.check(read_frame(conn, query, parameters | ids))


def occurred_within(conn: Connection, interaction_ids: Sequence[str], occurred: Window) -> list[str]:
    """Those of these interactions that belong to an event-time window, sorted."""
    query = """
        select interaction_id from feedback_loop.interactions
        where interaction_id = any(:ids) and occurred_at >= :start and occurred_at < :end order by 1
    """
    parameters = {"ids": list(interaction_ids), "start": occurred.start, "end": occurred.end}
    return [str(name) for name in read_frame(conn, query, parameters)["interaction_id"]]


def heard_between(conn: Connection, application: str, occurred: Window, heard: Window) -> list[str]:
    """Interactions of an event-time window on which feedback of any kind came within another."""
    parameters = {
        "application": application,
        "start": occurred.start,
        "end": occurred.end,
        "since": heard.start,
        "until": heard.end,
    }
    return [str(name) for name in read_frame(conn, _HEARD_BETWEEN, parameters)["interaction_id"]]


def read_signals_on(
    conn: Connection,
    interaction_ids: Sequence[str],
    known_before: datetime,
    signals: Sequence[str],
    left_out: LeftOut | None = None,
) -> pd.DataFrame:
    """Candidate signals on these interactions, as far as they were known; `left_out` as in `read_signals_of`."""
    conditions, left = counting(left_out)
    parameters = {
        "ids": list(interaction_ids),
        "known_before": known_before,
        "signals": list(signals),
        "edit_chars": _EDIT_CHARS,
    }
    touched = "select unnest(cast(:ids as text[])) as interaction_id"
    query = _SIGNALS.format(touched=touched, of_application="", **conditions)
    return SIGNALS.check(read_frame(conn, query, parameters | left))


def read_texts(
    conn: Connection, interaction_ids: Sequence[str], known_before: datetime, left_out: LeftOut | None = None
) -> pd.DataFrame:
    """What these interactions say about themselves, as far as it was said by then. Frame `records.TEXTS`.

    Feedback that is excluded and words that say nothing are not among it; `left_out` as in `read_signals_of`.
    """
    conditions, left = counting(left_out)
    parts = [
        read_frame(
            conn,
            _TEXTS.format(**conditions),
            left
            | {
                "ids": list(interaction_ids[i : i + _IDS_PER_QUERY]),
                "known_before": known_before,
                "chars": _OUTPUT_CHARS,
            },
        )
        for i in range(0, max(1, len(interaction_ids)), _IDS_PER_QUERY)
    ]
    return TEXTS.check(pd.concat(parts, ignore_index=True)).sort_values("interaction_id").reset_index(drop=True)


def count_exposures(conn: Connection, window: Window, application: str | None = None) -> pd.DataFrame:
    """Exposures per day and version: distinct sessions, weighted by 1 / sample_rate.

    The weight of a session is that of its most surely captured interaction.

    Returns:
        application, date, prompt_name, prompt_version, n_exposures, n_sessions, n_interactions.
    """
    of_application = "and application = :application" if application is not None else ""
    parameters = {"start": window.start, "end": window.end}
    if application is not None:
        parameters["application"] = application  # type: ignore[assignment]
    frame = read_frame(conn, _EXPOSURES.format(of_application=of_application), parameters)
    return frame.astype({"n_exposures": "float64"})


def feedback_days(conn: Connection, window: Window, application: str) -> pd.DataFrame:
    """UTC days (`date`) of the window on which feedback of any kind came to an application."""
    query = """
        select distinct (f.occurred_at at time zone 'UTC')::date as date
        from feedback_loop.feedback f join feedback_loop.interactions i using (interaction_id)
        where i.application = :application and f.occurred_at >= :start and f.occurred_at < :end
    """
    parameters = {"application": application, "start": window.start, "end": window.end}
    return read_frame(conn, query, parameters)


def save_exposures(conn: Connection, week: date, frame: pd.DataFrame) -> None:
    """Replace the week's exposures of all applications."""
    conn.execute(exposures.delete().where(exposures.c.week == week))
    copy_frame(conn, exposures, frame.assign(week=week))


def save_negatives(conn: Connection, week: date, frame: pd.DataFrame, policy_version: str) -> None:
    """Replace the week's negative feedback of all applications by frame `records.NEGATIVES`."""
    conn.execute(negative_feedback.delete().where(negative_feedback.c.week == week))
    copy_frame(conn, negative_feedback, frame.assign(week=week, policy_version=policy_version))
    refresh_statistics(conn, negative_feedback)


def save_descriptions(conn: Connection, week: date, frame: pd.DataFrame, describer_version: str) -> None:
    """Replace the week's descriptions of all applications by frame `records.DESCRIPTIONS`."""
    conn.execute(failure_descriptions.delete().where(failure_descriptions.c.week == week))
    copy_frame(conn, failure_descriptions, frame.assign(week=week, describer_version=describer_version))
    refresh_statistics(conn, failure_descriptions)


def negative_ids(conn: Connection, week: date) -> list[str]:
    """Interactions that are negative in a week, sorted."""
    query = "select interaction_id from feedback_loop.negative_feedback where week = :week order by 1"
    return read_frame(conn, query, {"week": week})["interaction_id"].tolist()


def read_events(conn: Connection, application: str, week: date, known_before: datetime) -> pd.DataFrame:
    """A week's negatives with their descriptions and texts, one application: what `cluster_week` reads."""
    query = """
        select interaction_id, n.severity, n.user_hash, d.description, d.sentence, d.failure_text, d.subject_text,
               d.evidence, d.is_inferred
        from feedback_loop.negative_feedback n join feedback_loop.failure_descriptions d
             using (application, week, interaction_id)
        where application = :application and week = :week order by interaction_id
    """
    described = read_frame(conn, query, {"application": application, "week": week})
    texts = read_texts(conn, described["interaction_id"].tolist(), known_before)
    return described.merge(texts, on="interaction_id", how="inner", validate="one_to_one")


def read_past_texts(
    conn: Connection, application: str, before: date, n_weeks: int, describer_version: str, size: int
) -> pd.DataFrame:
    """What went wrong in the weeks before one in this describer's words: `failure_text`, `week`, each pair once.

    At most `size` texts, chosen by hash, with all the weeks in which they were said.
    """
    query = """
        with said as (
            select distinct failure_text, week from feedback_loop.failure_descriptions
            where application = :application and week >= :since and week < :before and not is_inferred
              and describer_version = :version
        ), chosen as (
            select failure_text, md5(failure_text) as hash from said group by failure_text order by hash limit :size
        )
        select failure_text, week from said join chosen using (failure_text) order by hash, week
    """
    since = before - timedelta(weeks=n_weeks)
    parameters = {"application": application, "since": since, "before": before, "size": size}
    parameters["version"] = describer_version
    return read_frame(conn, query, parameters)


def distinct_texts(conn: Connection, week: date) -> list[str]:
    """The texts of a week that are compared: what went wrong and, where nobody said that, the subject; sorted."""
    query = """
        select distinct case when is_inferred then subject_text else failure_text end as text
        from feedback_loop.failure_descriptions where week = :week order by 1
    """
    return [str(text) for text in read_frame(conn, query, {"week": week})["text"]]


def read_descriptions(
    conn: Connection, application: str, interaction_ids: Sequence[str], describer_version: str
) -> pd.DataFrame:
    """What this describer wrote of these interactions. Frame `records.DESCRIPTIONS`; what it did not is absent."""
    query = """
        select distinct on (interaction_id) application, interaction_id, description, sentence, failure_text,
               subject_text, evidence, is_inferred
        from feedback_loop.failure_descriptions
        where application = :application and interaction_id = any(:ids) and describer_version = :version
        order by interaction_id, week desc
    """
    parameters = {"application": application, "ids": list(interaction_ids), "version": describer_version}
    return DESCRIPTIONS.check(read_frame(conn, query, parameters))


def exposures_of_week(conn: Connection, week: date) -> dict[str, float]:
    """Application -> exposures of the week; an application without any is absent."""
    query = "select application, sum(n_exposures) as n from feedback_loop.exposures where week = :week group by 1"
    return {str(a): float(n) for a, n in read_frame(conn, query, {"week": week}).itertuples(index=False, name=None)}
