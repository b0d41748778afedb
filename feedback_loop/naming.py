"""Name: what stands on a pattern's card. A person's word first, then the model's, then what rules found.

Belongs here: which patterns need a card from the analyst, what it is shown, and what the card says in the end. Does not
belong here: asking (`llm/analyst.py`), rules (`cluster/cards.py`), decisions of people (`decisions.py`).

In the loop: cluster -> **name** -> prioritise. A card never moves an event from one pattern to another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from feedback_loop.llm.analyst import Card, Findings
from feedback_loop.llm.prompts import MAX_QUOTES, Quote, QuotedPattern
from feedback_loop.records import Cause, PatternState

_CHANGED = 0.5  # of the exemplars that a card was written from: with fewer of them left it is written anew


@dataclass(frozen=True)
class PatternCard:
    """What a pattern is called and what is said of it, and who says so.

    Attributes:
        pattern_id: whose card.
        source: `claude`, or `offline` for what rules found.
        severity: 1 minor .. 4 critical.
        severity_reason: empty where rules found it.
        evidence_ids: interactions whose quotes show it.
        shown_ids: interactions that the analyst saw.
        problem: why rules had to do, where a model was asked.
    """

    pattern_id: str
    source: Literal["offline", "claude"]
    name: str
    description: str
    likely_cause: Cause
    severity: int
    severity_reason: str
    suggested_fix: str
    evidence_ids: tuple[str, ...]
    shown_ids: tuple[str, ...]
    problem: str | None


def due_for_card(states: Sequence[PatternState], week: date, cards: Mapping[str, PatternCard]) -> list[PatternState]:
    """The patterns seen this week that no model has written a card for, or whose members have changed since.

    Candidates wait until enough people share them: a card of each passing oddity would cost more than it is worth.

    Args:
        states: at the end of the week.
        week: Monday.
        cards: pattern_id -> newest card of an earlier week by a model.
    """
    return [
        state
        for state in states
        if state.last_seen_week == week
        and state.status != "candidate"
        and (state.pattern_id not in cards or _has_changed(state, cards[state.pattern_id]))
    ]


def _has_changed(state: PatternState, card: PatternCard) -> bool:
    kept = {e.interaction_id for e in state.exemplars} & set(card.shown_ids)
    return len(kept) < _CHANGED * len(card.shown_ids)


def quoted_pattern(state: PatternState, descriptions: Mapping[str, str]) -> QuotedPattern:
    """A pattern as the analyst sees it.

    Args:
        state: with its exemplars.
        descriptions: interaction_id -> what was said, readable; an exemplar without one shows what is compared.
    """
    step = max(1, len(state.exemplars) // MAX_QUOTES)
    shown = state.exemplars[::step][:MAX_QUOTES]
    quotes = tuple(Quote(e.interaction_id, descriptions.get(e.interaction_id) or e.quote or e.text) for e in shown)
    facts = "" if state.likely_cause == "unknown" else f"what was recorded points to the cause {state.likely_cause}"
    return QuotedPattern(state.pattern_id, quotes, facts)


def write_cards(
    states: Sequence[PatternState], shown: Sequence[QuotedPattern], found: Findings[Card]
) -> list[PatternCard]:
    """A card for each pattern that was asked about: the analyst's, or what stands already with the reason why.

    Args:
        states: that were asked about.
        shown: the same patterns, as the analyst saw them.
        found: what it said.
    """
    ids = {pattern.pattern_id: tuple(quote.interaction_id for quote in pattern.quotes) for pattern in shown}
    cards = []
    for state in states:
        card, problem = found.found.get(state.pattern_id), found.problems.get(state.pattern_id)
        if card is not None:
            cards.append(
                PatternCard(state.pattern_id, "claude", **vars(card), shown_ids=ids[state.pattern_id], problem=None)
            )
            continue
        reason = None if problem is None or problem.reason == "offline" else f"{problem.reason}: {problem.detail}"
        cards.append(_offline_card(state, ids[state.pattern_id], reason))
    return cards


def _offline_card(state: PatternState, shown_ids: tuple[str, ...], problem: str | None) -> PatternCard:
    return PatternCard(
        pattern_id=state.pattern_id,
        source="offline",
        name=state.name,
        description=state.description,
        likely_cause=state.likely_cause,
        severity=state.severity,
        severity_reason="",
        suggested_fix=state.suggested_fix,
        evidence_ids=shown_ids,
        shown_ids=shown_ids,
        problem=problem,
    )


def carry_card(state: PatternState, card: PatternCard) -> PatternState:
    """The pattern with what its card says."""
    return replace(
        state,
        name=card.name,
        description=card.description,
        likely_cause=card.likely_cause,
        severity=card.severity,
        suggested_fix=card.suggested_fix,
    )


def same_memory(one: Sequence[PatternState], other: Sequence[PatternState]) -> bool:
    """Whether two memories hold the same patterns, whatever they are called."""
    return [_nameless(state) for state in one] == [_nameless(state) for state in other]


def _nameless(state: PatternState) -> PatternState:
    return replace(state, name="", description="", likely_cause="unknown", severity=1, suggested_fix="")
