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
from feedback_loop.cluster.memory import align_thresholds, learn, recall_seen, recall_vectors, threshold_of
from feedback_loop.cluster.novelty import Past
from feedback_loop.cluster.place import similarities
from feedback_loop.cluster.policy import ClusterPolicy
from feedback_loop.cluster.said import Said, see
from feedback_loop.cluster.texts import Rows, near_copies, once_per_user
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
    past: Past,
    embedder: Embedder,
    policy: ClusterPolicy,
    previous: Mapping[str, str],
    judge: Judge | None,
) -> Found:
    """The patterns of a week; arguments as of `cluster_week`, `memory` by pattern_id."""
    speaking = np.flatnonzero(said.vectors.any(axis=1))
    texts = said.texts.sample(speaking, policy.max_sample)
    copies_of = near_copies([said.texts.texts[text] for text in texts])
    heard = once_per_user(copies_of, said.users_of(texts))
    texts, copies_of = texts[heard], np.searchsorted(heard, copies_of[heard])
    remembered = recall_vectors(memory, embedder)
    groups = discover(
        said.vectors[texts],
        copies_of,
        remembered,
        past,
        seen=see(said.vectors[texts], said.sentences_of(texts), embedder),
        seen_exemplars=recall_seen(memory, remembered, embedder),
        least=policy.min_texts,
        most_remembered=policy.max_sample,
        seed=policy.seed,
    )
    groups = [replace(one, rows=texts[one.rows], originals=texts[one.originals]) for one in groups]
    fresh = [one for one in groups if one.pattern is None and len(one.rows) >= policy.min_texts]
    ids = founding_ids(application, week, said, [one.rows for one in fresh], previous)
    comers = [_Comer.of(i, one, said, policy) for i, one in zip(ids, fresh, strict=True)]
    judgements = _judge(comers, memory, remembered, judge)
    founded = [one for one, row in zip(comers, judgements, strict=True) if row.judgement in {"new", "sub"}]
    kept, left = _hand_over(memory, remembered, founded)
    patterns = [
        *_remember(kept, left, groups, comers, judgements, said, policy),
        *found_patterns([(one.newcomer, one.group.rows, one.threshold) for one in founded], said, week),
    ]
    patterns.sort(key=lambda p: p.pattern_id)  # of equally near ones the first takes a text, here as in a detector
    bars = [p.threshold for p in patterns]
    aligned = align_thresholds(bars) if len(texts) else bars
    return Found(
        patterns=[replace(p, threshold=float(bar)) for p, bar in zip(patterns, aligned, strict=True)],
        new_ids=[row.pattern_id for row in judgements if row.judgement == "new"],
        lineage=_split(comers, judgements, memory, remembered),
        judgements=judgements,
    )


@dataclass(frozen=True)
class _Comer:
    """A group that no known pattern holds, as a pattern that may be founded."""

    newcomer: Newcomer
    group: Group  # its rows are texts of the week
    threshold: float

    @classmethod
    def of(cls, pattern_id: str, group: Group, said: Said, policy: ClusterPolicy) -> "_Comer":
        sides = [said.vectors[texts] for texts in (group.originals, group.rows)]
        threshold = min(threshold_of(side, side) for side in sides)
        nothing = said.vectors[:0]
        texts = group.originals[learn(nothing, sides[0], threshold, policy.max_exemplars)]
        copies = np.setdiff1d(group.rows, group.originals)  # a letter first, then its variants while there is room
        more = learn(said.vectors[texts], said.vectors[copies], threshold, policy.max_exemplars)
        texts = np.concatenate([texts, copies[more]])
        return cls(Newcomer(pattern_id, said.exemplars(texts), said.vectors[texts]), group, threshold)


def _judge(
    comers: Sequence[_Comer], memory: Sequence[PatternState], remembered: Sequence[ExactVectors], judge: Judge | None
) -> list[GroupJudgement]:
    """What becomes of each: the judge's word, where there is one and it answers, else the gate's."""
    decided = []
    for one in comers:
        nearest = None if one.group.is_noise else one.group.parent
        parent = None if nearest is None else memory[nearest].pattern_id
        word: Judged = "noise" if one.group.is_noise else "new" if parent is None else "sub"
        decided.append(GroupJudgement(one.newcomer.pattern_id, word, parent, "gate", one.group.reason))
    asked = [one.newcomer for one in comers if not one.group.is_noise]
    if judge is None or not memory or not asked:
        return decided
    said = judge([put_question(one, memory, remembered) for one in asked])
    known = {p.pattern_id for p in memory}
    return [hear(row, said, known) for row in decided]


def _split(
    comers: Sequence[_Comer],
    judgements: Sequence[GroupJudgement],
    memory: Sequence[PatternState],
    remembered: Sequence[ExactVectors],
) -> list[Lineage]:
    """What each part was split from, and how much that is remembered there is nearer to the part."""
    known = {pattern.pattern_id: own for pattern, own in zip(memory, remembered, strict=True)}
    rows = []
    for one, row in zip(comers, judgements, strict=True):
        if row.judgement == "sub" and row.other_pattern_id is not None:
            own = known[row.other_pattern_id]
            to_part, to_own = similarities(own, [one.newcomer.vectors]), similarities(own, [own], to_others=True)
            rows.append(Lineage(row.pattern_id, "split_from", row.other_pattern_id, int((to_part > to_own).sum())))
    return rows


def _hand_over(
    memory: Sequence[PatternState], remembered: Sequence[ExactVectors], founded: Sequence[_Comer]
) -> tuple[list[PatternState], list[ExactVectors]]:
    """The known patterns without what those that are founded take from them, else both would claim the same texts."""
    taken: dict[int, set[int]] = {}
    for one in founded:
        for pattern, exemplar in one.group.takes:
            taken.setdefault(pattern, set()).add(exemplar)
    kept, left = list(memory), list(remembered)
    for pattern, gone in taken.items():
        stays = [i for i in range(len(memory[pattern].exemplars)) if i not in gone]
        if stays:  # several together may want all of it
            kept[pattern] = replace(memory[pattern], exemplars=tuple(memory[pattern].exemplars[i] for i in stays))
            left[pattern] = remembered[pattern][stays]
    return kept, left


def _remember(
    memory: Sequence[PatternState],
    remembered: Sequence[ExactVectors],
    groups: Sequence[Group],
    comers: Sequence[_Comer],
    judgements: Sequence[GroupJudgement],
    said: Said,
    policy: ClusterPolicy,
) -> list[PatternState]:
    """The known patterns with some of the texts that joined them."""
    states = []
    for index, (pattern, own) in enumerate(zip(memory, remembered, strict=True)):
        same = [
            one.group.originals
            for one, row in zip(comers, judgements, strict=True)
            if row.judgement == "same" and row.other_pattern_id == pattern.pattern_id
        ]
        joined: Rows = np.concatenate(
            [np.zeros(0, dtype=np.int64), *(g.originals for g in groups if g.pattern == index), *same]
        )
        joined = joined.astype(np.int64)
        texts, threshold = said.vectors[joined], pattern.threshold
        if len(joined) >= _ENOUGH:
            threshold = threshold_of(texts, own)
        chosen = joined[learn(own, texts, threshold, policy.max_exemplars)]
        exemplars = (*pattern.exemplars, *said.exemplars(chosen))
        states.append(replace(pattern, exemplars=exemplars, threshold=threshold))
    return states
