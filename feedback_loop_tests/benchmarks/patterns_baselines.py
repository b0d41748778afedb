"""What the engine is compared with: usual ways to follow groups of texts over weeks, and usual ways to group them once.

Belongs here: comparators, each no larger than what it shows. Does not belong here: the engine, metrics and streams.

The four that follow weeks all group by Leiden at the finest stable grain, found groups of five distinct texts or more,
and raise an id once it has three users in a week: they differ only in how a group gets its id. None has a bound on the
size of a week (time grows with n x n).
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import graspologic_native
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import adjusted_mutual_info_score

from feedback_loop_tests.benchmarks.patterns_metrics import UNPLACED

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]
Ids = NDArray[np.str_]

_MIN_TEXTS, _MIN_USERS = 5, 3
RESOLUTIONS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5)  # of the modularity
FINER_RESOLUTIONS = (*RESOLUTIONS, 6.0, 9.0, 13.0)
_TOLERANCE, _N_SAMPLES, _SAMPLE_SHARE = 0.03, 4, 0.8
_TIE = 2.0  # weight of an edge between two exemplars of one pattern, in median weights
_BLOCK = 1024  # rows compared at a time


@dataclass
class Follower:
    """A comparator week by week: distinct texts in, ids out to every event, and which ids are shown for the first time.

    Attributes:
        place: texts and their vectors to ids, `UNPLACED` for none; remembers what it needs.
    """

    place: Callable[[Sequence[str], Vectors], Ids]
    _shown: set[str] = field(default_factory=set)

    def week(self, events: pd.DataFrame, vectors: Vectors) -> tuple[Ids, frozenset[str]]:
        """Id of each event, and the ids raised this week."""
        folded = events["failure_text"].str.casefold().to_numpy(dtype=np.str_)
        _, first, event = np.unique(folded, return_index=True, return_inverse=True)
        owner = self.place(events["failure_text"].iloc[first].tolist(), vectors[first])[event]
        n_users = events["user_hash"].groupby(owner).nunique()
        raised = set(n_users.index[n_users >= _MIN_USERS]) - self._shown - {UNPLACED}
        self._shown |= raised
        return owner, frozenset(raised)


class NameMatch:
    """Group every week anew; the id is the name: the three terms that set a group apart."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, texts: Sequence[str], vectors: Vectors) -> Ids:
        """Ids of distinct texts."""
        groups = _members(stable_groups(vectors))
        names = [" ".join(terms) for terms in _terms([[texts[i] for i in rows] for rows in groups])]
        named = [
            (n, rows) for n, rows in zip(names, groups, strict=True) if n in self._known or len(rows) >= _MIN_TEXTS
        ]
        self._known |= {name for name, _ in named}
        return _owners(len(texts), named)


class CentroidMatch:
    """Group every week anew; a group is the known one whose last centroid is near, one to one (Hungarian)."""

    def __init__(self, least: float = 0.8) -> None:
        self._least = least
        self._centroids: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str], vectors: Vectors) -> Ids:
        """Ids of distinct texts."""
        groups = _members(stable_groups(vectors))
        centroids = np.stack([_unit(vectors[rows].sum(axis=0)) for rows in groups])
        known = list(self._centroids)
        cosines = centroids @ np.stack([self._centroids[i] for i in known]).T if known else np.zeros((len(groups), 0))
        pairs = zip(*linear_sum_assignment(-cosines), strict=True)
        same = {int(g): known[k] for g, k in pairs if cosines[g, k] >= self._least}
        named = []
        for number, rows in enumerate(groups):
            if number in same or len(rows) >= _MIN_TEXTS:
                named.append((same.get(number, f"p{len(self._centroids)}"), rows))
                self._centroids[named[-1][0]] = centroids[number]
        return _owners(len(texts), named)


class NearestCentroid:
    """Give a text to the nearest known centroid, the mean of all its texts so far; group what is near none."""

    def __init__(self, least: float = 0.5) -> None:
        self._least = least
        self._sums: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str], vectors: Vectors) -> Ids:
        """Ids of distinct texts."""
        owner = np.full(len(texts), UNPLACED, dtype="U16")
        if self._sums:
            cosines = vectors @ np.stack([_unit(total) for total in self._sums.values()]).T
            near = cosines.max(axis=1) >= self._least
            owner[near] = np.array(list(self._sums))[cosines.argmax(axis=1)[near]]
        rest = np.flatnonzero(owner == UNPLACED)
        if len(rest):
            large = [rows for rows in _members(stable_groups(vectors[rest])) if len(rows) >= _MIN_TEXTS]
            for number, rows in enumerate(large, start=len(self._sums)):
                owner[rest[rows]] = f"p{number}"
        for name in sorted(set(owner) - {UNPLACED}):
            self._sums[str(name)] = self._sums.get(str(name), 0) + vectors[owner == name].sum(axis=0)
        return owner


@dataclass
class _Remembered:
    exemplars: Vectors
    bar: float  # least similarity of a member


class ExemplarReplay:
    """Group the week together with 25 remembered texts of each pattern; a group is the pattern whose texts it holds.

    Half of a pattern's exemplars at least, one to one (Hungarian). A group that is none stands apart by its similarity
    to itself less that to the nearest pattern; below the lower quartile of the same number among the week's known
    groups, and with fewer than five texts, it joins that pattern. No language model. The source is a prototype that
    was measured before the product had an engine ("row (c)").
    """

    _MAX_EXEMPLARS, _INHERIT, _GATE, _MIN_GATE, _MADS, _MIN_BAR = 25, 0.5, 0.25, 4, 4.0, 8

    def __init__(self, resolutions: Sequence[float] = RESOLUTIONS) -> None:
        self._resolutions = resolutions
        self._patterns: list[_Remembered] = []

    def __call__(self, texts: Sequence[str], vectors: Vectors) -> Ids:
        """Ids of distinct texts."""
        n, n_known = len(texts), len(self._patterns)
        memory = [p.exemplars for p in self._patterns]
        known = np.concatenate([np.full(n, -1), *(np.full(len(e), i) for i, e in enumerate(memory))]).astype(np.int64)
        labels = stable_groups(np.concatenate([vectors, *memory]), known, self._resolutions)
        inherited = self._inherit(labels[n:], known[n:])
        nearness = _nearness(vectors, memory)
        groups = [(inherited.get(label, -1), np.flatnonzero(labels[:n] == label)) for label in np.unique(labels[:n])]
        gate = self._gate(
            [_apart(vectors, nearness, rows, p) for p, rows in groups if p >= 0 and len(rows) >= _MIN_TEXTS]
        )
        owner = np.full(n, -1)
        for pattern, rows in groups:
            is_large = len(rows) >= _MIN_TEXTS
            if pattern >= 0:
                owner[rows] = pattern
            elif n_known and not (is_large and _apart(vectors, nearness, rows) >= gate):
                owner[rows] = int(nearness[rows].mean(axis=0).argmax())
            elif is_large:
                owner[rows] = len(self._patterns)
                self._patterns.append(_Remembered(np.zeros((0, vectors.shape[1]), dtype=np.float32), 0.0))
        for pattern in range(len(self._patterns)):
            rows = np.flatnonzero(owner == pattern)
            if len(rows):
                similarity = nearness[rows, pattern] if pattern < n_known else _among_themselves(vectors[rows])
                owner[rows[~self._remember(pattern, vectors[rows], similarity)]] = -1
        return np.array([f"p{pattern}" if pattern >= 0 else UNPLACED for pattern in owner])

    def _inherit(self, labels: Labels, known: Labels) -> dict[int, int]:
        """Label -> the pattern it continues."""
        if not len(known):
            return {}
        found, rows = np.unique(labels, return_inverse=True)
        table = np.zeros((len(found), len(self._patterns)))
        np.add.at(table, (rows, known), 1)
        sizes = np.bincount(known, minlength=len(self._patterns))
        pairs = zip(*linear_sum_assignment(-table), strict=True)
        return {int(found[g]): int(p) for g, p in pairs if table[g, p] >= self._INHERIT * sizes[p]}

    def _gate(self, apart: Sequence[float]) -> float:
        return float(np.quantile(apart, self._GATE)) if len(apart) >= self._MIN_GATE else -np.inf

    def _remember(self, number: int, rows: Vectors, similarity: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Take this week's members in; which of them are near enough to be any."""
        pattern, median = self._patterns[number], np.median(similarity)
        is_new = not len(pattern.exemplars)
        if is_new or len(rows) >= self._MIN_BAR:
            pattern.bar = float(median - self._MADS * np.median(np.abs(similarity - median)))
        kept = similarity >= pattern.bar
        more = _spread(rows[kept], self._MAX_EXEMPLARS) if is_new else rows[kept]
        pattern.exemplars = np.concatenate([pattern.exemplars, more])[: self._MAX_EXEMPLARS]
        return kept


def _nearness(vectors: Vectors, memory: Sequence[Vectors]) -> Vectors:
    """Of each row to each pattern: mean cosine to its three nearest exemplars. Shape (n, patterns)."""
    nearness = np.zeros((len(vectors), len(memory)), dtype=np.float32)
    for number, exemplars in enumerate(memory):
        nearness[:, number] = _top_mean(vectors @ exemplars.T)
    return nearness


def _spread(rows: Vectors, size: int) -> Vectors:
    """Rows spread evenly from the centre to the edge of the nearest four fifths."""
    core = np.argsort(-(rows @ rows.mean(axis=0)), kind="stable")[: max(size, int(0.8 * len(rows)))]
    chosen: Vectors = rows[core[np.unique(np.linspace(0, len(core) - 1, min(size, len(core))).round().astype(int))]]
    return chosen


def _apart(vectors: Vectors, nearness: NDArray[np.float32], rows: Labels, own: int = -1) -> float:
    """How much more alike a group is to itself than to the nearest pattern (other than its own)."""
    others = nearness[rows].mean(axis=0)
    if own >= 0:
        others[own] = -1.0
    return float(_among_themselves(vectors[rows]).mean() - others.max(initial=-1.0))


def _among_themselves(rows: Vectors) -> NDArray[np.float32]:
    """Mean cosine of each row to its three nearest of the others."""
    if len(rows) < 2:
        return np.zeros(len(rows), dtype=np.float32)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1.0)
    return _top_mean(cosines)


def _top_mean(cosines: Vectors) -> NDArray[np.float32]:
    k = min(3, cosines.shape[1])
    top: NDArray[np.float32] = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, -k:].mean(axis=1)
    return top


def stable_groups(vectors: Vectors, known: Labels | None = None, resolutions: Sequence[float] = RESOLUTIONS) -> Labels:
    """Leiden on the shared-neighbour graph, at the finest resolution at which sub-samples are grouped nearly as alike.

    Args:
        vectors: shape (n, d), unit rows.
        known: pattern of remembered rows, which are tied to one another; -1 for others.
        resolutions: rising; what there is to choose from.
    """
    n = len(vectors)
    known = np.full(n, -1) if known is None else known
    if n < 2 * _MIN_TEXTS:
        return np.zeros(n, dtype=np.int64)
    rows = (np.round(vectors * 2048) / 2048).astype(np.float32)  # sums are exact, whatever the machine
    chance = np.random.default_rng(0)
    kept = [np.sort(chance.choice(n, int(_SAMPLE_SHARE * n), replace=False)) for _ in range(_N_SAMPLES)]
    whole, samples = _graph(rows, known), [_graph(rows[part], known[part]) for part in kept]
    labels = [_leiden(whole, resolution) for resolution in resolutions]
    alike = [
        np.mean(
            [
                _agreement(found, part, _leiden(graph, resolution), known)
                for part, graph in zip(kept, samples, strict=True)
            ]
        )
        for resolution, found in zip(resolutions, labels, strict=True)
    ]
    return labels[max(i for i, score in enumerate(alike) if score >= max(alike) - _TOLERANCE)]


def _agreement(labels: Labels, part: Labels, found: Labels, known: Labels) -> float:
    is_new = known[part] < 0
    return float(adjusted_mutual_info_score(labels[part][is_new], found[is_new]))


def _graph(rows: Vectors, known: Labels) -> sparse.csr_matrix:
    """Jaccard overlap of neighbourhoods (k = .28 sqrt n, 6 to 40), and ties between the exemplars of a pattern."""
    n = len(rows)
    k = min(int(np.clip(round(0.28 * np.sqrt(n)), 6, 40)), n - 1)
    near = np.column_stack([np.arange(n), _nearest(rows, k)])
    member = sparse.csr_matrix((np.ones(near.size, dtype=np.float32), (np.repeat(np.arange(n), k + 1), near.ravel())))
    shared = (member @ member.T).multiply(member.maximum(member.T)).tocsr()
    shared.data = shared.data / (2 * (k + 1) - shared.data)
    shared.setdiag(0)
    shared.eliminate_zeros()
    same = sparse.csr_matrix(
        (np.ones((known >= 0).sum()), (np.flatnonzero(known >= 0), known[known >= 0])), shape=(n, n)
    )
    ties = (same @ same.T).tocsr()
    ties.setdiag(0)
    ties.eliminate_zeros()
    graph = (shared + _TIE * float(np.median(shared.data)) * ties).tocsr() if ties.nnz else shared
    graph.sort_indices()
    return graph


def _nearest(rows: Vectors, k: int) -> Labels:
    """The k nearest others of each row; of equals the first."""
    n = len(rows)
    nearest = np.empty((n, k), dtype=np.int64)
    behind = np.arange(n) * 2.0**-40  # orders equals and nothing else
    for start in range(0, n, _BLOCK):
        distances = behind - rows[start : start + _BLOCK] @ rows.T
        own = np.arange(len(distances))
        distances[own, start + own] = np.inf
        nearest[start : start + _BLOCK] = np.argpartition(distances, k - 1, axis=1)[:, :k]
    return nearest


def _leiden(graph: sparse.csr_matrix, resolution: float) -> Labels:
    """Communities by graspologic-native (MIT); a row without an edge is alone."""
    n = graph.shape[0]
    parts = graph.indptr.astype(np.int64), graph.indices.astype(np.int32), graph.data.astype(np.float64)
    _, found = graspologic_native.leiden_csr(*parts, n, resolution=resolution, seed=0)
    return np.array([found.get(row, n + row) for row in range(n)], dtype=np.int64)


def _members(labels: Labels) -> list[Labels]:
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _owners(n: int, named: Sequence[tuple[str, Labels]]) -> Ids:
    owner = np.full(n, UNPLACED, dtype=object)
    for name, rows in named:
        owner[rows] = name
    return owner.astype(np.str_)


def _unit(vector: Vectors) -> Vectors:
    length = float(np.linalg.norm(vector))
    unit: Vectors = vector / length if length else vector
    return unit


def _terms(groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """Three terms of each group by class-based tf-idf (Grootendorst 2022, eq. 2), best first."""
    vectorizer = CountVectorizer(stop_words="english")
    counts = vectorizer.fit_transform([" ".join(texts) for texts in groups]).toarray()
    score = counts * np.log1p(counts.sum() / len(groups) / counts.sum(axis=0))
    words = vectorizer.get_feature_names_out()
    return [[str(words[j]) for j in np.argsort(-row, kind="stable")[:3]] for row in score]


def kmeans(vectors: Vectors, n_groups: int, seed: int) -> Labels:
    """K-means that is told the number of groups."""
    found: Labels = KMeans(n_groups, n_init=3, random_state=seed).fit_predict(vectors)
    return found


def bertopic_default(texts: Sequence[str], vectors: Vectors, seed: int) -> Labels:
    """BERTopic as it comes, on given vectors; its UMAP has a seed. Noise goes to the nearest centroid.

    Raises:
        ImportError: it is not installed.
    """
    bertopic, umap = (importlib.import_module(name) for name in ("bertopic", "umap"))
    # BERTopic's own settings of UMAP, which draws anew each time without a seed
    reduce = umap.UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
    found, _ = bertopic.BERTopic(umap_model=reduce).fit_transform(list(texts), embeddings=vectors)
    return with_nearest_centroid(np.array(found, dtype=np.int64), vectors)


def evoc_default(vectors: Vectors, seed: int) -> Labels:
    """EVoC as it comes, with a seed. Noise goes to the nearest centroid.

    Raises:
        ImportError: it is not installed.
    """
    found = importlib.import_module("evoc").EVoC(random_state=seed).fit_predict(vectors)
    return with_nearest_centroid(np.array(found, dtype=np.int64), vectors)


def with_nearest_centroid(labels: Labels, vectors: Vectors) -> Labels:
    """Rows of label -1 in the group whose centroid is nearest."""
    if not (labels >= 0).any():
        return np.zeros_like(labels)
    known = np.unique(labels[labels >= 0])
    centroids = np.stack([_unit(vectors[labels == label].sum(axis=0)) for label in known])
    nearest = known[(vectors @ centroids.T).argmax(axis=1)]
    return np.where(labels >= 0, labels, nearest)
