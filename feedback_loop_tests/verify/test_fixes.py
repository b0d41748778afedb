"""Verdicts of fixes: every word, what is NA, and what arms and guards do."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feedback_loop.verify import GUARDS, VERDICTS, VerifyPolicy, verify_fixes
from feedback_loop_tests.verify.small import (
    LOOK,
    START,
    Frames,
    all_of,
    fix,
    judge,
    served,
    sessions,
    switch,
)

SHIPPED = VerifyPolicy()
NUMBERS = [name for name, dtype in VERDICTS.columns.items() if dtype == "float64"]
COUNTS = ["n_observed", "n_before", "exposures_before", "n_after", "exposures_after"]
ESTIMATES = [name for name in NUMBERS if name not in COUNTS]


def only(frames: Frames, day: int = 70, policy: VerifyPolicy = LOOK, **options: Any) -> "pd.Series[Any]":
    result = judge(frames, day, policy, **options)
    assert len(result) == 1
    return result.iloc[0]


def test_columns_and_types_are_those_declared() -> None:
    result = judge(switch())
    assert list(result.columns) == list(VERDICTS.columns)
    assert {name: str(dtype) for name, dtype in result.dtypes.items()} == dict(VERDICTS.columns)


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [("effective", 10, 2), ("worse", 10, 30), ("not_shown", 10, 8), ("partial", 300, 225), ("ineffective", 300, 300)],
)
def test_every_verdict_of_a_last_look(word: str, before: int, after: int) -> None:
    frames = switch(before, after, others=0 if word == "partial" else 3)
    calm = frames[0], frames[1].assign(n_exposures=10_000.0), frames[2]
    row = only(calm)
    if word == "partial" and row["verdict"] != "partial":  # drift seldom lets a small cut be sure
        assert row["verdict"] in ("not_shown", "ineffective")
        return
    assert row["verdict"] == word
    assert row[NUMBERS].notna().all()
    assert row["ci_low"] <= row["reduction"] <= row["ci_high"]
    assert row["n_observed"] == row["n_after"] == 14 * after
    assert row["n_before"] == 56 * before
    assert row["reduction"] == pytest.approx(1 - row["n_observed"] / row["n_expected"])
    assert pd.isna(row["next_look_at"])


def test_looks_come_one_after_the_other() -> None:
    wave = [10, 5, 14, 8, 12, 6, 15, 10]  # a week each: the pattern wanders by itself
    affected, exposures, fixes = switch(10, 8, days=42)
    own = affected["pattern_id"] == "p1"
    is_before = affected["prompt_version"] == "bot@v1"
    wandering = sessions([n for n in wave for _ in range(7)])
    frames = all_of(affected[~(own & is_before)], wandering), exposures, fixes
    early = only(frames, 69, SHIPPED)
    assert (early["verdict"], early["next_look_at"]) == ("pending", START + pd.Timedelta(days=70))
    assert pd.isna(early["look_day"])
    assert early[NUMBERS].isna().all()
    for day, look, following in ((70, 14, 77), (76, 14, 77), (77, 21, 84), (84, 28, 98)):
        row = only(frames, day, SHIPPED)
        assert (row["verdict"], row["look_day"], row["confidence"]) == ("inconclusive", look, 0.99)
        assert row["next_look_at"] == START + pd.Timedelta(days=following)
    last = only(frames, 98, SHIPPED)
    assert (last["verdict"], last["look_day"], last["confidence"]) == ("not_shown", 42, 0.95)


def test_a_rare_pattern_has_no_number() -> None:
    frames = all_of(sessions([0, 0, 0, 0, 0, 0, 1] * 8)), *switch()[1:]
    row = only(frames, policy=SHIPPED)
    assert (row["verdict"], row["n_observed"]) == ("pending", 0)
    assert "too rare" in row["reason"]
    assert row[ESTIMATES].isna().all()
    assert row[COUNTS].notna().all()
    assert only(frames)["verdict"] == "not_shown"  # at the last look


def test_no_verdict_without_exposures() -> None:
    affected, exposures, fixes = switch()
    for version, missing in (("bot@v1", "before"), ("bot@v2", "after")):
        row = only((affected, exposures[exposures["prompt_version"] != version], fixes))
        assert row["verdict"] == "pending"
        assert row[[f"n_{missing}", f"exposures_{missing}"]].isna().all()
        assert row[ESTIMATES].isna().all()
    assert only((affected, exposures.iloc[:0], fixes))["verdict"] == "pending"


def test_nothing_after_is_a_count_of_zero_and_an_interval() -> None:
    row = only(switch(10, 0))
    assert (row["verdict"], row["n_observed"], row["reduction"]) == ("effective", 0, 1)
    assert 0.8 < row["ci_low"] < row["ci_high"] <= 1


def test_empty_frames_are_pending_or_empty() -> None:
    affected, exposures, fixes = switch()
    assert judge((affected, exposures, fixes.iloc[:0])).empty
    assert list(judge((affected, exposures, fixes.iloc[:0])).columns) == list(VERDICTS.columns)
    for frames in ((affected.iloc[:0], exposures, fixes), (affected.iloc[:0], exposures.iloc[:0], fixes)):
        row = only(frames)
        assert row["verdict"] == "pending"
        assert row[ESTIMATES].isna().all()


def test_a_short_history_of_few_patterns_is_enough() -> None:
    affected, exposures, fixes = switch(others=0)
    recent = START + pd.Timedelta(days=42)
    row = only((affected[affected["occurred_at"] >= recent], exposures[exposures["date"] >= recent], fixes))
    assert row["verdict"] == "effective"
    lone = only((affected, exposures[exposures["date"] >= START + pd.Timedelta(days=53)], fixes))
    assert "only 3 days" in lone["reason"]


def test_without_a_version_everything_since_counts() -> None:
    affected, exposures, _ = switch()
    by_time = only((affected, exposures, fix(prompt_version=None)))
    assert by_time["verdict"] == "effective"
    assert "no prompt version" in by_time["reason"]
    assert by_time["n_after"] == 28
    assert only((affected, exposures, fix(day=56.4, prompt_version=None)))["n_after"] == 26  # the mixed day is out
    one = [frame.drop(columns="prompt_version") for frame in (affected, exposures)]
    assert only((one[0], one[1], fix(prompt_version=None)))["n_after"] == 28


def test_a_version_that_was_there_all_along_is_verified_by_time() -> None:
    affected, exposures, fixes = switch()
    row = only((affected.assign(prompt_version="bot@v2"), exposures.assign(prompt_version="bot@v2"), fixes))
    assert (row["verdict"], row["n_before"], row["n_after"]) == ("effective", 560, 28)
    assert "served all along" in row["reason"]


def held_back(cut_to: int, drift_to: int) -> Frames:
    """Half stays on v1 for a fortnight in which the pattern itself moves from 10 a day to `drift_to`."""
    own = [
        sessions([10] * 56),
        sessions([drift_to] * 14, first=56),
        sessions([cut_to] * 14, version="bot@v2", first=56),
    ]
    exposures = [served(1000, 0, 56), served(1000, 56, 70), served(1000, 56, 70, "bot@v2")]
    return all_of(*own), all_of(*exposures), fix(rollout_share=0.5)


def test_old_traffic_after_the_deployment_is_control() -> None:
    """The pattern went away by itself: half as many, in both arms alike."""
    assert only(held_back(2, 10))["verdict"] == "effective"
    faded = only(held_back(5, 5))
    assert faded["verdict"] == "not_shown"
    assert faded["n_expected"] < 100


def test_a_ramp_is_one_fix_and_starts_at_half() -> None:
    affected, exposures, _ = switch(days=16)
    canary = served(100, 50, 56, "bot@v2"), sessions([1] * 6, version="bot@v2", first=50)
    steps = all_of(*(fix(day=day, rollout_share=share) for day, share in ((56, 1.0), (50, 0.1), (54, 0.4))))
    frames = all_of(affected, canary[1]), all_of(exposures, canary[0]), steps
    row = only(frames, 69)
    assert row["verdict"] == "pending"  # day 0 is day 56
    row = only(frames, 70)
    assert (row["verdict"], row["n_after"]) == ("effective", 34)


def test_too_little_of_the_planned_traffic() -> None:
    affected, _, fixes = switch()
    mostly_old = all_of(served(1000, 0, 56), served(800, 56, 70), served(200, 56, 70, "bot@v2"))
    row = only((affected, mostly_old, fixes))
    assert row["verdict"] == "pending"
    assert "20% of the sessions" in str(row["reason"])
    assert only((affected, mostly_old, fix(rollout_share=0.2)))["verdict"] != "pending"


def test_two_fixes_at_once_are_one_joint_verdict() -> None:
    affected, exposures, fixes = switch()
    two = all_of(fixes, fix("f2", 60, prompt_version="bot@v3"))
    more = (
        all_of(affected, sessions([2] * 6, version="bot@v3", first=64)),
        all_of(exposures, served(90, 64, 70, "bot@v3")),
    )
    result = judge((*more, two)).set_index("fix_id")
    assert "joint verdict: f2" in str(result.loc["f1", "reason"])
    assert result.loc["f1", "n_after"] == 40
    assert result.loc["f2", "verdict"] == "pending"


def test_an_earlier_fix_is_the_baseline() -> None:
    affected = all_of(sessions([30] * 28), sessions([10] * 28, version="bot@v2", first=28))
    affected = all_of(affected, sessions([2] * 14, version="bot@v3", first=56))
    exposures = all_of(served(1000, 0, 28), served(1000, 28, 56, "bot@v2"), served(1000, 56, 70, "bot@v3"))
    two = all_of(fix("old", 28), fix("new", 56, prompt_version="bot@v3"))
    row = judge((affected, exposures, two)).set_index("fix_id").loc["new"]
    assert row["n_before"] == 280
    assert row["n_expected"] == pytest.approx(140, rel=0.1)
    assert "begins with the fix" in row["reason"]


def test_other_prompts_are_not_compared_with() -> None:
    affected, exposures, fixes = switch()
    other = sessions([50] * 70, version="mail@v7"), served(1000, 0, 70, "mail@v7")
    plain, more = only(switch()), only((all_of(affected, other[0]), all_of(exposures, other[1]), fixes))
    assert more[["n_before", "n_after", "verdict"]].tolist() == plain[["n_before", "n_after", "verdict"]].tolist()
    assert more["n_expected"] == pytest.approx(plain["n_expected"], rel=0.02)


def test_a_version_first_served_later_is_on_neither_side() -> None:
    affected, exposures, fixes = switch()
    later = sessions([40] * 3, version="bot@v9", first=67), served(300, 67, 70, "bot@v9")
    row = only((all_of(affected, later[0]), all_of(exposures, later[1]), fixes))
    assert (row["verdict"], row["n_after"], row["n_before"]) == ("effective", 28, 560)
    assert "bot@v9" in row["reason"]


def test_what_befell_all_patterns_is_not_the_fix() -> None:
    """Every pattern fell to 40 % on the day of the deployment: a broken thumb, not a fix."""
    others = [sessions([20] * 56 + [0], f"q{k}") for k in range(8)]
    fallen = [sessions([8] * 14, f"q{k}", "bot@v2", 56) for k in range(8)]
    own = sessions([20] * 56), sessions([8] * 14, version="bot@v2", first=56)
    _, exposures, fixes = switch()
    row = only((all_of(*own, *others, *fallen), exposures, fixes))
    assert row["verdict"] != "effective"
    assert only((all_of(*own), exposures, fixes))["verdict"] == "effective"


def test_a_shifted_mix_is_standardised() -> None:
    """Segment b fails ten times as often; the fix does nothing, but after it b hardly comes any more."""
    parts = [("a", 1, 500, 900), ("b", 10, 500, 100)]
    affected = all_of(
        *(sessions([n] * 56, segment=name, session_id=None) for name, n, *_ in parts),
        *(
            sessions([round(n * after / before)] * 14, version="bot@v2", first=56, segment=name, session_id=None)
            for name, n, before, after in parts
        ),
    )
    exposures = all_of(
        *(served(before, 0, 56, segment=name) for name, _, before, _ in parts),
        *(served(after, 56, 70, "bot@v2", segment=name) for name, _, _, after in parts),
    )
    row = only((affected, exposures, fix()))
    assert row["verdict"] != "effective"
    assert "standardised by segment" in row["reason"]
    assert row["reduction"] == pytest.approx(0, abs=0.1)
    plain = only((affected.drop(columns="segment"), exposures, fix()))
    assert plain["verdict"] == "effective"


def test_one_user_alone_makes_no_verdict() -> None:
    own = sessions([10] * 56).assign(user_id="one"), sessions([2] * 56)
    after = sessions([2] * 14, version="bot@v2", first=56)
    _, exposures, fixes = switch()
    row = only((all_of(*own, after), exposures, fixes))
    assert row["verdict"] != "effective"


def test_siblings_that_rise_mean_displaced() -> None:
    affected, exposures, fixes = switch(20, 4)
    sibling = sessions([10] * 56, "s1"), sessions([40] * 14, "s1", "bot@v2", 56)
    family = all_of(affected, *sibling).assign(parent_pattern_id=lambda f: f["pattern_id"].map({"p1": "x", "s1": "x"}))
    row = only((family, exposures, fixes))
    assert row["verdict"] == "ineffective"
    assert row["reason"].startswith("displaced")
    assert only((all_of(affected, *sibling), exposures, fixes))["verdict"] == "effective"


def test_guards_block_or_are_said() -> None:
    rows = [("f1", "audit", False, "nobody looked"), ("f1", "srm", True, "arms do not fit"), ("f9", "x", True, "y")]
    guards = GUARDS.check(pd.DataFrame(rows, columns=list(GUARDS.columns)))
    said = only(switch(), guards=guards[~guards["is_blocking"]])
    assert said["verdict"] == "effective"
    assert said["reason"].endswith("nobody looked")
    blocked = only(switch(), guards=guards)
    assert (blocked["verdict"], blocked["n_observed"]) == ("pending", 28)
    assert "arms do not fit" in blocked["reason"]
    assert blocked[ESTIMATES].isna().all()


def test_many_fixes_judged_together_need_more() -> None:
    frames = switch(6, 3)
    alone = only(frames)
    assert alone["q_value"] == alone["p_value"]
    many = all_of(fix(), *(fix(f"g{k}", pattern_id=f"q{k}") for k in range(3)))
    together = judge((frames[0], frames[1], many))
    assert (together["q_value"] >= together["p_value"] - 1e-12).all()
    assert together["q_value"].iloc[0] == pytest.approx(min(1, 4 * together["p_value"].iloc[0]), rel=1e-6)


def test_any_dtype_will_do() -> None:
    affected, exposures, fixes = switch()
    plain = judge((affected, exposures, fixes))
    naive = affected.assign(occurred_at=affected["occurred_at"].dt.tz_localize(None), known_at=None)
    variants = [
        (naive, exposures.assign(date=exposures["date"].dt.tz_localize(None)), fixes),
        (affected.astype({"pattern_id": "category", "prompt_version": "category"}), exposures, fixes.astype("object")),
        (affected.astype({"pattern_id": "object"}), exposures.assign(date=exposures["date"].dt.date), fixes),
        (affected.assign(occurred_at=affected["occurred_at"].astype(str)), exposures, fixes.assign(x=1)),
        (affected.drop(columns=["n_occurrences", "weight", "known_at"]), exposures.assign(more="x"), fixes),
        (affected.sample(frac=1, random_state=1), exposures.sample(frac=1, random_state=2), fixes),
    ]
    for variant in variants:
        pd.testing.assert_frame_equal(judge(variant), plain)
    nobody = judge((affected.assign(user_id=None), exposures, fixes))
    pd.testing.assert_frame_equal(nobody, plain)
    as_text = verify_fixes(affected, exposures, fixes, as_of="2026-03-16", policy=LOOK)
    pd.testing.assert_frame_equal(as_text, plain)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda a, e, f: (a.drop(columns="pattern_id"), e, f), "affected"),
        (lambda a, e, f: (a, e.drop(columns="date"), f), "exposures"),
        (lambda a, e, f: (a, e, f.drop(columns="deployed_at")), "fixes"),
        (lambda a, e, f: (a, e.assign(n_exposures=-1), f), "negative"),
        (lambda a, e, f: (a.assign(weight=0), e, f), "weight"),
        (lambda a, e, f: (a, e, f.assign(deployed_at=pd.NaT)), "deployed_at"),
    ],
)
def test_what_cannot_be_is_refused(wrong: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        judge(wrong(*switch()))


def test_late_feedback_is_not_a_fix() -> None:
    rng = np.random.default_rng(4)
    affected, exposures, fixes = switch(20, 20)
    delay = pd.to_timedelta(rng.geometric(0.2, len(affected)), unit="D")
    row = only((affected.assign(known_at=affected["occurred_at"] + delay), exposures, fixes))
    assert row["n_observed"] < 240
    assert row["reduction"] == pytest.approx(0, abs=0.12)
