"""Finding: the patterns of a week, known ones with what they remember from now on, and those founded in it.

Belongs here: what becomes of the groups of a week. Does not belong here: grouping (`discovery.py`), and placing the
week's events in what was found (`week.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from feedback_loop.cluster.discovery import Group, discover
from feedback_loop.cluster.exact import ExactVectors
from feedback_loop.cluster.founding import found_patterns, founding_ids
from feedback_loop.cluster.judging import GroupJudgement, Judge, Judged, Newcomer, hear, put_question
from feedback_loop.cluster.life import Lineage
from feedback_loop.cluster.memory import align_thresholds, learn, recall_vectors, threshold_of
from feedback_loop.cluster.policy import ClusterPolicy
from feedback_loop.cluster.said import Said
from feedback_loop.cluster.texts import Rows, near_copies
from feedback_loop.llm import Embedder
from feedback_loop.records import PatternState

_ENOUGH = 8  # texts in a week from which on they move the threshold of a known pattern


@dataclass(frozen=True)
class Found:
    """What a week knows.

    Attributes:
        patterns: known before and founded now.
        new_ids: founded as failures that nobody knew; a part of a known one is not among them.
        lineage: what was split from what.
        judgements: one per group that no known pattern held.
    """

    patterns: list[PatternState]
    new_ids: list[str]
    lineage: list[Lineage]
    judgements: list[GroupJudgement]


def find_patterns(
    application: str,
    week: date,
    said: Said,
    memory: Sequence[PatternState],
    embedder: Embedder,
    policy: ClusterPolicy,
    previous: Mapping[str, str],
    judge: Judge | None,
) -> Found:
    """The patterns of a week; arguments as of `cluster_week`, `memory` by pattern_id."""
    speaking = np.flatnonzero(said.vectors.any(axis=1))
    texts = said.texts.sample(speaking, policy.max_sample)
    remembered = recall_vectors(memory, embedder)
    groups = discover(
        said.vectors[texts],
        near_copies([said.texts.texts[text] for text in texts]),
        remembered,
        least=policy.min_texts,
        most_remembered=policy.max_sample,
        seed=policy.seed,
    )
    groups = [replace(one, rows=texts[one.rows], originals=texts[one.originals]) for one in groups]
    fresh = [one for one in groups if one.pattern is None and len(one.rows) + len(one.taken) >= policy.min_texts]
    ids = founding_ids(application, week, said, [one.rows for one in fresh], previous)
    comers = [_Comer.of(i, one, memory, remembered, said, policy) for i, one in zip(ids, fresh, strict=True)]
    judgements = _judge(comers, memory, remembered, judge)
    founded = [one for one, row in zip(comers, judgements, strict=True) if row.judgement in {"new", "sub"}]
    patterns = [
        *_remember(memory, remembered, groups, comers, founded, judgements, said, policy),
        *found_patterns(
            [one.newcomer.pattern_id for one in founded],
            [one.group.rows for one in founded],
            [one.newcomer.exemplars for one in founded],
            [one.threshold for one in founded],
            said,
            week,
        ),
    ]
    aligned = align_thresholds([p.threshold for p in patterns])
    return Found(
        patterns=[replace(p, threshold=float(bar)) for p, bar in zip(patterns, aligned, strict=True)],
        new_ids=[row.pattern_id for row in judgements if row.judgement == "new"],
        lineage=[
            Lineage(row.pattern_id, "split_from", row.other_pattern_id, len(one.group.taken))
            for one, row in zip(comers, judgements, strict=True)
            if row.judgement == "sub" and row.other_pattern_id is not None
        ],
        judgements=judgements,
    )


@dataclass(frozen=True)
class _Comer:
    """A group that no known pattern holds, as a pattern that may be founded."""

    newcomer: Newcomer
    group: Group  # its rows are texts of the week
    threshold: float

    @classmethod
    def of(
        cls,
        pattern_id: str,
        group: Group,
        memory: Sequence[PatternState],
        remembered: Sequence[ExactVectors],
        said: Said,
        policy: ClusterPolicy,
    ) -> "_Comer":
        taken = list(group.taken)
        along = () if group.parent is None else tuple(memory[group.parent].exemplars[i] for i in taken)
        old = said.vectors[:0] if group.parent is None else remembered[group.parent][taken]
        sides = [np.concatenate([old, said.vectors[texts]]) for texts in (group.originals, group.rows)]
        threshold = min(threshold_of(side, side) for side in sides)
        texts = group.originals[learn(old, said.vectors[group.originals], threshold, policy.max_exemplars)]
        known = np.concatenate([old, said.vectors[texts]])
        copies = np.setdiff1d(group.rows, group.originals)  # a letter first, then its variants while there is room
        texts = np.concatenate([texts, copies[learn(known, said.vectors[copies], threshold, policy.max_exemplars)]])
        vectors = np.concatenate([old, said.vectors[texts]])
        return cls(Newcomer(pattern_id, (*along, *said.exemplars(texts)), vectors), group, threshold)


def _judge(
    comers: Sequence[_Comer], memory: Sequence[PatternState], remembered: Sequence[ExactVectors], judge: Judge | None
) -> list[GroupJudgement]:
    """What becomes of each: the judge's word, where there is one and it answers, else the gate's."""
    decided = []
    for one in comers:
        parent = None if one.group.parent is None else memory[one.group.parent].pattern_id
        word: Judged = "noise" if one.group.is_noise else "new" if parent is None else "sub"
        decided.append(GroupJudgement(one.newcomer.pattern_id, word, parent, "gate", one.group.reason))
    asked = [one.newcomer for one in comers if not one.group.is_noise]
    if judge is None or not memory or not asked:
        return decided
    said = judge([put_question(one, memory, remembered) for one in asked])
    known = {p.pattern_id for p in memory}
    return [hear(row, said, known) for row in decided]


def _remember(
    memory: Sequence[PatternState],
    remembered: Sequence[ExactVectors],
    groups: Sequence[Group],
    comers: Sequence[_Comer],
    founded: Sequence[_Comer],
    judgements: Sequence[GroupJudgement],
    said: Said,
    policy: ClusterPolicy,
) -> list[PatternState]:
    """The known patterns without what parts of them took along, with some of the texts that joined them."""
    states = []
    for index, pattern in enumerate(memory):
        gone = {i for one in founded if one.group.parent == index for i in one.group.taken}
        kept = [i for i in range(len(pattern.exemplars)) if i not in gone]
        same = [
            one.group.originals
            for one, row in zip(comers, judgements, strict=True)
            if row.judgement == "same" and row.other_pattern_id == pattern.pattern_id
        ]
        joined: Rows = np.concatenate(
            [np.zeros(0, dtype=np.int64), *(g.originals for g in groups if g.pattern == index), *same]
        )
        joined = joined.astype(np.int64)
        own, texts, threshold = remembered[index][kept], said.vectors[joined], pattern.threshold
        if len(joined) >= _ENOUGH:
            threshold = threshold_of(texts, own)
        chosen = joined[learn(own, texts, threshold, policy.max_exemplars)]
        exemplars = (*(pattern.exemplars[i] for i in kept), *said.exemplars(chosen))
        states.append(replace(pattern, exemplars=exemplars, threshold=threshold))
    return states
