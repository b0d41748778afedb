"""The blind sample of a frozen detector, and what its labels say."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.records import Fix
from feedback_loop.verify import GuardPolicy, check_guards, draw_sample, with_sides

FIXES = pd.DataFrame({"fix_id": ["f1"]})
DEPLOYED = datetime(2026, 2, 3, 10, tzinfo=UTC)


def seen(n: int, found: int = 0, near: int = 0, side: str = "before", start: int = 0) -> pd.DataFrame:
    kinds = ["found"] * found + ["near"] * near + ["rest"] * (n - found - near)
    nearness = {"found": 1.2, "near": 0.8, "rest": 0.1}
    return pd.DataFrame(
        {
            "interaction_id": [f"i{side}{start + k}" for k in range(n)],
            "occurred_at": DEPLOYED - timedelta(days=1),
            "prompt_name": "support",
            "prompt_version": "v1",
            "is_found": [kind == "found" for kind in kinds],
            "nearness": [nearness[kind] for kind in kinds],
            "side": side,
        }
    )


def fix(**fields: Any) -> Fix:
    values: dict[str, Any] = {
        "application": "shop",
        "fix_id": "f1",
        "pattern_id": "p1",
        "ticket_key": "FL-1",
        "deployment_id": "d1",
        "prompt_name": "support",
        "prompt_version": "v2",
        "deployed_at": DEPLOYED,
        "detector_version": "d-1",
        "source": "deployment",
    }
    return Fix(**(values | fields))


def stratum(side: str, labels: tuple[int, int], n_events: int, *, found: bool, unsure: int = 0) -> dict[str, Any]:
    """A stratum of which so many were labelled, (members, others)."""
    n_true, n_false = labels
    return {
        "fix_id": "f1",
        "side": side,
        "n_true": n_true,
        "n_found": n_true if found else 0,
        "n_detected": n_true + n_false if found else 0,
        "n_labelled": n_true + n_false,
        "n_unsure": unsure,
        "n_events": n_events,
        "n_found_events": n_events if found else 0,
    }


def said(*strata: dict[str, Any], **policy: Any) -> list[tuple[bool, str]]:
    guards = check_guards(FIXES, audits=pd.DataFrame(strata), placebo=0.01, policy=GuardPolicy(**policy))
    return [(bool(row["is_blocking"]), str(row["reason"])) for row in guards.to_dict("records")]


GOOD_BEFORE = (stratum("before", (38, 2), 400, found=True), stratum("before", (2, 38), 80, found=False))
GOOD_AFTER = (stratum("after", (38, 2), 60, found=True), stratum("after", (2, 38), 12, found=False))


def test_a_sample_is_the_same_again_whatever_the_order_of_events() -> None:
    events = pd.concat([seen(900, 300, 200), seen(90, 30, 20, side="after")])
    drawn = draw_sample(events, "f1")
    again = draw_sample(events.sample(frac=1, random_state=3), "f1")
    pd.testing.assert_frame_equal(drawn, again)
    assert drawn.groupby(["side", "is_found"]).size().to_dict() == {
        ("after", False): 40,
        ("after", True): 30,
        ("before", False): 60,
        ("before", True): 40,
    }
    assert set(drawn["interaction_id"]) != set(draw_sample(events, "f2")["interaction_id"])


@given(
    sizes=st.tuples(*[st.integers(0, 150)] * 3),
    more=st.integers(0, 60),
)
def test_weights_stand_for_all_events_and_a_larger_window_keeps_what_it_can(
    sizes: tuple[int, int, int], more: int
) -> None:
    found, near, rest = sizes
    first = seen(found + near + rest, found, near)
    drawn = draw_sample(first, "f1")
    assert drawn["weight"].sum() == pytest.approx(len(first))
    assert drawn["interaction_id"].is_unique
    assert len(drawn) == min(found, 40) + min(near, 40) + min(rest, 20)
    both = draw_sample(pd.concat([first, seen(more, more, start=1000)]), "f1")
    assert both["weight"].sum() == pytest.approx(len(first) + more)
    kept_others = drawn.loc[~drawn["is_found"], "interaction_id"]
    assert set(kept_others) <= set(both["interaction_id"])  # what came was all found: the others stay as they were
    new = set(both["interaction_id"]) - set(drawn["interaction_id"])
    assert all(name.startswith("ibefore1") for name in new)


def test_after_is_what_the_fixed_version_served_and_the_mixed_day_is_on_neither_side() -> None:
    events = seen(6).drop(columns="side")
    events["occurred_at"] = [DEPLOYED + timedelta(hours=h) for h in (-600, -5, -1, 1, 20, 30)]
    events["prompt_version"] = ["v1", "v1", "v2", "v2", "v1", "v2"]
    versioned = with_sides(events, fix())
    assert dict(zip(versioned.index, versioned["side"], strict=True)) == {
        0: "before",
        1: "before",
        2: "after",  # a canary
        3: "after",
        5: "after",  # and 4 is what the old version still served
    }
    timed = with_sides(events, fix(prompt_version=None, prompt_name=None, pattern_since=date(2026, 1, 12)))
    assert dict(zip(timed.index, timed["side"], strict=True)) == {4: "after", 5: "after"}


def test_an_audit_in_order_says_nothing() -> None:
    assert said(*GOOD_BEFORE, *GOOD_AFTER) == []


def test_floors_count_labels_as_they_are_and_not_by_weight() -> None:
    """50 found of weight 1 and 50 others of weight 200, one of them a member: normalised, these were 2.5 members."""
    before = (stratum("before", (50, 0), 50, found=True), stratum("before", (1, 49), 10_000, found=False))
    after = (stratum("after", (50, 0), 50, found=True), stratum("after", (1, 49), 10_000, found=False))
    assert said(*before, *after) == []
    few = stratum("after", (25, 0), 50, found=True)
    assert [blocks for blocks, _ in said(*before, few, after[1])] == [False]


def test_after_a_strong_cut_all_that_was_found_is_enough_and_fewer_than_five_are_too_few() -> None:
    rest = stratum("after", (0, 20), 20, found=False)
    assert said(*GOOD_BEFORE, stratum("after", (9, 0), 9, found=True), rest) == []
    assert said(*GOOD_BEFORE, stratum("after", (8, 0), 9, found=True, unsure=1), rest) == []
    assert "not audited on both sides" in said(*GOOD_BEFORE, stratum("after", (7, 0), 9, found=True), rest)[0][1]
    assert "too few to audit" in said(*GOOD_BEFORE, stratum("after", (4, 0), 4, found=True), rest)[0][1]


def test_what_the_detector_misses_is_not_known_without_labels_of_the_others() -> None:
    unseen = stratum("after", (0, 0), 12, found=False)
    assert [blocks for blocks, _ in said(*GOOD_BEFORE, GOOD_AFTER[0], unseen)] == [False]


def test_a_recall_that_drops_by_half_blocks_and_few_labels_do_not() -> None:
    """Recall .9 before; after, as many are missed as found."""
    missed = stratum("after", (38, 2), 40, found=False)
    before = (stratum("before", (40, 0), 400, found=True), stratum("before", (4, 36), 440, found=False))
    ((blocks, reason),) = said(*before, stratum("after", (40, 0), 40, found=True), missed)
    assert blocks
    assert "recall went from 90% to 51%" in reason
    shaky = (stratum("after", (30, 0), 30, found=True), stratum("after", (1, 19), 200, found=False))
    ((blocks, reason),) = said(*GOOD_BEFORE, *shaky)
    assert not blocks
    assert "not audited precisely enough" in reason
    assert said(*GOOD_BEFORE, *shaky, needs_audit=False) == []
    assert [b for b, _ in said(*before, stratum("after", (40, 0), 40, found=True), missed, needs_audit=False)] == [True]


def test_the_interval_of_an_unchanged_detector_rarely_blocks() -> None:
    """Recall .8 and precision .9 on both sides: of 100 audits at most a few block."""
    rng, n_blocked = np.random.default_rng(1), 0
    for _ in range(100):
        strata = []
        for side in ("before", "after"):
            true, missed = int(rng.binomial(40, 0.9)), int(rng.binomial(40, 0.2))
            strata += [
                stratum(side, (true, 40 - true), 200, found=True),
                stratum(side, (missed, 40 - missed), 225, found=False),
            ]
        n_blocked += any(blocks for blocks, _ in said(*strata))
    assert n_blocked <= 15  # about 10 by the confidence
