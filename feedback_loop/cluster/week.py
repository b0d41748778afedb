"""The cluster stage: one week's descriptions and the memory before it in, memberships and the new memory out.

Belongs here: the order of things (known patterns, then new ones), the life of a pattern, its id, and the frozen
detector. Does not belong here: similarity (`place.py`), communities (`group.py`), words (`cards.py`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.cluster.cards import (
    SUGGESTED_FIXES,
    common_reason,
    distinctive_terms,
    likely_cause,
    medoid_of,
    pattern_name,
    typical_quote,
)
from feedback_loop.cluster.group import group
from feedback_loop.cluster.place import mean_of_nearest, place
from feedback_loop.cluster.policy import ClusterPolicy
from feedback_loop.llm import Embedder, Vectors
from feedback_loop.records import PLACEMENTS, Detector, Exemplar, PatternState, PatternStatus
from feedback_loop.redaction import visible

_MAX_QUOTE = 300  # characters of what an exemplar said
_ITSELF = 0.999  # cosine from which on two vectors are taken for the same text


@dataclass(frozen=True)
class WeekPatterns:
    """What one week did to an application's patterns.

    Attributes:
        states: every pattern known at the end of the week, sorted by pattern_id.
        memberships: frame `records.PLACEMENTS`; an event without a row is unassigned.
        new_pattern_ids: patterns founded this week.
    """

    states: tuple[PatternState, ...]
    memberships: pd.DataFrame
    new_pattern_ids: tuple[str, ...]


def cluster_week(
    application: str,
    week: date,
    events: pd.DataFrame,
    memory: Sequence[PatternState],
    embedder: Embedder,
    policy: ClusterPolicy,
    previous: Mapping[str, str] | None = None,
    merges: Mapping[str, str] | None = None,
) -> WeekPatterns:
    """Place the week's events in known patterns, and found new ones in the rest.

    Args:
        application: tenant; part of every pattern id.
        week: Monday.
        events: frame `records.DESCRIPTIONS` with `severity`, `user_hash` and the columns of `records.TEXTS`; one
            application only. Rows that are inferred may join a pattern but never found one.
        memory: the newest states before this week.
        embedder: of placement and grouping alike.
        policy: sizes and thresholds.
        previous: interaction_id -> pattern_id of the patterns that an earlier run of this week founded; a group that
            is mostly one of them again takes its id, though late facts may have moved the medoid.
        merges: pattern_id -> pattern_id of the pattern that people merged it into; its members count there.
    """
    events = events.sort_values("interaction_id", kind="stable").reset_index(drop=True)
    memory = sorted(memory, key=lambda p: p.pattern_id)
    said = ~events["is_inferred"].to_numpy(dtype=bool)
    vectors = embedder.encode(events["failure_text"].tolist())
    placed = place(vectors, memory, embedder)
    owner = np.where(said, placed.pattern, -1)
    similarity = np.where(owner >= 0, placed.similarity, np.nan)

    rest = np.flatnonzero(said & (owner < 0))
    founded: list[PatternState] = []
    if len(rest):
        groups = _new_groups(events, vectors, rest, placed.nearest, placed.similarity, memory, policy)
        crowd = np.concatenate([np.flatnonzero(owner >= 0), groups.sample])
        owner[rest] = np.where(groups.joined >= 0, groups.joined, owner[rest])
        similarity[rest] = np.where(groups.joined >= 0, placed.similarity[rest], similarity[rest])
        founded = _found(application, week, events, vectors, groups.fresh, crowd, embedder, policy, previous or {})
        left = rest[owner[rest] < 0]
        again = place(vectors[left], founded, embedder)
        taken = again.pattern >= 0
        owner[left[taken]] = again.pattern[taken] + len(memory)
        similarity[left[taken]] = again.similarity[taken]
    patterns = [*memory, *founded]
    memberships = _memberships(events, owner, similarity, patterns)
    here = {p.pattern_id for p in patterns}  # a week from before the pattern that stays knows it not
    stays = {merged: into for merged, into in (merges or {}).items() if into in here}
    memberships["pattern_id"] = [stays.get(i, i) for i in memberships["pattern_id"]]
    states = _age(
        patterns, memberships.merge(events[["interaction_id", "user_hash"]]), week, policy, has_data=len(events) > 0
    )
    return WeekPatterns(states, memberships, tuple(sorted(p.pattern_id for p in founded)))


@dataclass(frozen=True)
class _Groups:
    joined: NDArray[np.int64]  # per row of the rest: index in memory of the pattern it joins, -1 for none
    fresh: list[NDArray[np.int64]]  # rows of a group that no pattern knows
    sample: NDArray[np.int64]  # all rows that were grouped


def _new_groups(
    events: pd.DataFrame,
    vectors: Vectors,
    rest: NDArray[np.int64],
    nearest: NDArray[np.int64],
    similarity: NDArray[np.float64],
    memory: Sequence[PatternState],
    policy: ClusterPolicy,
) -> _Groups:
    """Communities of what no pattern took, each either joined to the pattern it all but belongs to or fresh."""
    sample = _sample(events, rest, policy.max_sample)
    labels = group(vectors[sample], policy.resolution)
    texts = events["failure_text"].to_numpy()
    bars = policy.join_share * np.array([p.threshold for p in memory])
    fresh, joined_to = [], dict.fromkeys(texts[sample], -1)
    for members in (sample[labels == label] for label in range(labels.max() + 1)):
        pattern = _joins(nearest[members], similarity[members], bars)
        if pattern >= 0:
            close = (nearest[members] == pattern) & (similarity[members] >= bars[pattern])
            joined_to |= dict.fromkeys(texts[members[close]], pattern)
        elif len(members) >= policy.min_texts:  # a sampled row is a text of its own
            fresh.append(members)
    open_to = np.isin(nearest, [p for p in joined_to.values() if p >= 0])
    joins = open_to & (similarity >= bars[nearest]) if len(bars) else open_to  # texts beyond the sample
    joined = [joined_to.get(texts[row], nearest[row] if joins[row] else -1) for row in rest]
    return _Groups(np.array(joined, dtype=np.int64), fresh, sample)


def _joins(nearest: NDArray[np.int64], similarity: NDArray[np.float64], bars: NDArray[np.float64]) -> int:
    """The known pattern that most of a group all but belongs to; -1 for none."""
    if not len(bars):
        return -1
    pattern = int(np.bincount(nearest).argmax())
    return pattern if np.mean((nearest == pattern) & (similarity >= bars[pattern])) > 0.5 else -1


def _sample(events: pd.DataFrame, rows: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """At most `size` rows, one per distinct text first, chosen by a hash of the id: the same for any row order."""
    distinct = events.iloc[rows].drop_duplicates("failure_text").index.to_numpy()
    if len(distinct) <= size:
        return distinct.astype(np.int64)
    keys = [hashlib.blake2b(i.encode(), digest_size=8).digest() for i in events["interaction_id"].iloc[distinct]]
    chosen = sorted(range(len(distinct)), key=keys.__getitem__)[:size]
    return np.sort(distinct[chosen]).astype(np.int64)


def _found(
    application: str,
    week: date,
    events: pd.DataFrame,
    vectors: Vectors,
    groups: Sequence[NDArray[np.int64]],
    crowd: NDArray[np.int64],
    embedder: Embedder,
    policy: ClusterPolicy,
    previous: Mapping[str, str],
) -> list[PatternState]:
    """A pattern for every fresh group that stands out from the crowd: the rows grouped with it or known already.

    A group that is mostly another wording of one founded before it is left to that one.
    """
    terms = distinctive_terms([events["failure_text"].iloc[rows].tolist() for rows in groups])
    has_retrieval = bool((events["n_documents"] > 0).mean() > 0.5)
    founded: list[PatternState] = []
    for rows, words in zip(groups, terms, strict=True):
        members, own = events.iloc[rows], vectors[rows]
        cause = likely_cause(members, has_retrieval)
        quote = typical_quote(members, own)
        pattern = PatternState(
            pattern_id=_inherited_id(members["interaction_id"], previous, {p.pattern_id for p in founded})
            or pattern_id(application, week, str(members["interaction_id"].iloc[medoid_of(own)])),
            name=pattern_name(common_reason(members["reasons"].tolist()), quote),
            description=f"Users say: “{quote}”. Words that set it apart: {', '.join(words) or 'none'}.",
            likely_cause=cause,
            severity=int(members["severity"].median()),
            suggested_fix=SUGGESTED_FIXES[cause],
            status="confirmed" if members["user_hash"].nunique() >= policy.min_users else "candidate",
            first_seen_week=week,
            last_seen_week=week,
            n_silent_weeks=0,
            n_occurrences=0,
            threshold=policy.min_similarity,
            exemplars=_exemplars(members, own, policy.max_exemplars),
        )
        pattern = replace(pattern, threshold=_threshold(pattern, own, embedder, policy))
        is_known = founded and np.mean(place(own, founded, embedder).pattern >= 0) > 0.5
        if not is_known and _stands_out(pattern, vectors[crowd], embedder) >= policy.min_cohesion:
            founded.append(pattern)
    return founded


def _stands_out(pattern: PatternState, crowd: Vectors, embedder: Embedder) -> float:
    """How much more alike the exemplars are to one another than to those of the crowd that the pattern would not take.

    Where it takes all of them, everybody says the same, and only how alike they are counts.
    """
    remembered = embedder.encode([e.text for e in pattern.exemplars])
    strangers = crowd[place(crowd, [pattern], embedder).pattern < 0]
    apart = remembered.mean(axis=0) @ strangers.mean(axis=0) if len(strangers) else 0.0
    return _cohesion(remembered) - float(apart)


def _cohesion(vectors: Vectors) -> float:
    """Mean cosine of two different rows; 0 where there are no two."""
    n, total = len(vectors), vectors.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1))) if n > 1 else 0.0


def _inherited_id(members: Iterable[str], previous: Mapping[str, str], taken: set[str]) -> str | None:
    """The earlier id of most of these members, unless another group has it already."""
    ids = list(members)
    counts = Counter(previous[i] for i in ids if previous.get(i, "") not in {"", *taken})
    best = min(counts.items(), key=lambda item: (-item[1], item[0]), default=None)
    return best[0] if best and best[1] > len(ids) / 2 else None


def pattern_id(application: str, first_week: date, medoid_interaction_id: str) -> str:
    """Stable id: hash of the application, the first week and the founding medoid's interaction."""
    key = json.dumps([application, first_week.isoformat(), medoid_interaction_id])
    return "p-" + hashlib.sha256(key.encode()).hexdigest()[:12]


def _exemplars(members: pd.DataFrame, vectors: Vectors, size: int) -> tuple[Exemplar, ...]:
    """Members spread evenly from the centre of the group to the edge of its nearest four fifths, distinct texts."""
    by_centrality = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")
    core = members.iloc[by_centrality[: max(size, int(0.8 * len(members)))]]
    chosen = core.iloc[np.unique(np.linspace(0, len(core) - 1, min(size, len(core))).round().astype(int))]
    columns = (chosen[name] for name in ("interaction_id", "failure_text", "subject_text", "comments", "description"))
    return tuple(
        Exemplar(i, text, subject, visible(" ".join(comments) or description, _MAX_QUOTE))
        for i, text, subject, comments, description in zip(*columns, strict=True)
    )


def _threshold(pattern: PatternState, vectors: Vectors, embedder: Embedder, policy: ClusterPolicy) -> float:
    """Median similarity of the founders less `tolerance` MADs, between the floor and the ceiling.

    A founder that is an exemplar is compared with the others only: what the threshold has to judge are texts that the
    pattern does not hold yet.
    """
    cosines = vectors @ embedder.encode([e.text for e in pattern.exemplars]).T
    cosines[cosines > _ITSELF] = -1.0
    own = mean_of_nearest(cosines)
    median = float(np.median(own))
    bar = median - policy.tolerance * float(np.median(np.abs(own - median)))
    return float(np.clip(bar, policy.min_similarity, policy.max_similarity))


def _memberships(
    events: pd.DataFrame, owner: NDArray[np.int64], similarity: NDArray[np.float64], patterns: Sequence[PatternState]
) -> pd.DataFrame:
    rows = np.flatnonzero(owner >= 0)
    frame = pd.DataFrame(
        {
            "interaction_id": events["interaction_id"].iloc[rows],
            "pattern_id": [patterns[i].pattern_id for i in owner[rows]],
            "similarity": similarity[rows].round(6),
        }
    )
    return PLACEMENTS.check(frame).reset_index(drop=True)


def _age(
    patterns: Sequence[PatternState], members: pd.DataFrame, week: date, policy: ClusterPolicy, *, has_data: bool
) -> tuple[PatternState, ...]:
    """Every pattern one week older: seen, silent or dormant. A week without data ages nobody."""
    seen = members.groupby("pattern_id")["user_hash"].agg(["size", "nunique"])
    aged = []
    for pattern in patterns:
        if pattern.pattern_id in seen.index:
            n, n_users = int(seen["size"][pattern.pattern_id]), int(seen["nunique"][pattern.pattern_id])
            is_confirmed = n_users >= policy.min_users or pattern.status == "confirmed"
            status: PatternStatus = "confirmed" if is_confirmed else "candidate"
            n_total = pattern.n_occurrences + n
            pattern = replace(pattern, last_seen_week=week, n_silent_weeks=0, n_occurrences=n_total, status=status)
        elif has_data:
            silent = pattern.n_silent_weeks + 1
            status = "dormant" if silent >= policy.dormant_weeks else pattern.status
            pattern = replace(pattern, n_silent_weeks=silent, status=status)
        aged.append(pattern)
    return tuple(sorted(aged, key=lambda p: p.pattern_id))


def place_events(described: pd.DataFrame, patterns: Sequence[PatternState], embedder: Embedder) -> pd.DataFrame:
    """Memberships of described events in fixed patterns: what a frozen detector sees.

    Args:
        described: frame `records.DESCRIPTIONS`; inferred rows are never placed, as in the live week.
        patterns: of the detector.
        embedder: of the version that the detector was frozen for.

    Returns:
        Frame `records.PLACEMENTS`.
    """
    said = described[~described["is_inferred"]].reset_index(drop=True)
    placed = place(embedder.encode(said["failure_text"].tolist()), patterns, embedder)
    return _memberships(said, placed.pattern, placed.similarity, patterns)


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
