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
_LATE = 3  # weeks that a new failure may take to be found
_HARDLY = 0.2  # of what would have been said before at the present share: more, and it did not begin lately


@dataclass(frozen=True)
class Past:
    """Distinct texts of each of the weeks before.

    Attributes:
        vectors: shape (m, d).
        age: how many weeks before this one each was said, from 1; shape (m,).
    """

    vectors: ExactVectors
    age: NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """How many texts from some week on, and of the weeks before it, say what a group says.

    Attributes:
        n_now: of n_week texts, distinct within each week.
        n_before: of n_past likewise.
        n_looks: weeks from which on it was asked; the p-value counts as often (Bonferroni).
        p_value: of a share that did not rise; one-sided, exact, given n_now + n_before (Przyborowski and Wilenski
            1940, with numbers of texts for exposures). 1 where nobody says it.
    """

    n_now: int
    n_week: int
    n_before: int
    n_past: int
    n_looks: int = 1

    @property
    def p_value(self) -> float:
        """See the class."""
        n, exposed = self.n_now + self.n_before, self.n_week / (self.n_week + self.n_past)
        one = float(binomtest(self.n_now, n, exposed, alternative="greater").pvalue) if n else 1.0
        return min(1.0, self.n_looks * one)

    @property
    def was_hardly_said(self) -> bool:
        """Whether far fewer said it before than would have at the present share."""
        return self.n_before * self.n_week <= _HARDLY * self.n_now * self.n_past


class Comparison:
    """A week's texts beside those of the weeks before, and how near each is to what is known.

    Args:
        week: vectors of this week's distinct texts, shape (n, d).
        past: the weeks before.
        known: exemplars of every known pattern.
    """

    def __init__(self, week: ExactVectors, past: Past, known: list[ExactVectors]) -> None:
        self._texts = np.concatenate([week, past.vectors])
        self._age = np.concatenate([np.zeros(len(week), dtype=np.int64), past.age])
        self._to_known = _nearest_known(self._texts, known)

    def share(self, group: ExactVectors) -> Share:
        """Who says what the group says: is as near to it as its own are, and nearer than to any known pattern.

        From this week on, or from one of the two before, whichever tells most; one week at least is left before.
        """
        group = group[:: 1 + len(group) // _COMPARED]
        nearness = similarities(self._texts, [group], to_others=True)[:, 0]
        says = (nearness >= threshold_of(group, group)) & (nearness > self._to_known)
        n_weeks = int(self._age.max(initial=0)) + 1
        said, heard = (np.bincount(self._age[rows], minlength=n_weeks) for rows in (says, slice(None)))
        n_looks = max(1, min(_LATE, n_weeks - 1))
        shares = [
            Share(
                int(said[:weeks].sum()),
                int(heard[:weeks].sum()),
                int(said[weeks:].sum()),
                int(heard[weeks:].sum()),
                n_looks,
            )
            for weeks in range(1, n_looks + 1)
        ]
        return min(shares, key=lambda share: share.p_value)


def _nearest_known(texts: ExactVectors, known: list[ExactVectors]) -> NDArray[np.float64]:
    """Similarity to the nearest pattern, the text itself apart; -1 without patterns."""
    nearest: NDArray[np.float64] = similarities(texts, known, to_others=True).max(axis=1, initial=-1.0)
    return nearest
