"""Segments: in which versions, cohorts, models and documents a pattern is more frequent than chance would have it.

Belongs here: over-representation with tests corrected for multiplicity, and contradictory feedback. Does not belong
here: counting in SQL (`store/segments.py`).

In the loop: cluster -> **segments** -> prioritise.

The unit is a person: one who complains a hundred times is one. Values that people have little of are left out, never 0.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from feedback_loop.records import FrameShape, check_between

Floats = NDArray[np.float64]

HITS = FrameShape(
    "segment_hits",  # one row per pattern and value in which anybody had it
    {
        "pattern_id": "str",
        "dimension": "str",  # prompt_version | cohort | model | document
        "value": "str",
        "n_persons": "int64",  # who had the pattern there
    },
)

EXPOSED = FrameShape(
    "segment_exposed",  # how often persons met a value, whether anything failed or not
    {
        "dimension": "str",
        "value": "str",
        "n_sessions": "int64",  # sessions of one person in which the value occurred, >= 1
        "n_persons": "int64",  # how many persons had so many
    },
)

SEGMENTS = FrameShape(
    "pattern_segments",
    {
        "pattern_id": "str",
        "dimension": "str",
        "value": "str",
        "n_events": "int64",  # persons who had the pattern there
        "n_expected": "float64",  # how many would have, were it as frequent everywhere
        "ratio": "float64",  # n_events / n_expected
        "p_value": "float64",
        "q_value": "float64",
    },
)

LIKING = FrameShape(
    "liking",  # one row per pattern and value, over the answers of the kind that the pattern is about
    {
        "pattern_id": "str",
        "dimension": "str",
        "value": "str",
        "n_negative": "int64",  # persons who had the pattern
        "n_positive": "int64",  # persons who liked such an answer
    },
)

CONTRADICTIONS = FrameShape(
    "pattern_contradictions",
    {
        "pattern_id": "str",
        "dimension": "str",
        "disliked_by": "str",
        "liked_by": "str",
        "n_negative_disliked": "int64",  # persons of the value `disliked_by`
        "n_positive_disliked": "int64",
        "n_negative_liked": "int64",
        "n_positive_liked": "int64",
        "p_value": "float64",
        "q_value": "float64",
    },
)


@dataclass(frozen=True)
class SegmentPolicy:
    """How much evidence a segment or a contradiction needs.

    Attributes:
        max_false_share: share of false ones among those that are reported in a week (false discovery rate).
        min_persons: who had the pattern in a segment; who said something on each side of a contradiction.
        min_ratio: of the pattern's rate in the segment to its rate elsewhere.
    """

    max_false_share: float = 0.05
    min_persons: int = 5
    min_ratio: float = 1.5

    def __post_init__(self) -> None:
        check_between(self, 0, 1, "max_false_share")
        check_between(self, 1, inf, "min_persons", "min_ratio")


def find_segments(hits: pd.DataFrame, exposed: pd.DataFrame, policy: SegmentPolicy) -> pd.DataFrame:
    """Where patterns are over-represented, in one application's week.

    Given how many had the pattern over all values of a dimension, the number in one value is binomial with the share of
    persons that would have had it there, were every session equally likely to fail (the conditional test of
    Przyborowski and Wilenski, Biometrika 1940, one-sided and exact). A person counts once per value, however many
    sessions: n sessions hit a person with probability 1 - (1 - rate)^n, so that neither heavy users nor light ones make
    a segment. Deviation: hits are drawn without replacement, which makes the binomial tail too large, never too small.

    Benjamini and Hochberg's (1995) procedure over all tests of the week, also those that came to nothing, each
    dimension with the same weight (Genovese, Roeder and Wasserman, Biometrika 2006): thousands of documents do not
    drown four models.

    A cohort that complains more of everything is over-represented in every pattern: it is compared by its sessions.

    Args:
        hits: frame `HITS`.
        exposed: frame `EXPOSED`.
        policy: evidence needed.

    Returns:
        Frame `SEGMENTS`, most certain first.

    Raises:
        ValueError: more persons had a pattern with a value than had the value.
    """
    hits, exposed = HITS.check(hits), EXPOSED.check(exposed)
    tested = [
        _test_dimension(hits[hits["dimension"] == name], of_dimension, policy)
        for name, of_dimension in exposed.groupby("dimension")
    ]
    tested = [(found, n_tests) for found, n_tests in tested if n_tests]
    if not tested:
        return SEGMENTS.check(pd.DataFrame(columns=list(SEGMENTS.columns)))
    found = pd.concat([part for part, _ in tested], ignore_index=True)
    n_tests = np.concatenate([np.full(len(part), n * len(tested)) for part, n in tested])
    found["q_value"] = q_values(found["p_value"].to_numpy(), n_tests)
    kept = found[(found["q_value"] <= policy.max_false_share) & (found["rate_ratio"] >= policy.min_ratio)]
    order = ["q_value", "p_value", "pattern_id", "dimension", "value"]
    return SEGMENTS.check(_in_order(kept, order))


def find_contradictions(liking: pd.DataFrame, policy: SegmentPolicy) -> pd.DataFrame:
    """Which cohorts dislike what others like, in one application's week.

    One side has more persons with the pattern than persons who liked such answers, the other has fewer, and Fisher's
    exact test of the two by two table says that this is no chance (two-sided: twice the smaller tail). Benjamini and
    Hochberg's procedure runs over all pairs of values with enough persons, also those that agree.

    Args:
        liking: frame `LIKING`.
        policy: evidence needed.

    Returns:
        Frame `CONTRADICTIONS`, most certain first.
    """
    liking = LIKING.check(liking)
    liking = liking[liking["n_negative"] + liking["n_positive"] >= policy.min_persons]
    keys = ["pattern_id", "dimension"]
    n_tests = int(liking.groupby(keys).size().map(lambda n: n * (n - 1) // 2).sum())
    is_disliked = liking["n_negative"] > liking["n_positive"]
    liked = liking[liking["n_negative"] < liking["n_positive"]].rename(columns={"value": "liked_by"})
    pairs = (
        liking[is_disliked]
        .rename(columns={"value": "disliked_by"})
        .merge(liked, on=keys, suffixes=("_disliked", "_liked"))
    )
    pairs["p_value"] = _fisher(*(pairs[name].to_numpy() for name in CONTRADICTIONS.columns if name.startswith("n_")))
    pairs["q_value"] = q_values(pairs["p_value"].to_numpy(), np.full(len(pairs), n_tests))
    kept = pairs[pairs["q_value"] <= policy.max_false_share]
    order = ["q_value", "p_value", *keys, "disliked_by", "liked_by"]
    return CONTRADICTIONS.check(_in_order(kept, order))


def _in_order(frame: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Sorted; p- and q-values that differ by rounding alone, as sums in another order do, are equal."""
    rounded = frame.assign(**{name: frame[name].map(lambda p: float(f"{p:.9e}")) for name in ("q_value", "p_value")})
    return frame.loc[rounded.sort_values(order, kind="stable").index].reset_index(drop=True)


def q_values(p_values: Floats, n_tests: NDArray[np.int64]) -> Floats:
    """Benjamini and Hochberg's adjusted p-values where only some of the tests are at hand: the others have p = 1.

    Args:
        p_values: shape (n,).
        n_tests: tests that each p-value is one of, shape (n,); with weights, tests over weight.
    """
    adjusted = p_values * n_tests
    order = np.argsort(adjusted, kind="stable")
    ranked = adjusted[order] / np.arange(1, len(order) + 1)
    q = np.empty(len(order))
    q[order] = np.minimum(1.0, np.minimum.accumulate(ranked[::-1])[::-1])
    return q


def _test_dimension(hits: pd.DataFrame, exposed: pd.DataFrame, policy: SegmentPolicy) -> tuple[pd.DataFrame, int]:
    """One row per pattern and value with enough persons, and how many tests could have been made."""
    values, code = np.unique(exposed["value"].to_numpy(dtype=str), return_inverse=True)
    n_sessions, n_persons = (exposed[name].to_numpy(dtype=float) for name in ("n_sessions", "n_persons"))
    per_value = np.bincount(code, weights=n_persons)
    if len(values) < 2:
        return hits.iloc[:0], 0
    rows, n_patterns = [], 0
    for _, found in hits.groupby("pattern_id"):
        place = np.searchsorted(values, found["value"].to_numpy(dtype=str)).clip(max=len(values) - 1)
        n, total = found["n_persons"].to_numpy(dtype=float), float(found["n_persons"].sum())
        strange = (values[place] != found["value"].to_numpy(dtype=str)) | (n > per_value[place])
        if strange.any():
            raise ValueError(f"more persons hit than exposed: {found[strange].iloc[0].to_dict()}")
        if total < policy.min_persons or total >= per_value.sum():
            continue
        n_patterns += 1
        share = -np.expm1(-_hazard(total, n_sessions, n_persons) * n_sessions)
        expected = np.bincount(code, weights=n_persons * share)[place]
        with np.errstate(divide="ignore"):
            rate_ratio = (n / expected) / ((total - n) / (total - expected))
        p = stats.binom.sf(n - 1, total, expected / total)
        rows.append(found.assign(n_events=n, n_expected=expected, ratio=n / expected, p_value=p, rate_ratio=rate_ratio))
    n_values = int((per_value >= policy.min_persons).sum())
    if not rows:
        return hits.iloc[:0], 0
    tested = pd.concat(rows, ignore_index=True)
    return tested[tested["n_events"] >= policy.min_persons], n_patterns * n_values


def _hazard(total: float, n_sessions: Floats, n_persons: Floats) -> float:
    """The rate per session, -log(1 - p), at which so many persons are hit in all; by bisection."""
    low, high = 1e-12, 1e3
    for _ in range(80):
        middle = float(np.sqrt(low * high))
        if (n_persons * -np.expm1(-middle * n_sessions)).sum() < total:
            low = middle
        else:
            high = middle
    return high


def _fisher(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Two-sided p-values of the tables ((a, b), (c, d)): twice the smaller hypergeometric tail."""
    of = (a + b + c + d, a + c, a + b)
    tail = np.minimum(stats.hypergeom.sf(a - 1, *of), stats.hypergeom.cdf(a, *of))
    result: Floats = np.minimum(1.0, 2 * tail)
    return result
