"""Judging: is a group that no known pattern holds a new failure, a part of a known one, the same as one, or noise?

Belongs here: the question to a judge, who overrides the gate, and the row that says what was decided. Does not belong
here: the gate (`discovery.py`), and asking a model (`llm/analyst.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from feedback_loop.cluster.exact import ExactVectors, centrality
from feedback_loop.cluster.place import similarities
from feedback_loop.llm import Candidate, Findings, Judgement, KnownPattern, Quote, QuotedPattern
from feedback_loop.records import Exemplar, PatternState

_N_TEXTS, _N_NEAREST = 5, 3

Judged = Literal["new", "same", "sub", "noise"]
Judge = Callable[[Sequence[Candidate]], Findings[Judgement]]
"""Asked of all groups of a week at once; a group it does not answer for is left to the gate."""


@dataclass(frozen=True)
class GroupJudgement:
    """What was decided of a group, and by whom. Columns of table `pattern_judgements`."""

    pattern_id: str
    judgement: Judged
    other_pattern_id: str | None
    source: Literal["gate", "claude", "person"]
    reason: str


@dataclass(frozen=True)
class Newcomer:
    """A group as a pattern that may be founded: the id it would get, and what it would remember."""

    pattern_id: str
    exemplars: tuple[Exemplar, ...]
    vectors: ExactVectors


def put_question(one: Newcomer, memory: Sequence[PatternState], remembered: Sequence[ExactVectors]) -> Candidate:
    """The newcomer's most central quotes, beside those of the three known patterns that are nearest to it."""
    means = similarities(one.vectors, remembered).mean(axis=0)
    nearest = np.argsort(-means, kind="stable")[:_N_NEAREST]
    known = tuple(
        KnownPattern(
            memory[p].pattern_id,
            memory[p].name,
            memory[p].description,
            tuple(_words(memory[p].exemplars[i]) for i in _central(remembered[p])),
        )
        for p in nearest
    )
    quotes = tuple(Quote(e.interaction_id, _words(e)) for e in (one.exemplars[i] for i in _central(one.vectors)))
    return Candidate(QuotedPattern(one.pattern_id, quotes), known)


def hear(decided: GroupJudgement, said: Findings[Judgement], known: set[str]) -> GroupJudgement:
    """The judge's word where there is one that can be followed, else what the gate decided."""
    answer = said.found.get(decided.pattern_id)
    if answer is None or (answer.judgement in {"same", "sub"} and answer.other_pattern_id not in known):
        return decided
    other = answer.other_pattern_id if answer.judgement in {"same", "sub"} else None
    return GroupJudgement(decided.pattern_id, answer.judgement, other, "claude", answer.reason)


def _central(vectors: ExactVectors) -> list[int]:
    return [int(i) for i in np.argsort(-centrality(vectors), kind="stable")[:_N_TEXTS]]


def _words(exemplar: Exemplar) -> str:
    return exemplar.quote or exemplar.text
