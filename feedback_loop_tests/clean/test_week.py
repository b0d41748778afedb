"""What cleaning leaves out of a week, and what it must not."""

import hashlib
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feedback_loop.clean import CleanPolicy, Past, clean_week
from feedback_loop_tests.clean.weeks import MONDAY, NO_PAST, TALKS, frame, newcomer, say, usual

DEFAULT = CleanPolicy()
LETTER = "this assistant is a scam and the company steals your data, do not use it"
PEOPLE = [say(500 + n, f"user{n}", TALKS[n % len(TALKS)]) for n in range(120)]


def found(rows: list[dict[str, Any]], policy: CleanPolicy = DEFAULT, past: Past | None = None) -> dict[str, set[str]]:
    """Reason -> feedback that it names."""
    exclusions = clean_week(frame(rows), past or usual(), policy).exclusions
    return {str(reason): set(own["feedback_id"]) for reason, own in exclusions.groupby("reason")}


def names(*numbers: int) -> set[str]:
    return {f"f{n:06}" for n in numbers}


def edited(n: int) -> str:
    """A copy of the letter with a slip and a word of one's own."""
    words = LETTER.split()
    words[n % len(words)] += "!" if n % 2 else "x"
    return " ".join([*words, ("really", "folks", "seriously", "")[n % 4]])


def test_ordinary_complaints_are_left_alone() -> None:
    assert found(PEOPLE) == {}


def test_the_same_said_twice_of_an_answer_counts_once() -> None:
    twice = [say(1, "a", "the link is dead"), say(2, "a", "The link is  dead", interaction_id="i000001")]
    other = [say(3, "a", None, interaction_id="i000001", signal="regenerated", is_complaint=False)]
    assert found(twice + other) == {"exact_duplicate": names(2)}


def test_a_rater_who_repeats_a_text_is_heard_five_times() -> None:
    rows = [say(n, "a", f"the checkout button is broken, order {n}") for n in range(8)]
    assert found([*rows, *(say(20 + n, f"b{n}", rows[0]["comment"]) for n in range(5))]) == {
        "near_duplicate": names(5, 6, 7)
    }


def test_a_campaign_is_excluded_with_all_it_did_on_its_answers() -> None:
    letters = [newcomer(n, f"new{n}", edited(n)) for n in range(50)]
    more = newcomer(60, "new7", None, interaction_id="i000007", signal="regenerated", is_complaint=False)
    outcome = newcomer(61, "new7", None, interaction_id="i000007", signal="task_failed", is_complaint=False)
    reasons = found([*PEOPLE, *letters, more, outcome], CleanPolicy(disabled=("new_account", "burst")))
    assert len(reasons["campaign"] & names(*range(50))) >= 48  # a copy may miss the first of its kind
    assert names(60) <= reasons["campaign"]
    assert not reasons["campaign"] & {row["feedback_id"] for row in PEOPLE}
    assert not reasons["campaign"] & names(61)  # what the application saw


@pytest.mark.parametrize("kind", ["established", "short", "everybody is new"])
def test_many_who_say_the_same_are_no_campaign_by_that_alone(kind: str) -> None:
    if kind == "established":
        rows = [say(n, f"old{n}", LETTER) for n in range(50)] + PEOPLE
    elif kind == "short":
        rows = [newcomer(n, f"new{n}", "does not work") for n in range(50)] + PEOPLE
    else:
        rows = [newcomer(n, f"new{n}", LETTER if n < 50 else TALKS[n % 10]) for n in range(400)]
    assert "campaign" not in found(rows)


def test_an_outage_in_which_everybody_complains_at_once_is_left_alone() -> None:
    """Established accounts, different words, one minute; a few new ones among them, as always."""
    rng = np.random.default_rng(1)
    rows = []
    for n in range(300):
        comment = " ".join(rng.permutation(f"it is down again {TALKS[n % 10]} please fix {n}".split()))
        who = newcomer if n % 10 == 0 else say
        rows.append(who(n, f"user{n}", comment, occurred_at=MONDAY + timedelta(hours=10, seconds=n % 60)))
    reasons = found(rows)
    assert set(reasons) <= {"new_account"}  # a tenth, as ever; they weigh half in ranks and count in rates
    exclusions = clean_week(frame(rows), usual(), CleanPolicy()).exclusions
    assert not (exclusions["effect"] == "excluded").any()


def test_a_crowd_of_new_accounts_that_established_ones_do_not_share_is_a_burst() -> None:
    nine = MONDAY + timedelta(hours=9)
    crowd = [
        newcomer(n, f"new{n}", f"{TALKS[n % 10]} number {n}", occurred_at=nine + timedelta(seconds=n))
        for n in range(60)
    ]
    assert found([*PEOPLE, *crowd])["burst"] == names(*range(60))
    assert "burst" not in found([*PEOPLE, *crowd], past=usual(n_new=30))  # as usual here
    assert "burst" not in found([*PEOPLE, *crowd], past=NO_PAST)  # nobody knows what is usual


def test_bursts_exclude_where_a_team_says_so() -> None:
    crowd = [newcomer(n, f"new{n}", None, occurred_at=MONDAY + timedelta(hours=9, seconds=n)) for n in range(60)]
    policy = CleanPolicy(excluding=("burst", "campaign"))
    rows = clean_week(frame([*PEOPLE, *crowd]), usual(), policy).exclusions
    assert set(rows.loc[rows["reason"] == "burst", "effect"]) == {"excluded"}


def test_one_person_has_no_more_than_a_hundred_complaints() -> None:
    rows = [say(n, "a", f"{TALKS[n % 10]} {'ab' * (n % 7)} {n}", n_interactions=5000) for n in range(300)]
    only = CleanPolicy(disabled=("near_duplicate",))
    assert found(rows, only) == {"user_cap": names(*range(100, 300))}


@pytest.mark.parametrize("comment", ["asdf", "bad bad bad", "???", "👎👎", "xxxxxx", "sehr schlecht", "lol"])
def test_empty_words_are_not_read_and_their_signal_counts(comment: str) -> None:
    rows = clean_week(frame([say(1, "a", comment)]), usual(), CleanPolicy()).exclusions
    assert rows[["reason", "effect", "weight"]].to_numpy().tolist() == [["low_effort", "wordless", 1.0]]


@pytest.mark.parametrize("comment", ["wrong price", "404", "broken link", "リンク切れ", "не работает", "out of date"])
def test_short_words_that_say_something_are_read(comment: str) -> None:
    assert found([say(1, "a", comment)]) == ({} if comment != "404" else {"low_effort": names(1)})


def test_who_complains_about_everything_weighs_by_what_it_says_beyond_the_habit() -> None:
    rows = [
        say(1, "always", TALKS[0], n_interactions=50, n_complained=50),
        say(2, "often", TALKS[1], n_interactions=50, n_complained=25),
        say(3, "twice", TALKS[2], n_interactions=2, n_complained=2),
    ]
    (row,) = clean_week(frame(rows), usual(complained=0.08), CleanPolicy()).exclusions.to_dict("records")
    assert (row["feedback_id"], row["reason"], row["effect"]) == ("f000001", "constant_rater", "weighted")
    share = (50 + 10 * 0.08) / (50 + 10)  # posterior mean, ten interactions of the application's own share
    assert row["weight"] == pytest.approx((1 - share) / (1 - 0.08))


def test_new_accounts_weigh_half_where_being_new_says_anything() -> None:
    rows = [*PEOPLE, newcomer(1, "new", TALKS[0])]
    assert found(rows) == {"new_account": names(1)}
    assert found(rows, past=NO_PAST) == {}
    assert found(rows, past=usual(n_new=20)) == {}


def test_people_overrule() -> None:
    rows = [say(n, "a", "the checkout button is broken") for n in range(8)]
    assert found(rows, CleanPolicy(disabled=("near_duplicate",))) == {}
    assert found(rows, CleanPolicy(trusted_users=("hmac:a",))) == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"disabled": ("spam",)}, "disabled names 'spam'"),
        ({"excluding": ("low_effort",)}, "do not make a signal untrue"),
        ({"alike": 1.5}, "alike must be from 0 to 1"),
        ({"new_days": 100}, "new_days must be from 1 to 56"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CleanPolicy(**wrong)


def test_the_verified_stream_is_outcomes_and_known_people() -> None:
    rows = [
        say(1, "known", TALKS[0]),
        say(2, "known", None, signal="thumbs_up", is_complaint=False),
        newcomer(3, "new", TALKS[1]),
        say(4, None, TALKS[2]),
        newcomer(5, "new", None, signal="task_failed", is_complaint=False),
        say(6, "young", TALKS[3], first_at=MONDAY - timedelta(days=20)),
    ]
    cleaned = clean_week(frame(rows), usual(), CleanPolicy())
    assert (cleaned.n_feedback, cleaned.n_complaints) == (6, 4)
    assert (cleaned.n_verified, cleaned.n_verified_complaints) == (3, 2)


def attacked_week() -> list[dict[str, Any]]:
    rows = [*PEOPLE, *(newcomer(n, f"new{n}", edited(n)) for n in range(50))]
    return rows + [say(1000 + n, "a", "the checkout button is broken") for n in range(20)]


def test_the_order_of_rows_does_not_matter() -> None:
    rows = attacked_week()
    first = clean_week(frame(rows), usual(), CleanPolicy()).exclusions
    for seed in range(3):
        mixed = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
        pd.testing.assert_frame_equal(clean_week(frame(mixed), usual(), CleanPolicy()).exclusions, first)


def test_the_seed_of_hashes_does_not_matter() -> None:
    code = (
        "import hashlib; from feedback_loop.clean import CleanPolicy, clean_week;"
        "from feedback_loop_tests.clean.test_week import attacked_week, frame, usual;"
        "rows = clean_week(frame(attacked_week()), usual(), CleanPolicy()).exclusions;"
        "print(hashlib.sha256(rows.to_csv().encode()).hexdigest())"
    )
    here = clean_week(frame(attacked_week()), usual(), CleanPolicy()).exclusions
    there = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == hashlib.sha256(here.to_csv().encode()).hexdigest()


def test_an_empty_week_has_no_exclusions() -> None:
    cleaned = clean_week(frame([]), NO_PAST, CleanPolicy())
    assert cleaned.exclusions.empty
    assert cleaned.n_feedback == cleaned.count("excluded") == 0


@pytest.mark.parametrize("kind", ["equal", "varied"])
def test_a_user_with_many_thousand_complaints_takes_linear_time(kind: str) -> None:
    letters = np.random.default_rng(0).integers(97, 123, (5_000, 40)).astype(np.uint8)
    texts = [row.tobytes().decode() if kind == "varied" else "the button is broken" for row in letters]
    week = frame([say(n, "a", text, n_interactions=5_000, n_complained=5_000) for n, text in enumerate(texts)])
    started = time.perf_counter()
    cleaned = clean_week(week, usual(), CleanPolicy())
    assert cleaned.count("excluded") >= 4_900
    assert time.perf_counter() - started < 60  # no figure (they are in docs/benchmarks.md): a square would take hours
