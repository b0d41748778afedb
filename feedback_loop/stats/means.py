"""Means of scores: did evaluators' scores change with a fix?

Belongs here: paired comparison on a frozen set, and before against after with users and days that are not independent.
Does not belong here: rates of failures (`counterfactual.py`).

Not a bare t-test: with five scores a user it is wrong in 16 % of cases where nothing happened, with a daily shock of a
tenth of a standard deviation in 31 %.
"""

from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

LEAST = 10  # pairs, or users and days of a side: with fewer there is no number


@dataclass(frozen=True)
class Change:
    """Change of a mean score, with a two-sided interval and p-value of "no change"."""

    change: float
    ci_low: float
    ci_high: float
    p_value: float
    n: int  # pairs, or scores


def paired_change(before: Floats, after: Floats, confidence: float = 0.95) -> Change | None:
    """Mean change over the cases of a frozen set, each scored under both versions (paired t).

    Args:
        before: mean score of each case under the old version, shape (cases,); repeated scores are averaged first.
        after: the same under the new version.
        confidence: in (0, 1).

    Returns:
        None under ten cases.

    Raises:
        ValueError: shapes differ, or a score is missing.
    """
    if before.shape != after.shape or np.isnan(before).any() or np.isnan(after).any():
        raise ValueError("each case of a frozen set has a score under both versions")
    difference = after - before
    if len(difference) < LEAST:
        return None
    error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
    return _change(float(difference.mean()), error, len(difference) - 1, confidence, len(difference))


def change_since(
    scores: Floats,
    is_after: NDArray[np.bool_],
    user: NDArray[np.int64],
    day: NDArray[np.int64],
    confidence: float = 0.95,
) -> Change | None:
    """Mean change from before to after, scores of one user and of one day not being independent.

    Least squares with standard errors clustered two ways (Cameron, Gelbach and Miller, JBES 2011); t with the smaller
    number of clusters less two degrees of freedom, for days are few. The larger of the two-way and both one-way errors
    is taken, as the two-way estimate may fall below either in small samples. It corrects for days that go up and down,
    not for a trend: two fortnights cannot tell a trend from a step.

    Args:
        scores: shape (n,).
        is_after: after the fix, shape (n,).
        user: codes, shape (n,).
        day: codes, shape (n,).
        confidence: in (0, 1).

    Returns:
        None where a side has fewer than ten users, or fewer than five days.
    """
    for side in (is_after, ~is_after):
        if len(np.unique(user[side])) < LEAST or len(np.unique(day[side])) < LEAST // 2:
            return None
    model = sm.OLS(scores, np.column_stack([np.ones(len(scores)), is_after.astype(float)]))
    groups = (np.column_stack([user, day]), user, day)
    fits = [model.fit(cov_type="cluster", cov_kwds={"groups": group}) for group in groups]
    # The two-way estimate may even be negative.
    error = float(np.sqrt(max(float(fit.cov_params()[1, 1]) for fit in fits)))
    freedom = min(len(np.unique(user)), len(np.unique(day))) - 2
    return _change(float(fits[0].params[1]), error, freedom, confidence, len(scores))


def _change(change: float, error: float, freedom: int, confidence: float, n: int) -> Change:
    half = float(stats.t.isf((1 - confidence) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(change) / error, freedom)) if error > 0 else float(change == 0)
    return Change(change, change - half, change + half, p, n)
