"""Reading replies: only what was asked about gets an answer, and only a valid one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.llm.replies import check_entry, count_invented, read_reply
from feedback_loop.llm.requests import Answer, Item, Purpose, Reply, Usage

ITEMS = tuple(Item(f"key-{i}", {}, n_inner=3) for i in range(3))
SAID: dict[Purpose, dict[str, Any]] = {
    "describe": {"failure": "It answered in English.", "injection_suspected": False},
    "card": {
        "name": "Wrong language",
        "description": "Answers come in English.",
        "likely_cause": "prompt",
        "severity": 3,
        "severity_reason": "The user cannot read it.",
        "suggested_fix": "Say in the prompt to answer in the user's language.",
        "evidence": ["q1", "q3"],
    },
    "judge": {"judgement": "same", "of": "p2", "reason": "Both are about language."},
    "audit": {"is_case": "unsure"},
}
PURPOSES: list[Purpose] = ["describe", "card", "judge", "audit"]


def reply(items: Any, stop_reason: str = "end_turn") -> Reply:
    text = items if isinstance(items, str) else json.dumps({"items": items})
    return Reply(text, stop_reason, Usage())


def said(purpose: Purpose, n: int, **changes: Any) -> dict[str, Any]:
    return {"ref": f"r{n:03d}", **SAID[purpose], **changes}


def reasons(answer: Answer) -> dict[str, str]:
    return {key: problem.reason for key, problem in answer.problems.items()}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_good_answers_are_kept_as_they_are(purpose: Purpose) -> None:
    answer = read_reply(purpose, ITEMS, reply([said(purpose, n) for n in (3, 1, 2)]))
    assert answer.found == {item.key: SAID[purpose] for item in ITEMS}
    assert answer.problems == {}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_what_is_remembered_passes_again(purpose: Purpose) -> None:
    entry = check_entry(purpose, SAID[purpose], 3)
    assert check_entry(purpose, entry, 3) == entry


def test_invented_repeated_and_missing_refs() -> None:
    given = [said("describe", 1), said("describe", 1, failure="forged"), said("describe", 99), said("describe", 2)]
    answer = read_reply("describe", ITEMS, reply(given))
    assert reasons(answer) == {"key-0": "repeated", "key-2": "missing"}
    assert set(answer.found) == {"key-1"}
    assert count_invented(ITEMS, reply(given)) == 1


@pytest.mark.parametrize("ref", ["r004", "r1", "r0001", "", None, 1, ["r001"], "r001,r002", "../r001", "key-0"])
def test_nothing_else_is_a_ref(ref: Any) -> None:
    answer = read_reply("describe", ITEMS, reply([said("describe", 1, ref=ref)]))
    assert answer.found == {}


@pytest.mark.parametrize(
    ("purpose", "changes", "words"),
    [
        ("describe", {"failure": None}, "failure is missing"),
        ("describe", {"failure": ["a"]}, "failure is missing or no text"),
        ("describe", {"injection_suspected": "no"}, "injection_suspected"),
        ("card", {"severity": 5}, "severity is '5', not 1 to 4"),
        ("card", {"severity": True}, "severity is 'True'"),
        ("card", {"severity": "3"}, "severity"),
        ("card", {"likely_cause": "users"}, "likely_cause is 'users', not one of prompt"),
        ("card", {"name": "\u200b "}, "name is empty"),
        ("card", {"evidence": []}, "evidence names none"),
        ("card", {"evidence": "q1"}, "evidence names none"),
        ("card", {"evidence": ["q4", "q0", "r001", "interaction-1", None, "q01"]}, "evidence names none"),
        ("judge", {"judgement": "merge"}, "judgement is 'merge'"),
        ("judge", {"of": "p4"}, "same of 'p4', which is none of the known patterns"),
        ("judge", {"judgement": "sub", "of": ""}, "sub of ''"),
        ("judge", {"of": "pattern-17"}, "none of the known"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(purpose: Purpose, changes: dict[str, Any], words: str) -> None:
    answer = read_reply(purpose, ITEMS[:1], reply([said(purpose, 1, **changes)]))
    assert answer.found == {}
    assert answer.problems["key-0"].reason == "invalid"
    assert words in answer.problems["key-0"].detail


def test_words_of_an_enum_are_compared_without_case() -> None:
    card = read_reply("card", ITEMS[:1], reply([said("card", 1, ref="R001", likely_cause="Retrieval ")]))
    assert card.found["key-0"]["likely_cause"] == "retrieval"
    judged = read_reply("judge", ITEMS[:1], reply([said("judge", 1, judgement="NEW", of="whatever")]))
    assert judged.found["key-0"] == {"judgement": "new", "of": "", "reason": SAID["judge"]["reason"]}


def test_invented_evidence_is_dropped_and_the_rest_kept_once() -> None:
    answer = read_reply("card", ITEMS[:1], reply([said("card", 1, evidence=["q9", "Q2", "q2", "q1", "x"])]))
    assert answer.found["key-0"]["evidence"] == ["q2", "q1"]


def test_texts_are_cleaned_and_cut() -> None:
    hidden = "broken\u202e link\x00\n\n\U000e0041 \ud800 here"
    answer = read_reply(
        "describe", ITEMS[:2], reply([said("describe", 1, failure=hidden), said("describe", 2, failure="x" * 999)])
    )
    assert answer.found["key-0"]["failure"] == "broken link here"
    assert len(answer.found["key-1"]["failure"]) == 300


@pytest.mark.parametrize(
    ("text", "stop_reason", "reason"),
    [
        ("", "refusal", "refused"),
        ("I can't help", "refusal", "refused"),
        ('{"items": [', "max_tokens", "cut"),
        ('{"items"', "model_context_window_exceeded", "cut"),
        ("Sure! here is", "end_turn", "unreadable"),
        ("", "end_turn", "unreadable"),
        ("[]", "end_turn", "unreadable"),
        ('{"items": {}}', "end_turn", "unreadable"),
        ('{"items": ["r001"]}', "end_turn", "unreadable"),
        ("[" * 100_000, "end_turn", "unreadable"),
        ('{"items": []}', "brand_new", "unreadable"),
        ('{"items": []}', "end_turn", "missing"),
    ],
)
def test_a_reply_that_is_no_use_says_why(text: str, stop_reason: str, reason: str) -> None:
    answer = read_reply("describe", ITEMS, reply(text, stop_reason))
    assert answer.found == {}
    assert reasons(answer) == {item.key: reason for item in ITEMS}


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["r001", "q1", "p1", "new"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["ref", "failure", "injection_suspected", "severity", "evidence", "of", "judgement", "name"]
            )
            | st.text(max_size=5),
            inner,
            max_size=8,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from(PURPOSES),
    st.text() | st.lists(_JSON, max_size=5).map(lambda items: json.dumps({"items": items})),
    st.sampled_from(["end_turn", "refusal", "x"]),
)
def test_whatever_comes_every_item_has_one_fate(purpose: Purpose, text: str, stop_reason: str) -> None:
    answer = read_reply(purpose, ITEMS, Reply(text, stop_reason, Usage()))
    assert sorted([*answer.found, *answer.problems]) == [item.key for item in ITEMS]
    for entry in answer.found.values():
        assert check_entry(purpose, entry, 3) == entry
        json.dumps(entry).encode()
