"""Fixes and verdicts: which deployments claim to fix which pattern, and what was found.

Belongs here: SQL of `fixes` and `verifications`. Does not belong here: the verdict itself (`verify.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.records import FINAL_VERDICTS, Fix, Verdict, Verification, Window, midnight
from feedback_loop.store.frames import read_frame
from feedback_loop.store.tables import fixes, pattern_states, verifications

_MAIN_SHARE = 0.5  # day 0 of a ramp is its first record with at least this share

# One fix per (pattern, version): a ramp is several records of the same. Without a version each record is its own fix.
_RESOLVE = """
with claims as (
    select d.application, d.deployment_id, d.deployed_at, d.prompt_name, d.prompt_version,
           coalesce(t.pattern_id, p.pattern_id) as pattern_id, t.ticket_key,
           coalesce(t.detector_version, p.detector_version) as detector_version
    from feedback_loop.deployments d
    cross join lateral unnest(d.fixes) as claim(name)
    left join lateral (  -- two trackers may have tickets of one name: what a claim meant once it means for ever
        select * from feedback_loop.tickets t
        where t.application = d.application and (t.ticket_key = claim.name or claim.name = any(t.old_keys))
        order by exists (
            select from feedback_loop.fixes f
            where f.application = d.application and f.fix_id = concat(
                t.pattern_id, '@', d.prompt_name, '@', coalesce(d.prompt_version, d.deployment_id))
        ) desc,
        t.created_at <= d.deployed_at desc,  -- a ticket that was there before one that came later
        t.ticket_key = claim.name desc,  -- a name that is one now before one that was
        case when t.created_at <= d.deployed_at then -t.ticket_number else t.ticket_number end  -- the nearest
        limit 1
    ) t on true
    left join feedback_loop.patterns p on p.application = d.application and p.pattern_id = claim.name
    where d.rollout_share >= :share and d.deployed_at < :as_of and coalesce(t.pattern_id, p.pattern_id) is not null
)
select distinct on (application, pattern_id, coalesce(prompt_version, deployment_id), prompt_name)
       application, pattern_id, ticket_key, deployment_id, prompt_name, prompt_version, deployed_at, detector_version
from claims
order by application, pattern_id, coalesce(prompt_version, deployment_id), prompt_name, deployed_at
"""


def resolve_fixes(conn: Connection, as_of: datetime) -> list[Fix]:
    """Record every deployment known by `as_of` that names a ticket or pattern; returns all fixes by day.

    A fix keeps the row it got first, and a name the ticket that it meant then: a correction of the past is a new
    deployment record. A ticket that was made after the deployment is meant only where no older one has the name.
    """
    for row in conn.execute(sa.text(_RESOLVE), {"share": _MAIN_SHARE, "as_of": as_of}).mappings():
        change = row["prompt_version"] or row["deployment_id"]
        fix_id = f"{row['pattern_id']}@{row['prompt_name'] or ''}@{change}"
        values = dict(row) | {"fix_id": fix_id, "source": "deployment"}
        conn.execute(insert(fixes).values(values).on_conflict_do_nothing())
    return load_fixes(conn, as_of)


def add_fix(conn: Connection, fix: Fix) -> None:
    """Record a fix that a ticket tells of; one that is there already keeps its row, and counts again if withdrawn."""
    row = vars(fix).copy()
    del row["pattern_since"]  # known from the pattern
    again = {"withdrawn_at": None, "withdrawn_reason": None}
    conn.execute(insert(fixes).values(row).on_conflict_do_update(index_elements=["application", "fix_id"], set_=again))


def withdraw_fix(conn: Connection, application: str, fix_id: str, reason: str, at: datetime) -> None:
    """The ticket says otherwise now: the row stays as history, and no further look is made at it."""
    of_fix = (fixes.c.application == application) & (fixes.c.fix_id == fix_id) & fixes.c.withdrawn_at.is_(None)
    conn.execute(fixes.update().where(of_fix).values(withdrawn_at=at, withdrawn_reason=reason))


def load_fixes(conn: Connection, as_of: datetime) -> list[Fix]:
    """Fixes deployed before `as_of` and not withdrawn, by day, each with the week its pattern was first seen."""
    since = sa.select(sa.func.min(pattern_states.c.first_seen_week)).where(
        pattern_states.c.application == fixes.c.application, pattern_states.c.pattern_id == fixes.c.pattern_id
    )
    names = [name for name in Fix.__dataclass_fields__ if name != "pattern_since"]
    query = (
        sa.select(*(fixes.c[name] for name in names), since.scalar_subquery().label("pattern_since"))
        .where(fixes.c.deployed_at < as_of, fixes.c.withdrawn_at.is_(None))
        .order_by(fixes.c.deployed_at, fixes.c.application, fixes.c.fix_id)
    )
    return [Fix(**row) for row in conn.execute(query).mappings()]


def parked_claims(conn: Connection) -> list[tuple[str, str]]:
    """(deployment_id, name) of what deployments claim to fix but no ticket or pattern answers to, yet."""
    query = """
        select d.deployment_id, claim.name
        from feedback_loop.deployments d cross join lateral unnest(d.fixes) as claim(name)
        where not exists (select from feedback_loop.tickets t
                          where t.application = d.application
                            and (t.ticket_key = claim.name or claim.name = any(t.old_keys)))
          and not exists (select from feedback_loop.pattern_states p
                          where p.application = d.application and p.pattern_id = claim.name)
        order by 1, 2
    """
    return [(row[0], row[1]) for row in conn.execute(sa.text(query))]


def looks_done(conn: Connection, method_version: str, application: str) -> dict[str, dict[int, Verdict]]:
    """An application's fix_id -> look day -> verdict, of one method version, and final ones of any.

    What an older method settled stays settled: its ticket was told, and may be closed for long.
    """
    done: dict[str, dict[int, Verdict]] = {}
    table = verifications.c
    counts = (table.method_version == method_version) | table.verdict.in_(FINAL_VERDICTS)
    query = sa.select(table.fix_id, table.look_day, table.verdict).where(counts, table.application == application)
    for fix_id, day, verdict in conn.execute(query):
        done.setdefault(fix_id, {})[day] = verdict
    return done


def judged(conn: Connection, method_version: str, application: str) -> frozenset[str]:
    """An application's fix_ids with a final verdict of one method version: no further look is made at them."""
    done = looks_done(conn, method_version, application)
    return frozenset(fix_id for fix_id, looks in done.items() if FINAL_VERDICTS.intersection(looks.values()))


def effective_since(conn: Connection, application: str, method_version: str) -> dict[str, datetime]:
    """fix_id -> when it was called effective, by one method version."""
    table = verifications.c
    query = sa.select(table.fix_id, sa.func.min(table.as_of)).where(
        table.application == application, table.method_version == method_version, table.verdict == "effective"
    )
    return {str(row[0]): row[1] for row in conn.execute(query.group_by(table.fix_id))}


def save_verifications(conn: Connection, looks: Sequence[Verification], method_version: str) -> None:
    """Add looks; one that has a row keeps it, for a verdict is given once."""
    if looks:
        rows = [asdict(look) | {"method_version": method_version} for look in looks]
        conn.execute(insert(verifications).on_conflict_do_nothing(), rows)


def first_looks(conn: Connection, application: str, method_version: str, day: int, before: datetime) -> pd.DataFrame:
    """Looks of one day with numbers, made for days before a time: what past fixes teach of new ones."""
    query = """
        select n_observed, dispersion, n_expected, ci_low, confidence, reduction from feedback_loop.verifications
        where application = :application and method_version = :method and look_day = :day and as_of < :before
          and reduction is not null
        order by as_of, fix_id
    """
    parameters = {"application": application, "method": method_version, "day": day, "before": before}
    return read_frame(conn, query, parameters)


def load_verifications(conn: Connection, as_of: datetime) -> list[Verification]:
    """Looks whose window ended by `as_of`, oldest first."""
    query = (
        sa.select(*(verifications.c[name] for name in Verification.__dataclass_fields__))
        .where(verifications.c.as_of <= as_of)
        .order_by(verifications.c.as_of, verifications.c.application, verifications.c.fix_id, verifications.c.look_day)
    )
    return [Verification(**row) for row in conn.execute(query).mappings()]


def looks_since(conn: Connection, since: datetime, as_of: datetime) -> list[tuple[str, str, int, Window, float]]:
    """Looks with numbers: application, fix_id, look day, the window that was counted, and the sessions in it then."""
    query = """
        select application, fix_id, look_day, evidence->>'counted_from', as_of, (evidence->>'n_sessions')::float
        from feedback_loop.verifications
        where as_of > :since and as_of <= :as_of and evidence ? 'n_sessions'
        order by application, as_of, fix_id
    """
    return [
        (row[0], row[1], row[2], Window(midnight(date.fromisoformat(row[3])), row[4]), row[5])
        for row in conn.execute(sa.text(query), {"since": since, "as_of": as_of})
    ]


def list_verifications(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """Every look with its fix, ticket and pattern, oldest first."""
    query = """
        select v.*, f.ticket_key, f.prompt_version, f.deployed_at, f.source, f.origin, f.precision, p.name
        from feedback_loop.verifications v
        join feedback_loop.fixes f using (application, fix_id)
        left join feedback_loop.patterns p on (p.application, p.pattern_id) = (v.application, v.pattern_id)
        where cast(:application as text) is null or v.application = :application
        order by v.as_of, v.application, f.ticket_key, v.fix_id, v.look_day
    """
    return [dict(row) for row in conn.execute(sa.text(query), {"application": application}).mappings()]
