"""Kin: patterns that may well be one failure in several wordings, or were found in parts.

Belongs here: which known patterns stand so near each other that one's texts would be counted in another if it did not
exist. Does not belong here: merging them, which people decide (`decisions`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from feedback_loop.cluster.memory import recall_vectors
from feedback_loop.cluster.place import similarities
from feedback_loop.llm import Embedder
from feedback_loop.records import PatternState

_HALF = 0.5  # of a pattern's exemplars


def families_of(patterns: Sequence[PatternState], embedder: Embedder) -> dict[str, str]:
    """pattern_id -> the first pattern_id of its family.

    Two patterns are kin where at least half of what one remembers reaches the other's threshold; a family is all that
    kinship joins. What befalls one failure befalls all its patterns, so they tell no more than one of them does.
    """
    ids = [p.pattern_id for p in patterns]
    if not ids:
        return {}
    _, label = connected_components(_takes(patterns, embedder), directed=False)
    first: dict[int, str] = {}
    for place, pattern_id in sorted(zip(label.tolist(), ids, strict=True), key=lambda pair: pair[1]):
        first.setdefault(place, pattern_id)
    return {pattern_id: first[place] for place, pattern_id in zip(label.tolist(), ids, strict=True)}


def _takes(patterns: Sequence[PatternState], embedder: Embedder) -> NDArray[np.bool_]:
    """Whether a pattern (column) would take half of another's exemplars (row)."""
    vectors = recall_vectors(patterns, embedder)
    thresholds = np.array([p.threshold for p in patterns])
    is_taken = similarities(np.concatenate(vectors), vectors) >= thresholds
    of_each = np.split(is_taken, np.cumsum([len(own) for own in vectors])[:-1])
    result: NDArray[np.bool_] = np.stack([own.mean(axis=0) for own in of_each]) >= _HALF
    return result
