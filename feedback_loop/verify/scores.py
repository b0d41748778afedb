"""Scores of evaluators before and after a fix: did the quality that they see change, beside the pattern's rate?

Belongs here: which scores are before and after, and how they are compared. Does not belong here: the comparison itself
(`stats/means.py`), and the verdict, which no score enters.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from feedback_loop.records import UTC_TIME, Fix, FrameShape
from feedback_loop.stats.means import LEAST, Change, change_since, paired_change

SCORES = FrameShape(
    "scores",  # one row per evaluation of an interaction
    {
        "evaluator": "str",
        "evaluator_version": "str",
        "score": "float64",  # 0..1
        "rater": "str",  # user, else session
        "occurred_at": UTC_TIME,  # of the interaction
        "prompt_name": "str",
        "prompt_version": "str",
        "case_id": "str",  # alike for the same input
    },
)

_MOSTLY = 0.5  # of each side's scores that lie on cases of both sides: then they are a frozen set


def score_changes(scores: pd.DataFrame, fix: Fix) -> list[dict[str, Any]]:
    """Change of each evaluator's mean score, versions of an evaluator apart, ready for JSON.

    A frozen set, whose inputs were scored under both versions, is compared pair by pair; traffic with users and days as
    clusters. After is what the fixed version served; for a fix without a version everything from the next day on.

    Args:
        scores: frame `SCORES`, of as many days before the fix as after it.
        fix: whose.

    Returns:
        `evaluator`, `evaluator_version`, `compared` ("pairs" | "clusters"), `n`, and `change`, `ci_low`, `ci_high`,
        `p_value`, None where there are too few.
    """
    frame = _with_sides(SCORES.check(scores), fix)
    return [
        {"evaluator": str(name), "evaluator_version": str(version), **_compare(rows)}
        for (name, version), rows in frame.groupby(["evaluator", "evaluator_version"])
    ]


def _with_sides(frame: pd.DataFrame, fix: Fix) -> pd.DataFrame:
    deployed, at = pd.Timestamp(fix.deployed_at), frame["occurred_at"]
    if fix.prompt_version is None:
        is_after, is_before = at >= deployed.floor("D") + pd.Timedelta(days=1), at < deployed.floor("D")
    else:
        is_after = frame["prompt_version"] == fix.prompt_version
        is_of_prompt = frame["prompt_name"].eq(fix.prompt_name) if fix.prompt_name is not None else True
        is_after, is_before = is_after & is_of_prompt, (at < deployed) & ~is_after & is_of_prompt
    return frame.assign(is_after=is_after)[is_after | is_before]


def _compare(rows: pd.DataFrame) -> dict[str, Any]:
    pairs = rows.groupby(["case_id", "is_after"])["score"].mean().unstack().reindex(columns=[False, True]).dropna()
    on_pairs = rows["case_id"].isin(pairs.index).groupby(rows["is_after"]).mean()
    is_frozen = len(pairs) >= LEAST and len(on_pairs) == 2 and bool((on_pairs >= _MOSTLY).all())
    if is_frozen:
        found = paired_change(pairs[False].to_numpy(dtype=float), pairs[True].to_numpy(dtype=float))
    else:
        found = _clustered(rows)
    numbers = dict(_numbers(found))
    return {"compared": "pairs" if is_frozen else "clusters", "n": len(pairs) if is_frozen else len(rows), **numbers}


def _clustered(rows: pd.DataFrame) -> Change | None:
    days = rows["occurred_at"].dt.floor("D")
    user, day = (pd.factorize(column)[0].astype(np.int64) for column in (rows["rater"], days))
    return change_since(rows["score"].to_numpy(dtype=float), rows["is_after"].to_numpy(dtype=bool), user, day)


def _numbers(found: Change | None) -> Iterator[tuple[str, float | None]]:
    for name in ("change", "ci_low", "ci_high", "p_value"):
        yield name, None if found is None else float(getattr(found, name))
