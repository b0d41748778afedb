"""Prospects: what `counterfactual.Cut` will be able to show of a drifting pattern, and when.

Belongs here: the power of that comparison before it is made. Does not belong here: the comparison
(`counterfactual.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from feedback_loop.stats.counterfactual import Cut, Expectation, History, expect
from feedback_loop.stats.drift import DriftGrid, start_grid

Floats = NDArray[np.float64]

_STEPS = 6  # then straight on: to a thousandth
_SLICES = 30
_RECENT = 4  # weeks that say how often it happens now
_WEEKS_TO_FIX = 1
BAR = 0.30


@dataclass(frozen=True)
class Plan:
    """What is known before a fix is shipped.

    Attributes:
        per_week: affected sessions a week without a fix.
        dispersion: variance over mean of a week's count given its rate.
        grid: drifts with their weight for this pattern.
        weeks: of history.
        hold_back: share of sessions that stays on the old version, 0..1.
        bar: least reduction that counts as effective.
        floor: independent cases that must be expected for a number to be given.
    """

    per_week: float
    dispersion: float
    grid: DriftGrid
    weeks: int = 8
    hold_back: float = 0.0
    bar: float = BAR
    floor: float = 5.0

    def __post_init__(self) -> None:
        if not (self.per_week > 0 and self.dispersion > 0 and self.weeks >= 1 and 0 <= self.hold_back < 1):
            raise ValueError("a plan needs counts and dispersion above 0, a week of history, hold_back in [0, 1)")


def plan_of(weekly: Sequence[float], dispersion: float) -> Plan | None:
    """The plan of a pattern whose fix is not shipped yet; None where it was not seen of late.

    As many sessions as in the last four weeks are supposed to come, and the rate is supposed to wander as rates of
    failures mostly do. A fix is rarely live within a week, and each week adds to what is known before it.

    Args:
        weekly: affected sessions of each week, oldest first, at least one.
        dispersion: variance over mean of the daily counts, >= 1.
    """
    recent = weekly[-_RECENT:]
    per_week = sum(recent) / len(recent)
    return Plan(per_week, dispersion, start_grid(), weeks=len(weekly) + _WEEKS_TO_FIX) if per_week > 0 else None


def power(plan: Plan, cut: float, days: int, confidence: float) -> float:
    """Chance that a true cut is called effective after so many days: significant, and at least the bar.

    The expectation of an even history gives the largest count that is called effective; its chance is averaged over
    what the rate may do meanwhile (the same expectation as truth) and over-dispersed Poisson counts.

    Args:
        plan: what is known.
        cut: true reduction, 0..1.
        days: after day 0; whole weeks count, a part of one is left out.
        confidence: of the interval that must exclude 0.
    """
    return PlannedLook.of(plan, days, confidence).power(cut)


def smallest_cut(plan: Plan, days: int, confidence: float, wanted: float = 0.8) -> float | None:
    """Smallest true cut that is called effective with the wanted chance; None: not even all of it would be."""
    return PlannedLook.of(plan, days, confidence).smallest_cut(wanted)


@dataclass(frozen=True)
class PlannedLook:
    """A look to come: what the rate may do without a fix, and the largest count that is called effective."""

    rates: Floats
    weight: Floats
    dispersion: float
    most: float
    judged: float  # chance that enough is expected for a number

    @classmethod
    def of(cls, plan: Plan, days: int, confidence: float) -> "PlannedLook":
        """Arguments as of `power`."""
        expected = _even(plan, max(days // 7, 1))
        most = _largest(plan, expected, confidence)
        chances = (np.arange(_SLICES) + 0.5) / _SLICES
        rates = special.gammaincinv(expected.shape, chances[:, None]) * (expected.mean / expected.shape)
        return cls(rates, expected.weight, plan.dispersion, most, _chance_of_number(plan, expected))

    def power(self, cut: float) -> float:
        """Chance that a true cut is called effective."""
        if self.most < 0:
            return 0.0
        mean = self.rates * (1 - cut) / self.dispersion
        called = special.gammaincc(self.most / self.dispersion + 1, mean)  # P(Poisson <= n) at real n
        return self.judged * float((called * self.weight).sum() / _SLICES)

    def smallest_cut(self, wanted: float) -> float | None:
        """Smallest true cut that is called effective with the wanted chance; None: not even all of it would be."""
        high = 1.0, self.power(1.0)
        if high[1] < wanted:
            return None
        low = 0.0, self.power(0.0)
        for _ in range(_STEPS):
            middle = (low[0] + high[0]) / 2
            found = middle, self.power(middle)
            low, high = (low, found) if found[1] >= wanted else (found, high)
        return low[0] + (high[0] - low[0]) * (wanted - low[1]) / max(high[1] - low[1], 1e-12)


def days_to_decision(plan: Plan, cut: float, looks: Sequence[tuple[int, float]], wanted: float = 0.8) -> int | None:
    """First look at which a true cut is called effective with the wanted chance, by that look alone; None: at none.

    Args:
        plan: what is known.
        cut: true reduction.
        looks: day and confidence of each, in order.
        wanted: chance, in (0, 1).
    """
    return next((day for day, confidence in looks if power(plan, cut, day, confidence) >= wanted), None)


def _even(plan: Plan, after: int) -> Expectation:
    """Expectation from an even history; exposures are one a week."""
    weeks = plan.weeks + after
    is_after = np.arange(weeks) >= plan.weeks
    old = np.where(is_after, plan.hold_back, 1.0)
    new = np.where(is_after, 1 - plan.hold_back, 0.0)
    history = History(
        count=plan.per_week * old,
        exposures=old,
        target=new,
        noise=np.full(weeks, plan.dispersion),
        shared=np.zeros(weeks),
        doubt=np.zeros(weeks),
        old_days=np.repeat(old[:, None] / 7, 7, axis=1),
        new_days=np.repeat(new[:, None] / 7, 7, axis=1),
    )
    return expect(history, plan.grid, learns=False)


def _chance_of_number(plan: Plan, expected: Expectation) -> float:
    """Chance that the expectation reaches the floor: it varies with what the last weeks happened to bring."""
    error = np.sqrt(plan.dispersion / (plan.per_week * min(plan.weeks, _RECENT)))
    return float(special.ndtr(np.log(expected.count / (plan.floor * plan.dispersion)) / error))


def _largest(plan: Plan, expected: Expectation, confidence: float) -> float:
    """Largest count, in steps of one, that is significant and under the bar; -1 where none is."""
    low, high = -1, int(expected.count * (1 - plan.bar))
    tail = (1 + confidence) / 2
    while low < high:
        middle = -(-(low + high) // 2)
        if float(Cut(float(middle), plan.dispersion, expected).chance_at_most(1.0)) >= tail:
            low = middle
        else:
            high = middle - 1
    return float(low)
