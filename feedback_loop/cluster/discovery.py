"""Discovery: the week's texts and what is remembered, grouped: who joins a known pattern, and which groups none holds.

Belongs here: how groups and known patterns fall to one another, and the gate that a group must pass. Does not belong
here: the grouping itself (`grouping.py`), a model's second opinion (`judging.py`), and memory (`memory.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from feedback_loop.cluster.exact import ExactVectors
from feedback_loop.cluster.grouping import Grouping, Labels, group_rows
from feedback_loop.cluster.novelty import Comparison, Past, Share
from feedback_loop.cluster.place import similarities, similarity_among
from feedback_loop.cluster.texts import Rows

# Chosen on banking77_train (docs/benchmarks.md, "Patterns") and the simulator, never on a set that is reported on.
_INHERITED = 0.5  # share of what is remembered of a pattern that its heir must hold
_PART = 0.3  # share of remembered rows from which on a group without an inheritance goes to the pattern of most
_SEPARATE = 0.25  # quantile of how separate the known patterns are: a new one is at least as separate
_CHANCE = 0.02  # that a group which stands apart and has always been there looks new
_BEGAN = 0.005  # that any other group does
_TRACKED = 4  # known patterns that it takes to know how separate patterns are
_LOOSE, _LOOSER = 3.0, 0.85  # MADs below the median likeness of groups, and shares of it: noise is below both
_COMPARED = 2000  # texts of a group that are compared with one another, about
_FEWEST = 3  # remembered texts of a pattern that are grouped, however many patterns there are


@dataclass(frozen=True)
class Group:
    """Texts that belong together.

    Attributes:
        rows: places of the texts among those that were grouped.
        originals: those of them that are nobody's near-copies.
        pattern: index of the known pattern that they join; None for a group that no pattern holds.
        parent: index of the known pattern that such a group was a part of before it had a name, None for none.
        reason: why no pattern holds it, or why it is noise.
        is_noise: no more alike than texts that nothing joins.
        takes: what known patterns remember and such a group is nearer to: (index of the pattern, of its exemplar).
    """

    rows: Rows
    pattern: int | None
    originals: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    parent: int | None = None
    reason: str = ""
    is_noise: bool = False
    takes: tuple[tuple[int, int], ...] = ()


def discover(
    vectors: ExactVectors,
    copies_of: Rows,
    exemplars: Sequence[ExactVectors],
    past: Past,
    *,
    seen: ExactVectors,
    seen_exemplars: Sequence[ExactVectors],
    least: int,
    most_remembered: int,
    seed: int,
) -> list[Group]:
    """Groups of texts, each in a known pattern or in none.

    A group inherits the pattern of which it holds most of what is remembered, one to one (Hungarian, Kuhn 1955), half
    of it at least. One that inherits nothing is new if people began lately to say what it says, however near it is to a
    known pattern. Else it goes to the pattern that much of it is remembered for; or it stands apart, if it is as
    separate from what is known as known patterns are from one another; or it joins its nearest pattern.
    What stands apart at the finest grain and is as separate does so as well: a new failure seldom starts with more
    reports than the known one it resembles. But what as large a share of people said in the weeks before is not new,
    though no pattern was found for it then: it was a part of the nearest one.

    Args:
        vectors: of distinct texts of this week, shape (n, d).
        copies_of: the text that each is a near-copy of, its own place for one that is none; shape (n,).
        exemplars: of every known pattern.
        past: the weeks before.
        seen: of the texts, as groups are found by; shape (n, d). What becomes of a group is decided by `vectors`.
        seen_exemplars: of the exemplars, likewise.
        least: texts that a group without a pattern needs.
        most_remembered: exemplars that are grouped, about; evenly from all patterns.
        seed: of the grouping.
    """
    if not len(vectors):
        return []
    nodes = _Nodes.of(vectors, copies_of, exemplars, past, most_remembered)
    grouping = group_rows(nodes.as_seen(seen, seen_exemplars), nodes.known, seed)
    heirs = _inherit(grouping.labels, nodes.known)
    bar = nodes.bar(grouping.labels, heirs, least)
    labels = _set_apart(grouping, heirs, nodes, bar, least)
    groups = [
        _fall(nodes, np.flatnonzero(labels == number), heirs.get(number), bar, least)
        for number in range(int(labels.max()) + 1)
    ]
    groups = _mark_noise([one for one in groups if len(one.rows)], nodes, least)
    return [replace(one, rows=nodes.texts_of(one.rows), originals=nodes.first[one.rows]) for one in groups]


@dataclass(frozen=True)
class _Nodes:
    """What is grouped: n_new texts of this week that are nobody's copies, then remembered ones."""

    n_new: int
    known: Labels  # index of the pattern that a node is remembered for, -1 for a new one
    exemplars: Sequence[ExactVectors]
    texts: ExactVectors  # of all texts of this week
    past: Past
    of_text: Labels  # node of each
    first: Rows  # text of each new node
    shown: Sequence[Rows]  # exemplars of each pattern that are grouped

    @classmethod
    def of(
        cls, texts: ExactVectors, copies_of: Rows, exemplars: Sequence[ExactVectors], past: Past, most: int
    ) -> "_Nodes":
        each = max(_FEWEST, most // max(1, len(exemplars)))
        shown = [np.unique(np.linspace(0, len(e) - 1, min(each, len(e))).round().astype(np.int64)) for e in exemplars]
        first, of_text = np.unique(copies_of, return_inverse=True)
        nobody = np.full(len(first), -1, dtype=np.int64)
        return cls(
            len(first),
            np.concatenate([nobody, *(np.full(len(rows), p, dtype=np.int64) for p, rows in enumerate(shown))]),
            exemplars,
            texts,
            past,
            of_text,
            first,
            shown,
        )

    def as_seen(self, texts: ExactVectors, exemplars: Sequence[ExactVectors]) -> ExactVectors:
        """Vectors of all nodes, out of those of all texts and exemplars."""
        return np.concatenate([texts[self.first], *(e[rows] for e, rows in zip(exemplars, self.shown, strict=True))])

    def texts_of(self, rows: Rows) -> Rows:
        """Places of all texts of some new nodes, copies too."""
        return np.flatnonzero(np.isin(self.of_text, rows))

    @cached_property
    def to_known(self) -> NDArray[np.float64]:
        """Similarity of every new text to every known pattern, shape (n_new, patterns)."""
        return similarities(self.texts[self.first], self.exemplars)

    @cached_property
    def comparison(self) -> Comparison:
        """With the weeks before."""
        return Comparison(self.texts, self.past, list(self.exemplars))

    def share(self, rows: Rows) -> Share:
        """How many texts say what some new ones say, of late and before."""
        return self.comparison.share(self.texts[self.texts_of(rows)])

    def taken(self, old: Rows) -> tuple[tuple[int, int], ...]:
        """The exemplars among some nodes, of every pattern that keeps more than half of what is shown of it."""
        takes: list[tuple[int, int]] = []
        for pattern in np.unique(self.known[old]):
            start, shown = int(np.flatnonzero(self.known == pattern)[0]), self.shown[pattern]
            own = shown[old[self.known[old] == pattern] - start]
            if len(own) < 0.5 * len(shown):
                takes += [(int(pattern), int(exemplar)) for exemplar in own]
        return tuple(takes)

    def likeness(self, rows: Rows) -> float:
        """How alike new texts are to one another."""
        texts = self.texts_of(rows)
        return float(similarity_among(self.texts[texts[:: 1 + len(texts) // _COMPARED]]).mean())

    def separation(self, rows: Rows, usual: float, own: int | None = None) -> float:
        """How much more alike new texts are to one another than to the nearest known pattern but their own.

        Texts that are more alike than groups `usual`ly are gain nothing by it: a wording is no failure of its own.
        """
        others = self.to_known[rows].mean(axis=0)
        if own is not None:
            others[own] = -1.0
        return min(self.likeness(rows), usual) - float(others.max(initial=-1.0))

    def bar(self, labels: Labels, heirs: dict[int, int], least: int) -> tuple[float, float] | None:
        """How alike groups usually are, and how separate a new one has to be; None where too few are known to tell."""
        of = {group: np.flatnonzero(labels[: self.n_new] == group) for group in heirs}
        large = {group: rows for group, rows in of.items() if len(self.texts_of(rows)) >= least}
        if len(large) < _TRACKED:
            return None
        usual = float(np.median([self.likeness(rows) for rows in large.values()]))
        separate = [self.separation(rows, usual, heirs[group]) for group, rows in large.items()]
        return usual, float(np.quantile(separate, _SEPARATE))


def _inherit(labels: Labels, known: Labels) -> dict[int, int]:
    """Group -> known pattern, one to one, with the most remembered rows in common; at least half of them."""
    remembered = known >= 0
    if not remembered.any():
        return {}
    shared = np.zeros((int(labels.max()) + 1, int(known.max()) + 1))
    np.add.at(shared, (labels[remembered], known[remembered]), 1)
    least = np.maximum(_INHERITED * shared.sum(axis=0), 1)
    pairs = zip(*linear_sum_assignment(-shared), strict=True)
    return {int(group): int(pattern) for group, pattern in pairs if shared[group, pattern] >= least[pattern]}


def _set_apart(
    grouping: Grouping, heirs: dict[int, int], nodes: _Nodes, bar: tuple[float, float] | None, least: int
) -> Labels:
    """The labels, with a further group for what stands apart, at the finest grain, in a group that has a pattern."""
    labels = grouping.labels.copy()
    if bar is None:
        return labels
    aside: dict[int, int] = {}
    for number in range(int(grouping.finest.max()) + 1):
        rows = np.flatnonzero(grouping.finest == number)
        within = int(np.bincount(grouping.labels[rows]).argmax())
        rows = rows[grouping.labels[rows] == within]
        is_new = rows[-1] < nodes.n_new and len(nodes.texts_of(rows)) >= least
        if within in heirs and is_new and nodes.separation(rows, bar[0]) >= bar[1]:
            labels[rows] = aside.setdefault(within, int(labels.max()) + 1)
    return labels


def _fall(nodes: _Nodes, members: Rows, heir_of: int | None, bar: tuple[float, float] | None, least: int) -> Group:
    """What becomes of one group of nodes."""
    rows, old = members[members < nodes.n_new], members[members >= nodes.n_new]
    n_texts = len(nodes.texts_of(rows))
    if heir_of is not None or not len(rows):
        return Group(rows, heir_of)
    if n_texts >= least and len(nodes.past.vectors):
        share = nodes.share(rows)
        if share.was_hardly_said and share.p_value <= _BEGAN:
            return Group(rows, None, reason=f"began lately: {_counted(share)}", takes=nodes.taken(old))
    if len(old) >= _PART * len(members):
        return Group(rows, int(np.bincount(nodes.known[old]).argmax()))
    if n_texts >= least:
        if bar is None:
            return _new_or_part(nodes, rows, "too little was known before to compare with")
        separate = nodes.separation(rows, bar[0])
        if separate >= bar[1]:
            told = f"{separate:.2f} nearer to one another than to any known pattern; {bar[1]:.2f} is asked for"
            return _new_or_part(nodes, rows, told)
    if nodes.exemplars:
        return Group(rows, int(nodes.to_known[rows].mean(axis=0).argmax()))
    return Group(rows, None, reason=f"of fewer than {least} texts", is_noise=True)


def _new_or_part(nodes: _Nodes, rows: Rows, told: str) -> Group:
    """A group that stands apart: new, or a part of the nearest known pattern if people always said it."""
    if not len(nodes.past.vectors):
        return Group(rows, None, reason=told)
    share = nodes.share(rows)
    told += f"; {_counted(share)}"
    if not nodes.exemplars or not share.n_before or share.p_value <= _CHANCE:
        return Group(rows, None, reason=told)
    return Group(rows, None, parent=int(nodes.to_known[rows].mean(axis=0).argmax()), reason=told)


def _counted(share: Share) -> str:
    return f"{share.n_now} of {share.n_week} texts say it, {share.n_before} of {share.n_past} in the weeks before"


def _mark_noise(groups: list[Group], nodes: _Nodes, least: int) -> list[Group]:
    """Groups without a pattern that are far less alike than groups of the week normally are."""
    large = [one for one in groups if len(nodes.texts_of(one.rows)) >= least]
    likeness = {id(one): nodes.likeness(one.rows) for one in large}
    if not likeness:
        return groups
    alike = np.array(list(likeness.values()))
    usual = np.median(alike)
    lowest = float(min(usual - _LOOSE * np.median(np.abs(alike - usual)), _LOOSER * usual))
    return [
        replace(one, reason=f"{likeness[id(one)]:.2f} alike; {lowest:.2f} is asked for", is_noise=True)
        if one.pattern is None and likeness.get(id(one), 1.0) < lowest
        else one
        for one in groups
    ]
