"""Prioritise: how often each pattern hits, how badly, and so which comes first.

Belongs here: the weekly numbers of a pattern (`pattern_weeks`) and their order. Does not belong here: which fix a
pattern goes to (`route/`), and rates before and after a fix (`verify.py`).

In the loop: cluster -> **prioritise** -> route.
"""

import numpy as np
import pandas as pd

from feedback_loop.records import FrameShape

PATTERN_WEEKS = FrameShape(
    "pattern_weeks",
    {
        "pattern_id": "str",
        "n_occurrences": "int64",  # negative interactions of which somebody said what went wrong
        "n_sessions": "int64",  # distinct sessions of them
        "n_users": "int64",  # distinct known users of them
        "n_inferred": "int64",  # negative interactions more that were placed by their subject: nobody said what it was
        "affected": "float64",  # distinct sessions per day and version, weighted by 1 / sample_rate, like exposures
        "exposures": "float64",  # of the application in the week, same unit; NaN: none were recorded
        "rate": "float64",  # affected / exposures; NaN without exposures
        "mean_severity": "float64",  # 1..4; NaN where nobody said it
        "score": "float64",  # affected per 1,000 exposures x mean severity; NaN without exposures
        "rank": "int64",  # 1 = first, within the application
    },
)


def prioritise_patterns(members: pd.DataFrame, exposures: float) -> pd.DataFrame:
    """The week's numbers per pattern, first things first.

    Every number but `n_inferred` is of those who said what went wrong: no count, rate or rank rests on an inference.

    Args:
        members: rows of frame `records.NEGATIVES` with a `pattern_id`, an `is_inferred` (placed by its subject) and an
            `exposure_key` (what counts as one exposure: session, day and version), one application and week.
        exposures: weighted sessions of the application in that week; 0 where none were recorded.

    Returns:
        Frame `PATTERN_WEEKS`, one row per pattern with a member of either kind. Without exposures the rate is NaN,
        never 0, and the order is by affected sessions.
    """
    is_inferred = members["is_inferred"].to_numpy(dtype=bool)
    said = members[~is_inferred]
    frame = pd.DataFrame({"pattern_id": sorted(set(members["pattern_id"]))}, dtype="str").merge(
        said.groupby("pattern_id")
        .agg(
            n_occurrences=("interaction_id", "size"),
            n_sessions=("session_key", "nunique"),
            n_users=("user_hash", "nunique"),
            mean_severity=("severity", "mean"),
        )
        .reset_index(),
        how="left",
    )
    frame["n_inferred"] = frame["pattern_id"].map(members[is_inferred].groupby("pattern_id").size())
    # A session weighs as its most surely captured answer does: the rule of exposures.
    sessions = said.sort_values("weight", kind="stable").drop_duplicates(["pattern_id", "exposure_key"])
    frame["affected"] = frame["pattern_id"].map(sessions.groupby("pattern_id")["weight"].sum())
    counts = ["n_occurrences", "n_sessions", "n_users", "n_inferred", "affected"]
    frame[counts] = frame[counts].fillna(0)
    frame["exposures"] = exposures if exposures > 0 else np.nan
    frame["rate"] = frame["affected"] / frame["exposures"]
    frame["score"] = 1000 * frame["rate"] * frame["mean_severity"].fillna(0)
    order = frame["score"].fillna(frame["affected"] * frame["mean_severity"].fillna(0))
    frame["rank"] = (-order).rank(method="first")
    return PATTERN_WEEKS.check(frame).sort_values("rank", kind="stable").reset_index(drop=True)
