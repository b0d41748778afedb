"""Prospects against simulation of the comparison that they speak of."""

from dataclasses import replace

import numpy as np
import pytest

from feedback_loop.stats.counterfactual import Cut, History, expect
from feedback_loop.stats.drift import DriftGrid, start_grid
from feedback_loop.stats.prospects import Plan, days_to_decision, plan_of, power, smallest_cut

CALM = DriftGrid(np.full(1, 0.02), np.full(1, 0.5), np.ones(1))
PLAN = Plan(25, 1.3, start_grid())


def test_power_is_how_often_the_comparison_finds_the_cut() -> None:
    """1,000 even histories of eight weeks and a fortnight after, no drift: Poisson alone, equal chances."""
    rng, found = np.random.default_rng(6), 0
    plan = Plan(20, 1.0, CALM)
    is_after = np.arange(10) >= 8
    old, new = np.where(is_after, 0.0, 1.0), np.where(is_after, 1.0, 0.0)
    for _ in range(1000):
        history = History(
            rng.poisson(20 * old).astype(float),
            old,
            new,
            np.ones(10),
            np.zeros(10),
            np.zeros(10),
            np.tile(old[:, None], 7),
            np.tile(new[:, None], 7),
        )
        cut = Cut(float(rng.poisson(40 * 0.55)), 1.0, expect(history, CALM))
        found += cut.interval(0.95)[0] > 0 and cut.reduction >= 0.3
    assert power(plan, 0.45, 14, 0.95) == pytest.approx(found / 1000, abs=0.06)


def test_more_of_everything_helps() -> None:
    least = smallest_cut(PLAN, 14, 0.95)
    assert least is not None
    better = (replace(PLAN, per_week=250), replace(PLAN, dispersion=1.0), replace(PLAN, grid=CALM))
    for plan in better:
        other = smallest_cut(plan, 14, 0.95)
        assert other is not None
        assert other < least
    assert (smallest_cut(PLAN, 42, 0.95) or 1) < least < (smallest_cut(PLAN, 14, 0.99) or 1)


def test_hopeless_plans_say_so() -> None:
    rare = replace(PLAN, per_week=0.5)
    assert smallest_cut(rare, 14, 0.95) is None
    assert days_to_decision(rare, 0.5, [(14, 0.99), (42, 0.95)]) is None


def test_days_to_decision_is_the_first_look_with_enough_power() -> None:
    looks = [(14, 0.99), (21, 0.99), (28, 0.99), (42, 0.95)]
    days = [days_to_decision(PLAN, cut, looks) or 99 for cut in (0.95, 0.8, 0.7, 0.3)]
    assert days == sorted(days)
    assert days[0] == 14
    assert days[-1] == 99


def test_a_hold_back_helps_where_drift_is_the_limit() -> None:
    often = replace(PLAN, per_week=1000)
    without, with_it = (smallest_cut(replace(often, hold_back=share), 14, 0.95) for share in (0.0, 0.2))
    assert without is not None
    assert with_it is not None
    assert with_it < without - 0.05


def test_a_plan_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="hold_back"):
        replace(PLAN, hold_back=1.0)


def test_a_plan_is_made_of_what_was_seen_of_late() -> None:
    plan = plan_of([0, 0, 40, 20, 20, 20, 20], 1.5)
    assert plan is not None
    assert (plan.per_week, plan.weeks, plan.dispersion) == (20, 8, 1.5)
    assert plan_of([30, 0, 0, 0, 0], 1.0) is None
