"""What looks at a fix could show, per pattern and look."""

import pandas as pd

from feedback_loop.verify import PROSPECTS, VerifyPolicy, days_to_decision, prospects_of

POLICY = VerifyPolicy()


def test_later_looks_and_hold_backs_show_smaller_cuts() -> None:
    found = prospects_of("p1", [200.0] * 8, 1.3, POLICY)
    assert list(found.columns) == list(PROSPECTS.columns)
    assert found["look_day"].tolist() == list(POLICY.looks)
    cuts = found["smallest_cut"]
    assert cuts.is_monotonic_decreasing
    first = found.iloc[0]
    assert first["with_hold_back_20"] < first["with_hold_back_10"] < first["smallest_cut"]
    assert found["with_hold_back_10"].iloc[1:].isna().all()
    assert ((found["power_of_half"] >= 0.8) == (cuts <= 0.5)).all()


def test_days_to_decision_is_the_first_look_that_shows_a_halving() -> None:
    both = pd.concat([prospects_of("often", [3000.0] * 8, 1.0, POLICY), prospects_of("rare", [0.3] * 8, 1.0, POLICY)])
    assert both.loc[both["pattern_id"] == "rare", "smallest_cut"].isna().all()
    shown = both.assign(power_of_half=[0.5, 0.81, 0.9, 0.9, 0.0, 0.0, 0.0, 0.1])
    assert days_to_decision(shown).to_dict() == {"often": 21}


def test_what_was_not_seen_of_late_has_no_prospects() -> None:
    assert prospects_of("gone", [9.0, 0, 0, 0, 0], 1.0, POLICY).empty
