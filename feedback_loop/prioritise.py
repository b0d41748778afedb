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
        "score": "float64",  # affected per 1,000 exposures x mean severity, as they weigh; NaN without exposures
        "rank": "int64",  # 1 = first, within the application
        "weighted_occurrences": "float64",  # what the occurrences weigh, by who said it and how often
        "weighted_users": "float64",  # what their known users weigh
    },
)


WEIGHTED = ("weighted_occurrences", "weighted_users")


def prioritise_patterns(
    members: pd.DataFrame, exposures: float, most_per_user: float = np.inf, new_limit: float | None = None
) -> pd.DataFrame:
    """The week's numbers per pattern, first things first.

    Every number but `n_inferred` is of those who said what went wrong: no count, rate or rank rests on an inference.
    Ranks and floors go by what a case weighs (`weights_of`); counts and the rate do not.

    Args:
        members: rows of frame `records.NEGATIVES` with a `pattern_id`, an `is_inferred` (placed by its subject), an
            `exposure_key` (what counts as one exposure: session, day and version), a `standing` (what its user weighs,
            0..1) and an `is_new` (said by new accounts only), one application and week.
        exposures: weighted sessions of the application in that week; 0 where none were recorded.
        most_per_user: cases of one user in a pattern that weigh anything.
        new_limit: what new accounts weigh in a pattern at most, per weight of the others; None: no limit.

    Returns:
        Frame `PATTERN_WEEKS`, one row per pattern with a member of either kind. Without exposures the rate is NaN,
        never 0, and the order is by affected sessions.
    """
    is_inferred = members["is_inferred"].to_numpy(dtype=bool)
    said = members[~is_inferred]
    said = said.assign(case_weight=weights_of(said, most_per_user, new_limit))
    frame = pd.DataFrame({"pattern_id": sorted(set(members["pattern_id"]))}, dtype="str").merge(
        said.groupby("pattern_id")
        .agg(
            n_occurrences=("interaction_id", "size"),
            n_sessions=("session_key", "nunique"),
            n_users=("user_hash", "nunique"),
            mean_severity=("severity", "mean"),
            weighted_occurrences=("case_weight", "sum"),
        )
        .reset_index(),
        how="left",
    )
    frame["n_inferred"] = frame["pattern_id"].map(members[is_inferred].groupby("pattern_id").size())
    of_user = said[said["user_hash"].notna()].groupby(["pattern_id", "user_hash"])["case_weight"].max()
    frame["weighted_users"] = frame["pattern_id"].map(of_user.groupby("pattern_id").sum())
    frame["affected"] = frame["pattern_id"].map(_affected(said))
    weighing = frame["pattern_id"].map(_affected(said, "case_weight")).fillna(0)
    counts = ["n_occurrences", "n_sessions", "n_users", "n_inferred", "affected", *WEIGHTED]
    frame[counts] = frame[counts].fillna(0)
    frame["exposures"] = exposures if exposures > 0 else np.nan
    frame["rate"] = frame["affected"] / frame["exposures"]
    frame["score"] = 1000 * weighing / frame["exposures"] * frame["mean_severity"].fillna(0)
    order = frame["score"].fillna(weighing * frame["mean_severity"].fillna(0))
    frame["rank"] = (-order).rank(method="first")
    return PATTERN_WEEKS.check(frame).sort_values("rank", kind="stable").reset_index(drop=True)


def weights_of(said: pd.DataFrame, most_per_user: float, new_limit: float | None) -> pd.Series:
    """What each case weighs, 0..1: the standing of its user, of few cases each, and of new accounts a limited share.

    Where new accounts are a known part of all complaints, a pattern that only they see is not believed by their number:
    together they weigh at most `new_limit` times (what all others weigh there + half a case).
    """
    user = said["user_hash"].fillna("session " + said["session_key"])
    first = said.assign(user=user).sort_values(["standing", "interaction_id"], ascending=[False, True], kind="stable")
    number = first.groupby(["pattern_id", "user"]).cumcount().reindex(said.index)
    weight = said["standing"].where(number < most_per_user, 0.0).astype("float64")
    if new_limit is None:
        return weight
    new = weight.where(said["is_new"], 0.0)
    of_new, of_all = (part.groupby(said["pattern_id"]).transform("sum") for part in (new, weight))
    share = new_limit * (of_all - of_new + 0.5) / of_new.where(of_new > 0, 1.0)
    return weight * share.clip(upper=1.0).where(said["is_new"], 1.0)


def _affected(said: pd.DataFrame, weight: str | None = None) -> pd.Series:
    """Sessions per day and version by pattern, by 1 / sample_rate and, where asked for, by what their cases weigh."""
    # A session weighs as its most surely captured answer does: the rule of exposures.
    keys = ["pattern_id", "exposure_key"]
    sessions = said.sort_values("weight", kind="stable").drop_duplicates(keys)
    weights = sessions.set_index(keys)["weight"]
    if weight is not None:
        weights = weights * said.groupby(keys)[weight].max()
    return weights.groupby("pattern_id").sum()
