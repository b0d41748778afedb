"""Made-up weeks of feedback as `clean_week` takes them. Does not belong here: anything a test asserts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from feedback_loop.clean import FEEDBACK, HISTORY, Past

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
LONG_AGO, YESTERDAY = MONDAY - timedelta(days=50), MONDAY - timedelta(days=1)
TALKS = (
    "the checkout button does nothing when I press it",
    "my invoice shows last year's address",
    "answered in English although I wrote in Polish",
    "could not find the return form anywhere",
    "the link to the warranty page is dead",
    "prices are from the old list",
    "it keeps asking for my order number again",
    "the total was added up wrong",
    "wrong manual, I have the smaller model",
    "refuses to tell me the opening hours",
)


def say(n: int, user: str | None = None, comment: str | None = None, **fields: Any) -> dict[str, Any]:
    """A thumb down of an established user, n minutes into Monday, on an answer of its own."""
    return {
        "feedback_id": f"f{n:06}",
        "interaction_id": f"i{n:06}",
        "occurred_at": MONDAY + timedelta(minutes=n),
        "user_hash": user,
        "session_key": f"s{n}",
        "signal": "thumbs_down",
        "value": float("nan"),
        "reason": None,
        "comment": comment,
        "edited_output": None,
        "is_complaint": True,
        "first_at": LONG_AGO if user else pd.NaT,
        "n_interactions": 40 if user else 0,
        "n_complained": 3 if user else 0,
    } | fields


def newcomer(n: int, user: str, comment: str | None = None, **fields: Any) -> dict[str, Any]:
    """The same of an account first seen yesterday, with two answers so far."""
    return say(n, user, comment, **{"first_at": YESTERDAY, "n_interactions": 2, "n_complained": 2} | fields)


def frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Frame `clean.FEEDBACK`."""
    made = pd.DataFrame(list(rows), columns=list(FEEDBACK.columns))
    return FEEDBACK.check(made.assign(first_at=pd.to_datetime(made["first_at"], utc=True)))


def usual(n_new: int = 1, n_established: int = 9, n_days: int = 28, complained: float = 0.08) -> Past:
    """A past in which every working hour had so many complaints of new and of established accounts."""
    hours = [MONDAY - timedelta(days=day, hours=-hour) for day in range(1, n_days + 1) for hour in range(8, 18)]
    counts = pd.DataFrame({"hour": hours, "n_new": n_new, "n_established": n_established})
    return Past(HISTORY.check(counts), MONDAY - timedelta(days=n_days), float(n_days), complained)


_NOTHING = pd.DataFrame({"hour": pd.to_datetime([], utc=True), "n_new": [], "n_established": []})
NO_PAST = Past(HISTORY.check(_NOTHING), None, 0.0, 0.1)
