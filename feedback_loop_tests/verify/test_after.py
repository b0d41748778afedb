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


def test_without_placebos_there_is_no_rate() -> None:
    affected, exposures = steady(2, 20)
    rates = check_placebos(affected, exposures, fix(day=10), as_of=at(20))
    assert (rates.n_placebos, rates.false_effective, rates.false_reopen) == (0, None, None)
    rare = affected.groupby("pattern_id").head(1), served(900, 0, 140)
    rates = check_placebos(rare[0], rare[1], fix(day=130), as_of=at(140))
    assert rates.n_placebos > 0
    assert (rates.n_judged, rates.false_effective) == (0, None)


def test_past_verdicts_teach_and_few_do_not() -> None:
    affected, exposures = steady(9, 70)
    fixes = all_of(*(fix(f"f{k}", pattern_id=f"p{k}", prompt_version=None) for k in range(5)))
    policy = VerifyPolicy(looks=(14,), q=0.05)
    verdicts = verify_fixes(affected, exposures, fixes, as_of=at(70), policy=policy)
    assert learn_cut_prior(verdicts) is None
    prior = learn_cut_prior(pd.concat([verdicts] * 60))
    assert prior is not None
    taught = verify_fixes(affected, exposures, fixes, as_of=at(70), policy=policy, prior=prior)
    assert (taught["prob_at_least_bar"] < 0.05).all()
    assert taught["reduction"].tolist() == verdicts["reduction"].tolist()
    assert chance_at_least(verdicts, 0.3, prior) == pytest.approx(taught["prob_at_least_bar"].to_numpy(), abs=0.02)
