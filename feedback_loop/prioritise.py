"""Prioritise: how often each pattern hits, how badly, and so which comes first.

Belongs here: the weekly numbers of a pattern (`pattern_weeks`) and their order. Does not belong here: which fix a
pattern goes to (`route.py`), and rates before and after a fix (`verify.py`).

In the loop: cluster -> **prioritise** -> route.
"""

import numpy as np
import pandas as pd

from feedback_loop.records import FrameShape

PATTERN_WEEKS = FrameShape(
    "pattern_weeks",
    {
        "pattern_id": "str",
        "n_occurrences": "int64",  # negative interactions
        "n_sessions": "int64",  # distinct sessions
        "n_users": "int64",  # distinct known users
        "affected": "float64",  # distinct sessions per day and version, weighted by 1 / sample_rate, like exposures
        "exposures": "float64",  # of the application in the week, same unit; NaN: none were recorded
        "rate": "float64",  # affected / exposures; NaN without exposures
        "mean_severity": "float64",  # 1..4
        "score": "float64",  # affected per 1,000 exposures x mean severity; NaN without exposures
        "rank": "int64",  # 1 = first, within the application
    },
)


def prioritise_patterns(members: pd.DataFrame, exposures: float) -> pd.DataFrame:
    """The week's numbers per pattern, first things first.

    Args:
        members: rows of frame `records.NEGATIVES` with a `pattern_id` and an `exposure_key` (what counts as one
            exposure: session, day and version), one application and week.
        exposures: weighted sessions of the application in that week; 0 where none were recorded.

    Returns:
        Frame `PATTERN_WEEKS`. Without exposures the rate is NaN, never 0, and the order is by affected sessions.
    """
    grouped = members.groupby("pattern_id", sort=True)
    frame = grouped.agg(
        n_occurrences=("interaction_id", "size"),
        n_sessions=("session_key", "nunique"),
        n_users=("user_hash", "nunique"),
        mean_severity=("severity", "mean"),
    ).reset_index()
    # A session weighs as its most surely captured answer does: the rule of exposures.
    sessions = members.sort_values("weight", kind="stable").drop_duplicates(["pattern_id", "exposure_key"])
    frame["affected"] = frame["pattern_id"].map(sessions.groupby("pattern_id")["weight"].sum())
    frame["exposures"] = exposures if exposures > 0 else np.nan
    frame["rate"] = frame["affected"] / frame["exposures"]
    frame["score"] = 1000 * frame["rate"] * frame["mean_severity"]
    order = frame["score"].fillna(frame["affected"] * frame["mean_severity"])
    frame["rank"] = (-order).rank(method="first")
    return PATTERN_WEEKS.check(frame).sort_values("rank", kind="stable").reset_index(drop=True)
