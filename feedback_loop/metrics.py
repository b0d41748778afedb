"""Metrics: the weekly tables people watch, and the week in a few sentences.

Belongs here: rates from counts (missing where there is nothing to divide by) and the week's summary. Does not belong
here: counting itself, which is SQL (`store/metrics.py`).
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd


def with_rate(frame: pd.DataFrame, rate: str, numerator: str, denominator: str) -> pd.DataFrame:
    """The frame with a column `rate`; NaN, not 0, where the denominator is 0 or missing."""
    below = frame[denominator].astype("float64")
    return frame.assign(**{rate: frame[numerator].astype("float64") / below.where(below > 0, np.nan)})


def week_summary(week: date, loop: pd.DataFrame, top: Sequence[tuple[str, int, float | None]]) -> str:
    """The week as Markdown.

    Args:
        week: Monday.
        loop: rows of `loop_weeks`, one per application.
        top: name, occurrences and rate of the patterns that come first.
    """
    if loop.empty:
        return f"**Week of {week}**: no interactions and no feedback were recorded."
    lines = [f"**Week of {week}**", ""]
    for row in loop.to_dict("records"):
        share = row["n_assigned"] / row["n_negative"] if row["n_negative"] else None
        placed = "" if share is None else f", {share:.0%} of them in a pattern"
        lines.append(
            f"- {row['application']}: {row['n_interactions']:,} interactions, {row['n_negative']:,} negative{placed}; "
            f"{row['n_patterns_seen']} patterns seen, {row['n_patterns_new']} new, {row['n_open_tickets']} tickets open"
        )
    if top:
        lines += ["", "| pattern | occurrences | per 1,000 sessions |", "|---|--:|--:|"]
        lines += [f"| {name} | {n:,} | {'' if rate is None else f'{1000 * rate:.1f}'} |" for name, n, rate in top]
    return "\n".join(lines)
