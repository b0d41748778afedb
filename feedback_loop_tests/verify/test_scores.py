"""Scores before and after a fix: traffic by clusters, a frozen set by pairs, too few as no number."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from feedback_loop.records import Fix
from feedback_loop.verify import SCORES, score_changes

DEPLOYED = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIX = Fix("shop", "f1", "p1", "FL-1", "d1", "support", "v2", DEPLOYED, "d-1", "deployment")


def scored(lift: float, frozen: bool, n_users: int = 40, seed: int = 1) -> pd.DataFrame:
    """Two scores a user and side over a fortnight each; users differ much more than the lift."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        level = 0.5 + 0.2 * rng.standard_normal()
        for side, version in enumerate(("v1", "v2")):
            for k in range(2):
                days = rng.integers(1, 14) + 14 * side - 14
                at = DEPLOYED + timedelta(days=int(days))
                case = f"case {user}-{k}" if frozen else f"case {user}-{k}-{side}"
                score = level + lift * side + 0.02 * rng.standard_normal()
                rows.append(("judge", "1", score, f"u{user}", at, "support", version, case))
    return pd.DataFrame(rows, columns=list(SCORES.columns))


def test_a_frozen_set_is_compared_pair_by_pair_and_finds_more() -> None:
    (paired,), (loose,) = (score_changes(scored(0.05, frozen), FIX) for frozen in (True, False))
    assert (paired["compared"], loose["compared"]) == ("pairs", "clusters")
    assert (paired["n"], loose["n"]) == (80, 160)
    assert paired["ci_low"] < 0.05 < paired["ci_high"]
    assert paired["p_value"] < 1e-6 < loose["p_value"]
    assert loose["ci_low"] < paired["change"] < loose["ci_high"]


def test_after_is_what_the_fixed_version_served() -> None:
    scores = scored(0.3, frozen=False)
    held_back = scores.assign(occurred_at=scores["occurred_at"] + pd.Timedelta(days=20))
    both = pd.concat([scores, held_back[held_back["prompt_version"] == "v1"]])
    assert score_changes(both, FIX) == score_changes(scores, FIX)
    other = scores.assign(prompt_name="search")
    assert score_changes(pd.concat([scores, other]), FIX) == score_changes(scores, FIX)


def test_a_fix_without_a_version_is_compared_by_time() -> None:
    by_time = replace(FIX, prompt_name=None, prompt_version=None)
    one_version = scored(0.3, frozen=False).assign(prompt_version="v1")
    (found,) = score_changes(one_version, by_time)
    assert found["change"] == pytest.approx(0.3, abs=0.1)


def test_few_scores_and_evaluators_of_another_version_are_no_number() -> None:
    few = scored(0.3, frozen=False, n_users=6)
    (row,) = score_changes(few, FIX)
    assert (row["change"], row["p_value"], row["n"]) == (None, None, 24)
    versions = scored(0.3, frozen=False)
    apart = versions.assign(evaluator_version=versions["prompt_version"].map({"v1": "1", "v2": "2"}))
    assert [(r["evaluator_version"], r["change"]) for r in score_changes(apart, FIX)] == [("1", None), ("2", None)]
    assert score_changes(versions.iloc[:0], FIX) == []
