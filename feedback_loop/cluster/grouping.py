"""Grouping: which texts belong together, at the finest grain that chance does not decide.

Belongs here: the neighbour graph, its communities, and the grain at which they are cut. Does not belong here: what
known patterns make of the groups (`discovery.py`).
"""

from dataclasses import dataclass

import graspologic_native
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import adjusted_mutual_info_score

from feedback_loop.cluster.exact import ExactVectors, round_exactly
from feedback_loop.llm import Vectors

Labels = NDArray[np.int64]

# Chosen on banking77_train (docs/benchmarks.md, "Patterns") and the simulator, never on a set that is reported on.
_NEIGHBOURS, _LEAST, _MOST = 0.28, 6, 40  # k = .28 sqrt n, within these
_GRAINS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 9.0, 13.0)  # resolutions of the modularity
_FINEST = 30.0
_SMALL, _DUST = 7, 0.5  # rows in the group of the median row, below which (of .5 sqrt n as well) a grain is dust
_FEWEST = 6  # rows of which sub-samples can be taken
_TOLERANCE = 0.03  # of adjusted mutual information
_N_SAMPLES, _COMPARED, _SHARE = 4, 1000, 0.8  # sub-samples: four, more of few rows; the share of the rows in each
_TIE = 2.0  # weight of a tie between two rows of one pattern, in medians of an edge
_VOTERS, _VOTES = 5, 2
_BLOCK = 512  # rows compared at a time: bounds memory at block x n


@dataclass(frozen=True)
class Grouping:
    """Communities of rows, numbered from 0 without gaps.

    Attributes:
        labels: at the finest stable grain, shape (n,).
        finest: at the finest grain there is, stable or not: what stands apart within a group. Shape (n,).
    """

    labels: Labels
    finest: Labels


def group_texts(vectors: Vectors, seed: int) -> Labels:
    """Groups of texts of which none is known. Shape (n, d), unit rows, to (n,); n is bounded by the caller."""
    rows = round_exactly(vectors)
    return group_rows(rows, np.full(len(rows), -1, dtype=np.int64), seed).labels


def group_rows(vectors: ExactVectors, known: Labels, seed: int) -> Grouping:
    """Communities of the shared-neighbour graph of new and remembered rows.

    Each row is joined to its k nearest by cosine; an edge weighs the Jaccard overlap of the two neighbourhoods (Jarvis
    and Patrick 1973), which makes it blind to how dense a region is. Rows remembered for one pattern are tied to one
    another by further edges. Communities by Leiden (Traag, Waltman and van Eck 2019; graspologic-native, MIT). The
    grain is the finest resolution at which sub-samples of four fifths are grouped nearly as alike (adjusted mutual
    information within .03, new rows only) as at the best one. Lastly new rows go where most of their nearest are.

    Args:
        vectors: shape (n, d); n is bounded by the caller (time grows with n x n).
        known: shape (n,); number of the pattern that a row is remembered for, -1 for a new row.
        seed: of sub-samples and communities.
    """
    n = len(vectors)
    if n < 3:
        alone = np.zeros(n, dtype=np.int64)
        return Grouping(alone, alone)
    is_new = known < 0
    nearest = _nearest(vectors, min(n - 1, _n_neighbours(n)))
    graph = _tied(_shared_neighbours(nearest), known)
    grain = _stable_grain(vectors[is_new], seed)
    stable = _join_alike(_communities(graph, grain, seed), vectors, known)
    finest = _communities(graph, _FINEST, seed)
    return Grouping(_vote(stable, nearest[:, :_VOTERS], is_new), finest)


def _stable_grain(vectors: ExactVectors, seed: int) -> float:
    """The finest resolution at which texts and sub-samples of them are grouped about as alike as at the best one."""
    n = len(vectors)
    if n < _FEWEST:
        return _GRAINS[0]
    k = _n_neighbours(n)
    nearest = _nearest(vectors, min(n - 1, int(1.3 * k / _SHARE) + 4))
    graph = _shared_neighbours(nearest[:, :k])
    chance = np.random.default_rng(seed)
    kept = [
        np.sort(chance.choice(n, int(_SHARE * n), replace=False))
        for _ in range(max(_N_SAMPLES, min(20, _COMPARED // n)))
    ]
    samples = [_shared_neighbours(_among(nearest, rows, _n_neighbours(len(rows)))) for rows in kept]
    alike: dict[float, float] = {}
    for grain in _GRAINS:
        whole = _communities(graph, grain, seed)
        if alike and np.median(np.bincount(whole)[whole]) < max(_SMALL, _DUST * n**0.5):
            break  # dust agrees with dust, and a group that no week fills again is no pattern
        parts = [_communities(sample, grain, seed) for sample in samples]
        scores = [adjusted_mutual_info_score(whole[rows], part) for rows, part in zip(kept, parts, strict=True)]
        alike[grain] = round(float(np.mean(scores)), 6)
    return max(grain for grain, score in alike.items() if score >= max(alike.values()) - _TOLERANCE)


def _join_alike(labels: Labels, vectors: ExactVectors, known: Labels) -> Labels:
    """Groups of which one is as near to the other as its own rows are to one another are one; the most alike first.

    Groups that both hold remembered rows stay two: known patterns never become one by themselves.
    """
    n = int(labels.max()) + 1
    sums = np.zeros((n, vectors.shape[1]))
    np.add.at(sums, labels, vectors.astype(np.float64))
    size = np.bincount(labels).astype(np.float64)
    holds = np.bincount(labels, weights=known >= 0) > 0
    into = np.arange(n)
    while True:
        products = sums @ sums.T
        pairs = size * (size - 1)
        within = np.where(pairs > 0, (np.diag(products) - size) / np.maximum(pairs, 1), 1.0)
        ratio = products / np.maximum(np.outer(size, size), 1) / np.maximum(np.minimum.outer(within, within), 1e-9)
        ratio[~np.triu(np.ones((n, n), dtype=bool), 1)] = -1.0
        ratio[np.logical_and.outer(holds, holds)] = -1.0
        ratio[:, size == 0] = ratio[size == 0] = -1.0
        one, other = divmod(int(ratio.round(9).argmax()), n)
        if ratio[one, other] < 1.0:
            return np.unique(into[labels], return_inverse=True)[1].astype(np.int64)
        sums[one] += sums[other]
        sums[other] = 0.0
        size[one] += size[other]
        size[other] = 0.0
        holds[one] |= holds[other]
        into[into == other] = one


def _communities(graph: sparse.csr_matrix, resolution: float, seed: int) -> Labels:
    """Leiden's labels; a row without an edge is alone."""
    n = graph.shape[0]
    _, found = graspologic_native.leiden_csr(
        graph.indptr.astype(np.int64),
        graph.indices.astype(np.int32),
        graph.data.astype(np.float64),
        n,
        resolution=resolution,
        seed=seed,
    )
    labels = np.array([found.get(row, n + row) for row in range(n)])
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _shared_neighbours(nearest: Labels) -> sparse.csr_matrix:
    """The graph of rows whose nearest are given, -1 where there are fewer; a row is in its own neighbourhood."""
    n, k = nearest.shape
    rows = np.repeat(np.arange(n), k + 1)
    columns = np.column_stack([np.arange(n), nearest]).ravel()
    there = columns >= 0
    member = sparse.csr_matrix((np.ones(there.sum(), dtype=np.float32), (rows[there], columns[there])), shape=(n, n))
    size = np.diff(member.indptr)
    joined = member.maximum(member.T).tocsr()
    blocks = [slice(start, start + _BLOCK) for start in range(0, n, _BLOCK)]
    shared = sparse.vstack([(member[block] @ member.T).multiply(joined[block]) for block in blocks]).tocoo()
    apart = shared.row != shared.col
    row, column, both = shared.row[apart], shared.col[apart], shared.data[apart]
    graph = sparse.csr_matrix((both / (size[row] + size[column] - both), (row, column)), shape=(n, n))
    graph.sort_indices()
    return graph


def _tied(graph: sparse.csr_matrix, known: Labels) -> sparse.csr_matrix:
    """With a further edge between any two rows of a known pattern."""
    patterns = [np.flatnonzero(known == pattern) for pattern in np.unique(known[known >= 0])]
    if not patterns or not graph.nnz:
        return graph
    row = np.concatenate([np.repeat(rows, len(rows)) for rows in patterns])
    column = np.concatenate([np.tile(rows, len(rows)) for rows in patterns])
    apart = row != column
    weight = np.full(apart.sum(), _TIE * float(np.median(graph.data)))
    tied = (graph + sparse.csr_matrix((weight, (row[apart], column[apart])), shape=graph.shape)).tocsr()
    tied.sort_indices()
    return tied


def _vote(labels: Labels, voters: Labels, is_new: NDArray[np.bool_]) -> Labels:
    """New rows go to the group of most of their nearest; their own counts one and a half."""
    n, rows = len(labels), np.arange(len(labels))
    for _ in range(_VOTES):
        votes = sparse.csr_matrix(
            (np.ones(voters.size), (np.repeat(rows, voters.shape[1]), labels[voters.ravel()])),
            shape=(n, int(labels.max()) + 1),
        )
        votes = votes + sparse.csr_matrix((np.full(n, 1.5), (rows, labels)), shape=votes.shape)
        labels = np.where(is_new, np.asarray(votes.argmax(axis=1)).ravel(), labels)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _n_neighbours(n: int) -> int:
    return min(int(np.clip(round(_NEIGHBOURS * n**0.5), _LEAST, _MOST)), n - 1)


def _nearest(vectors: ExactVectors, k: int) -> Labels:
    """The k nearest of each row, nearest first, of equals the first; shape (n, k)."""
    n = len(vectors)
    rows = vectors.astype(np.float32)
    nearest = np.empty((n, k), dtype=np.int64)
    behind = np.arange(n) * 2.0**-40  # a cosine is a multiple of 2^-22: this orders equals and nothing else
    for start in range(0, n, _BLOCK):
        distances = behind - (rows[start : start + _BLOCK] @ rows.T)
        own = np.arange(len(distances))
        distances[own, start + own] = np.inf
        chosen = np.argpartition(distances, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distances, chosen, axis=1), axis=1)
        nearest[start : start + _BLOCK] = np.take_along_axis(chosen, order, axis=1)
    return nearest


def _among(nearest: Labels, rows: Labels, k: int) -> Labels:
    """The k nearest among some rows only, by their places among these; -1 where fewer of them are near."""
    place = np.full(len(nearest), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    near = place[nearest[rows]]
    first = np.argsort(near < 0, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(near, first, axis=1)
