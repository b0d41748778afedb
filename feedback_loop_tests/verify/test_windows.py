"""Verdicts: which looks are due, what each window holds, and every word a look can say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feedback_loop.records import FINAL_VERDICTS, Fix, Verdict, Verification, Window, midnight
from feedback_loop.verify import AFFECTED, EXPOSURES, VerifyPolicy, due_looks, look_of, verify_look

POLICY = VerifyPolicy()
DEPLOYED = datetime(2026, 3, 2, 10, tzinfo=UTC)
DAY0 = date(2026, 3, 2)


def fix(**fields: Any) -> Fix:
    values: dict[str, Any] = {
        "application": "shop",
        "fix_id": "f1",
        "pattern_id": "p1",
        "ticket_key": "FL-1",
        "deployment_id": "d1",
        "prompt_name": None,
        "prompt_version": None,
        "deployed_at": DEPLOYED,
        "detector_version": "det",
        "source": "deployment",
    }
    return Fix(**(values | fields))


def exposures_of(window: Window, per_day: float, version: str = "v1", name: str = "support") -> pd.DataFrame:
    days = pd.date_range(window.start, window.end, inclusive="left", freq="D")
    frame = pd.DataFrame({"date": days, "prompt_name": name, "prompt_version": version, "n_exposures": per_day})
    return EXPOSURES.check(frame)


def events_of(window: Window, counts: Sequence[int], version: str = "v1", name: str = "support") -> pd.DataFrame:
    """`counts[i]` sessions on day i of the window, known within the hour."""
    records = [
        (day, f"{version}-{name}-{day:%m%d}-{k}")
        for day, n in zip(pd.date_range(window.start, window.end, inclusive="left", freq="D"), counts, strict=True)
        for k in range(n)
    ]
    frame = pd.DataFrame(records, columns=["occurred_at", "session_key"])
    at = pd.to_datetime(frame["occurred_at"], utc=True) + pd.Timedelta(hours=12)
    frame = frame.assign(occurred_at=at, known_at=at + pd.Timedelta(hours=1), prompt_name=name, weight=1.0)
    return AFFECTED.check(frame.assign(prompt_version=version))


def verdict_of(
    day: int, before: Sequence[int], after: Sequence[int], per_day: float = 1000, a_fix: Fix | None = None
) -> Verification:
    """A look at a fix without a version, at constant exposures."""
    look = look_of(a_fix or fix(), day)
    affected = pd.concat([events_of(look.before, before), events_of(look.after, after)])
    exposed = pd.concat([exposures_of(look.before, per_day), exposures_of(look.after, per_day)])
    return verify_look(look, affected, exposed, POLICY)


def test_windows_of_a_fix_with_a_version_share_the_day_of_deployment() -> None:
    look = look_of(fix(prompt_version="v2"), 14)
    assert look.before == Window(midnight(date(2026, 2, 16)), midnight(DAY0))
    assert look.after == Window(midnight(DAY0), midnight(date(2026, 3, 16)))


def test_windows_of_a_fix_without_one_leave_the_mixed_day_out() -> None:
    look = look_of(fix(), 14)
    assert look.before == Window(midnight(date(2026, 2, 16)), midnight(DAY0))
    assert look.after == Window(midnight(date(2026, 3, 3)), midnight(date(2026, 3, 17)))


@pytest.mark.parametrize("day", POLICY.looks)
def test_both_windows_are_equally_long(day: int) -> None:
    look = look_of(fix(prompt_version="v2"), day)
    assert look.before.end - look.before.start == look.after.end - look.after.start == timedelta(days=day)


def test_a_look_is_due_when_its_window_has_ended_and_not_a_second_before() -> None:
    end = look_of(fix(), 14).after.end
    assert due_looks([fix()], {}, end - timedelta(seconds=1), POLICY) == []
    assert [look.day for look in due_looks([fix()], {}, end, POLICY)] == [14]
    assert [look.day for look in due_looks([fix()], {}, end + timedelta(days=40), POLICY)] == [14, 21, 28, 42]


def test_a_look_that_was_made_is_not_due_again() -> None:
    late = DEPLOYED + timedelta(days=60)
    done: dict[str, dict[int, Verdict]] = {"f1": {14: "inconclusive", 21: "pending"}}
    assert [look.day for look in due_looks([fix()], done, late, POLICY)] == [28, 42]
    other = fix(fix_id="f2")
    assert [(look.fix.fix_id, look.day) for look in due_looks([fix(), other], done, late, POLICY)][:3] == [
        ("f1", 28),
        ("f1", 42),
        ("f2", 14),
    ]


@pytest.mark.parametrize("verdict", sorted(FINAL_VERDICTS))
def test_nothing_is_due_after_a_final_verdict(verdict: Verdict) -> None:
    assert due_looks([fix()], {"f1": {14: verdict}}, DEPLOYED + timedelta(days=60), POLICY) == []


CASES: list[tuple[Verdict, int, list[int], list[int]]] = [
    ("effective", 14, [10] * 14, [2] * 14),
    ("partial", 14, [100] * 14, [85] * 14),
    ("ineffective", 14, [100] * 14, [100] * 14),
    ("worse", 14, [10] * 14, [20] * 14),
    ("inconclusive", 14, [3] * 14, [2] * 14),
    ("not_shown", 42, [0, 1] * 21, [1, 0] * 21),
    ("pending", 14, [0] * 13 + [3], [0] * 14),
]


@pytest.mark.parametrize(("word", "day", "before", "after"), CASES, ids=[case[0] for case in CASES])
def test_every_verdict(word: Verdict, day: int, before: list[int], after: list[int]) -> None:
    result = verdict_of(day, before, after)
    assert result.verdict == word
    assert result.reason
    assert (result.n_before, result.n_after) == (sum(before), sum(after))
    assert (result.exposures_before, result.exposures_after) == (1000 * day, 1000 * day)
    if word == "pending":
        assert result.reduction is result.ci_low is result.p_value is result.n_expected is None
    else:
        assert result.reduction == pytest.approx(1 - sum(after) / sum(before))
        assert result.rate_ratio == pytest.approx(sum(after) / sum(before))
        assert result.ci_low is not None
        assert result.ci_high is not None
        assert result.reduction is not None
        assert result.ci_low <= result.reduction <= result.ci_high
        assert result.n_expected == pytest.approx(sum(before))
        assert result.confidence == (0.95 if day == 42 else 0.99)


def test_an_open_verdict_says_when_the_next_look_is_and_a_final_one_does_not() -> None:
    assert verdict_of(14, [3] * 14, [2] * 14).next_look_at == look_of(fix(), 21).after.end
    assert verdict_of(14, [10] * 14, [2] * 14).next_look_at is None
    assert verdict_of(42, [0, 1] * 21, [1, 0] * 21).next_look_at is None


def test_more_traffic_after_is_not_more_failure() -> None:
    look = look_of(fix(), 14)
    affected = pd.concat([events_of(look.before, [10] * 14), events_of(look.after, [10] * 14)])
    exposed = pd.concat([exposures_of(look.before, 100), exposures_of(look.after, 500)])
    result = verify_look(look, affected, exposed, POLICY)
    assert result.verdict == "effective"
    assert result.reduction == pytest.approx(0.8)
    assert result.n_expected == pytest.approx(700)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(("day", "verdict"), [(14, "pending"), (42, "pending")])
def test_without_exposures_on_a_side_there_is_no_number(side: str, day: int, verdict: Verdict) -> None:
    look = look_of(fix(), day)
    shown = look.after if side == "before" else look.before
    result = verify_look(look, events_of(shown, [10] * day), exposures_of(shown, 1000), POLICY)
    assert result.verdict == verdict
    assert side in result.reason
    assert getattr(result, f"n_{side}") is getattr(result, f"exposures_{side}") is None
    assert result.reduction is result.rate_ratio is result.ci_low is result.p_value is None


def test_too_few_days_before_are_said() -> None:
    look = look_of(fix(), 14)
    last_days = Window(look.before.end - timedelta(days=6), look.before.end)
    affected = pd.concat([events_of(last_days, [50] * 6), events_of(look.after, [5] * 14)])
    exposed = pd.concat([exposures_of(last_days, 1000), exposures_of(look.after, 1000)])
    result = verify_look(look, affected, exposed, POLICY)
    assert (result.verdict, result.reduction) == ("pending", None)
    assert "only 6 days" in result.reason


def test_a_rare_pattern_waits_and_at_the_last_look_could_not_be_shown() -> None:
    early = verdict_of(14, [0] * 12 + [1, 1], [0] * 14)
    assert early.verdict == "pending"
    assert "too rare: 2.0 independent cases" in early.reason
    last = verdict_of(42, [0] * 40 + [1, 1], [0] * 42)
    assert (last.verdict, last.next_look_at, last.reduction) == ("not_shown", None, None)


def test_zero_hits_alone_prove_nothing() -> None:
    """200 exposures without a hit pass an unfixed 1 % pattern 13 % of the time: no verdict is given on that."""
    assert verdict_of(14, [0, 0, 0, 0, 0, 0, 1] * 2, [0] * 14, per_day=200 / 14).verdict == "pending"


def test_a_burst_is_no_evidence() -> None:
    """The same 42 cases before: spread over the days they are evidence, from one bad day they are not."""
    assert verdict_of(14, [3] * 14, [0] * 14).verdict == "effective"
    assert verdict_of(14, [42] + [0] * 13, [0] * 14).verdict != "effective"


def test_only_the_version_counts_after_and_never_before() -> None:
    bound = fix(prompt_version="v2", prompt_name="support")
    look = look_of(bound, 14)
    affected = [
        events_of(look.before, [10] * 14, "v1"),
        events_of(look.before, [7] * 14, "v2"),  # a canary of the version before its day
        events_of(look.after, [2] * 14, "v2"),
        events_of(look.after, [9] * 14, "v1"),  # the old version is still served
        events_of(look.after, [30] * 14, "v2", "summary"),  # another prompt of the application
    ]
    exposed = [
        exposures_of(window, 1000, version, name)
        for window in (look.before, look.after)
        for version in ("v1", "v2")
        for name in ("support", "summary")
    ]
    result = verify_look(look, pd.concat(affected), pd.concat(exposed), POLICY)
    assert (result.n_before, result.n_after) == (140, 28)
    assert (result.exposures_before, result.exposures_after) == (14_000, 14_000)


def test_a_fix_without_a_version_counts_everything_the_application_served() -> None:
    look = look_of(fix(), 14)
    affected = [events_of(w, [5] * 14, v) for w in (look.before, look.after) for v in ("v1", "v2")]
    exposed = [exposures_of(w, 100, v) for w in (look.before, look.after) for v in ("v1", "v2")]
    result = verify_look(look, pd.concat(affected), pd.concat(exposed), POLICY)
    assert (result.n_before, result.n_after, result.exposures_after) == (140, 140, 2800)


def test_a_session_counts_once_a_day() -> None:
    look = look_of(fix(), 14)
    once = pd.concat([events_of(look.before, [10] * 14), events_of(look.after, [2] * 14)])
    thrice = pd.concat([once, once.assign(occurred_at=once["occurred_at"] + pd.Timedelta(hours=1)), once])
    exposed = pd.concat([exposures_of(look.before, 1000), exposures_of(look.after, 1000)])
    assert verify_look(look, thrice, exposed, POLICY) == verify_look(look, once, exposed, POLICY)
    same = once.assign(session_key="the same session")
    result = verify_look(look, same, exposed, POLICY)
    assert (result.n_before, result.n_after) == (14, 14)


def test_weights_count_in_the_rate_and_widen_the_interval() -> None:
    """Every captured session stands for two: the same reduction, from half the evidence."""
    look = look_of(fix(), 14)
    affected = pd.concat([events_of(look.before, [10] * 14), events_of(look.after, [4] * 14)])
    exposed = pd.concat([exposures_of(look.before, 1000), exposures_of(look.after, 1000)])
    full = verify_look(look, affected, exposed, POLICY)
    sampled = verify_look(look, affected.assign(weight=2.0), exposed.assign(n_exposures=2000.0), POLICY)
    assert sampled.reduction == pytest.approx(full.reduction)
    assert (sampled.n_before, sampled.exposures_before) == (140, 28_000)
    assert sampled.n_expected == pytest.approx(140)  # like n_after: sessions as they are captured
    # Counts double and dispersion doubles: an independent case is still one captured session.
    assert (sampled.ci_low, sampled.ci_high) == pytest.approx((full.ci_low, full.ci_high), abs=1e-9)


def test_what_became_known_after_the_window_does_not_count() -> None:
    look = look_of(fix(), 14)
    affected = pd.concat([events_of(look.before, [10] * 14), events_of(look.after, [10] * 14)])
    exposed = pd.concat([exposures_of(look.before, 1000), exposures_of(look.after, 1000)])
    late = affected.assign(known_at=affected["known_at"] + pd.Timedelta(days=3))
    result = verify_look(look, late, exposed, POLICY)
    assert (result.n_before, result.n_after) == (110, 110)  # three days less, on both sides alike


def delayed_world(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A constant rate around the fix; feedback comes after five days on average."""
    rng, look = np.random.default_rng(seed), look_of(fix(), 14)
    both = [events_of(window, list(rng.poisson(30, 14))) for window in (look.before, look.after)]
    affected = pd.concat(both, ignore_index=True)
    delays = pd.to_timedelta(rng.exponential(5 * 24, len(affected)), unit="h")
    affected = affected.assign(known_at=affected["occurred_at"] + delays)
    exposed = pd.concat([exposures_of(window, 1000) for window in (look.before, look.after)])
    return affected, exposed


def test_late_feedback_at_a_constant_rate_does_not_look_like_a_fix() -> None:
    look, fair, naive = look_of(fix(), 14), [], []
    for seed in range(30):
        affected, exposed = delayed_world(seed)
        fair.append(verify_look(look, affected, exposed, POLICY).reduction)
        is_before = affected["occurred_at"] < look.before.end
        complete = affected.assign(known_at=affected["known_at"].where(~is_before, affected["occurred_at"]))
        naive.append(verify_look(look, complete, exposed, POLICY).reduction)
    assert abs(np.mean(np.array(fair, dtype=float))) < 0.03
    assert np.mean(np.array(naive, dtype=float)) > 0.2  # what the symmetric cut protects from


def test_a_fix_that_does_nothing_is_rarely_called_effective() -> None:
    """120 seeded worlds with bursty days (variance twice the mean): at 99 % confidence, 0.5 % may pass by chance."""
    words = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        before, after = (list(rng.negative_binomial(12, 0.5, 14)) for _ in range(2))
        words.append(verdict_of(14, before, after).verdict)
    n_wrong = words.count("effective") + words.count("partial")
    assert n_wrong <= 3  # 2 %; the nominal rate allows 1 of 120, and dispersion is itself estimated
    assert words.count("inconclusive") + words.count("ineffective") + words.count("worse") == 120 - n_wrong


def test_a_cut_of_80_percent_at_500_cases_is_called_effective() -> None:
    words = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        words.append(verdict_of(14, list(rng.poisson(36, 14)), list(rng.poisson(7.2, 14))).verdict)
    assert set(words) == {"effective"}


def test_a_further_fix_of_the_same_pattern_ends_the_looks_at_the_one_before() -> None:
    first = fix()
    second = replace(fix(), fix_id="second", deployed_at=first.deployed_at + timedelta(days=18))
    other = replace(fix(), fix_id="other", pattern_id="p-other", deployed_at=first.deployed_at + timedelta(days=3))
    as_of = first.deployed_at + timedelta(days=60)
    due = [look for look in due_looks([first, second, other], {}, as_of, POLICY) if look.fix == first]
    assert [(look.day, look.is_superseded) for look in due] == [(14, False), (21, True)]
    affected = pd.concat([events_of(due[1].before, [10] * 21), events_of(due[1].after, [1] * 21)])
    exposed = pd.concat([exposures_of(due[1].before, 1000), exposures_of(due[1].after, 1000)])
    result = verify_look(due[1], affected, exposed, POLICY)
    assert (result.verdict, result.reduction, result.next_look_at) == ("pending", None, None)
    assert "another fix of the same pattern" in result.reason
    assert not due_looks(
        [first, second], {first.fix_id: {14: "inconclusive", 21: "pending"}, "second": {}}, second.deployed_at, POLICY
    )


def test_silence_after_a_fix_is_no_success() -> None:
    look = look_of(fix(), 14)
    affected = events_of(look.before, [10] * 14)
    exposed = pd.concat([exposures_of(look.before, 1000), exposures_of(look.after, 1000)])
    days = [look.before.start.date() + timedelta(days=n) for n in range(14)]
    silent = verify_look(look, affected, exposed, POLICY, heard=days)
    assert (silent.verdict, silent.reduction) == ("pending", None)
    assert "is the pipe broken" in silent.reason
    later = [look.after.start.date() + timedelta(days=n) for n in range(14)]
    assert verify_look(look, affected, exposed, POLICY, heard=[*days, *later]).verdict == "effective"


def test_the_window_before_does_not_reach_past_the_first_week_of_the_pattern() -> None:
    young = replace(fix(), pattern_since=DAY0 - timedelta(days=10))
    assert look_of(young, 42).before.start == midnight(DAY0 - timedelta(days=10))
    assert look_of(young, 7).before.start == midnight(DAY0 - timedelta(days=7))
    newer_than_its_fix = replace(fix(), pattern_since=DAY0 + timedelta(days=3))
    assert look_of(newer_than_its_fix, 14).before.start == midnight(DAY0 - timedelta(days=14))


@pytest.mark.parametrize(
    "values", [{"looks": (14, 14)}, {"looks": (21, 14, 28, 42)}, {"bar": 7.0}, {"confidences": (99, 99, 99, 95)}]
)
def test_policies_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"look|bar|confidences"):
        VerifyPolicy(**values)
