"""Single raters: what they send twice, how much they send, whether they tell good from bad, how long they are known.

Belongs here: rules that look at one rater at a time. Does not belong here: many raters together (`crowds.py`).

Rules take a week's feedback with the columns that `week.prepare` adds and return a frame with its index: `weight` and
`detail` of the records that they find.
"""

import numpy as np
import pandas as pd

from feedback_loop.clean.frames import Past
from feedback_loop.clean.policy import CleanPolicy

_SAME = ["rater", "interaction_id", "signal", "value", "reason", "form", "edited_output"]
_MOST_NEW = 0.5  # of complaints by new accounts: where more are usual, being new says nothing
_LEAST_DAYS, _LEAST_COMPLAINTS = 7.0, 20
_PRIOR = 1.0  # complaints of each kind that are added: a share of 0 or 1 is not known from some


def exact_duplicates(feedback: pd.DataFrame, _past: Past, _policy: CleanPolicy) -> pd.DataFrame:
    """The same said of the same answer by the same rater: all but the first."""
    again = feedback[feedback.duplicated(_SAME)]
    return found(again, 0.0, "said before by the same rater of the same answer")


def near_duplicates(feedback: pd.DataFrame, _past: Past, policy: CleanPolicy) -> pd.DataFrame:
    """A rater's copies of one text beyond what counts in a week, and every copy on the same answer."""
    said = feedback[feedback["copy_of"] >= 0]
    said = said[~said.duplicated(_SAME)]
    same_answer = said.duplicated(["rater", "copy_of", "interaction_id"])
    number = said[~same_answer].groupby(["rater", "copy_of"]).cumcount() + 1
    number = number.reindex(said.index).fillna(0)  # 0: on the same answer
    again = said[same_answer | (number > policy.max_repeats)]
    told = [f"copy {n:.0f} of a rater's text" if n else "copy on the same answer" for n in number[again.index]]
    return found(again, 0.0, told)


def above_cap(feedback: pd.DataFrame, _past: Past, policy: CleanPolicy) -> pd.DataFrame:
    """Complaints of one rater beyond what a person's weigh in a week, by time."""
    said = feedback[feedback["is_complaint"] & feedback["user_hash"].notna()]
    number = said.groupby("rater").cumcount() + 1
    over = number > policy.max_per_user
    return found(said[over], 0.0, [f"complaint {n} of one rater in the week" for n in number[over]])


def constant_raters(feedback: pd.DataFrame, past: Past, policy: CleanPolicy) -> pd.DataFrame:
    """What raters say who complain about everything: it weighs by how much it says beyond that habit.

    The share of a rater's n interactions that they complain about is shrunk to the application's share p, which counts
    for m interactions: s = (k + m p) / (n + m) (the mean of a beta posterior; Casella 1985, American Statistician 39).
    The weight is (1 - s) / (1 - p): 1 for a rater like all others, near 0 for one who never leaves an answer alone.
    Own rule; the application's raters all alike, nobody is constant.
    """
    n = feedback[["n_interactions", "n_complained"]].max(axis=1).to_numpy(dtype=np.float64)
    k = feedback["n_complained"].to_numpy(dtype=np.float64)
    p, m = min(past.complained, policy.constant_share), policy.constant_prior
    is_habit = (n >= policy.min_constant) & (k >= policy.constant_share * n) & (past.complained < policy.constant_share)
    said = feedback[is_habit & feedback["is_judged"].to_numpy() & feedback["user_hash"].notna().to_numpy()]
    share = (k + m * p) / np.maximum(n + m, 1)
    weight = np.minimum(1.0, (1 - share) / (1 - p))[feedback.index.get_indexer(said.index)]
    counts = zip(said["n_complained"], said[["n_interactions", "n_complained"]].max(axis=1), strict=True)
    return found(said, weight, [f"complains about {k} of {n} answers" for k, n in counts])


def new_accounts(feedback: pd.DataFrame, past: Past, policy: CleanPolicy) -> pd.DataFrame:
    """What accounts say that were first seen a short time ago and have hardly used the application."""
    if usual_new_odds(past) is None:
        return found(feedback[:0], 0.0, [])
    said = feedback[feedback["is_new"] & feedback["is_judged"]]
    days = (said["occurred_at"] - said["first_at"]).dt.total_seconds() / 86_400
    told = zip(days, said["n_interactions"], strict=True)
    detail = [
        "never seen using it" if pd.isna(d) else f"first seen {max(d, 0):.0f} days ago, {n} answers" for d, n in told
    ]
    return found(said, policy.new_account_weight, detail)


def usual_new_odds(past: Past) -> float | None:
    """Complaints of new accounts per complaint of established ones; None: not known, or new is what most are."""
    n_new, n_established = (float(past.hours[name].sum()) for name in ("n_new", "n_established"))
    total = n_new + n_established
    if past.n_days < _LEAST_DAYS or total < _LEAST_COMPLAINTS or n_new > _MOST_NEW * total:
        return None
    return (n_new + _PRIOR) / (n_established + _PRIOR)


def found(rows: pd.DataFrame, weight: object, detail: object) -> pd.DataFrame:
    """What a rule answers."""
    return pd.DataFrame({"weight": weight, "detail": detail}, index=rows.index)
