"""Verdicts of an application's fixes: observed against expected, with everything else that moves counts.

Belongs here: which look a fix is at, the order of steps, the table of verdicts. Does not belong here: numbers
(`estimate.py`), rules (`decide.py`).

The method and its error rates are described in `docs/how-to/read-a-verdict.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from feedback_loop.records import UTC_TIME, FrameShape
from feedback_loop.stats.priors import CutPrior, chance_of_cut, start_prior
from feedback_loop.verify.arms import Arms, Claim, arms_of, read_claims
from feedback_loop.verify.decide import (
    Decision,
    Test,
    block,
    decide,
    displaced,
    open_decision,
    too_rare,
    without_top_user,
)
from feedback_loop.verify.estimate import Estimate, estimate_cut
from feedback_loop.verify.guards import GUARDS
from feedback_loop.verify.nuisance import Nuisance, estimate_nuisance
from feedback_loop.verify.policy import VerifyPolicy
from feedback_loop.verify.tenant import Tenant, day_of, read_tenant

_SECONDS = 86_400
_LEAST_LOST, _MOST_LOST = 0.02, 0.25  # of a pattern's sessions on one side of a fix

VERDICTS = FrameShape(
    "verdicts",  # one row per fix and pattern, in the order of `fixes`
    {
        "fix_id": "str",
        "verdict": "str",
        "reason": "str",
        "look_day": "Int64",
        "next_look_at": UTC_TIME,
        **dict.fromkeys(
            (
                "n_observed",
                "n_expected",
                "reduction",
                "ci_low",
                "ci_high",
                "confidence",
                "p_value",
                "q_value",
                "prob_at_least_bar",
                "dispersion",
                "drift",
                "n_before",
                "exposures_before",
                "n_after",
                "exposures_after",
            ),
            "float64",
        ),
    },
)


@dataclass(frozen=True)
class _Judged:
    """A fix on its way to a verdict."""

    claim: Claim
    day: int | None  # of the look; None: none is due
    arms: Arms | None = None
    estimate: Estimate | None = None
    test: Test | None = None
    decision: Decision | None = None
    chance: float | None = None
    notes: tuple[str, ...] = ()


def verify_fixes(
    affected: pd.DataFrame,
    exposures: pd.DataFrame,
    fixes: pd.DataFrame,
    *,
    as_of: datetime | date | str,
    guards: pd.DataFrame | None = None,
    policy: VerifyPolicy = VerifyPolicy(),  # noqa: B008 (frozen)
    prior: CutPrior | None = None,
) -> pd.DataFrame:
    """Whether each fix reduced its pattern, of one application, from what was known by `as_of`.

    Every fix is judged at its newest look that is due. Fixes whose looks fell due in the same seven days up to `as_of`
    are judged together (Benjamini and Hochberg). Pass all patterns of the application, also those without a fix: they
    tell what befell everything alike. Further columns are ignored.

    Args:
        affected: one row per affected session: pattern_id, user_id, session_id, occurred_at, known_at, prompt_version
            (`name@version`), n_occurrences, weight (1 / sample_rate); optional segment, parent_pattern_id, and
            family, alike for patterns that may be one failure: together they tell no more of what befell all patterns
            than one does. All but pattern_id and occurred_at may be missing. A user that is NA is a user of its own.
        exposures: date, prompt_version, n_exposures (weighted); optional segment. A missing row is unknown, not 0.
        fixes: fix_id, pattern_id, prompt_version (NA: verified by time), deployed_at, rollout_share (NA: 1); optional
            parent_pattern_id, is_judged (False: it happened, and is not judged). Several rows of one fix_id are the
            steps of a ramp, or several versions that carry it.
        as_of: end of what is known; a day that has begun is left out. Without a zone it is UTC.
        guards: frame `GUARDS`, from `check_guards`.
        policy: evidence needed.
        prior: of true cuts, from `learn_cut_prior`; without it `start_prior`.

    Returns:
        Frame `VERDICTS`. Counts are sessions as they were seen, `n_expected` and `dispersion` in the same unit;
        `reduction` is 1 - observed / expected of weighted counts; `p_value` is one-sided, of "no cut", `q_value` the
        same corrected for the fixes judged together; `drift` is the weekly sd of the pattern's own rate. NA: not to be
        had.

    Raises:
        ValueError: a frame lacks a needed column or holds what cannot be (negative exposures, weights not above 0).
    """
    claims, end = read_claims(fixes), pd.Timestamp(as_of)
    until = int(day_of(pd.Series([end]))[0])
    first = min((c.days[0] for c in claims), default=until)
    has_versions, start = any(c.versions for c in claims), min(first, until) - 7 * policy.history_weeks
    tenant = read_tenant(affected, exposures, end, start, has_versions=has_versions)
    parents = {c.pattern_id: c.parent for c in claims if c.parent is not None}
    tenant = replace(tenant, parents=tenant.parents | parents)
    judged = [_Judged(claim, _look_of(claim, until, policy)) for claim in claims]
    if tenant.patterns and tenant.versions:
        nuisance = estimate_nuisance(tenant, claims)
        judged = [_measure(j, claims, tenant, nuisance, policy) for j in judged]
        judged = _correct(judged, until, policy)
        judged = [_conclude(j, tenant, nuisance, policy, prior or start_prior()) for j in judged]
    words = _guard_words(guards)
    return VERDICTS.check(pd.DataFrame([_row(j, words, policy) for j in judged], columns=list(VERDICTS.columns)))


def _look_of(claim: Claim, until: int, policy: VerifyPolicy) -> int | None:
    if not claim.is_judged:
        return None
    return max((day for day in policy.looks if claim.day0 + day <= until), default=None)


def _measure(
    judged: _Judged, claims: Sequence[Claim], tenant: Tenant, nuisance: Nuisance, policy: VerifyPolicy
) -> _Judged:
    """Arms and numbers of a fix, and its test where there can be one."""
    claim, day = judged.claim, judged.day
    if day is None or claim.pattern_id not in tenant.patterns:
        return judged
    arms = arms_of(claim, claims, tenant)
    estimate = estimate_cut([tenant.patterns.index(claim.pattern_id)], arms, tenant, nuisance, policy)
    judged = replace(judged, arms=arms, estimate=estimate, notes=arms.notes + estimate.notes)
    if why := block(estimate, nuisance.delay90, day, policy):
        return replace(judged, decision=Decision("pending", why))
    lost, note = lost_sessions(claim, tenant)
    if lost > _MOST_LOST:
        unknown = Estimate(None, estimate.exposures_before, None, estimate.exposures_after)
        return replace(judged, estimate=unknown, decision=Decision("pending", note))
    judged = replace(judged, notes=(*judged.notes, note)) if lost else judged
    if why := too_rare(estimate, policy):
        is_last = day == policy.looks[-1]
        return replace(judged, decision=Decision("not_shown" if is_last else "pending", why))
    return replace(judged, test=_test(estimate, day, policy))


def lost_sessions(claim: Claim, tenant: Tenant) -> tuple[float, str]:
    """Largest share, before or after, of a pattern's sessions that have no exposures to be counted against, in words.

    0 where it is too small to say.
    """
    code, day0 = tenant.patterns.index(claim.pattern_id), claim.day0 - tenant.start
    kept = np.bincount(tenant.rows.day[tenant.rows.pattern == code], minlength=tenant.n_days)
    sides = [(tenant.lost[code, days].sum(), kept[days].sum()) for days in (slice(0, max(day0, 0)), slice(day0, None))]
    lost, kept_there = max(sides, key=lambda side: side[0] / max(side[0] + side[1], 1))
    total = lost + kept_there
    share = float(lost / max(total, 1))
    words = f"no exposures are recorded for the day or version of {lost:,.0f} of {total:,.0f} affected sessions"
    return (share, words) if share >= _LEAST_LOST else (0.0, words)


def _test(estimate: Estimate, day: int, policy: VerifyPolicy) -> Test | None:
    if estimate.cut is None:
        return None
    at_most = float(estimate.cut.chance_at_most(1.0))
    low, high = estimate.cut.interval(policy.confidence_at(day))
    return Test(day, 1 - at_most, at_most, low, high)


def _correct(judged: Sequence[_Judged], until: int, policy: VerifyPolicy) -> list[_Judged]:
    """Benjamini-Hochberg over the fixes whose looks fell due in the same seven days, each direction by itself."""
    families: dict[int, list[int]] = {}
    for place, j in enumerate(judged):
        if j.test is not None:
            families.setdefault(max(until - j.claim.due_day(j.test.day), 0) // 7, []).append(place)
    result = list(judged)
    for places in families.values():
        tests = [test for place in places if (test := judged[place].test) is not None]
        cuts, rises = ([getattr(t, name) for t in tests] for name in ("p_cut", "p_rise"))
        q_cut, q_rise = (stats.false_discovery_control(np.clip(ps, 0, 1), method="bh") for ps in (cuts, rises))
        for place, test, cut, rise in zip(places, tests, q_cut, q_rise, strict=True):
            corrected = replace(test, q_cut=float(cut), q_rise=float(rise), n_together=len(places))
            result[place] = replace(judged[place], test=corrected)
    return result


def _conclude(judged: _Judged, tenant: Tenant, nuisance: Nuisance, policy: VerifyPolicy, prior: CutPrior) -> _Judged:
    """The verdict, after it was tried without the dominating user and against the sibling patterns."""
    estimate, test, arms = judged.estimate, judged.test, judged.arms
    if estimate is None or test is None or arms is None or estimate.cut is None:
        return judged
    decision = decide(estimate, test, policy)
    if estimate.top_user > policy.max_user_share:
        own = [tenant.patterns.index(judged.claim.pattern_id)]
        fewer = estimate_cut(own, arms, tenant, nuisance, policy, estimate.top_user_code)
        other = _again(fewer, test, policy)
        decision = without_top_user(decision, other, estimate.top_user, test, policy)
    siblings = _siblings(judged.claim, tenant)
    if siblings and decision.verdict in ("effective", "partial"):
        beside = estimate_cut(siblings, arms, tenant, nuisance, policy)
        rise = _test(beside, test.day, policy)
        if rise is not None and rise.high < 0 and beside.cut is not None and too_rare(beside, policy) is None:
            decision = displaced(decision, -beside.cut.reduction)
    return replace(judged, decision=decision, chance=chance_of_cut(estimate.cut, policy.bar, prior))


def _again(estimate: Estimate, test: Test, policy: VerifyPolicy) -> Decision:
    """The verdict without a user, under the same correction for the fixes judged together."""
    other = _test(estimate, test.day, policy)
    if other is None or too_rare(estimate, policy):
        return open_decision(test, policy, "too rare")
    scale = test.q_cut / max(test.p_cut, 1e-300), test.q_rise / max(test.p_rise, 1e-300)
    corrected = replace(other, q_cut=min(1.0, other.p_cut * scale[0]), q_rise=min(1.0, other.p_rise * scale[1]))
    return decide(estimate, corrected, policy)


def _siblings(claim: Claim, tenant: Tenant) -> list[int]:
    """Patterns of the same parent, the parent's own rest included."""
    parent = claim.parent or tenant.parents.get(claim.pattern_id)
    if parent is None:
        return []
    same = [p for p in tenant.patterns if p == parent or tenant.parents.get(p) == parent]
    return [tenant.patterns.index(p) for p in same if p != claim.pattern_id]


def _guard_words(guards: pd.DataFrame | None) -> dict[str, tuple[list[str], list[str]]]:
    """fix_id -> (reasons that block, reasons that are only said)."""
    words: dict[str, tuple[list[str], list[str]]] = {}
    if guards is None or not len(guards):
        return words
    for fix_id, guard, is_blocking, reason in GUARDS.check(guards).itertuples(index=False):
        said = str(guard) if pd.isna(reason) else str(reason)
        words.setdefault(fix_id, ([], []))[0 if is_blocking else 1].append(said)
    return words


def _row(judged: _Judged, words: Mapping[str, tuple[list[str], list[str]]], policy: VerifyPolicy) -> dict[str, Any]:
    claim, estimate = judged.claim, judged.estimate
    blocking, saying = words.get(claim.fix_id, ([], []))
    decision = judged.decision or Decision("pending", _nothing_yet(judged, policy))
    if blocking:
        decision = Decision("pending", "; ".join(blocking))
    row: dict[str, Any] = {
        "fix_id": claim.fix_id,
        "verdict": decision.verdict,
        "reason": "; ".join(dict.fromkeys([decision.reason, *judged.notes, *saying])),
        "look_day": judged.day,
        "next_look_at": _next_look(judged, decision, policy),
    }
    if estimate is not None:
        counts = ("n_before", "exposures_before", "n_after", "exposures_after")
        row |= {name: getattr(estimate, name) for name in counts} | {"n_observed": estimate.n_after}
    if estimate is not None and estimate.cut is not None and judged.test is not None and not blocking:
        row |= _numbers(estimate, judged.test, judged.chance, policy)
    return row


def _numbers(estimate: Estimate, test: Test, chance: float | None, policy: VerifyPolicy) -> dict[str, float | None]:
    return {
        "n_expected": estimate.expected,
        "reduction": estimate.cut.reduction if estimate.cut else None,
        "ci_low": test.low,
        "ci_high": test.high,
        "confidence": policy.confidence_at(test.day),
        "p_value": test.p_cut,
        "q_value": test.q_cut,
        "prob_at_least_bar": chance,
        "dispersion": estimate.dispersion,
        "drift": estimate.drift,
    }


def _nothing_yet(judged: _Judged, policy: VerifyPolicy) -> str:
    if not judged.claim.is_judged:
        return "it is not judged"
    if judged.day is None:
        return f"the first look is {policy.looks[0]} days after the deployment"
    return "the pattern was never seen, so there is nothing to compare"


def _next_look(judged: _Judged, decision: Decision, policy: VerifyPolicy) -> pd.Timestamp | None:
    later = [day for day in policy.looks if judged.day is None or day > judged.day]
    if decision.verdict not in ("pending", "inconclusive") or not later:
        return None
    return pd.Timestamp((judged.claim.day0 + later[0]) * _SECONDS, unit="s", tz="UTC")
