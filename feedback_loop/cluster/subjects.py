"""Subjects: where events belong of which nobody said what went wrong, by what they were about.

Belongs here: the vote among events of near subjects. Does not belong here: anything that founds or changes a pattern;
what is inferred here is flagged, counted separately and never remembered.
"""

import numpy as np
from numpy.typing import NDArray

from feedback_loop.cluster.exact import ExactVectors
from feedback_loop.cluster.place import Placement

_VOTERS, _MAJORITY = 10, 0.5
_TYPICAL = 2.0  # MADs below the median nearness of voters to one another, from which on a subject is foreign
MOST_VOTERS = 6000
_BLOCK = 512


def place_by_subject(subjects: ExactVectors, voters: ExactVectors, owner: NDArray[np.int64]) -> Placement:
    """The pattern of most of the ten events with the nearest subjects, where those are near enough.

    Events that are in no pattern vote as well, for none: a subject about which people complain in many ways says
    nothing of the way. Near enough is what is typical of the voters among themselves.

    Args:
        subjects: of the events to place, shape (n, d).
        voters: subjects of events that somebody said something of, shape (m, d); `MOST_VOTERS` at most, for time grows
            with n x m.
        owner: pattern of each voter, -1 for none, shape (m,).
    """
    chosen = np.flatnonzero(voters.any(axis=1))
    n, k = len(subjects), min(_VOTERS, len(chosen) - 1)
    if n == 0 or k < 1:
        return Placement(np.full(n, -1, dtype=np.int64), np.full(n, -1.0))
    voters, owner = voters[chosen], owner[chosen]
    nearness = _near(voters, voters, k + 1)[1][:, 1:].mean(axis=1)
    median = float(np.median(nearness))
    least = median - _TYPICAL * float(np.median(np.abs(nearness - median)))
    near, cosines = _near(subjects, voters, k)
    votes = owner[near]
    support = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    winner = votes[np.arange(n), support.argmax(axis=1)]
    mean = cosines.astype(np.float64).mean(axis=1)
    takes = (support.max(axis=1) > _MAJORITY * k) & (mean >= least) & subjects.any(axis=1)
    return Placement(np.where(takes, winner, -1), mean)


def _near(vectors: ExactVectors, voters: ExactVectors, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest voters, nearest first, of equals the first, and their cosines; shape (n, k) each."""
    columns = voters.astype(np.float32).T
    behind = np.arange(len(voters)) * 2.0**-40
    near, cosines = np.empty((len(vectors), k), dtype=np.int64), np.empty((len(vectors), k), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        both = vectors[block].astype(np.float32) @ columns
        distances = behind - both
        chosen = np.argpartition(distances, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distances, chosen, axis=1), axis=1)
        near[block] = np.take_along_axis(chosen, order, axis=1)
        cosines[block] = np.take_along_axis(both, near[block], axis=1)
    return near, cosines
