"""Rates that are missing where there is nothing to divide by, and the week in words."""

from datetime import date

import numpy as np
import pandas as pd

from feedback_loop.metrics import week_summary, with_rate

WEEK = date(2026, 1, 5)


def loop_row(application: str = "shop", n_negative: int = 40, n_assigned: int = 30) -> dict[str, object]:
    return {
        "application": application,
        "n_interactions": 12_000,
        "n_negative": n_negative,
        "n_assigned": n_assigned,
        "n_patterns_seen": 4,
        "n_patterns_new": 1,
        "n_open_tickets": 2,
    }


def test_a_rate_without_denominator_is_missing_and_never_zero() -> None:
    frame = pd.DataFrame({"n": [3, 0, 3, 0], "of": [12, 12, 0, None]})
    rates = with_rate(frame, "rate", "n", "of")["rate"]
    assert rates.tolist()[:2] == [0.25, 0]
    assert np.isnan(rates[2])
    assert np.isnan(rates[3])
    assert "rate" not in frame.columns


def test_the_summary_names_what_a_reader_asks_for() -> None:
    text = week_summary(WEEK, pd.DataFrame([loop_row()]), [("Broken links", 25, 0.0123), ("Sums", 5, None)])
    assert "Week of 2026-01-05" in text
    assert "shop: 12,000 interactions, 40 negative, 75% of them in a pattern; 4 patterns seen, 1 new" in text
    assert "2 tickets open" in text
    assert "| Broken links | 25 | 12.3 |" in text
    assert "| Sums | 5 |  |" in text


def test_no_negatives_have_no_share() -> None:
    text = week_summary(WEEK, pd.DataFrame([loop_row(n_negative=0, n_assigned=0)]), [])
    assert "0 negative; 4 patterns" in text
    assert "|" not in text


def test_an_empty_week_says_so() -> None:
    assert "no interactions and no feedback" in week_summary(WEEK, pd.DataFrame(), [])
