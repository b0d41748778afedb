"""Novelty: does a group say what nobody said before, or what people said all along without a pattern of its own?

Belongs here: the weeks before as they are compared with, and the test. Does not belong here: what becomes of a group
(`discovery.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from feedback_loop.cluster.exact import ExactVectors
from feedback_loop.cluster.memory import threshold_of
from feedback_loop.cluster.place import similarities

_COMPARED = 1000  # members of a group that texts are compared with, about


@dataclass(frozen=True)
class Share:
    """How many texts of a week, and of the weeks before it, say what a group says.

    Attributes:
        n_now: of n_week distinct texts.
        n_before: of n_past distinct texts.
        p_value: of a share that did not rise; one-sided, exact, given n_now + n_before (Przyborowski and Wilenski
            1940, with numbers of texts for exposures). 1 where nobody says it.
    """

    n_now: int
    n_week: int
    n_before: int
    n_past: int

    @property
    def p_value(self) -> float:
        """See the class."""
        n, exposed = self.n_now + self.n_before, self.n_week / (self.n_week + self.n_past)
        return float(binomtest(self.n_now, n, exposed, alternative="greater").pvalue) if n else 1.0


class Comparison:
    """A week's texts beside those of the weeks before, and how near each is to what is known.

    Args:
        week: vectors of this week's distinct texts, shape (n, d).
        past: of the distinct texts of the weeks before, shape (m, d).
        known: exemplars of every known pattern.
    """

    def __init__(self, week: ExactVectors, past: ExactVectors, known: list[ExactVectors]) -> None:
        self._sides = [(side, _nearest_known(side, known)) for side in (week, past)]

    def share(self, group: ExactVectors) -> Share:
        """Who says what the group says: is as near to it as its own are, and nearer than to any known pattern."""
        group = group[:: 1 + len(group) // _COMPARED]
        least = threshold_of(group, group)
        counts: list[int] = []
        for texts, to_known in self._sides:
            nearness = similarities(texts, [group], to_others=True)[:, 0]
            counts += [int(((nearness >= least) & (nearness > to_known)).sum()), len(texts)]
        return Share(*counts)


def _nearest_known(texts: ExactVectors, known: list[ExactVectors]) -> NDArray[np.float64]:
    """Similarity to the nearest pattern, the text itself apart; -1 without patterns."""
    nearest: NDArray[np.float64] = similarities(texts, known, to_others=True).max(axis=1, initial=-1.0)
    return nearest
