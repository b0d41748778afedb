"""The numbers of a pattern's week and which pattern comes first."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feedback_loop.prioritise import PATTERN_WEEKS, prioritise_patterns


def member(pattern: str, n: int, **fields: Any) -> dict[str, Any]:
    return {
        "pattern_id": pattern,
        "interaction_id": f"{pattern}-{n}",
        "session_key": f"{pattern}-s{n}",
        "exposure_key": f"2026-01-05|{fields.get('session_key', f'{pattern}-s{n}')}",
        "user_hash": f"u{n}",
        "severity": 2,
        "weight": 1.0,
        "is_inferred": False,
        "standing": 1.0,
        "is_new": False,
    } | fields


def members(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(member("p", 0)))


def test_counts_of_a_week() -> None:
    found = prioritise_patterns(
        members(
            member("p", 1),
            member("p", 2, session_key="p-s1", severity=4),  # a second bad answer in the same session
            member("p", 3, user_hash=None, weight=4.0),
            member("p", 4, user_hash="u1"),
        ),
        exposures=1000,
    )
    row = found.iloc[0]
    assert (row["n_occurrences"], row["n_sessions"], row["n_users"]) == (4, 3, 1 + 1)
    assert row["affected"] == 1 + 4 + 1
    assert row["rate"] == pytest.approx(0.006)
    assert row["mean_severity"] == pytest.approx(2.5)
    assert row["score"] == pytest.approx(6 * 2.5)
    assert row["rank"] == 1


def test_frequency_times_severity_decides() -> None:
    often = [member("often", n, severity=1) for n in range(10)]
    badly = [member("badly", n, severity=4) for n in range(3)]
    rare = [member("rare", 1, severity=4)]
    found = prioritise_patterns(members(*rare, *often, *badly), exposures=500)
    assert list(zip(found["pattern_id"], found["rank"], strict=True)) == [("badly", 1), ("often", 2), ("rare", 3)]


def test_without_exposures_there_is_no_rate_and_still_an_order() -> None:
    found = prioritise_patterns(members(member("a", 1), member("b", 1), member("b", 2)), exposures=0)
    assert found["pattern_id"].tolist() == ["b", "a"]
    for column in ("exposures", "rate", "score"):
        assert np.isnan(found[column]).all(), column


def test_equals_are_ordered_by_id_whatever_the_order_of_rows() -> None:
    rows = [member(p, n) for p in "cab" for n in range(2)]
    forward, backward = (prioritise_patterns(members(*part), 100) for part in (rows, rows[::-1]))
    assert forward["pattern_id"].tolist() == ["a", "b", "c"]
    pd.testing.assert_frame_equal(forward, backward)


def test_a_week_without_members_is_empty_and_has_its_columns() -> None:
    found = prioritise_patterns(members(), exposures=100)
    assert found.empty
    assert list(found.columns) == list(PATTERN_WEEKS.columns)


def test_a_session_counts_once_per_day_like_its_exposure() -> None:
    monday, again = member("p", 1), member("p", 2, session_key="p-s1")
    tuesday = member("p", 3, session_key="p-s1", exposure_key="2026-01-06|p-s1")
    surely = member("p", 4, session_key="p-s1", weight=0.5)
    row = prioritise_patterns(members(monday, again, tuesday, surely), exposures=10).iloc[0]
    assert (row["n_sessions"], row["affected"]) == (1, 1.5)


def test_what_is_inferred_is_counted_beside_and_changes_no_other_number() -> None:
    said = [member("p", 1), member("p", 2, severity=4), member("q", 1)]
    guesses = [member("p", n, is_inferred=True, severity=4, weight=9.0) for n in range(3, 8)]
    without, found = (prioritise_patterns(members(*part), 100) for part in (said, [*said, *guesses]))
    assert dict(zip(found["pattern_id"], found["n_inferred"], strict=True)) == {"p": 5, "q": 0}
    pd.testing.assert_frame_equal(found.drop(columns="n_inferred"), without.drop(columns="n_inferred"))


@pytest.mark.parametrize("exposures", [0, 100])
def test_a_pattern_that_nobody_spoke_of_comes_last_and_has_no_severity(exposures: float) -> None:
    found = prioritise_patterns(members(member("a", 1, is_inferred=True), member("b", 1)), exposures)
    assert found["pattern_id"].tolist() == ["b", "a"]
    row = found.iloc[1]
    assert (row["n_occurrences"], row["n_sessions"], row["n_users"], row["n_inferred"]) == (0, 0, 0, 1)
    assert row["affected"] == 0
    assert np.isnan(row["mean_severity"])
    assert (row["rate"] == 0) if exposures else np.isnan(row["rate"])


def test_one_user_weighs_three_cases_and_counts_as_ever() -> None:
    loud = [member("p", n, user_hash="loud") for n in range(20)]
    row = prioritise_patterns(members(*loud, member("p", 30), member("p", 31)), 1000, most_per_user=3).iloc[0]
    assert (row["n_occurrences"], row["affected"], row["rate"]) == (22, 22, 0.022)
    assert (row["weighted_occurrences"], row["weighted_users"]) == (3 + 2, 3)
    assert row["score"] == pytest.approx(1000 * 5 / 1000 * 2)


def test_new_accounts_weigh_as_far_as_others_vouch_for_them() -> None:
    crowd = [member("lie", n, standing=0.5, is_new=True) for n in range(50)]
    both = [member("real", n) for n in range(20)] + [
        member("real", 100 + n, standing=0.5, is_new=True) for n in range(4)
    ]
    found = prioritise_patterns(members(*crowd, *both), 1000, new_limit=0.3).set_index("pattern_id")
    assert found.loc["lie", "n_users"] == 50
    assert found.loc["lie", "weighted_users"] == pytest.approx(0.3 * 0.5)
    assert found.loc["real", "weighted_users"] == 20 + 4 * 0.5  # less than 0.3 x 20.5: nothing is taken away
    assert found["rank"].to_dict() == {"real": 1, "lie": 2}


def test_without_doubts_weights_change_nothing() -> None:
    row = prioritise_patterns(members(*(member("p", n) for n in range(9))), 100, most_per_user=3, new_limit=0.1).iloc[0]
    assert row["weighted_occurrences"] == row["n_occurrences"] == row["weighted_users"] == 9
