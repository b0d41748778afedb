"""Data as others have it: no users, left-over versions, gaps in exposures, releases on releases, mixes that move."""

import numpy as np
import pandas as pd
import pytest

from feedback_loop.verify import VerifyPolicy, verify_fixes
from feedback_loop_tests.verify.small import LOOK, START, Frames, all_of, fix, judge, served, sessions, switch


def at(day: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=day)


def bursty(seed: int) -> Frames:
    """Twelve patterns of sessions without users that come six at a time, by time, nothing done to any of them."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(12):
        counts = 6 * rng.poisson(0.5, 70)
        rows.append(sessions(counts.tolist(), f"p{k}").assign(user_id=None))
    fixes = [fix(f"f{k}", pattern_id=f"p{k}", prompt_version=None) for k in range(12)]
    return all_of(*rows), served(1000, 0, 70), all_of(*fixes)


def test_bursts_that_no_user_explains_are_no_cut() -> None:
    found = pd.concat([judge(bursty(seed)) for seed in range(12)])
    judged = found.dropna(subset=["reduction"])
    assert len(judged) > 40
    assert judged["dispersion"].median() > 3
    excludes = (judged["ci_low"] > 0) | (judged["ci_high"] < 0)
    assert excludes.mean() <= 0.08


def test_what_is_left_over_of_an_old_version_is_no_hold_back() -> None:
    affected, exposures, fixes = switch(before=6, after=6)
    left = all_of(sessions([1] * 14, version="bot@v1", first=56)), served(5, 56, 70)
    row = judge((all_of(affected, left[0]), all_of(exposures, left[1]), fixes)).iloc[0]
    assert row["n_expected"] == pytest.approx(84, rel=0.1)
    assert row["verdict"] not in ("effective", "partial")
    assert "what old versions still served, 0.5% of the sessions, is left out" in row["reason"]


@pytest.mark.parametrize("superseded", [63, 69, 77])
def test_a_version_that_a_later_one_supersedes_is_judged_by_what_it_served(superseded: int) -> None:
    affected, exposures, fixes = switch(after=2, days=superseded - 56)
    later = served(1000, superseded, 98, "bot@v3"), sessions([10] * (98 - superseded), "q0", "bot@v3", superseded)
    row = judge((all_of(affected, later[1]), all_of(exposures, later[0]), fixes), 98, VerifyPolicy()).iloc[0]
    assert (row["look_day"], row["verdict"]) == (42, "effective")
    assert "first served after the fix and counted on neither side: bot@v3" in row["reason"]


def test_versions_that_only_the_sessions_name_do_not_matter_to_a_fix_by_time() -> None:
    affected, exposures, fixes = switch()
    by_time = fixes.assign(prompt_version=None)
    plain = judge((affected.drop(columns="prompt_version"), exposures.drop(columns="prompt_version"), by_time))
    for exposed in (exposures.assign(prompt_version=None), exposures, exposures.drop(columns="prompt_version")):
        row = judge((affected, exposed, by_time)).iloc[0]
        assert (row["verdict"], row["n_observed"]) == ("effective", 28)
        assert row["n_expected"] == pytest.approx(plain["n_expected"].iloc[0])


def test_traffic_without_versions_is_judged_by_time() -> None:
    affected, exposures, fixes = switch()
    row = judge((affected, exposures.drop(columns="prompt_version"), fixes)).iloc[0]
    assert (row["verdict"], row["n_observed"]) == ("effective", 28)
    assert "the traffic names no versions" in row["reason"]


def test_sessions_without_exposures_are_missing_and_not_none() -> None:
    affected, exposures, fixes = switch(after=10)
    is_late = affected["occurred_at"] >= at(56)
    some = affected.assign(prompt_version=affected["prompt_version"].where(~is_late | (affected.index % 2 == 0), None))
    row = judge((some, exposures, fixes)).iloc[0]
    assert row["verdict"] == "pending"
    assert bool(row[["n_observed", "n_before", "n_after", "reduction"]].isna().all())
    assert "no exposures are recorded for the day or version of" in row["reason"]
    few = affected.assign(prompt_version=affected["prompt_version"].where(~is_late | (affected.index % 20 > 0), None))
    said = judge((few, exposures, fixes)).iloc[0]
    assert said["verdict"] != "pending"
    assert "no exposures are recorded for the day or version of" in said["reason"]


def test_a_day_of_no_exposures_is_no_day_for_its_sessions_either() -> None:
    affected, exposures, fixes = switch()
    out = exposures["date"].isin([at(day) for day in (3, 11, 18, 33)])
    row = judge((affected, exposures.assign(n_exposures=exposures["n_exposures"].where(~out, 0)), fixes)).iloc[0]
    gone = judge((affected, exposures[~out], fixes)).iloc[0]
    assert row["n_expected"] == pytest.approx(gone["n_expected"])
    assert row["n_expected"] == pytest.approx(140, rel=0.1)


def test_a_fix_that_left_nothing_may_have_left_nothing() -> None:
    row = judge(switch(after=0)).iloc[0]
    assert (row["n_observed"], row["reduction"], row["ci_high"]) == (0, 1, 1)


def test_a_rare_pattern_is_standardised_by_the_segments_of_all() -> None:
    """Half the traffic is of a segment that fails five times as often; after the fix it is a fifth."""

    def of(name: str, calm: tuple[int, int], prone: tuple[int, int]) -> pd.DataFrame:
        parts = [
            sessions([n] * length, name, version, first, segment=segment)
            for segment, (before, after) in (("A", calm), ("B", prone))
            for n, version, first, length in ((before, "bot@v1", 0, 56), (after, "bot@v2", 56, 14))
        ]
        return all_of(*parts)

    rows = [of("p1", (1, 1), (3, 1)), *(of(f"q{k}", (10, 16), (50, 20)) for k in range(4))]
    mix = {("bot@v1", "A"): 500, ("bot@v1", "B"): 500, ("bot@v2", "A"): 800, ("bot@v2", "B"): 200}
    exposures = [
        served(n, *((0, 56) if version == "bot@v1" else (56, 70)), version, segment=segment)
        for (version, segment), n in mix.items()
    ]
    row = judge((all_of(*rows), all_of(*exposures), fix())).iloc[0]
    assert row["n_expected"] == pytest.approx(14 * 2.2, rel=0.25)
    assert "standardised by segment" in row["reason"]


def test_whole_numbers_are_versions_also_beside_missing_ones() -> None:
    affected, exposures, fixes = switch()
    number = {"bot@v1": 1, "bot@v2": 2}
    named = [frame.assign(prompt_version=frame["prompt_version"].map(number)) for frame in (affected, exposures)]
    other = fix("f2", pattern_id="q0", prompt_version=None)
    fixes = all_of(fixes.assign(prompt_version=2.0), other.assign(prompt_version=np.nan))
    rows = verify_fixes(named[0], named[1], fixes, as_of=at(70), policy=LOOK)
    assert rows["verdict"].iloc[0] == "effective"


def test_the_same_session_twice_counts_once_whatever_the_order() -> None:
    affected, exposures, fixes = switch()
    again = affected.assign(known_at=affected["known_at"] + pd.Timedelta(days=3))
    one, other = (judge((frames, exposures, fixes)) for frames in (all_of(affected, again), all_of(again, affected)))
    pd.testing.assert_frame_equal(one, other)
    assert one["n_observed"].iloc[0] == 28


def test_people_who_stay_in_their_arm_are_no_evidence_week_by_week() -> None:
    """Six users complain daily; by chance four of them were kept on the old version. Nothing was fixed."""

    def of(user: int, version: str, first: int, days: int) -> pd.DataFrame:
        own = sessions([2] * days, version=version, first=first).assign(user_id=f"u{user}")
        return own.assign(session_id=own["session_id"] + f"-{user}")

    rows = [of(user, "bot@v1", 0, 56) for user in range(6)]
    rows += [of(user, "bot@v1" if user < 4 else "bot@v2", 56, 42) for user in range(6)]
    exposures = all_of(served(1000, 0, 56), served(500, 56, 98), served(500, 56, 98, "bot@v2"))
    policy = VerifyPolicy(looks=(42,), q=0.05, min_expected=0.5)
    row = judge((all_of(*rows), exposures, fix(rollout_share=0.5)), 98, policy).iloc[0]
    assert row["ci_low"] < 0 < row["ci_high"]
    assert row["dispersion"] > 20
