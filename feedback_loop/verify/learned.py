"""What past verdicts teach about new ones: the distribution of true cuts.

Belongs here: a prior from the table of verdicts, and what it makes of rows of that table. Does not belong here: the
statistics (`stats/priors.py`).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.stats.priors import CutPrior, chances, learn_prior, shape_of_interval

Floats = NDArray[np.float64]


def learn_cut_prior(verdicts: pd.DataFrame) -> CutPrior:
    """Prior of the true cut from past verdicts with numbers, frame `VERDICTS`.

    Use one row per fix, at the same look: several looks at one fix are not several fixes.
    """
    return learn_prior(*_summary(verdicts[verdicts["reduction"].notna()]))


def chance_at_least(verdicts: pd.DataFrame, bar: float, prior: CutPrior) -> Floats:
    """Probability of each verdict with numbers that the true cut is at least `bar`; NaN without numbers."""
    has = verdicts["reduction"].notna().to_numpy()
    result = np.full(len(verdicts), np.nan)
    if has.any():
        result[has] = chances(*_summary(verdicts[has]), bar, prior)
    return result


def _summary(verdicts: pd.DataFrame) -> tuple[Floats, Floats, Floats, Floats]:
    """Observed, dispersion, expected, and the shape of the expectation that its interval shows."""
    names = ("n_observed", "dispersion", "n_expected", "ci_low", "confidence")
    observed, dispersion, expected, low, confidence = (verdicts[name].to_numpy(dtype=float) for name in names)
    shape = shape_of_interval(observed, dispersion, expected, 1 - low, confidence)
    return observed, dispersion, expected, shape
