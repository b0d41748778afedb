"""The frames of the clean stage. Does not belong here: anything that computes.

`store/exclusions.py` fills `FEEDBACK` and `HISTORY` and stores `EXCLUSIONS`; what belongs in them is said here.
"""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from feedback_loop.records import UTC_TIME, FrameShape

FEEDBACK = FrameShape(
    "feedback",  # one row per feedback record of an application's week; impressions and dwell times are not among them
    {
        "feedback_id": "str",
        "interaction_id": "str",
        "occurred_at": UTC_TIME,
        "user_hash": "object",  # None: nobody knows
        "session_key": "str",
        "signal": "str",
        "value": "float64",
        "reason": "object",
        "comment": "object",  # start of it
        "edited_output": "object",  # a hash of it
        "is_complaint": "bool",  # by which a person says that an answer is bad
        "first_at": UTC_TIME,  # first interaction of the user in the weeks looked at; NaT: none
        "n_interactions": "int64",  # of the user, in the same weeks
        "n_complained": "int64",  # of them, those that the user complained about
    },
)

HISTORY = FrameShape(
    "history",  # complaints of known users in the weeks before, per hour that had any
    {"hour": UTC_TIME, "n_new": "int64", "n_established": "int64"},
)

EXCLUSIONS = FrameShape(
    "feedback_exclusions",  # one row per feedback record and reason
    {
        "feedback_id": "str",
        "interaction_id": "str",
        "user_hash": "object",
        "occurred_at": UTC_TIME,
        "signal": "str",
        "reason": "str",
        "effect": "str",  # excluded | wordless | weighted
        "weight": "float64",  # 0..1
        "detail": "str",
    },
)

OUTCOMES = ("task_succeeded", "task_failed", "resolved", "reopened", "escalated", "converted")
"""What the application itself saw happen: nobody can just say so."""

PRAISE = ("thumbs_up", "accepted", "copied")


@dataclass(frozen=True)
class Past:
    """What is usual in an application.

    Attributes:
        hours: frame `HISTORY`.
        told_from: before this time everybody looks new, for no more is recorded; None: nothing is.
        n_days: days of `hours`, silent ones included.
        complained: share of their interactions that known users complain about, mean over users.
    """

    hours: pd.DataFrame
    told_from: datetime | None
    n_days: float
    complained: float
