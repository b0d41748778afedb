"""Looks: when they are due, what ends them, and the frames that they are made from."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from feedback_loop.records import FINAL_VERDICTS, Fix, Verdict, midnight
from feedback_loop.verify import (
    VerifyPolicy,
    affected_sessions,
    due_at,
    due_looks,
    fix_rows,
    fix_weeks,
    is_settled,
    join_small_segments,
    next_look_at,
    one_cohort,
    ramp_of,
    without_strays,
)
from feedback_loop_tests.verify.small import START, all_of, served, sessions, switch

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


def test_with_a_version_the_day_of_the_deployment_is_the_first() -> None:
    assert due_at(fix(prompt_version="v2"), 14) == midnight(DAY0 + timedelta(days=14))


def test_without_a_version_that_day_is_mixed_and_the_first_is_the_next() -> None:
    assert due_at(fix(), 14) == midnight(DAY0 + timedelta(days=15))


def test_a_look_is_due_when_its_day_has_come_and_not_a_second_before() -> None:
    end = due_at(fix(), 14)
    assert due_looks([fix()], {}, end - timedelta(seconds=1), POLICY) == []
    assert [look.day for look in due_looks([fix()], {}, end, POLICY)] == [14]
    late = due_looks([fix()], {}, end + timedelta(days=40), POLICY)
    assert [(look.day, look.due_at) for look in late] == [(day, due_at(fix(), day)) for day in (14, 21, 28, 42)]


def test_a_look_that_was_made_is_not_due_again_and_the_earliest_comes_first() -> None:
    late, other = DEPLOYED + timedelta(days=60), fix(fix_id="f2", deployed_at=DEPLOYED - timedelta(days=1))
    done: dict[str, dict[int, Verdict]] = {"f1": {14: "inconclusive", 21: "pending"}}
    assert [(look.fix.fix_id, look.day) for look in due_looks([fix(), other], done, late, POLICY)] == [
        *(("f2", 14), ("f2", 21), ("f2", 28), ("f1", 28), ("f2", 42), ("f1", 42))
    ]


@pytest.mark.parametrize("verdict", sorted(FINAL_VERDICTS))
def test_nothing_is_due_after_a_final_verdict(verdict: Verdict) -> None:
    assert due_looks([fix()], {"f1": {14: verdict}}, DEPLOYED + timedelta(days=60), POLICY) == []
    assert is_settled(fix(), {14: verdict}, due_at(fix(), 15))
    assert not is_settled(fix(), {14: verdict}, due_at(fix(), 14))  # on its own day it is still among those judged


def test_the_next_look_has_a_date_and_the_last_has_none() -> None:
    assert next_look_at(fix(), 14, POLICY) == due_at(fix(), 21)
    assert next_look_at(fix(), 42, POLICY) == due_at(fix(), 49)  # asked for only where the last is pending
    assert next_look_at(fix(), 70, POLICY) is None


def test_a_session_counts_once_a_day_from_its_first_negative_event_on() -> None:
    day = pd.Timestamp("2026-03-02", tz="UTC")
    event = {"pattern_id": "p1", "user_hash": "u1", "session_key": "s1", "occurred_at": day, "known_at": day}
    event |= {"prompt_name": "bot", "prompt_version": "v1", "cohort": None, "weight": 2.0}
    again = event | {"occurred_at": day + pd.Timedelta(hours=1), "known_at": day + pd.Timedelta(days=3), "weight": 1.0}
    events = pd.DataFrame([again, event, event | {"occurred_at": day + pd.Timedelta(days=1)}])
    rows = affected_sessions(events)
    assert rows["n_occurrences"].tolist() == [2, 1]
    assert rows[["prompt_version", "known_at", "weight"]].to_numpy().tolist()[0] == ["bot@v1", day, 1.0]
    assert affected_sessions(events[:0]).empty


def test_a_last_look_that_is_blocked_is_made_again_for_four_weeks() -> None:
    done: dict[int, Verdict] = {14: "pending", 21: "pending", 28: "pending", 42: "pending"}
    much_later, days = due_at(fix(), 200), []
    while due := due_looks([fix()], {"f1": done}, much_later, POLICY):
        days += [look.day for look in due]
        done[due[0].day] = "pending"
    assert days == [49, 56, 63, 70]
    assert due_looks([fix()], {"f1": {42: "pending"}}, due_at(fix(), 48), VerifyPolicy(looks=(42,))) == []
    assert due_looks([fix()], {"f1": {42: "inconclusive"}}, much_later, VerifyPolicy(looks=(42,))) == []


def test_a_ramp_has_its_own_day_0_and_what_led_to_it() -> None:
    early, late = DEPLOYED - timedelta(days=3), DEPLOYED + timedelta(days=3)
    assert ramp_of(fix(), []) == []
    assert ramp_of(fix(), [(early, 0.1), (DEPLOYED, 0.5), (late, 1.0)]) == [(early, 0.1), (DEPLOYED, 0.5), (late, 1.0)]
    assert ramp_of(fix(), [(early, 1.0), (late, 0.2)]) == [(DEPLOYED, 1.0), (late, 0.2)]


def test_fixes_get_the_names_of_versions_as_they_were_served() -> None:
    served = ["bot@v1", "bot@v2", "other@v2"]
    named, nameless = fix(prompt_version="v2", prompt_name="bot"), fix(fix_id="f2", prompt_version="v2")
    vague = fix(fix_id="f3", precision="day", deployed_at=midnight(DAY0))
    rows = fix_rows([named, nameless, vague], {"f1": [(DEPLOYED, 0.6)]}, served, ["f1"], {"p1": "p0"})
    assert rows["prompt_version"].tolist() == ["bot@v2", "bot@v2", "other@v2", None]
    assert rows["is_judged"].tolist() == [True, False, False, False]
    assert rows["rollout_share"].tolist() == [0.6, 1.0, 1.0, 1.0]
    assert rows["deployed_at"].iloc[-1] == pd.Timestamp(midnight(DAY0)) + pd.Timedelta(hours=12)
    assert set(rows["parent_pattern_id"]) == {"p0"}


def test_small_cohorts_are_one_segment() -> None:
    exposures = pd.DataFrame({"segment": ["a", "b", "c"], "n_exposures": [980.0, 15.0, 5.0]})
    affected, joined = join_small_segments(pd.DataFrame({"segment": ["a", "c", "never served"]}), exposures)
    assert affected["segment"].tolist() == ["a", "(other)", "(other)"]
    assert joined["segment"].tolist() == ["a", "(other)", "(other)"]


def test_a_few_texts_before_a_new_pattern_began_are_strays() -> None:
    week = (START + pd.Timedelta(weeks=3)).date()
    exposures = served(100, 0, 28)
    new = all_of(sessions([1] * 3), sessions([10] * 7, first=21))
    old = all_of(sessions([9] * 21), sessions([10] * 7, first=21))
    assert len(without_strays(new, exposures, {"p1": week})) == 70
    assert len(without_strays(old, exposures, {"p1": week, "unseen": week})) == len(old)
    assert len(without_strays(new, exposures, {})) == 73


def test_strays_of_each_pattern_are_told_by_its_own_beginning() -> None:
    week = (START + pd.Timedelta(weeks=3)).date()
    own, other = (all_of(sessions([1] * 3, p), sessions([10] * 7, p, first=21)) for p in ("p1", "p2"))
    left = without_strays(all_of(own, other), served(100, 0, 28), {"p1": week, "p3": week})
    assert left.groupby("pattern_id").size().to_dict() == {"p1": 70, "p2": 73}
    assert without_strays(own.head(0), served(100, 0, 28), {"p1": week}).empty


def test_a_session_of_two_cohorts_is_in_one_on_both_sides() -> None:
    events = pd.DataFrame(
        {
            "occurred_at": pd.to_datetime(["2026-01-05T10:00Z", "2026-01-05T11:00Z", "2026-01-06T11:00Z"]),
            "prompt_name": "bot",
            "prompt_version": "v1",
            "session_key": ["s1", "s2", "s1"],
            "cohort": ["new", None, "new"],
        }
    )
    mixed = events.head(1).assign(date=[START.date()], cohort=["beta"])
    assert one_cohort(events, mixed.drop(columns="occurred_at"))["cohort"].fillna("").tolist() == ["beta", "", "new"]
    assert one_cohort(events, mixed.head(0)) is events


def test_the_weeks_of_a_fix_add_up_to_its_counts() -> None:
    affected, exposures, fixes = switch(before=10, after=2)
    weeks = fix_weeks(affected, exposures, fixes, as_of=START + pd.Timedelta(days=70))
    assert (weeks["n_before"].sum(), weeks["n_after"].sum()) == (56 * 10, 14 * 2)
    assert weeks.loc[weeks["exposures_after"] > 0, "n_before"].sum() == 0
    assert fix_weeks(affected, exposures, fixes.assign(is_judged=False), as_of=START + pd.Timedelta(days=70)).empty
