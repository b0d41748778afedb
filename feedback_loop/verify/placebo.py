"""Placebo self-check: how often would fixes that never were be called effective, on an application's own data?

Belongs here: pseudo-deployments on untreated weeks and what became of them. Does not belong here: the verdict
(`fixes.py`).

Empirical calibration on negative controls (Schuemie et al., PNAS 2018), here only measured and said, not corrected for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from feedback_loop.stats.intervals import rate_interval
from feedback_loop.verify.arms import read_claims
from feedback_loop.verify.fixes import verify_fixes
from feedback_loop.verify.policy import VerifyPolicy

_LEAST_HISTORY = 28  # days before a pseudo-deployment
_LOOK = 14
_SHARE = 3  # one pattern in so many is a pseudo-fix at a time; the others are what it is compared with


@dataclass(frozen=True)
class PlaceboRates:
    """What became of fixes that never were.

    Attributes:
        n_placebos: pseudo-deployments tried.
        n_judged: of them, those that got a number; rates are shares of these.
        n_effective: called effective or partial.
        n_worse: called worse, which would reopen a ticket.
        false_effective, false_reopen: shares, None without a judged placebo.
        effective_high, reopen_high: upper 95 % limits of the shares.
    """

    n_placebos: int
    n_judged: int
    n_effective: int
    n_worse: int
    false_effective: float | None = None
    false_reopen: float | None = None
    effective_high: float | None = None
    reopen_high: float | None = None


def check_placebos(
    affected: pd.DataFrame,
    exposures: pd.DataFrame,
    fixes: pd.DataFrame,
    *,
    as_of: datetime,
    policy: VerifyPolicy | None = None,
) -> PlaceboRates:
    """Run pseudo-deployments every fortnight on patterns that had no fix until then, each judged after a fortnight.

    Every other time they hit the patterns whose last week was highest against the four before, for tickets are made of
    what just rose and falls by itself.

    Args:
        affected: as of `verify_fixes`.
        exposures: as of `verify_fixes`.
        fixes: as of `verify_fixes`; true fixes stay what they are.
        as_of: end of what is known.
        policy: evidence needed; default: the shipped one, at its first look.
    """
    used = replace(policy or VerifyPolicy(), looks=(_LOOK,), confidences=(), q=0.05)
    tries = _tries(affected, fixes, as_of)
    found = [verify_fixes(affected, exposures, both, as_of=end, policy=used) for end, both in tries]
    rows = pd.concat(found, ignore_index=True) if found else verify_fixes(affected, exposures, fixes[:0], as_of=as_of)
    rows = rows[rows["fix_id"].astype(str).str.startswith("placebo:")]
    judged = rows[rows["reduction"].notna()]
    effective, worse = (int(judged["verdict"].isin(words).sum()) for words in (("effective", "partial"), ("worse",)))
    if not len(judged):
        return PlaceboRates(len(rows), 0, 0, 0)
    n = len(judged)
    highs = [min(rate_interval(count, n)[1], 1.0) for count in (effective, worse)]
    return PlaceboRates(len(rows), n, effective, worse, effective / n, worse / n, highs[0], highs[1])


def _tries(affected: pd.DataFrame, fixes: pd.DataFrame, as_of: datetime) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
    """Ends of looks, newest first, and the fixes known then with pseudo-fixes of a third of the untreated patterns."""
    end = pd.Timestamp(as_of).floor("D")
    end = end.tz_localize("UTC") if end.tzinfo is None else end
    happened = pd.to_datetime(affected["occurred_at"], utc=True)
    patterns = sorted({str(p) for p in affected["pattern_id"].dropna()})
    first = {c.pattern_id: pd.Timestamp(c.days[0] * 86_400, unit="s", tz="UTC") for c in read_claims(fixes)}
    turn = 0
    while len(happened) and end - pd.Timedelta(days=_LOOK + _LEAST_HISTORY) >= happened.min():
        untreated = [p for p in patterns if p not in first or first[p] >= end]
        deployed = end - pd.Timedelta(days=_LOOK)
        chosen = untreated[turn // 2 % _SHARE :: _SHARE]
        if turn % 2 == 0:
            rise = _rise(affected["pattern_id"].astype(str), (deployed - happened).dt.days)
            chosen = sorted(untreated, key=lambda p: (-rise.get(p, 0.0), p))[: len(chosen)]
        known = fixes[pd.to_datetime(fixes["deployed_at"], utc=True) < end] if len(fixes) else fixes
        values = {"fix_id": [f"placebo:{p}" for p in chosen], "pattern_id": chosen, "deployed_at": deployed}
        placebos = pd.DataFrame(values).assign(prompt_version=None, rollout_share=1.0)
        if chosen:
            yield end, pd.concat([known.astype(object), placebos.astype(object)], ignore_index=True)
        end, turn = end - pd.Timedelta(days=_LOOK), turn + 1


def _rise(pattern: pd.Series, days_ago: pd.Series) -> dict[str, float]:
    """Cases of the last week over those of a week of the four before, one added to each, by pattern."""
    last, before = (pattern[days_ago.between(*days)].value_counts() for days in ((0, 6), (7, 34)))
    ratio = last.add(1).div(before.div(4).add(1), fill_value=1.0)
    return {str(p): float(value) for p, value in ratio.items()}
