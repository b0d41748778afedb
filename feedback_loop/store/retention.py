"""Retention: what is older than it may be kept goes.

Belongs here: SQL that deletes by age. Does not belong here: how old things may get (`config.py`), deleting a person
(`forgetting.py`), and what verdicts make of what is gone (`verify/retention.py`).

Facts go with their texts: an interaction, its feedback and its evaluations. So exposures and events leave together, and
no rate is bent. What a pattern remembers (its exemplars, redacted and masked), tickets, verdicts, decisions and the
ledger of money stay; so does the newest memory of every application, however old.
"""

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import Connection


@dataclass(frozen=True)
class RetentionPolicy:
    """How long things are kept.

    Attributes:
        texts_days: facts with their texts, counted from the interaction.
        derived_days: vectors, memberships and aggregates.
    """

    texts_days: int = 90
    derived_days: int = 400

    def __post_init__(self) -> None:
        if self.texts_days < LEAST_TEXTS_DAYS:
            raise ValueError(f"texts_days must be {LEAST_TEXTS_DAYS} or more: the last look at a fix needs that many")
        if self.derived_days < self.texts_days:
            raise ValueError(f"derived_days must be texts_days ({self.texts_days}) or more")


LEAST_TEXTS_DAYS = 56
"""Fourteen days before a fix and the 42 after it that the last look counts."""

_TEXTS = {
    "evaluations": """
        delete from feedback_loop.evaluations e using feedback_loop.interactions i
        where e.interaction_id = i.interaction_id and i.occurred_at < :before""",
    "feedback": """
        delete from feedback_loop.feedback f where f.occurred_at < :before and not exists (
            select from feedback_loop.interactions i
            where i.interaction_id = f.interaction_id and i.occurred_at >= :before)""",
    "feedback_of_old_interactions": """
        delete from feedback_loop.feedback f using feedback_loop.interactions i
        where f.interaction_id = i.interaction_id and i.occurred_at < :before""",
    "interactions": "delete from feedback_loop.interactions where occurred_at < :before",
    "failure_descriptions": "delete from feedback_loop.failure_descriptions where week + 7 <= :before_day",
    "rejected_records": "delete from feedback_loop.rejected_records where rejected_at < :before",
    "llm_replies": "delete from feedback_loop.llm_replies where replied_at < :before",
    "llm_batches": "delete from feedback_loop.llm_batches where planned_at < :before and status in ('ended', 'failed')",
}
_DERIVED = {
    "text_vectors": "delete from feedback_loop.text_vectors where kept_at < :before",
    "negative_feedback": "delete from feedback_loop.negative_feedback where week + 7 <= :before_day",
    "pattern_memberships": "delete from feedback_loop.pattern_memberships where week + 7 <= :before_day",
    "detections": """
        delete from feedback_loop.detections d where not exists (
            select from feedback_loop.negative_feedback n where n.interaction_id = d.interaction_id)
        and not exists (select from feedback_loop.interactions i where i.interaction_id = d.interaction_id)""",
    "detector_audits": """
        delete from feedback_loop.detector_audits a where a.drawn_at < :before and not exists (
            select from feedback_loop.interactions i where i.interaction_id = a.interaction_id)""",
    "pattern_states": """
        delete from feedback_loop.pattern_states s where week + 7 <= :before_day and week < (
            select max(week) from feedback_loop.pattern_states t where t.application = s.application)""",
    "written_scores": "delete from feedback_loop.written_scores where written_at < :before",
    **{
        name: f"delete from feedback_loop.{name} where week + 7 <= :before_day"  # noqa: S608 (our own tables)
        for name in (
            "cleaning_weeks",
            "exposures",
            "feedback_exclusions",
            "pattern_weeks",
            "pattern_cards",
            "pattern_judgements",
            "pattern_lineage",
            "pattern_segments",
            "pattern_contradictions",
            "pattern_prospects",
            "prompt_version_weeks",
            "cohort_weeks",
        )
    },
}


def delete_texts(conn: Connection, before: datetime) -> dict[str, int]:
    """Delete facts and texts from before a time. Returns table -> rows deleted.

    Feedback goes with its interaction, whenever it came; feedback whose interaction never came goes by its own time.
    """
    n_deleted = _delete(conn, _TEXTS, before)
    n_deleted["feedback"] += n_deleted.pop("feedback_of_old_interactions")
    return n_deleted


def delete_derived(conn: Connection, before: datetime) -> dict[str, int]:
    """Delete vectors, memberships and aggregates of weeks that were over by a time. Returns table -> rows deleted."""
    return _delete(conn, _DERIVED, before)


def _delete(conn: Connection, statements: dict[str, str], before: datetime) -> dict[str, int]:
    day: date = before.date()
    return {
        table: conn.execute(sa.text(statement), {"before": before, "before_day": day}).rowcount
        for table, statement in statements.items()
    }
