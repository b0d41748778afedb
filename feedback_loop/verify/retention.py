"""What is left to count where facts are gone: past retention, or deleted for a person.

Belongs here: from which day on nearly everything is there. Does not belong here: what was lost (`store/`).

Interactions that are gone are gone from the exposures as well, so a few do not bend a rate. Many at once leave days
without exposures, which are no history.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from feedback_loop.records import Fix, Window, midnight

MOST_LOST = 0.01
"""Share of a window's negative interactions that may be gone, as by the erasure of a person; one always may."""

LEAST_BASELINE = timedelta(weeks=2)
"""Before a fix, that must remain where older facts are gone."""


@dataclass(frozen=True)
class Readable:
    """What can be counted.

    Attributes:
        start: from when on; None: nothing can be.
        n_lost: negative interactions that are gone, of the window that was asked for.
        notes: what the reason of a verdict must say of it.
    """

    start: datetime | None
    n_lost: int = 0
    notes: tuple[str, ...] = ()


def readable_since(losses: pd.DataFrame, window: Window) -> Readable:
    """The longest part of a window, up to its end, of which nearly everything is there.

    Args:
        losses: date, n_negative and n_lost of days with negative interactions.
        window: in whole days.
    """
    n_lost = int(losses["n_lost"].sum())
    if not n_lost:
        return Readable(window.start)
    ordered = losses.sort_values("date")
    lost, negative = (ordered[name].to_numpy(dtype=float)[::-1].cumsum()[::-1] for name in ("n_lost", "n_negative"))
    good = np.flatnonzero(lost <= np.maximum(1.0, MOST_LOST * negative))
    if len(good) and good[0] == 0:
        return Readable(window.start, n_lost, (_few(lost[0], negative[0]),))
    n_bad = int(good[0]) if len(good) else len(lost)
    start = midnight(list(ordered["date"])[n_bad - 1] + timedelta(days=1))
    if start >= window.end:
        return Readable(None, n_lost)
    said = f"counted from {start:%Y-%m-%d} on, for texts of the time before are past retention"
    is_rest = len(good) > 0 and lost[n_bad] > 0
    return Readable(start, n_lost, (said, _few(lost[n_bad], negative[n_bad])) if is_rest else (said,))


def lacks_baseline(fix: Fix, asked: Window, counted: Window) -> bool:
    """Whether too little is left before a fix where the beginning of its window is gone."""
    deployed = midnight(fix.deployed_at.date())
    return counted.start > asked.start and deployed - counted.start < LEAST_BASELINE


def _few(lost: float, negative: float) -> str:
    return f"{lost:.0f} of {negative:,.0f} unhappy interactions were deleted since and are on neither side"
