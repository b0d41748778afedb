"""Tools that are imported from: how far each was read, and what is to be written back to it.

Belongs here: cursors, the plan of scores to write, and the ledger of those that were. Does not belong here: writing
them (`clients/`).
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.records import SourceScore
from feedback_loop.redaction import visible
from feedback_loop.store.tables import import_cursors, written_scores

PATTERN, VERDICT = "feedback_loop_pattern", "feedback_loop_verdict"
_NAMESPACE = uuid.UUID("0d1f4a52-6a43-5f0b-9a27-6d1d8a1e6f10")  # any constant of our own
_MAX_COMMENT = 500  # characters

# Newest membership of each interaction of the source, its pattern, and the newest verdict on a fix of that pattern.
_SAID = sa.text("""
with member as (
    select distinct on (m.interaction_id)
        m.application, m.interaction_id, m.pattern_id, i.occurred_at, i.metadata ->> 'root' as root
    from feedback_loop.pattern_memberships m
    join feedback_loop.interactions i using (interaction_id)
    where i.metadata ->> 'source' = :source and not m.is_inferred
    order by m.interaction_id, m.week desc
), verdict as (
    select distinct on (application, pattern_id) application, pattern_id, verdict, reason
    from feedback_loop.verifications
    order by application, pattern_id, as_of desc, look_day desc
), said as (
    select member.*, :pattern as name, pattern_id as value, p.name as comment
    from member join feedback_loop.patterns p using (application, pattern_id)
    union all
    select member.*, :verdict, v.verdict, v.reason from member join verdict v using (application, pattern_id)
)
select said.* from said
left join feedback_loop.written_scores w
    on w.source = :source and w.interaction_id = said.interaction_id and w.name = said.name
where w.score_id is null or w.value <> said.value
order by said.interaction_id, said.name
""")


def load_cursor(conn: Connection, source: str) -> datetime | None:
    """How far a source was read; None: never."""
    return conn.scalar(sa.select(import_cursors.c.cursor).where(import_cursors.c.source == source))


def save_cursor(conn: Connection, source: str, cursor: datetime) -> None:
    """A source was read up to here; a cursor never moves back."""
    statement = insert(import_cursors).values(source=source, cursor=cursor)
    newest = sa.func.greatest(import_cursors.c.cursor, statement.excluded.cursor)
    conn.execute(
        statement.on_conflict_do_update(index_elements=["source"], set_={"cursor": newest, "updated_at": sa.func.now()})
    )


def plan_scores(conn: Connection, source: str) -> list[SourceScore]:
    """What has to be written to a source so that it says what we know: patterns, and verdicts on their fixes.

    Args:
        conn: in a transaction.
        source: only interactions that were imported from it are written about.
    """
    names = {"source": source, "pattern": PATTERN, "verdict": VERDICT}
    rows = conn.execute(_SAID, names).mappings()
    return [
        SourceScore(
            score_id=str(uuid.uuid5(_NAMESPACE, f"{source}\0{row['interaction_id']}\0{row['name']}")),
            interaction_id=row["interaction_id"],
            root_id=(row["root"] or "")[1:] or row["interaction_id"],
            name=row["name"],
            value=row["value"],
            comment=visible(row["comment"] or "", _MAX_COMMENT) or None,
            occurred_at=row["occurred_at"],
        )
        for row in rows
    ]


def mark_written(conn: Connection, source: str, scores: Sequence[SourceScore], problem: str | None = None) -> None:
    """Note that scores were written, so that they are planned again only when they change.

    Args:
        conn: in a transaction.
        source: its name.
        scores: settled.
        problem: why the tool refuses them; None: it holds them.
    """
    if not scores:
        return
    rows = [
        {"source": source, "problem": problem}
        | {name: getattr(one, name) for name in ("score_id", "interaction_id", "name", "value", "comment")}
        for one in scores
    ]
    statement = insert(written_scores)
    new = {name: statement.excluded[name] for name in ("value", "comment", "problem")} | {"written_at": sa.func.now()}
    conn.execute(statement.on_conflict_do_update(index_elements=["source", "score_id"], set_=new), rows)
