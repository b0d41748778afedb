"""The cluster stage: one week's descriptions and the memory before it in, memberships and the new memory out.

Belongs here: the order of things, memberships, and the frozen detector. Does not belong here: what is found
(`finding.py`), similarity (`place.py`), and the life of a pattern (`life.py`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.cluster.exact import encode_exactly
from feedback_loop.cluster.finding import find_patterns
from feedback_loop.cluster.judging import GroupJudgement, Judge
from feedback_loop.cluster.life import Lineage, age
from feedback_loop.cluster.memory import recall_vectors
from feedback_loop.cluster.novelty import Past
from feedback_loop.cluster.place import Placement, place, similarities
from feedback_loop.cluster.policy import ClusterPolicy
from feedback_loop.cluster.said import Said
from feedback_loop.cluster.subjects import MOST_VOTERS, place_by_subject
from feedback_loop.cluster.texts import DistinctTexts
from feedback_loop.llm import Embedder
from feedback_loop.records import MEMBERSHIPS, PLACEMENTS, Detector, PatternState


@dataclass(frozen=True)
class WeekPatterns:
    """What one week did to an application's patterns.

    Attributes:
        states: every pattern known at the end of the week, sorted by pattern_id.
        memberships: frame `records.MEMBERSHIPS`; an event without a row is unassigned.
        new_pattern_ids: patterns founded this week as failures that nobody knew.
        lineage: what was split from what, and merged into what.
        judgements: what was decided of every group that no known pattern held.
    """

    states: tuple[PatternState, ...]
    memberships: pd.DataFrame
    new_pattern_ids: tuple[str, ...]
    lineage: tuple[Lineage, ...] = ()
    judgements: tuple[GroupJudgement, ...] = ()


def cluster_week(
    application: str,
    week: date,
    events: pd.DataFrame,
    memory: Sequence[PatternState],
    embedder: Embedder,
    policy: ClusterPolicy,
    previous: Mapping[str, str] | None = None,
    merges: Mapping[str, str] | None = None,
    judge: Judge | None = None,
    past: pd.DataFrame | None = None,
) -> WeekPatterns:
    """The week's patterns and their members: groups first, together with all that is remembered, then every event.

    Args:
        application: tenant; part of every pattern id.
        week: Monday.
        events: frame `records.DESCRIPTIONS` with `severity`, `user_hash` and the columns of `records.TEXTS`; one
            application only. Rows that are inferred are placed by subject and found, change and confirm nothing.
        memory: the newest states before this week.
        embedder: of placement and grouping alike.
        policy: sizes and seed.
        previous: interaction_id -> pattern_id of the patterns that an earlier run of this week founded; a group that
            is mostly one of them again takes its id, though late facts may have moved the medoid.
        merges: pattern_id -> pattern_id of the pattern that people merged it into; its members count there.
        judge: who has a say in what is new; without one the gate decides.
        past: `failure_text` and `week` of events of the weeks before: what as large a share of people said then is not
            new now, and what hardly anybody said then is.
    """
    events = events.sort_values("interaction_id", kind="stable").reset_index(drop=True)
    memory = sorted(memory, key=lambda p: p.pattern_id)
    is_inferred = events["is_inferred"].to_numpy(dtype=bool)
    said = Said.of(events[~is_inferred], embedder)
    before = _encode_past(week, past, embedder, policy)
    found = find_patterns(application, week, said, memory, before, embedder, policy, previous or {}, judge)
    placed = _place_said(said, found.patterns, embedder)
    inferred = _place_inferred(events[is_inferred], said, placed, embedder)
    memberships = pd.concat(
        [
            _memberships(said.events, placed, found.patterns, is_inferred=False),
            _memberships(events[is_inferred], inferred, found.patterns, is_inferred=True),
        ],
        ignore_index=True,
    )
    here = {p.pattern_id for p in found.patterns}  # a week from before the pattern that stays knows it not
    stays = {merged: into for merged, into in (merges or {}).items() if merged in here and into in here}
    memberships["pattern_id"] = [stays.get(i, i) for i in memberships["pattern_id"]]
    told = memberships[~memberships["is_inferred"]].merge(events[["interaction_id", "failure_text", "user_hash"]])
    kept = {p.pattern_id for p in memory} | set(told["pattern_id"]) | set(stays)  # nobody's pattern is none
    patterns = [p for p in found.patterns if p.pattern_id in kept]
    merged = [Lineage(one, "merged_into", into, 0) for one, into in sorted(stays.items())]
    return WeekPatterns(
        states=age(patterns, told, week, policy, has_data=len(events) > 0),
        memberships=MEMBERSHIPS.check(memberships),
        new_pattern_ids=tuple(sorted(set(found.new_ids) & kept)),
        lineage=(*(row for row in found.lineage if row.pattern_id in kept), *merged),
        judgements=tuple(
            row for row in found.judgements if row.pattern_id in kept or row.judgement not in {"new", "sub"}
        ),
    )


def _encode_past(week: date, past: pd.DataFrame | None, embedder: Embedder, policy: ClusterPolicy) -> Past:
    """The distinct texts of each week before, as many as are compared; those without a direction say nothing."""
    if past is None or past.empty:
        return Past(encode_exactly(embedder, []), np.zeros(0, dtype=np.int64))
    texts = DistinctTexts.of(past["failure_text"].tolist())
    ages = ((pd.Timestamp(week) - pd.to_datetime(past["week"])).dt.days // 7).to_numpy(dtype=np.int64)
    said = np.unique(np.column_stack([texts.of_row, ages]), axis=0)  # of each text, the weeks in which it was said
    some = texts.sample(np.arange(len(texts.texts)), policy.max_sample)
    vectors = encode_exactly(embedder, [texts.texts[text] for text in some])
    some, vectors = some[vectors.any(axis=1)], vectors[vectors.any(axis=1)]
    said = said[np.isin(said[:, 0], some)]
    return Past(vectors[np.searchsorted(some, said[:, 0])], said[:, 1])


def _place_said(said: Said, patterns: Sequence[PatternState], embedder: Embedder) -> Placement:
    """The pattern of every event of which somebody said what went wrong."""
    of_text = place(said.vectors, recall_vectors(patterns, embedder), [p.threshold for p in patterns])
    rows = said.texts.of_row
    return Placement(of_text.pattern[rows], of_text.similarity[rows])


def _place_inferred(events: pd.DataFrame, said: Said, placed: Placement, embedder: Embedder) -> Placement:
    """The pattern of every event of which nobody did."""
    if events.empty:
        return Placement(np.zeros(0, dtype=np.int64), np.zeros(0))
    some = slice(None, None, -(-len(said.events) // MOST_VOTERS) or 1)
    asked, voters = (DistinctTexts.of(f["subject_text"].tolist()) for f in (events, said.events.iloc[some]))
    of_text = place_by_subject(
        encode_exactly(embedder, asked.texts),
        encode_exactly(embedder, voters.texts)[voters.of_row],
        placed.pattern[some],
    )
    return Placement(of_text.pattern[asked.of_row], of_text.similarity[asked.of_row])


def _memberships(
    events: pd.DataFrame, placed: Placement, patterns: Sequence[PatternState], *, is_inferred: bool
) -> pd.DataFrame:
    rows: NDArray[np.int64] = np.flatnonzero(placed.pattern >= 0)
    return pd.DataFrame(
        {
            "interaction_id": events["interaction_id"].iloc[rows].astype("str"),
            "pattern_id": pd.Series([patterns[i].pattern_id for i in placed.pattern[rows]], dtype="str").to_numpy(),
            "similarity": placed.similarity[rows].round(6),
            "is_inferred": np.full(len(rows), is_inferred),
        }
    ).reset_index(drop=True)


def place_events(described: pd.DataFrame, patterns: Sequence[PatternState], embedder: Embedder) -> pd.DataFrame:
    """Memberships of described events in fixed patterns: what a frozen detector sees.

    Args:
        described: frame `records.DESCRIPTIONS`; inferred rows are never placed: no verdict rests on an inference.
        patterns: of the detector.
        embedder: of the version that the detector was frozen for.

    Returns:
        Frame `records.PLACEMENTS`.
    """
    said = Said.of(described[~described["is_inferred"].to_numpy(dtype=bool)], embedder)
    placed = _place_said(said, patterns, embedder)
    return PLACEMENTS.check(_memberships(said.events, placed, patterns, is_inferred=False).drop(columns="is_inferred"))


def measure_nearness(described: pd.DataFrame, patterns: Sequence[PatternState], embedder: Embedder) -> pd.DataFrame:
    """How near events are to some patterns, whether these take them or not: for audits of a frozen detector.

    Args:
        described: as of `place_events`.
        patterns: of the detector, those that are asked about; at least one.
        embedder: of the version that the detector was frozen for.

    Returns:
        `interaction_id` and `nearness`, the largest of similarity / threshold; no row for what is inferred.
    """
    said = Said.of(described[~described["is_inferred"].to_numpy(dtype=bool)], embedder)
    scores = similarities(said.vectors, recall_vectors(patterns, embedder))
    nearness = (scores / np.array([p.threshold for p in patterns])).max(axis=1)
    return pd.DataFrame({"interaction_id": said.events["interaction_id"], "nearness": nearness[said.texts.of_row]})


def freeze_detector(states: Sequence[PatternState], embedder: Embedder, describer_version: str) -> Detector:
    """The memory as an immutable snapshot, named by its content: same placement rule, same version."""
    placing = [
        {
            "pattern_id": p.pattern_id,
            "threshold": round(p.threshold, 9),
            "exemplars": [[e.interaction_id, e.text, e.subject] for e in p.exemplars],
        }
        for p in sorted(states, key=lambda p: p.pattern_id)
    ]
    content = json.dumps([embedder.version, describer_version, placing], sort_keys=True)
    version = "d-" + hashlib.sha256(content.encode()).hexdigest()[:16]
    return Detector(version, embedder.version, describer_version, tuple(states))
