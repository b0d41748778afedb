"""Segments: planted ones are found, chance makes none beyond its share, and one person makes none at all."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from feedback_loop.segments import (
    CONTRADICTIONS,
    EXPOSED,
    HITS,
    LIKING,
    SEGMENTS,
    SegmentPolicy,
    find_contradictions,
    find_segments,
    q_values,
)

POLICY = SegmentPolicy()
PLANTED = {"p0": "document-3", "p1": "prompt_version-2", "p2": "cohort-2"}
Rng = np.random.Generator


def hits(*rows: tuple[str, str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(HITS.columns))


def exposed(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(EXPOSED.columns))


def liking(*rows: tuple[str, int, int], pattern: str = "p") -> pd.DataFrame:
    return pd.DataFrame([(pattern, "cohort", *row) for row in rows], columns=list(LIKING.columns))


def draw_week(
    rng: Rng, rates: dict[str, dict[str, float]], sessions: dict[str, dict[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A week in which each session of a person in a value fails with the value's rate.

    Args:
        rng: chance.
        rates: pattern -> value -> rate per session; a value that is not named has that of "".
        sessions: dimension -> value -> number of sessions of each person.
    """
    met = []
    for dimension, values in sessions.items():
        for value, n in values.items():
            counts = zip(*np.unique(n, return_counts=True), strict=True)
            met += [(dimension, value, n_sessions, n_persons) for n_sessions, n_persons in counts]
    had = [
        (pattern, d, v, int((rng.random(len(n)) < 1 - (1 - rate.get(v, rate[""])) ** np.asarray(n)).sum()))
        for pattern, rate in rates.items()
        for d, vs in sessions.items()
        for v, n in vs.items()
    ]
    return hits(*(row for row in had if row[3])), exposed(*met)


def test_the_p_value_is_the_exact_binomial_one() -> None:
    found = find_segments(
        hits(("p", "model", "new", 30), ("p", "model", "old", 10)),
        exposed(("model", "new", 1, 10_000), ("model", "old", 1, 30_000)),
        POLICY,
    )
    row = found.iloc[0]
    assert found[["pattern_id", "dimension", "value", "n_events"]].to_numpy().tolist() == [["p", "model", "new", 30]]
    assert (row["n_expected"], row["ratio"]) == (pytest.approx(10, rel=1e-6), pytest.approx(3, rel=1e-6))
    assert row["p_value"] == pytest.approx(stats.binomtest(30, 40, 0.25, alternative="greater").pvalue, rel=1e-6)
    assert row["q_value"] == pytest.approx(2 * row["p_value"])  # two values were tested


def test_what_a_segment_is_compared_by_is_sessions_and_a_person_counts_once() -> None:
    # 200 heavy users (40 sessions each) and 8,000 light ones, 1 % of all sessions fail: by persons, heavy users have
    # it 33 times as often; by sessions, light ones, whose hits the cap does not touch, 1.2 times as often.
    heavy, light = np.full(200, 40), np.full(8_000, 1)
    n_false = 0
    for seed in range(50):
        frames = draw_week(np.random.default_rng(seed), {"p": {"": 0.01}}, {"cohort": {"heavy": heavy, "light": light}})
        n_false += len(find_segments(*frames, SegmentPolicy(min_ratio=1)))
    assert n_false <= 5
    # A twofold rate is found on either side.
    for cohort in ("heavy", "light"):
        rates = {"p": {"": 0.01, cohort: 0.02}}
        frames = draw_week(np.random.default_rng(1), rates, {"cohort": {"heavy": heavy, "light": light}})
        assert find_segments(*frames, POLICY)["value"].tolist() == [cohort]


def random_sessions(rng: Rng) -> dict[str, dict[str, Any]]:
    shares: dict[str, Any] = {
        "prompt_version": [0.5, 0.4, 0.1],
        "cohort": [0.6, 0.3, 0.1],
        "document": rng.dirichlet(np.ones(60)),
    }
    return {
        name: {f"{name}-{i}": rng.geometric(0.4, size=max(1, round(6000 * share))) for i, share in enumerate(of)}
        for name, of in shares.items()
    }


def random_rates(rng: Rng) -> dict[str, dict[str, float]]:
    return {f"p{i}": {"": float(rng.choice([0.001, 0.01]))} for i in range(4)}


def test_chance_makes_no_more_segments_than_its_share() -> None:
    rng = np.random.default_rng(7)
    weeks_with_any = 0
    for _ in range(200):
        frames = draw_week(rng, random_rates(rng), random_sessions(rng))
        weeks_with_any += not find_segments(*frames, SegmentPolicy(min_ratio=1)).empty
    # Where nothing is there, the false discovery rate is the share of weeks with any: at most 10 of 200, and chance.
    assert weeks_with_any <= stats.binom.isf(0.001, 200, POLICY.max_false_share)


def test_planted_segments_are_found_with_few_false_ones_beside_them() -> None:
    rng = np.random.default_rng(3)
    n_found = n_false = 0
    for _ in range(30):
        rates = {p: {"": 0.004, value: 0.03} for p, value in PLANTED.items()} | {"p3": {"": 0.01}}
        found = find_segments(*draw_week(rng, rates, random_sessions(rng)), POLICY)
        true = sum(PLANTED.get(p) == v for p, v in zip(found["pattern_id"], found["value"], strict=True))
        n_found, n_false = n_found + true, n_false + len(found) - true
    assert n_found >= 65  # of 90; some of the documents have hardly any readers
    assert n_false <= 0.1 * n_found


def test_too_little_is_absent() -> None:
    few = exposed(("model", "a", 1, 4), ("model", "b", 1, 4000))
    assert find_segments(hits(("p", "model", "a", 4)), few, POLICY).empty  # four persons
    assert find_segments(hits(("p", "model", "a", 4), ("p", "model", "b", 9)), few, POLICY).empty
    only = exposed(("model", "a", 1, 4000))
    assert find_segments(hits(("p", "model", "a", 400)), only, POLICY).empty  # nothing to compare with
    assert find_segments(hits(), few, POLICY).empty
    none = find_segments(hits(), exposed(), POLICY)
    assert list(none.columns) == list(SEGMENTS.columns)
    everybody = exposed(("model", "a", 1, 6), ("model", "b", 1, 6))
    assert find_segments(hits(("p", "model", "a", 6), ("p", "model", "b", 6)), everybody, POLICY).empty


def test_all_of_it_in_the_largest_segment_is_seen() -> None:
    most = exposed(("prompt_version", "2", 1, 9000), ("prompt_version", "1", 1, 1000))
    found = find_segments(hits(("p", "prompt_version", "2", 100)), most, POLICY).iloc[0]
    assert (found["value"], found["ratio"]) == ("2", pytest.approx(1 / 0.9, rel=1e-6))


def test_many_documents_do_not_drown_four_models() -> None:
    models = [("model", name, 1, 5000) for name in "abcd"]
    documents = [("document", f"d{i}", 1, 20) for i in range(5000)]
    having = hits(("p", "model", "a", 32), *(("p", "model", name, 8) for name in "bcd"), ("p", "document", "d0", 6))
    found = find_segments(having, exposed(*models, *documents), POLICY)
    assert ("model", "a") in set(zip(found["dimension"], found["value"], strict=True))


def test_more_hit_than_exposed_is_an_error() -> None:
    met = exposed(("model", "a", 1, 50), ("model", "b", 1, 50))
    for strange in (("p", "model", "a", 51), ("p", "model", "c", 9)):
        with pytest.raises(ValueError, match=strange[2]):
            find_segments(hits(strange), met, POLICY)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 30))
def test_q_values_are_those_of_scipy_where_the_other_tests_came_to_nothing(p_values: list[float], n_more: int) -> None:
    p = np.array(p_values)
    expected = stats.false_discovery_control(np.concatenate([p, np.ones(n_more)]))[: len(p)]
    assert q_values(p, np.full(len(p), len(p) + n_more)) == pytest.approx(expected)


COUNTS = st.lists(st.tuples(st.integers(1, 5), st.integers(5, 300), st.floats(0, 1)), min_size=2, max_size=5)


@given(st.dictionaries(st.sampled_from(["model", "cohort"]), COUNTS, min_size=1), st.randoms(use_true_random=False))
def test_any_counts_give_the_same_segments_in_any_order(dimensions: dict[str, Any], random: Any) -> None:
    met = [(d, f"v{i}", n, persons) for d, rows in dimensions.items() for i, (n, persons, _) in enumerate(rows)]
    had = [("p", d, f"v{i}", int(m * x)) for d, rows in dimensions.items() for i, (_, m, x) in enumerate(rows)]
    found = find_segments(hits(*had), exposed(*met), POLICY)
    random.shuffle(met)
    random.shuffle(had)
    pd.testing.assert_frame_equal(found, find_segments(hits(*had), exposed(*met), POLICY))
    assert (found["n_events"] >= POLICY.min_persons).all()
    assert (found["ratio"] > 1).all()
    assert (found["p_value"] <= found["q_value"]).all()
    assert (found["q_value"] <= POLICY.max_false_share).all()


def test_one_cohort_likes_what_another_dislikes() -> None:
    counts = liking(("experts", 40, 5), ("novices", 4, 60), ("guests", 2, 2), ("partners", 20, 30))
    found = find_contradictions(counts, POLICY)
    pairs = found[["disliked_by", "liked_by", "n_negative_disliked", "n_positive_liked"]].to_numpy().tolist()
    assert pairs == [["experts", "novices", 40, 60], ["experts", "partners", 40, 30]]
    table = np.array([[40, 5], [4, 60]])
    tail = stats.fisher_exact(table, alternative="greater").pvalue
    assert found["p_value"].iloc[0] == pytest.approx(2 * tail)
    assert found["q_value"].iloc[0] == pytest.approx(2 * tail * 3)  # three pairs of cohorts with five persons or more


@pytest.mark.parametrize(
    "counts",
    [
        [("experts", 40, 5), ("novices", 30, 6)],  # both dislike it
        [("experts", 5, 40), ("novices", 30, 300)],  # both like it
        [("experts", 4, 0), ("novices", 0, 400)],  # four persons
        [("experts", 4, 3), ("novices", 3, 4)],  # chance
        [],
    ],
)
def test_no_contradiction(counts: list[tuple[str, int, int]]) -> None:
    found = find_contradictions(liking(*counts), POLICY)
    assert found.empty
    assert list(found.columns) == list(CONTRADICTIONS.columns)


def test_chance_makes_no_more_contradictions_than_its_share() -> None:
    rng = np.random.default_rng(5)
    weeks_with_any = 0
    for _ in range(300):
        frames = []
        for pattern in "abc":
            size = rng.integers(5, 80, 4)
            negative = rng.binomial(size, 0.5)
            rows = zip("wxyz", negative.tolist(), (size - negative).tolist(), strict=True)
            frames.append(liking(*rows, pattern=pattern))
        weeks_with_any += not find_contradictions(pd.concat(frames), POLICY).empty
    assert weeks_with_any <= stats.binom.isf(0.001, 300, POLICY.max_false_share)


@pytest.mark.parametrize("wrong", [{"max_false_share": 1.1}, {"min_persons": 0}, {"min_ratio": 0.5}])
def test_a_policy_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SegmentPolicy(**wrong)  # type: ignore[arg-type]
