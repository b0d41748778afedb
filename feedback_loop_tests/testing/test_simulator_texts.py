"""The words of the simulation vary enough that grouping them is not string equality."""

import re
from collections import Counter, defaultdict

import pytest

from feedback_loop.testing.simulator_complaints import FAILURE_TEXTS
from feedback_loop.testing.simulator_plan import FAILURES
from feedback_loop.testing.simulator_texts import CAMPAIGN, HOSTILE, SUBJECTS, complaint, slots, typed
from feedback_loop_tests.testing.conftest import Simulated


@pytest.fixture(scope="module")
def comments(simulated: Simulated) -> dict[str, list[str]]:
    """Planted failure id -> its comments of all weeks."""
    found = defaultdict(list)
    for record in simulated.records("feedback"):
        if "comment" in record and record["interaction_id"] in simulated.failed:
            found[simulated.failed[record["interaction_id"]]].append(record["comment"])
    return found


def test_every_failure_has_many_ways_to_say_it() -> None:
    assert set(FAILURE_TEXTS) == {failure.failure_id for failure in FAILURES}
    for failure_id, texts in FAILURE_TEXTS.items():
        words = [frozenset(re.findall(r"\w+", text.lower())) for text in texts.complaints]
        assert len(words) >= 8, failure_id
        overlaps = [len(a & b) / len(a | b) for i, a in enumerate(words) for b in words[:i]]
        assert max(overlaps) < 0.6, failure_id
        assert sum(overlaps) / len(overlaps) < 0.15, failure_id


def test_identical_comments_are_rare(comments: dict[str, list[str]]) -> None:
    for failure_id, texts in comments.items():
        # The commonest of few comments is a larger share of them by chance alone.
        assert Counter(texts).most_common(1)[0][1] / len(texts) < 0.03 + 0.4 / len(texts) ** 0.5, failure_id
        in_a_week = texts[:150]
        assert len(set(in_a_week)) / len(in_a_week) > 0.75, failure_id


def test_subjects_cut_across_failures(simulated: Simulated) -> None:
    failures_of: dict[str, set[str]] = {subject: set() for subject in SUBJECTS}
    good = set()
    for record in simulated.records("interaction"):
        subject = next((s for s in SUBJECTS if s in record["user_input"]), None)
        failure_id = simulated.failed.get(record["interaction_id"])
        if subject is not None and failure_id is not None:
            failures_of[subject].add(failure_id)
        elif subject is not None:
            good.add(subject)
    assert good == set(SUBJECTS)
    assert min(len(failures) for failures in failures_of.values()) >= 4


def test_negatives_speak_in_the_planned_shares(simulated: Simulated) -> None:
    spoken: dict[str, set[str]] = {i: set() for i in simulated.failed}
    complained = set()
    for record in simulated.records("feedback"):
        if record["interaction_id"] in spoken and record["signal"] != "shown":
            complained.add(record["interaction_id"])
            spoken[record["interaction_id"]] |= record.keys() & {"comment", "reason", "edited_output"}
    n = len(complained)
    assert 0.3 < sum("comment" in spoken[i] for i in complained) / n < 0.5
    assert 0.15 < sum(not spoken[i] for i in complained) / n < 0.35


def test_redaction_and_inertness_have_work(simulated: Simulated, comments: dict[str, list[str]]) -> None:
    everything = [text for texts in comments.values() for text in texts]
    assert sum("@example.com" in text for text in everything) > 20
    assert sum(bool(re.search(r"555-01\d\d", text)) for text in everything) > 20
    assert all(any(text.endswith(hostile) for text in everything) for hostile in HOSTILE)
    campaign = [r for r in simulated.records("feedback") if r.get("comment") == CAMPAIGN]
    assert len(campaign) > 80


def test_texts_are_short(simulated: Simulated) -> None:
    interactions = simulated.weeks[3]
    questions = [len(r["user_input"].split()) for r in interactions if r["type"] == "interaction"]
    answers = [len(r["output"].split()) for r in interactions if r["type"] == "interaction"]
    assert 8 <= sum(questions) / len(questions) <= 20
    assert max(questions) <= 40
    assert 10 <= sum(answers) / len(answers) <= 40


def test_no_slot_is_left_open(simulated: Simulated) -> None:
    texts = (
        record.get(key, "")
        for week in simulated.weeks
        for record in week
        for key in ("user_input", "output", "comment")
    )
    assert not [text for text in texts if "{" in text or "}" in text]


def test_a_typo_changes_one_word() -> None:
    text = "wonderful example without mistakes"
    variants = {typed(text, 16 + 20 * (10 * draw)) for draw in range(5000)}
    assert len(variants) > 50
    for variant in variants:
        assert sum(a != b for a, b in zip(text.split(), variant.split(), strict=True)) <= 1


def test_a_complaint_follows_from_its_draws() -> None:
    values = slots((0, 1, 12345))
    assert complaint("dead_link", (1, 2, 3, 50), values) == complaint("dead_link", (1, 2, 3, 50), values)
    assert complaint("dead_link", (1, 2, 3, 50), values) != complaint("dead_link", (2, 2, 3, 50), values)
