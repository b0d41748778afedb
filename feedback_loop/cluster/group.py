"""Group: which of the texts that no pattern knows belong together.

Belongs here: the neighbour graph and its communities. Does not belong here: what a group becomes (`week.py`).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sknetwork.clustering import Louvain

from feedback_loop.llm import Vectors

_BLOCK = 1024  # rows compared at a time: bounds memory at block x n


def group(vectors: Vectors, resolution: float) -> NDArray[np.int64]:
    """Communities of the shared-neighbour graph of the rows.

    Each row is joined to its k nearest by cosine, k = clip(round(.56 sqrt n), 6, 80); an edge weighs the Jaccard
    overlap of the two neighbourhoods, which makes it blind to how dense a region is. Communities by Louvain (Blondel
    et al. 2008), implementation scikit-network (BSD). Its Leiden draws from C's `rand()`, which no seed of its own
    reaches, so the same texts could be grouped in two ways; its Louvain visits nodes in order and draws nothing.

    Args:
        vectors: shape (n, d), unit rows; n is bounded by the caller (time grows with n x n).
        resolution: of the modularity.

    Returns:
        Labels from 0, shape (n,), by falling size of the group.
    """
    n = len(vectors)
    if n < 3:
        return np.zeros(n, dtype=np.int64)
    k = min(int(np.clip(round(0.56 * np.sqrt(n)), 6, 80)), n - 1)
    rows = np.repeat(np.arange(n), k + 1)
    member = sparse.csr_matrix((np.ones(n * (k + 1), dtype=np.float32), (rows, _nearest(vectors, k))), shape=(n, n))
    joined = member.maximum(member.T).tocsr()
    blocks = [slice(start, start + _BLOCK) for start in range(0, n, _BLOCK)]
    shared = sparse.vstack([(member[block] @ member.T).multiply(joined[block]) for block in blocks], format="csr")
    shared.data = shared.data / (2 * (k + 1) - shared.data)
    shared.setdiag(0)
    shared.eliminate_zeros()
    labels = Louvain(resolution=resolution, shuffle_nodes=False, sort_clusters=True).fit_predict(shared)
    return np.asarray(labels, dtype=np.int64)


def _nearest(vectors: Vectors, k: int) -> NDArray[np.int64]:
    """Each row's own index and those of its k nearest, row after row, flat."""
    n = len(vectors)
    nearest = np.empty((n, k + 1), dtype=np.int64)
    for start in range(0, n, _BLOCK):
        distances = -(vectors[start : start + _BLOCK] @ vectors.T)
        own = np.arange(len(distances))
        distances[own, start + own] = -np.inf  # a row is in its own neighbourhood
        nearest[start : start + _BLOCK] = np.argpartition(distances, k, axis=1)[:, : k + 1]
    return nearest.ravel()
