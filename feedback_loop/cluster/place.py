"""Place: is a text a member of a known pattern? The one rule for live memberships and for frozen detectors.

Belongs here: similarity to remembered exemplars, and rejection. Does not belong here: new patterns (`group.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback_loop.llm import Embedder, Vectors
from feedback_loop.records import PatternState

_BLOCK = 4096  # rows scored at a time: bounds memory at block x exemplars
_NEAREST = 3


@dataclass(frozen=True)
class Placement:
    """The best pattern per text.

    Attributes:
        pattern: index into the patterns, -1 where no pattern took the text. Shape (n,).
        similarity: to the best pattern, also where it was not enough. Shape (n,). -1 without patterns.
        nearest: index of the best pattern, also where it was not enough; -1 without patterns. Shape (n,).
    """

    pattern: NDArray[np.int64]
    similarity: NDArray[np.float64]
    nearest: NDArray[np.int64]


def place(vectors: Vectors, patterns: Sequence[PatternState], embedder: Embedder) -> Placement:
    """Give every text to the pattern it is most similar to, if that reaches the pattern's threshold.

    Similarity to a pattern is the mean cosine to its three nearest exemplars.

    Args:
        vectors: shape (n, d), unit rows, from `embedder`.
        patterns: the memory to compare with; order does not matter to the result but for exact ties.
        embedder: encodes the exemplars.
    """
    n = len(vectors)
    if n == 0 or not patterns:
        nobody = np.full(n, -1, dtype=np.int64)
        return Placement(nobody, np.full(n, -1.0), nobody.copy())
    sizes = [len(p.exemplars) for p in patterns]
    ends = np.cumsum(sizes)
    exemplars = embedder.encode([e.text for p in patterns for e in p.exemplars])
    nearest = np.empty(n, dtype=np.int64)
    similarity = np.empty(n, dtype=np.float64)
    for start in range(0, n, _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ exemplars.T
        scores = np.column_stack(
            [mean_of_nearest(cosines[:, end - size : end]) for end, size in zip(ends, sizes, strict=True)]
        )
        nearest[start : start + _BLOCK] = scores.argmax(axis=1)
        similarity[start : start + _BLOCK] = scores.max(axis=1)
    thresholds = np.array([p.threshold for p in patterns])
    return Placement(np.where(similarity >= thresholds[nearest], nearest, -1), similarity, nearest)


def mean_of_nearest(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the three largest of each row (of all, where there are fewer). Shape (n, m) to (n,)."""
    k = min(_NEAREST, cosines.shape[1])
    top = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, -k:]
    mean: NDArray[np.float32] = top.mean(axis=1)
    return mean
