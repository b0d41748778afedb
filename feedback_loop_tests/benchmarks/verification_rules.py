"""The rules that a verdict is compared with: common ones, and oracles that know what no tool can.

Every rule sees the same drawn world. `raw` and `per exposure` see all traffic as it comes, as such rules are used;
the others see what ours sees: the new version alone, exposures weighted for late feedback. Each answers for every fix:
was it called effective, and its interval of the cut where it has one.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from feedback_loop.stats.counterfactual import Cut, Expectation
from feedback_loop.stats.drift import DriftGrid
from feedback_loop.stats.rates import rate_ratio
from feedback_loop.verify.arms import arms_of, read_claims
from feedback_loop.verify.nuisance import estimate_nuisance, weekly
from feedback_loop.verify.tenant import day_of, read_tenant
from feedback_loop_tests.benchmarks.verification_worlds import Drawn

Floats = NDArray[np.float64]
BAR = 0.30
_Z = 1.959964


@dataclass(frozen=True)
class Answer:
    """One rule on one fix; `low` and `high` of the cut, NaN where the rule has no interval."""

    is_effective: bool
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True)
class Seen:
    """What the rules are given for one fix; days run over the world.

    Attributes:
        all_before, all_after: sessions of as many days before the deployment as since day 0, all versions, as known.
        exposures_before, exposures_after: of the same.
        old, new: known sessions per day of the arms.
        e_old, e_new: exposures per day of the arms, weighted for late feedback.
        phi: dispersion by user.
        control: log ratio of untreated patterns after to before, and its variance.
        expected: oracles' expectations: nuisance known, counterfactual known.
    """

    all_before: float
    all_after: float
    exposures_before: float
    exposures_after: float
    old: Floats
    new: Floats
    e_old: Floats
    e_new: Floats
    phi: float
    control: tuple[float, float]
    expected: tuple[Expectation, Expectation]


def look(drawn: Drawn, affected: pd.DataFrame) -> list[Seen]:
    """What there is to see of every fix of a world."""
    claims = read_claims(drawn.fixes)
    end = drawn.as_of
    start = int(day_of(pd.Series([end]))[0]) - 7 * ((drawn.truth.day0 + drawn.world.days) // 7)
    tenant = read_tenant(affected, drawn.exposures, end, start)
    nuisance = estimate_nuisance(tenant, claims)
    offset = tenant.start - int(day_of(pd.Series([pd.Timestamp("2026-01-05", tz="UTC")]))[0])
    exposure, served, known = nuisance.exposure.sum(2), tenant.served, nuisance.counts.sum(2)
    day0, deployed = drawn.truth.day0 - offset, drawn.truth.deployed - offset
    before, after = slice(max(deployed - drawn.world.days, 0), deployed), slice(day0, None)
    treated = [tenant.patterns.index(claim.pattern_id) for claim in claims]
    control = _control(
        np.delete(known, treated, axis=0), exposure.sum(1), np.delete(nuisance.noise, treated), before, after
    )
    result = []
    for claim, code in zip(claims, treated, strict=True):
        arms = arms_of(claim, claims, tenant)
        counts = nuisance.counts[code]
        seen = Seen(
            all_before=known[code, before].sum(),
            all_after=known[code, after].sum(),
            exposures_before=served[before].sum(),
            exposures_after=served[after].sum(),
            old=(counts * arms.old).sum(1),
            new=(counts * arms.new).sum(1),
            e_old=(exposure * arms.old).sum(1),
            e_new=(exposure * arms.new).sum(1),
            phi=float(nuisance.noise[code]),
            control=control,
            expected=(_UNKNOWN, _UNKNOWN),
        )
        pattern = int(claim.pattern_id.removeprefix("p"))
        result.append(replace(seen, expected=_oracles(drawn, seen, pattern, offset)))
    return result


_UNKNOWN = Expectation(np.ones(1), np.ones(1), np.ones(1), np.ones(1))


def _control(counts: Floats, exposure: Floats, noise: Floats, before: slice, after: slice) -> tuple[float, float]:
    """Pooled log ratio of the untreated patterns, weighted by counts, and its variance by user clusters."""
    n = counts[:, before].sum(1), counts[:, after].sum(1)
    ratio = np.log(n[1].sum() / exposure[after].sum()) - np.log(n[0].sum() / exposure[before].sum())
    variance = sum((noise * side).sum() / side.sum() ** 2 for side in n)
    return float(ratio), float(variance)


def _oracles(drawn: Drawn, seen: Seen, pattern: int, offset: int) -> tuple[Expectation, Expectation]:
    """Expected count of the new arm: with every nuisance parameter known, and with the drift itself known too."""
    truth = drawn.truth
    wander, common = truth.wander[pattern, offset:], truth.common[offset:]
    weekend = drawn.world.weekend
    rate = truth.rate[pattern] * (5 + 2 * weekend[0] * weekend[1]) / (5 + 2 * weekend[0])  # per mean exposure
    known = _gamma(np.log(max(float((seen.e_new * wander).sum() * rate), 1e-9)), 1e-7)
    old, new = weekly(seen.e_old * common) * rate, weekly(seen.e_new * common) * rate
    count, has = weekly(seen.old), old > 1e-9
    grid = DriftGrid(truth.drift[[pattern]], truth.memory[[pattern]], np.ones(1))
    days = np.kron(np.eye(len(old)), np.ones((1, 7))) * seen.e_old
    means, target = (
        days[has] / days[has].sum(1, keepdims=True),
        (seen.e_new * common)[None] / (seen.e_new * common).sum(),
    )
    cov, towards = grid.covariance(means, means)[0], grid.covariance(means, target)[0, :, 0]
    weights = np.linalg.solve(cov + np.diag(seen.phi / old[has]), towards)
    factor = max(1 + float(weights @ (count[has] / old[has] - 1)), 0.1)
    variance = max(float(grid.covariance(target, target)[0, 0, 0] - weights @ towards), 1e-7)
    return _gamma(np.log(factor * new.sum()), variance), known


def _gamma(log: float, variance: float) -> Expectation:
    shape = np.array([1 / variance])
    return Expectation(np.exp([log]), np.exp([log]), shape, np.ones(1))


def raw(seen: Seen) -> Answer:
    """The count fell by more than 30 %."""
    return Answer(seen.all_after < (1 - BAR) * seen.all_before)


def per_exposure(seen: Seen) -> Answer:
    """The count per exposure fell by more than 30 %."""
    rates = seen.all_after / seen.exposures_after, seen.all_before / seen.exposures_before
    return Answer(rates[0] < (1 - BAR) * rates[1])


def exact_conditional(seen: Seen) -> Answer:
    """Przyborowski and Wilenski on the arms of the last fortnight before and of the time after."""
    a, b, e_a, e_b = _fortnights(seen)
    if a + b == 0:
        return Answer(False)
    ratio = rate_ratio(a, e_a, b, e_b, 0.95, 1.0)
    return _answer(1 - ratio.ratio, 1 - ratio.ci_high, 1 - ratio.ci_low)


def quasi_poisson(seen: Seen) -> Answer:
    """Log-linear model of daily counts with Pearson's dispersion (Wald interval)."""
    a, b, e_a, e_b = _fortnights(seen)
    if min(a, b) == 0:
        return Answer(False)
    first = max(np.flatnonzero(seen.e_old)[-1] - 13, 0)
    daily = [(seen.old[first:], seen.e_old[first:], b / e_b), (seen.new, seen.e_new, a / e_a)]
    squares = [((n - r * e)[e > 0] ** 2 / (r * e[e > 0])) for n, e, r in daily]
    freedom = sum(len(s) for s in squares) - 2
    phi = max(sum(s.sum() for s in squares) / freedom, 1.0) if freedom > 0 else 1.0
    return _wald(np.log(a / e_a) - np.log(b / e_b), phi * (1 / a + 1 / b))


def difference_in_differences(seen: Seen) -> Answer:
    """Log ratio against that of the untreated patterns, clustered by user (Wald interval)."""
    a, b, e_a, e_b = _fortnights(seen)
    if min(a, b) == 0:
        return Answer(False)
    ratio, variance = seen.control
    return _wald(np.log(a / e_a) - np.log(b / e_b) - ratio, seen.phi * (1 / a + 1 / b) + variance)


def oracle_nuisance(seen: Seen) -> Answer:
    """Ours, if long-run rate, drift, shocks and dispersion were known."""
    return _against(seen, seen.expected[0])


def oracle_counterfactual(seen: Seen) -> Answer:
    """Ours, if the expected count itself were known."""
    return _against(seen, seen.expected[1])


def _against(seen: Seen, expected: Expectation) -> Answer:
    cut = Cut(float(seen.new.sum()), seen.phi, expected)
    return _answer(cut.reduction, *cut.interval(0.95))


def _fortnights(seen: Seen) -> tuple[float, float, float, float]:
    last = np.flatnonzero(seen.e_old * (np.cumsum(seen.e_new) == 0))
    first = max(last[-1] - 13, 0) if len(last) else 0
    return seen.new.sum(), seen.old[first:].sum(), seen.e_new.sum(), seen.e_old[first:].sum()


def _wald(log_ratio: float, variance: float) -> Answer:
    half = float(stats.norm.isf(0.025)) * np.sqrt(variance)
    return _answer(1 - np.exp(log_ratio), 1 - np.exp(log_ratio + half), 1 - np.exp(log_ratio - half))


def _answer(cut: float, low: float, high: float) -> Answer:
    return Answer(bool(low > 0 and cut >= BAR), float(low), float(high))


RULES = {
    "raw > 30 %": raw,
    "per exposure > 30 %": per_exposure,
    "exact conditional": exact_conditional,
    "quasi-Poisson": quasi_poisson,
    "difference in differences": difference_in_differences,
    "oracle: nuisance known": oracle_nuisance,
    "oracle: counterfactual known": oracle_counterfactual,
}
