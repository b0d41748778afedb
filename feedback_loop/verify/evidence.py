"""Weeks of a fix: what its arms served and held, to draw it and to check a verdict by hand.

Belongs here: the counts behind a verdict, week by week. Does not belong here: the verdict (`fixes.py`), drawing
(`charts`).
"""

from datetime import datetime

import numpy as np
import pandas as pd

from feedback_loop.records import UTC_TIME, FrameShape
from feedback_loop.verify.arms import arms_of, read_claims
from feedback_loop.verify.nuisance import estimate_nuisance, weekly
from feedback_loop.verify.policy import VerifyPolicy
from feedback_loop.verify.tenant import day_of, read_tenant

WEEKS = FrameShape(
    "weeks",  # one row per judged fix and week back from `as_of`
    {
        "fix_id": "str",
        "starts_at": UTC_TIME,
        "n_before": "float64",  # affected sessions of the old arm, as they were seen
        "exposures_before": "float64",  # weighted, times weekday factor and share known by now; 0: none
        "n_after": "float64",
        "exposures_after": "float64",
    },
)

_SECONDS = 86_400


def fix_weeks(
    affected: pd.DataFrame,
    exposures: pd.DataFrame,
    fixes: pd.DataFrame,
    *,
    as_of: datetime,
    policy: VerifyPolicy | None = None,
) -> pd.DataFrame:
    """The weeks behind verdicts, frame `WEEKS`; arguments as of `verify_fixes`."""
    used, claims, end = policy or VerifyPolicy(), read_claims(fixes), pd.Timestamp(as_of)
    until = int(day_of(pd.Series([end]))[0])
    first = min((c.days[0] for c in claims), default=until)
    has_versions, start = any(c.versions for c in claims), min(first, until) - 7 * used.history_weeks
    tenant = read_tenant(affected, exposures, end, start, has_versions=has_versions)
    rows: list[tuple[object, ...]] = []
    if tenant.patterns and tenant.versions:
        nuisance = estimate_nuisance(tenant, claims)
        counts = tenant.count(tenant.rows, np.ones(len(tenant.rows.day)))
        effective = nuisance.exposure.sum(2)
        starts = [
            pd.Timestamp((tenant.start + 7 * week) * _SECONDS, unit="s", tz="UTC") for week in range(tenant.n_days // 7)
        ]
        for claim in claims:
            if claim.is_judged and claim.pattern_id in tenant.patterns:
                arms, own = arms_of(claim, claims, tenant), counts[tenant.patterns.index(claim.pattern_id)]
                sides = [weekly((values * arm).sum(1)) for arm in (arms.old, arms.new) for values in (own, effective)]
                rows += [(claim.fix_id, *row) for row in zip(starts, *sides, strict=True)]
    return WEEKS.check(pd.DataFrame(rows, columns=list(WEEKS.columns)))
