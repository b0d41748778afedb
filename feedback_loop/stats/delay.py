"""Late feedback: which share of events is known so many days after they happened.

Belongs here: the curve of reporting delay from events that are only seen once they are known. Does not belong here:
what an exposure is (`verify/`).
"""

import numpy as np
from numpy.typing import NDArray

_PRIOR = 2.0  # events without that delay, so that one late event alone does not empty the curve
MAX_DELAY = 60  # days; what comes later is taken to come then


def completeness(delays: NDArray[np.int64], ages: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of events known within k whole days, k = 0, 1, ..., from right-truncated delays.

    Lagakos, Barraj and De Gruttola (Biometrika 1988, eq. 3): an event is seen only if its delay is at most its age, so
    the hazard is estimated in reverse time, h(x) = #(delay = x) / #(delay <= x, age >= x), and F(k) is the product of
    1 - h(x) over x > k. Deviation: two events are added to every denominator. Share 1 is at the longest delay seen:
    what is reported even later is unknown, alike before and after.

    Args:
        delays: whole days from event to knowledge, shape (n,); negative ones count as 0.
        ages: whole days from event to the end of observation, shape (n,), each at least its delay.

    Returns:
        F of shape (MAX_DELAY + 1,), rising, the last 1; all 1 without events.

    Raises:
        ValueError: an event was known after the end of observation, or the shapes differ.
    """
    if delays.shape != ages.shape or (np.maximum(delays, 0) > np.maximum(ages, 0)).any():
        raise ValueError("delays and ages are of equal shape, and no delay is above its age")
    if not len(delays):
        return np.ones(MAX_DELAY + 1)
    late, old = np.clip(delays, 0, MAX_DELAY), np.clip(ages, 0, MAX_DELAY)
    known = np.bincount(late, minlength=MAX_DELAY + 1).astype(float)
    younger = np.concatenate([[0.0], np.cumsum(np.bincount(old, minlength=MAX_DELAY + 1))[:-1]])
    hazard = known / (np.cumsum(known) - younger + _PRIOR)
    return np.append(np.cumprod((1 - hazard)[:0:-1])[::-1], 1.0)
