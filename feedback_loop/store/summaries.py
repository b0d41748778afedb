"""What became of one interaction: its feedback, counted.

Belongs here: the summary of the feedback on an interaction. Does not belong here: who may read it
(`intake/service/access.py`) and what counts as negative (`negatives.py`).

Counts are of records, not of people: whoever changes their mind is counted with both.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

MAX_COMMENTS = 100
MAX_REASONS = 50
USAGE = ("shown", "accepted", "edited", "regenerated", "abandoned", "copied", "follow_up", "retried")
OUTCOMES = ("task_succeeded", "task_failed", "resolved", "reopened", "escalated", "converted")

_KNOWN = "select application = :application from feedback_loop.interactions where interaction_id = :interaction_id"

_SIGNALS = """
select signal, count(*) as n, avg(value) as mean, min(occurred_at) as first_at, max(occurred_at) as last_at,
       count(*) filter (where comment <> '') as n_comments
from feedback_loop.feedback where interaction_id = :interaction_id group by signal
"""

_REASONS = """
select reason, count(*) as n from feedback_loop.feedback
where interaction_id = :interaction_id and reason <> '' group by reason order by n desc, reason limit :most
"""

_COMMENTS = """
select signal, occurred_at, reason, comment from feedback_loop.feedback
where interaction_id = :interaction_id and comment <> '' order by occurred_at desc, feedback_id limit :most
"""


def load_summary(conn: Connection, application: str, interaction_id: str) -> dict[str, Any] | None:
    """The feedback on an interaction: thumbs, ratings, comments, reasons, signs of use, outcomes.

    Args:
        conn: to read with.
        application: that the interaction must be of.
        interaction_id: as it is stored.

    Returns:
        None where the application has no such interaction.
    """
    which = {"interaction_id": interaction_id}
    if not conn.scalar(sa.text(_KNOWN), {**which, "application": application}):
        return None
    signals = {row.signal: row for row in conn.execute(sa.text(_SIGNALS), which)}
    counts = {name: row.n for name, row in signals.items()}
    rating, dwell = signals.get("rating"), signals.get("dwell")
    return {
        "interaction_id": interaction_id,
        "application": application,
        "n_feedback": sum(counts.values()),
        "first_at": min((row.first_at for row in signals.values()), default=None),
        "last_at": max((row.last_at for row in signals.values()), default=None),
        "thumbs": {"up": counts.get("thumbs_up", 0), "down": counts.get("thumbs_down", 0)},
        "ratings": {"n": rating.n if rating else 0, "mean": rating.mean if rating else None},
        "said": {name: counts.get(name, 0) for name in ("comment", "report", "correction", "preference")},
        "n_comments": sum(row.n_comments for row in signals.values()),
        "comments": _rows(conn, _COMMENTS, {**which, "most": MAX_COMMENTS}),
        "reasons": _rows(conn, _REASONS, {**which, "most": MAX_REASONS}),
        "usage": {name: counts.get(name, 0) for name in USAGE}
        | {"dwell": {"n": dwell.n if dwell else 0, "mean_ms": dwell.mean if dwell else None}},
        "outcomes": {name: counts.get(name, 0) for name in OUTCOMES},
    }


def _rows(conn: Connection, statement: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in conn.execute(sa.text(statement), arguments).mappings()]
