"""Exact: vectors whose inner products are the same on every machine.

Belongs here: rounding vectors, in blocks. Does not belong here: what is compared with what.

A neighbour found on one machine and missed on another would, weeks later, be another pattern. Sums of floating-point
products depend on their order, and so on the BLAS, its threads and its blocks. Rounded to multiples of 2^-11, though,
the product of two numbers is a multiple of 2^-22, and by Cauchy-Schwarz no partial sum of the products of two unit rows
exceeds 1: every partial sum fits the 24 bits of a float32, so nothing is ever rounded and the order is of no account.
A cosine moves by less than 0.001, and float16 holds the rounded numbers without loss.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feedback_loop.llm import Embedder, Vectors

ExactVectors = NDArray[np.float16]
"""Shape (n, dimensions); unit rows, or 0 where the text said nothing, in multiples of 2^-11."""

_STEPS = 2048
_BLOCK = 32_768  # texts encoded at a time: bounds what is needed beside the result


def encode_exactly(embedder: Embedder, texts: Sequence[str]) -> ExactVectors:
    """Vectors of texts, shape (n, dimensions)."""
    parts = [
        round_exactly(embedder.encode(texts[start : start + _BLOCK])) for start in range(0, max(len(texts), 1), _BLOCK)
    ]
    return np.concatenate(parts)


def round_exactly(vectors: Vectors | NDArray[np.float64]) -> ExactVectors:
    """Unit rows as rows whose inner products are exact in float32."""
    return np.round(vectors * _STEPS).astype(np.float16) / np.float16(_STEPS)


def centrality(vectors: ExactVectors) -> NDArray[np.float64]:
    """Inner product of every row with the sum of all rows; shape (n,), exact."""
    rows = vectors.astype(np.float64)
    central: NDArray[np.float64] = rows @ rows.sum(axis=0)
    return central
