"""Prospects of fixes that are not shipped yet: what each look could show, and how much a hold-back would help.

Belongs here: the looks and the bar of a policy applied to a pattern's plan. Does not belong here: the power of the
comparison (`stats/prospects.py`), words for a ticket (`route/visibility.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from feedback_loop.records import FrameShape
from feedback_loop.stats.prospects import Plan, PlannedLook, plan_of
from feedback_loop.verify.policy import VerifyPolicy

PROSPECTS = FrameShape(
    "prospects",  # one row per pattern and look
    {
        "pattern_id": "str",
        "look_day": "int64",
        "confidence": "float64",
        "per_week": "float64",  # affected sessions, weighted
        "dispersion": "float64",
        "smallest_cut": "float64",  # called effective with the wanted chance; NA: not even all of it would be
        "with_hold_back_10": "float64",  # the same with that share left on the old version; of the first look only
        "with_hold_back_20": "float64",
        "power_of_half": "float64",  # chance that a cut by half is called effective
    },
)
WANTED = 0.8
_HOLD_BACKS = (0.1, 0.2)


def prospects_of(pattern_id: str, weekly: Sequence[float], dispersion: float, policy: VerifyPolicy) -> pd.DataFrame:
    """What each look could show of a fix of the pattern, frame `PROSPECTS`; no rows where it was not seen of late.

    Args:
        pattern_id: whose.
        weekly: affected sessions of each week, weighted, oldest first.
        dispersion: variance over mean of the daily counts, >= 1.
        policy: looks, their confidence, and the bar.
    """
    plan = plan_of(weekly, dispersion)
    rows = list(_rows(replace(plan, bar=policy.bar, floor=policy.min_expected), policy)) if plan else []
    return PROSPECTS.check(pd.DataFrame(rows, columns=list(PROSPECTS.columns)[1:]).assign(pattern_id=pattern_id))


def days_to_decision(prospects: pd.DataFrame) -> "pd.Series[Any]":
    """pattern_id -> first look at which a cut by half most likely shows; a pattern of which none does is absent."""
    shown = prospects[prospects["power_of_half"] >= WANTED]
    return shown.groupby("pattern_id")["look_day"].min()


def _rows(plan: Plan, policy: VerifyPolicy) -> Iterator[tuple[Any, ...]]:
    for day in policy.looks:
        confidence = policy.confidence_at(day)
        plans = [replace(plan, hold_back=share) for share in (_HOLD_BACKS if day == policy.looks[0] else ())]
        planned = [PlannedLook.of(one, day, confidence) for one in (plan, *plans)]
        padded = [*(one.smallest_cut(WANTED) for one in planned), None, None][:3]
        yield day, confidence, plan.per_week, plan.dispersion, *padded, planned[0].power(0.5)
