"""The words of the simulation vary enough that grouping them is not string equality."""

import re
from collections import Counter, defaultdict
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.testing.simulator_complaints import FAILURE_TEXTS
from feedback_loop.testing.simulator_plan import FAILURES
from feedback_loop.testing.simulator_texts import (
    CAMPAIGN,
    HOSTILE,
    NOISE_ENDS,
    NOISE_STARTS,
    PRODUCTS,
    SUBJECTS,
    complaint,
    expanded,
    n_ways,
    noise,
    slots,
    typed,
)
from feedback_loop_tests.testing.conftest import Simulated

SLOT_NAMES = {"order", "product", "other", "subject", "amount", "total", "minutes"}
COMPLAINTS = [text for texts in FAILURE_TEXTS.values() for text in texts.complaints]
TEMPLATES = [*COMPLAINTS, *NOISE_STARTS, *NOISE_ENDS]


@pytest.fixture(scope="module")
def comments(simulated: Simulated) -> dict[str, list[str]]:
    """Planted failure id -> its comments of all weeks."""
    found = defaultdict(list)
    for record in simulated.records("feedback"):
        if "comment" in record and record["interaction_id"] in simulated.failed:
            found[simulated.failed[record["interaction_id"]]].append(record["comment"])
    return found


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def alike(texts: list[str]) -> list[float]:
    """Jaccard overlap of the words of every two texts."""
    return [len(a & b) / len(a | b) for a, b in combinations(map(words, texts), 2)]


def test_every_failure_has_many_ways_to_say_it(comments: dict[str, list[str]]) -> None:
    assert set(FAILURE_TEXTS) == {failure.failure_id for failure in FAILURES}
    for failure_id, texts in FAILURE_TEXTS.items():
        assert 7 <= len(texts.complaints) <= 10, failure_id
        assert sum(n_ways(text) for text in texts.complaints) > 150, failure_id  # and its square in one breath
        overlaps = alike(comments[failure_id][:150])
        assert sum(overlap >= 0.8 for overlap in overlaps) / len(overlaps) < 0.01, failure_id
        assert sum(overlap >= 0.55 for overlap in overlaps) / len(overlaps) < 0.03, failure_id


def test_people_name_a_failure_in_overlapping_words(comments: dict[str, list[str]]) -> None:
    """Words that several of its templates have are in every template: one cloud, not one island per template."""
    for failure_id, texts in FAILURE_TEXTS.items():
        spread = Counter(word for text in texts.complaints for word in telling(text))
        naming = {word for word, n in spread.items() if n >= 3}
        said = [len(naming & words(text)) for text in comments[failure_id][:150]]
        named = [len(naming & telling(text)) for text in texts.complaints]
        assert min(named) >= 2, failure_id
        assert sum(named) / len(named) > 2.5, failure_id
        assert sum(n >= 1 for n in said) / len(said) > 0.8, failure_id


def test_failures_differ_in_words() -> None:
    """Hardly a word is in three templates of one failure and in three of another."""
    spreads = {
        failure_id: Counter(word for text in texts.complaints for word in telling(text))
        for failure_id, texts in FAILURE_TEXTS.items()
    }
    for one, other in combinations(spreads, 2):
        shared = {
            word
            for word in spreads[one].keys() & spreads[other].keys()
            if min(spreads[one][word], spreads[other][word]) >= 3
        }
        assert len(shared) <= 2, (one, other, shared)


def telling(template: str) -> frozenset[str]:
    """The words of a template in all its ways, without those that any sentence has."""
    common = "the and for not but that this with what you was has have had does did are too then"
    found = re.findall(r"[a-z]{3,}", re.sub(r"\{\w+\}", "", template).lower())
    return frozenset(found) - frozenset(common.split())


def test_no_subject_or_product_belongs_to_a_failure() -> None:
    names = [name.lower() for name in (*SUBJECTS, *PRODUCTS)]
    assert not [(name, text) for text in COMPLAINTS for name in names if re.search(rf"\b{name}\b", text.lower())]


@pytest.mark.parametrize("template", TEMPLATES)
def test_bracket_groups_are_well_formed(template: str) -> None:
    assert re.fullmatch(r"([^\[\]|]|\[[^\[\]|]*(\|[^\[\]|]+)+\])*", template)
    for group in re.findall(r"\[(.*?)\]", template):
        choices = group.split("|")
        assert len(set(choices)) == len(choices)
        assert all(choice == choice.strip() for choice in choices)


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_way_to_say_it_is_another_and_whole(template: str) -> None:
    ways = [expanded(template, draw) for draw in range(n_ways(template))]
    assert len(set(ways)) == len(ways)
    assert expanded(template, n_ways(template)) == ways[0]
    values = slots((0, 1, 12345))
    for way in ways:
        assert set(re.findall(r"\{(.*?)\}", way)) <= SLOT_NAMES
        assert not re.search(r"[\[\]|{}]|  |\b(a|an) (a|an|the)\b|\ba [aeio]|\ban [^aeiouh]", way.format_map(values))


@given(st.lists(st.integers(0, 2**31 - 1), min_size=4, max_size=4), st.sampled_from(sorted(FAILURE_TEXTS)))
def test_no_bracket_is_left_whatever_the_draws(draws: list[int], failure_id: str) -> None:
    values = slots((3, 4, draws[0]))
    for text in (complaint(failure_id, draws, values), noise(draws, values)):
        assert text
        assert not set(text) & set("[]|{}")


def test_noise_varies() -> None:
    values = slots((0, 1, 12345))
    said = {noise((7919 * n, 104729 * n, 0, 0), values) for n in range(150)}
    assert len(said) > 130


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
    assert complaint("dead_link", (1 + 8 * 5, 2, 3, 50), values) != complaint("dead_link", (1, 2, 3, 50), values)


def test_what_a_draw_says_is_fixed() -> None:
    """The same on every machine and in every process: a simulation is known by its seed."""
    assert expanded("[the|a] link is [dead|broken|gone]", 0) == "the link is dead"
    assert expanded("[the|a] link is [dead|broken|gone]", 1) == "a link is dead"
    assert expanded("[the|a] link is [dead|broken|gone]", 4) == "the link is gone"
    assert expanded("the {subject} link", 12345) == "the {subject} link"
    assert (n_ways("[the|a] link is [dead|broken|gone]"), n_ways("the link")) == (6, 1)
