"""Laws of verdicts: what must change nothing, and what must only go one way."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop_tests.verify.small import Frames, all_of, judge, served, sessions, switch

DAYS = st.lists(st.integers(0, 12), min_size=14, max_size=14)
BEFORE = st.lists(st.integers(1, 15), min_size=4, max_size=8)
EVIDENCE = ["n_expected", "reduction", "ci_low", "ci_high", "p_value", "prob_at_least_bar"]


def world(before: Sequence[int], after: Sequence[int]) -> Frames:
    """A week at each level, then v2; three steady patterns beside it."""
    affected, exposures, fixes = switch()
    daily = [n for n in before for _ in range(7)]
    own = sessions(daily, first=56 - len(daily)), sessions(after, version="bot@v2", first=56)
    return all_of(affected[affected["pattern_id"] != "p1"], *own), exposures, fixes


def evidence(frames: Frames) -> "pd.Series[Any]":
    return judge(frames).iloc[0]


def same(one: "pd.Series[Any]", other: "pd.Series[Any]", rel: float = 1e-6) -> None:
    assert one["verdict"] == other["verdict"]
    for name in EVIDENCE:
        if pd.notna(one[name]) or pd.notna(other[name]):
            assert other[name] == pytest.approx(one[name], rel=rel, abs=1e-9), name


LAW = settings(deadline=None, max_examples=10)


@LAW
@given(BEFORE, DAYS, st.floats(0.01, 1000))
def test_the_unit_of_exposures(before: list[int], after: list[int], times: float) -> None:
    affected, exposures, fixes = world(before, after)
    scaled = exposures.assign(n_exposures=exposures["n_exposures"] * times)
    same(evidence((affected, exposures, fixes)), evidence((affected, scaled, fixes)))


@LAW
@given(BEFORE, DAYS, st.integers(2, 20))
def test_sampling_is_the_same_evidence(before: list[int], after: list[int], weight: int) -> None:
    """Every captured session stands for `weight`: expected counts stay those of captured sessions."""
    affected, exposures, fixes = world(before, after)
    sampled = affected.assign(weight=float(weight)), exposures.assign(n_exposures=exposures["n_exposures"] * weight)
    same(evidence((affected, exposures, fixes)), evidence((*sampled, fixes)), rel=0.02)


@LAW
@given(BEFORE, DAYS, st.integers(2, 4))
def test_splitting_exposures_of_a_day(before: list[int], after: list[int], parts: int) -> None:
    affected, exposures, fixes = world(before, after)
    split = exposures.assign(n_exposures=exposures["n_exposures"] / parts)
    same(evidence((affected, exposures, fixes)), evidence((affected, all_of(*[split] * parts), fixes)))


@LAW
@given(BEFORE, DAYS, st.integers(0, 1000))
def test_the_order_of_rows(before: list[int], after: list[int], seed: int) -> None:
    frames = world(before, after)
    mixed = tuple(frame.sample(frac=1, random_state=seed) for frame in frames)
    same(evidence(frames), evidence((mixed[0], mixed[1], mixed[2])))


@LAW
@given(BEFORE, DAYS)
def test_a_session_reported_twice_counts_once(before: list[int], after: list[int]) -> None:
    affected, exposures, fixes = world(before, after)
    same(evidence((affected, exposures, fixes)), evidence((all_of(affected, affected), exposures, fixes)))


@LAW
@given(BEFORE, DAYS, st.integers(0, 5))
def test_an_untouched_version_of_another_prompt(before: list[int], after: list[int], n: int) -> None:
    affected, exposures, fixes = world(before, after)
    other = sessions([n] * 70, version="mail@v1"), served(500, 0, 70, "mail@v1")
    plain, more = (
        evidence((affected, exposures, fixes)),
        evidence((all_of(affected, other[0]), all_of(exposures, other[1]), fixes)),
    )
    assert (more["n_before"], more["n_after"]) == (plain["n_before"], plain["n_after"])
    assert more["exposures_after"] == plain["exposures_after"]


@LAW
@given(BEFORE, DAYS, st.integers(0, 13))
def test_one_more_after_is_never_better(before: list[int], after: list[int], day: int) -> None:
    more = [n + 4 * (k == day) for k, n in enumerate(after)]
    plain, worse = evidence(world(before, after)), evidence(world(before, more))
    if pd.notna(plain["reduction"]) and pd.notna(worse["reduction"]):
        assert worse["reduction"] < plain["reduction"]
        assert worse["ci_low"] < plain["ci_low"]
        assert worse["p_value"] > plain["p_value"]


@LAW
@given(BEFORE, DAYS, st.sampled_from(["bot@v1", "bot@v2"]))
def test_no_verdict_without_exposures(before: list[int], after: list[int], version: str) -> None:
    affected, exposures, fixes = world(before, after)
    row = evidence((affected, exposures[exposures["prompt_version"] != version], fixes))
    assert row["verdict"] == "pending"
    assert row[EVIDENCE].isna().all()


@LAW
@given(BEFORE, DAYS)
def test_numbers_come_together_and_in_order(before: list[int], after: list[int]) -> None:
    row = evidence(world(before, after))
    assert row[EVIDENCE].isna().all() or row[EVIDENCE].notna().all()
    if pd.notna(row["reduction"]):
        assert row["ci_low"] < row["ci_high"] <= 1
        assert 0 <= row["p_value"] <= row["q_value"] <= 1
        assert row["dispersion"] >= 1
