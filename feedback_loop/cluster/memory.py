"""Memory: what is remembered of a pattern, and how alike a text must be to count as its member.

Belongs here: exemplars, their vectors, thresholds. Does not belong here: which text goes to which pattern
(`place.py`), and what a pattern is called (`founding.py`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feedback_loop.cluster.exact import ExactVectors, centrality, encode_exactly
from feedback_loop.cluster.place import ITSELF, similarities, similarity_among
from feedback_loop.cluster.said import see
from feedback_loop.cluster.texts import Rows
from feedback_loop.llm import Embedder
from feedback_loop.records import PatternState

_CORE = 0.8  # of a new group: what is remembered comes from its nearest part
_USUAL = 0.9  # of how alike two members usually are: what is asked of a text
_SPREAD = 1.0  # typical deviations that thresholds may differ from the typical one


def recall_vectors(patterns: Sequence[PatternState], embedder: Embedder) -> list[ExactVectors]:
    """Vectors of every pattern's exemplars, one array per pattern."""
    vectors = encode_exactly(embedder, [e.text for p in patterns for e in p.exemplars])
    return np.split(vectors, np.cumsum([len(p.exemplars) for p in patterns])[:-1]) if patterns else []


def recall_seen(
    patterns: Sequence[PatternState], vectors: Sequence[ExactVectors], embedder: Embedder
) -> list[ExactVectors]:
    """The same as groups are found by: half way to what a model wrote of each."""
    if not patterns:
        return []
    sentences = [e.sentence for p in patterns for e in p.exemplars]
    ends = np.cumsum([len(one) for one in vectors])[:-1]
    return np.split(see(np.concatenate(vectors), sentences, embedder), ends)


def threshold_of(texts: ExactVectors, others: ExactVectors) -> float:
    """Nine tenths of the mean cosine of two different members of a pattern, one of each side; .9 where all are equal.

    A text belongs to a pattern when its three nearest exemplars are about as near as any two members normally are. A
    threshold from how near members are to their own nearest would refuse every wording that is new.
    """
    cosines = texts.astype(np.float32) @ others.astype(np.float32).T
    apart = cosines <= ITSELF
    return _USUAL * (float(cosines[apart].astype(np.float64).mean()) if apart.any() else 1.0)


def learn(remembered: ExactVectors, texts: ExactVectors, threshold: float, size: int) -> Rows:
    """Which of the texts that joined a pattern it remembers: places, in order.

    Evenly from the most central to the least; of a new pattern to the edge of its nearest four fifths, and one at
    least. What is remembered stays, and is not learnt again: a pattern that followed its newest members would drift
    into its neighbours.

    Args:
        remembered: vectors of the exemplars it keeps, shape (m, d).
        texts: vectors of the texts, shape (n, d).
        threshold: similarity that a text needs.
        size: exemplars at most.
    """
    if not len(texts):
        return np.zeros(0, dtype=np.int64)
    if len(remembered):
        is_known = (texts.astype(np.float32) @ remembered.astype(np.float32).T > ITSELF).any(axis=1)
        joined = np.flatnonzero((similarities(texts, [remembered])[:, 0] >= threshold) & ~is_known)
    else:
        joined = np.flatnonzero(similarity_among(texts) >= threshold)
        joined = joined if len(joined) else np.array([int(np.argmax(centrality(texts)))])
    room = max(size - len(remembered), 0)
    order = joined[np.argsort(-centrality(texts[joined]), kind="stable")]
    if not len(remembered):
        order = order[: max(room, int(_CORE * len(order)))]
    chosen = np.unique(np.linspace(0, len(order) - 1, min(room, len(order))).round().astype(int))
    return np.sort(order[chosen])


def align_thresholds(thresholds: Sequence[float]) -> NDArray[np.float64]:
    """Thresholds no further from their median than one typical deviation (MAD).

    A loose pattern, and noise is loose, would take in whatever is near nothing else; near-copies would found a pattern
    that knows nothing but copies.
    """
    all_of_them = np.array(thresholds, dtype=np.float64)
    if not len(all_of_them):
        return all_of_them
    median = _middle(all_of_them)
    spread = _SPREAD * _middle(np.abs(all_of_them - median))
    return np.clip(all_of_them, median - spread, median + spread)


def _middle(values: NDArray[np.float64]) -> float:
    """The median, of two middle values the lower: what is aligned already is not moved again."""
    return float(np.sort(values)[(len(values) - 1) // 2])
