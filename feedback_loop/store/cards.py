"""Cards of patterns: what was written, by whom, from which interactions.

Belongs here: SQL of `pattern_cards`, and of the words that cards are written from. Does not belong here: what a card
says (`naming.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.naming import PatternCard
from feedback_loop.records import PatternState
from feedback_loop.store.tables import pattern_cards, pattern_states

_DESCRIPTIONS = """
select distinct on (interaction_id) interaction_id, description from feedback_loop.failure_descriptions
where application = :application and week <= :week and interaction_id = any(:ids)
order by interaction_id, week desc
"""


def load_model_cards(conn: Connection, application: str, before: date) -> dict[str, PatternCard]:
    """pattern_id -> the newest card that a model wrote in a week before this one."""
    query = (
        sa.select(pattern_cards)
        .where(
            pattern_cards.c.application == application,
            pattern_cards.c.week < before,
            pattern_cards.c.source == "claude",
        )
        .order_by(pattern_cards.c.week)
    )
    return {row["pattern_id"]: _card(row) for row in conn.execute(query).mappings()}


def newest_cards(conn: Connection, application: str, week: date) -> dict[str, PatternCard]:
    """pattern_id -> its card as it stands at the end of a week, whoever wrote it."""
    up_to = (pattern_cards.c.application == application) & (pattern_cards.c.week <= week)
    query = sa.select(pattern_cards).where(up_to).order_by(pattern_cards.c.week)
    return {row["pattern_id"]: _card(row) for row in conn.execute(query).mappings()}


def load_cards(conn: Connection, application: str, week: date) -> list[PatternCard]:
    """Cards written in exactly this week, by pattern_id."""
    of_week = (pattern_cards.c.application == application) & (pattern_cards.c.week == week)
    query = sa.select(pattern_cards).where(of_week).order_by(pattern_cards.c.pattern_id)
    return [_card(row) for row in conn.execute(query).mappings()]


def _card(row: Any) -> PatternCard:
    values = {name: row[name] for name in PatternCard.__dataclass_fields__}
    return PatternCard(**values | {name: tuple(row[name]) for name in ("evidence_ids", "shown_ids")})


def save_cards(
    conn: Connection, application: str, week: date, cards: Sequence[PatternCard], named: Sequence[PatternState]
) -> None:
    """Replace an application's cards of a week, and let its states of that week say what they say."""
    conn.execute(pattern_cards.delete().where(pattern_cards.c.application == application, pattern_cards.c.week == week))
    if cards:
        stamp = {"application": application, "week": week}
        conn.execute(pattern_cards.insert(), [asdict(card) | stamp for card in cards])
    said = ("name", "description", "likely_cause", "severity", "suggested_fix")
    for state in named:
        conn.execute(
            pattern_states.update()
            .where(
                pattern_states.c.application == application,
                pattern_states.c.week == week,
                pattern_states.c.pattern_id == state.pattern_id,
            )
            .values({name: getattr(state, name) for name in said})
        )


def descriptions_of(conn: Connection, application: str, week: date, interaction_ids: Sequence[str]) -> dict[str, str]:
    """interaction_id -> what was said of it, as it was described last up to a week; those not described are absent."""
    parameters = {"application": application, "week": week, "ids": list(interaction_ids)}
    return {str(row[0]): str(row[1]) for row in conn.execute(sa.text(_DESCRIPTIONS), parameters)}
