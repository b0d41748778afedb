"""Place: is a text a member of a known pattern? The one rule for live memberships and for frozen detectors.

Belongs here: similarity to remembered exemplars, and rejection. Does not belong here: new patterns (`discovery.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback_loop.cluster.exact import ExactVectors

_BLOCK = 4096  # rows scored at a time: bounds memory at block x exemplars
_NEAREST = 3
ITSELF = 0.999  # cosine from which on two vectors are taken for the same text


@dataclass(frozen=True)
class Placement:
    """The best pattern per text.

    Attributes:
        pattern: index into the patterns, -1 where no pattern took the text. Shape (n,).
        similarity: to the best pattern, also where it was not enough. Shape (n,). -1 without patterns.
    """

    pattern: NDArray[np.int64]
    similarity: NDArray[np.float64]


def place(vectors: ExactVectors, exemplars: Sequence[ExactVectors], thresholds: Sequence[float]) -> Placement:
    """Give every text to the pattern it is most similar to, if that reaches the pattern's threshold.

    Args:
        vectors: shape (n, d); a row of zeros is of no pattern.
        exemplars: of each pattern; one without any takes nothing.
        thresholds: of each pattern.
    """
    n = len(vectors)
    if n == 0 or not exemplars:
        return Placement(np.full(n, -1, dtype=np.int64), np.full(n, -1.0))
    nearest, similarity = np.empty(n, dtype=np.int64), np.empty(n)
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        scores = similarities(vectors[block], exemplars)
        nearest[block], similarity[block] = scores.argmax(axis=1), scores.max(axis=1)
    takes = (similarity >= np.array(thresholds)[nearest]) & vectors.any(axis=1)
    return Placement(np.where(takes, nearest, -1), similarity)


def similarities(
    vectors: ExactVectors, exemplars: Sequence[ExactVectors], *, to_others: bool = False
) -> NDArray[np.float64]:
    """Mean cosine of each text to the three nearest exemplars of each pattern. Shape (n, patterns).

    Args:
        vectors: shape (n, d).
        exemplars: of each pattern; to one without any the similarity is -1.
        to_others: leave exemplars out that say the same as the text.
    """
    nearness = np.zeros((len(vectors), len(exemplars)))
    if not exemplars:
        return nearness
    columns = np.concatenate(exemplars).astype(np.float32).T
    ends = np.cumsum([len(one) for one in exemplars])
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        cosines = vectors[block].astype(np.float32) @ columns
        if to_others:
            cosines[cosines > ITSELF] = -1.0
        for number, (end, one) in enumerate(zip(ends, exemplars, strict=True)):
            nearness[block, number] = mean_of_nearest(cosines[:, end - len(one) : end])
    return nearness


def similarity_among(vectors: ExactVectors) -> NDArray[np.float64]:
    """How alike each of some texts is to the others, by the same rule; shape (n,), 0 for a text without others."""
    if len(vectors) < 2:
        return np.zeros(len(vectors))
    rows = vectors.astype(np.float32)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1.0)
    return mean_of_nearest(cosines, most=len(vectors) - 1)


def mean_of_nearest(cosines: NDArray[np.float32], most: int = _NEAREST) -> NDArray[np.float64]:
    """Mean of the three largest of each row (of all, where there are fewer; -1 of none). Shape (n, m) to (n,)."""
    if not cosines.shape[1]:  # of a pattern whose members were all deleted for people
        return np.full(len(cosines), -1.0)
    k = min(_NEAREST, most, cosines.shape[1])
    top = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, -k:]
    mean: NDArray[np.float64] = top.astype(np.float64).mean(axis=1)
    return mean
