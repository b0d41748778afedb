"""One failure in several patterns: what befalls it must not pass for what befell everything."""

import pytest

from feedback_loop_tests.verify.small import Frames, all_of, fix, judge, served, sessions

PARTS = [f"q{k}" for k in range(5)]


def world(own: int, parts: int, others: tuple[str, ...] = ()) -> Frames:
    """Eight weeks of v1, a fortnight of v2: p1 goes from 10 a day to `own`, the parts and others from 8 to `parts`."""
    patterns = [("p1", 10, own), *((name, 8, parts) for name in (*PARTS, *others))]
    rows = [
        sessions([n] * length, name, version, first)
        for name, before, after in patterns
        for n, version, first, length in ((before, "bot@v1", 0, 56), (after, "bot@v2", 56, 14))
    ]
    return all_of(*rows), all_of(served(1000, 0, 56), served(1000, 56, 70, "bot@v2")), fix()


def test_parts_of_another_failure_that_was_fixed_do_not_make_this_one_worse() -> None:
    affected, exposures, fixes = world(own=10, parts=1)
    blind = judge((affected, exposures, fixes)).iloc[0]
    assert blind["verdict"] in ("inconclusive", "ineffective")
    family = affected["pattern_id"].where(~affected["pattern_id"].isin(PARTS), "q0")
    told = judge((affected.assign(family=family), exposures, fixes)).iloc[0]
    assert told["n_expected"] == pytest.approx(140, rel=0.1)
    assert told["verdict"] == blind["verdict"]
    assert told["ci_low"] < 0 < told["ci_high"]


def test_parts_of_the_same_failure_do_not_take_its_cut_away() -> None:
    affected, exposures, fixes = world(own=1, parts=1, others=("r0", "r1", "r2"))
    steady = affected["pattern_id"].str.startswith("r")
    affected = all_of(
        affected[~steady],
        world(own=8, parts=8, others=("r0", "r1", "r2"))[0].loc[lambda f: f.pattern_id.str.startswith("r")],
    )
    family = affected["pattern_id"].where(~affected["pattern_id"].isin(PARTS), "p1")
    row = judge((affected.assign(family=family), exposures, fixes)).iloc[0]
    assert row["verdict"] == "effective"
    assert row["n_expected"] == pytest.approx(140, rel=0.1)


def test_what_befell_many_patterns_befell_this_one_too() -> None:
    many = tuple(f"r{k}" for k in range(20))
    assert judge(world(own=5, parts=4, others=many)).iloc[0]["verdict"] not in ("effective", "partial", "worse")
