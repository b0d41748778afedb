"""What follows a verdict: the watch over a fixed pattern, placebo fixes, what past verdicts teach."""

import numpy as np
import pandas as pd
import pytest

from feedback_loop.verify import (
    WATCHES,
    VerifyPolicy,
    chance_at_least,
    check_placebos,
    learn_cut_prior,
    verify_fixes,
    watch_fixes,
)
from feedback_loop_tests.verify.small import START, Frames, all_of, fix, served, sessions


def at(day: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=day)


def fixed(later: int, days: int = 140) -> Frames:
    """Fixed on day 56 from 10 a day to 4; from day 112 on it is `later`."""
    own = [sessions([10] * 56), sessions([4] * 56, version="bot@v2", first=56)]
    own += [sessions([later] * (days - 112), version="bot@v2", first=112)]
    others = [sessions([8] * days, f"q{k}") for k in range(3)]
    version = [
        frame.assign(prompt_version=frame["occurred_at"].lt(at(56)).map({True: "bot@v1", False: "bot@v2"}))
        for frame in others
    ]
    return all_of(*own, *version), all_of(served(1000, 0, 56), served(1000, 56, days, "bot@v2")), fix()


def test_a_pattern_that_comes_back_is_returned() -> None:
    row = watch_fixes(*fixed(14), as_of=at(140)).iloc[0]
    assert row["state"] == "returned"
    assert row["p_value"] <= row["threshold"]
    assert row["rise"] > 1
    quiet = watch_fixes(*fixed(4), as_of=at(140))
    assert list(quiet.columns) == list(WATCHES.columns)
    assert quiet["state"].tolist() == ["quiet"]


def test_a_watch_begins_late_and_ends() -> None:
    frames = fixed(4)
    early = watch_fixes(*frames, as_of=at(90)).iloc[0]
    assert (early["state"], bool(pd.isna(early["p_value"]))) == ("pending", True)
    assert watch_fixes(*frames, as_of=at(400))["state"].tolist() == ["over"]
    assert watch_fixes(frames[0], frames[1], frames[2].iloc[:0], as_of=at(140)).empty


def test_few_cases_are_quiet() -> None:
    affected, exposures, fixes = fixed(0)
    few = affected[(affected["pattern_id"] != "p1") | (affected["occurred_at"] < at(56))]
    one = sessions([1], version="bot@v2", first=130)
    row = watch_fixes(all_of(few, one), exposures, fixes, as_of=at(140)).iloc[0]
    assert row["state"] == "quiet"
    assert "too few" in row["reason"]


def returning(version: str) -> Frames:
    """Fixed on day 56 from 10 a day to none, and back in full from day 96 on with what `version` serves."""
    own = [sessions([10] * 56), sessions([10] * 44, version=version, first=96)]
    others = [sessions([8] * 140, f"q{k}", "bot@v1") for k in range(3)]
    both = [served(1000, 56, 96, "bot@v2"), served(1000, 96, 140, version)]
    return all_of(*own, *others), all_of(served(1000, 0, 56), *both), fix()


@pytest.mark.parametrize("version", ["bot@v2", "bot@v3"])
@pytest.mark.parametrize("day", [124, 140])
def test_the_better_the_fix_the_plainer_its_return_also_in_a_later_version(version: str, day: int) -> None:
    row = watch_fixes(*returning(version), as_of=at(day)).iloc[0]
    assert row["state"] == "returned"
    assert row["n_observed"] == 10 * 28
    assert row["n_expected"] < 5


def test_old_traffic_is_no_return() -> None:
    affected, exposures, fixes = returning("bot@v1")
    both = all_of(exposures, served(1000, 96, 140, "bot@v2"))
    assert watch_fixes(affected, both, fixes, as_of=at(140))["state"].tolist() == ["quiet"]


def test_what_served_nothing_is_not_quiet() -> None:
    affected, exposures, fixes = returning("bot@v2")
    row = watch_fixes(affected, exposures[exposures["date"] < at(100)], fixes, as_of=at(140)).iloc[0]
    assert (row["state"], bool(pd.isna(row["n_observed"]))) == ("pending", True)


def test_a_return_in_the_middle_of_a_look_does_not_hide_from_the_next() -> None:
    affected, exposures, fixes = fixed(14, 168)
    seen = watch_fixes(affected, exposures, fixes.assign(settled_at=at(77)), as_of=at(161)).iloc[0]
    assert seen["state"] == "returned"


def steady(n_patterns: int, n_days: int, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    return all_of(*(sessions(rng.poisson(5, n_days).tolist(), f"p{k}") for k in range(n_patterns))), served(
        900, 0, n_days
    )


def test_placebos_of_a_steady_application_are_seldom_called_anything() -> None:
    affected, exposures = steady(9, 140)
    rates = check_placebos(affected, exposures, fix("real", 130), as_of=at(140))
    assert rates.n_judged == rates.n_placebos > 15
    assert rates.false_effective == rates.n_effective / rates.n_judged <= 0.1
    assert rates.false_reopen is not None
    assert rates.effective_high is not None
    assert rates.false_effective < rates.effective_high <= 1


def test_placebos_hit_what_just_rose_as_tickets_do() -> None:
    rare = (sessions([1], f"p{k}") for k in (0, 1, 3))
    rates = check_placebos(
        all_of(*rare, sessions([5] * 24 + [12] * 7 + [5] * 14, "p2")), served(900, 0, 45), fix(day=45), as_of=at(45)
    )
    assert (rates.n_placebos, rates.n_judged) == (2, 1)  # of p2, the only one of which a number can be had


def test_without_placebos_there_is_no_rate() -> None:
    affected, exposures = steady(2, 20)
    rates = check_placebos(affected, exposures, fix(day=10), as_of=at(20))
    assert (rates.n_placebos, rates.false_effective, rates.false_reopen) == (0, None, None)
    rare = affected.groupby("pattern_id").head(1), served(900, 0, 140)
    rates = check_placebos(rare[0], rare[1], fix(day=130), as_of=at(140))
    assert rates.n_placebos > 0
    assert (rates.n_judged, rates.false_effective) == (0, None)


def test_past_verdicts_teach() -> None:
    affected, exposures = steady(9, 70)
    fixes = all_of(*(fix(f"f{k}", pattern_id=f"p{k}", prompt_version=None) for k in range(5)))
    policy = VerifyPolicy(looks=(14,), q=0.05)
    verdicts = verify_fixes(affected, exposures, fixes, as_of=at(70), policy=policy)
    prior = learn_cut_prior(pd.concat([verdicts] * 60))
    taught = verify_fixes(affected, exposures, fixes, as_of=at(70), policy=policy, prior=prior)
    assert (taught["prob_at_least_bar"] < 0.05).all()
    assert (taught["prob_at_least_bar"] < verdicts["prob_at_least_bar"]).all()
    assert taught["reduction"].tolist() == verdicts["reduction"].tolist()
    assert chance_at_least(verdicts, 0.3, prior) == pytest.approx(taught["prob_at_least_bar"].to_numpy(), abs=0.02)
