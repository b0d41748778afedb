"""Common index: what befell all patterns of a week alike, from those that nobody fixed.

Belongs here: weekly multipliers with their uncertainty. Does not belong here: a pattern's own drift (`drift.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDS = 6
_HUBER = 1.5
_LEAST_PATTERNS = 2.5  # three of somewhat unequal weight
_PRIOR_VARIANCE, _PRIOR_WEEKS = 0.05**2, 3.0
_PARTS = 4.0  # patterns that one failure is easily found in


@dataclass(frozen=True)
class CommonIndex:
    """Multipliers of the weeks, shape (weeks,): 1 where nothing is known.

    Attributes:
        level: the multipliers.
        variance: of their logarithm, each week by itself.
        doubt: sd of their logarithm that all weeks share, with the sign of the logarithm.
    """

    level: Floats
    variance: Floats
    doubt: Floats


def common_index(
    counts: Floats, exposures: Floats, used: NDArray[np.bool_], noise: Floats, drift: float
) -> CommonIndex:
    """Yearly multipliers of Hauer (1997, ch. 8), weekly, on the log scale and shrunk.

    log((n + noise / 2) / (r e + noise / 2)) of pattern and week is fitted by a pattern's level and a week's index,
    weighted by 1 / (drift^2 + noise / mu). The index is shrunk by its excess variance over what drift and counts
    explain.
    Deviations from Hauer: shrinkage, weights that know over-dispersion and drift, several unequal histories; a pattern
    far from the others weighs less (Huber, Annals of Mathematical Statistics 1964), and a week in which fewer than
    three patterns speak has no index: two cannot tell what befell all from what befell one of them. A failure that was
    found in several patterns and then fixed looks like something that befell all, so an index is doubted by as much as
    it says, and the less the more patterns say it.

    Args:
        counts: per pattern and week, shape (patterns, weeks).
        exposures: of the same, broadcast to that shape.
        used: weeks in which a pattern is untreated, same shape.
        noise: variance over mean of the counts, shape (patterns,).
        drift: weekly sd of a pattern's own log rate.
    """
    exposures = np.broadcast_to(exposures, counts.shape)
    used = used & (exposures > 0)
    total = np.where(used, counts, 0.0).sum(1)
    rate = total / np.maximum(np.where(used, exposures, 0.0).sum(1), 1e-300)
    mean = rate[:, None] * exposures
    used = used & (total > 0)[:, None]
    half = 0.5 * noise[:, None]
    weight = np.where(used, 1 / (drift**2 + noise[:, None] / np.maximum(mean, 1e-9)), 0.0)
    ratio = np.where(used, np.log((counts + half) / (mean + half)), 0.0)
    raw, trust = np.zeros(counts.shape[1]), np.ones_like(weight)
    for _ in range(_ROUNDS):
        own = weight * trust
        level = (own * (ratio - raw)).sum(1) / np.maximum(own.sum(1), 1e-12)
        raw = (own * (ratio - level[:, None])).sum(0) / np.maximum(own.sum(0), 1e-12)
        apart = np.abs(ratio - level[:, None] - raw) * np.sqrt(weight)
        trust = np.minimum(1.0, _HUBER / np.maximum(apart, 1e-12))
    own = weight * trust
    speaking = own.sum(0) ** 2 / np.maximum((own**2).sum(0), 1e-300)  # how many of equal weight
    is_told = speaking >= _LEAST_PATTERNS
    log, variance = _shrink(np.where(is_told, raw, 0.0), np.where(is_told, own.sum(0), 0.0))
    return CommonIndex(np.exp(log), variance, log * np.sqrt(np.minimum(_PARTS / np.maximum(speaking, 1.0), 1.0)))


def _shrink(raw: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Logarithm of the index and its variance, week by week."""
    known = precision > 0
    if known.sum() < 2:
        return np.zeros_like(raw), np.zeros_like(raw)
    noise, n = 1 / precision[known], int(known.sum()) - 1
    centred = raw - np.average(raw[known], weights=precision[known])
    excess = max(float((centred[known] ** 2).sum() / n - noise.mean()), 0.0)
    excess = (n * excess + _PRIOR_WEEKS * _PRIOR_VARIANCE) / (n + _PRIOR_WEEKS)
    share = excess * precision / (excess * precision + 1)
    return share * np.where(known, centred, 0.0), excess * (1 - share)
