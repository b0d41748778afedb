"""Founding: a group of texts as the first state of a pattern.

Belongs here: its id, and what rules can say of it. Does not belong here: whether it is founded (`discovery.py`,
`judging.py`), and words (`cards.py`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from feedback_loop.cluster.cards import (
    SUGGESTED_FIXES,
    common_reason,
    distinctive_terms,
    likely_cause,
    pattern_name,
    typical_quote,
)
from feedback_loop.cluster.exact import centrality
from feedback_loop.cluster.judging import Newcomer
from feedback_loop.cluster.said import Said
from feedback_loop.cluster.texts import Rows
from feedback_loop.records import PatternState


def founding_ids(
    application: str, week: date, said: Said, groups: Sequence[Rows], previous: Mapping[str, str]
) -> list[str]:
    """The id of each group of texts: its earlier one, where an earlier run of this week founded it, else a new one.

    A group with the medoid of an earlier pattern is that pattern, and no other group takes its id.
    """
    medoids = [said.texts.first[texts[int(np.argmax(centrality(said.vectors[texts])))]] for texts in groups]
    own = [pattern_id(application, week, str(said.events["interaction_id"].iloc[medoid])) for medoid in medoids]
    taken = set(own) & set(previous.values())
    ids = []
    for texts, new in zip(groups, own, strict=True):
        inherited = None if new in taken else _inherited_id(said.rows_of(texts)["interaction_id"], previous, taken)
        ids.append(inherited or new)
        taken.add(ids[-1])
    return ids


def pattern_id(application: str, first_week: date, medoid_interaction_id: str) -> str:
    """Stable id: hash of the application, the first week and the founding medoid's interaction."""
    key = json.dumps([application, first_week.isoformat(), medoid_interaction_id])
    return "p-" + hashlib.sha256(key.encode()).hexdigest()[:12]


def _inherited_id(members: Iterable[str], previous: Mapping[str, str], taken: set[str]) -> str | None:
    """The earlier id of most of these members, unless another group has it already."""
    ids = list(members)
    counts = Counter(previous[i] for i in ids if previous.get(i, "") not in {"", *taken})
    best = min(counts.items(), key=lambda item: (-item[1], item[0]), default=None)
    return best[0] if best and best[1] > len(ids) / 2 else None


def found_patterns(founded: Sequence[tuple[Newcomer, Rows, float]], said: Said, week: date) -> list[PatternState]:
    """The first state of every newcomer, a candidate until `life.age` sees its members.

    Args:
        founded: each with its texts and its threshold.
        said: the week.
        week: Monday.
    """
    terms = distinctive_terms([[said.texts.texts[text] for text in texts] for _, texts, _ in founded])
    has_retrieval = bool((said.events["n_documents"] > 0).mean() > 0.5)
    states = []
    for (newcomer, texts, threshold), words in zip(founded, terms, strict=True):
        rows = said.texts.rows_of(texts)
        members = said.events.iloc[rows]
        quote = typical_quote(members, said.vectors[said.texts.of_row[rows]].astype(np.float32))
        cause = likely_cause(members, has_retrieval)
        states.append(
            PatternState(
                pattern_id=newcomer.pattern_id,
                name=pattern_name(common_reason(members["reasons"].tolist()), quote),
                description=f"Users say: “{quote}”. Words that set it apart: {', '.join(words) or 'none'}.",
                likely_cause=cause,
                severity=int(members["severity"].median()),
                suggested_fix=SUGGESTED_FIXES[cause],
                status="candidate",
                first_seen_week=week,
                last_seen_week=week,
                n_silent_weeks=0,
                n_occurrences=0,
                threshold=threshold,
                exemplars=newcomer.exemplars,
            )
        )
    return states
