"""Guards from evidence beside the counts."""

from typing import Any

import pandas as pd
import pytest

from feedback_loop.verify import GUARDS, GuardPolicy, check_guards, may_close

FIXES = pd.DataFrame({"fix_id": ["f1", "f1", "f2"]})  # a ramp and another


def audit(true: tuple[float, float] = (100, 100), found: tuple[float, float] = (90, 90), fix_id: str = "f1") -> Any:
    rows = [(fix_id, side, true[k], found[k], found[k] + 5) for k, side in enumerate(("before", "after"))]
    return pd.DataFrame(rows, columns=["fix_id", "side", "n_true", "n_found", "n_detected"])


def of(guards: pd.DataFrame, fix_id: str, guard: str) -> list[bool]:
    rows = guards[(guards["fix_id"] == fix_id) & (guards["guard"] == guard)]
    return [bool(value) for value in rows["is_blocking"]]


def test_what_is_missing_is_said_and_blocks_nothing() -> None:
    guards = check_guards(FIXES)
    assert list(guards.columns) == list(GUARDS.columns)
    assert guards.groupby("fix_id").size().tolist() == [2, 2]
    assert not guards["is_blocking"].any()
    assert not may_close(guards, "f1")


def test_everything_in_order_says_nothing() -> None:
    guards = check_guards(FIXES, audits=pd.concat([audit(), audit(fix_id="f2")]), placebo=0.02)
    assert guards.empty
    assert list(guards.columns) == list(GUARDS.columns)
    assert may_close(guards, "f1")


def test_two_detectors_block() -> None:
    detectors = pd.DataFrame({"fix_id": ["f1", "f1", "f2"], "detector_version": ["a", "b", "a"]})
    guards = check_guards(FIXES, detectors=detectors)
    assert of(guards, "f1", "detector") == [True]
    assert of(guards, "f2", "detector") == []


def test_a_detector_that_finds_less_blocks_and_a_small_audit_says_nothing() -> None:
    assert of(check_guards(FIXES, audits=audit(found=(90, 60))), "f1", "audit") == [True]  # recall .90 -> .60
    assert of(check_guards(FIXES, audits=audit(found=(90, 85))), "f1", "audit") == []
    assert of(check_guards(FIXES, audits=audit((100, 10), (90, 4))), "f1", "audit") == [False]
    assert of(check_guards(FIXES, audits=audit((100, 100), (0, 0))), "f1", "audit") == [True, True]


@pytest.mark.parametrize(("users", "blocked"), [((5000, 5000), []), ((5100, 4900), []), ((5400, 4600), [True])])
def test_arms_that_do_not_fit_the_plan_block(users: tuple[int, int], blocked: list[bool]) -> None:
    arms = {"fix_id": "f1", "arm": ["old", "new"], "n_users": users, "share": [0.5, 0.5]}
    assert of(check_guards(FIXES, arrivals=pd.DataFrame(arms)), "f1", "srm") == blocked


def test_an_arm_that_was_not_planned_blocks_and_a_single_one_does_not() -> None:
    arms = pd.DataFrame({"fix_id": "f1", "arm": ["old", "new"], "n_users": [10, 90], "share": [0.0, 1.0]})
    assert of(check_guards(FIXES, arrivals=arms), "f1", "srm") == [True]
    assert of(check_guards(FIXES, arrivals=arms[1:]), "f1", "srm") == []


def test_arms_that_share_their_units_cannot_be_checked() -> None:
    arms = {"fix_id": "f1", "arm": ["old", "new"], "n_users": [float("nan")] * 2, "share": [0.5, 0.5]}
    guards = check_guards(FIXES, arrivals=pd.DataFrame(arms))
    assert of(guards, "f1", "srm") == [False]
    assert "cannot be checked" in guards["reason"].str.cat()


@pytest.mark.parametrize(
    ("silent", "blocked"),
    [((0, 0), []), ((0, 2), []), ((0, 3), [True]), ((2, 5), [True]), ((5, 5), []), ((5, 6), [True])],
)
def test_feedback_that_stopped_at_the_end_blocks(silent: tuple[int, int], blocked: list[bool]) -> None:
    """More days than ever before, and more than chance: though most days after the fix were heard."""
    heard = {"fix_id": "f1", "days_before": 14, "heard_before": 14, "days_after": 14, "heard_after": 14 - silent[1]}
    frame = pd.DataFrame([heard | {"silent_before": silent[0], "silent_now": silent[1]}])
    assert of(check_guards(FIXES, heard=frame), "f1", "silence") == blocked


def test_feedback_on_few_days_only_blocks() -> None:
    heard = {"fix_id": "f1", "days_before": 14, "heard_before": 14, "days_after": 14, "heard_after": 6}
    frame = pd.DataFrame([heard | {"silent_before": 0, "silent_now": 1}])
    assert of(check_guards(FIXES, heard=frame), "f1", "silence") == [True]


def test_a_high_placebo_rate_is_said() -> None:
    guards = check_guards(FIXES, placebo=0.08, policy=GuardPolicy(max_placebo=0.05))
    assert of(guards, "f1", "placebo") == [False]
    assert "8% of placebo fixes" in guards["reason"].str.cat()


def test_a_placebo_rate_that_is_known_and_high_counts_also_where_none_is_needed() -> None:
    waived = GuardPolicy(needs_audit=False, needs_placebo=False)
    assert check_guards(FIXES, policy=waived).empty
    assert of(check_guards(FIXES, placebo=0.2, policy=waived), "f1", "placebo") == [False]
