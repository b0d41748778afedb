"""What was asked and answered, out of the shapes that applications trace."""

import json
from typing import Any

import pytest

from feedback_loop.intake.importers.texts import read_input, read_output

SYSTEM, ASKED, ANSWERED = "Be brief.", "Where is it?", "On its way."
OPENAI = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": [{"type": "text", "text": ASKED}, {"type": "image_url", "image_url": {"url": "x"}}]},
]
PARTS = [
    {"role": one, "parts": [{"type": "text", "content": text}]} for one, text in (("system", SYSTEM), ("user", ASKED))
]
LANGCHAIN = [
    {"lc": 1, "id": ["langchain", "schema", "messages", "SystemMessage"], "kwargs": {"content": SYSTEM}},
    {"lc": 1, "id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {"content": ASKED}},
]
OPENINFERENCE = [{"message": {"role": "system", "content": SYSTEM}}, {"message": {"role": "user", "content": ASKED}}]
BLOCKS = [{"message": {"role": "user", "contents": [{"message_content": {"type": "text", "text": ASKED}}]}}]


@pytest.mark.parametrize(
    ("value", "system"),
    [
        (ASKED, None),
        (OPENAI, SYSTEM),
        (json.dumps(OPENAI), SYSTEM),
        ({"messages": OPENAI, "model": "m"}, SYSTEM),
        ({"messages": [LANGCHAIN]}, SYSTEM),
        ({"messages": [{"type": "human", "content": ASKED}]}, None),
        (PARTS, SYSTEM),
        (OPENINFERENCE, SYSTEM),
        (BLOCKS, None),
        ({"question": ASKED, "top_k": 3}, None),
        ({"input": {"question": ASKED}}, None),
        (json.dumps(ASKED), None),
    ],
)
def test_the_last_thing_that_was_asked(value: Any, system: str | None) -> None:
    assert read_input(value) == (ASKED, system)


@pytest.mark.parametrize(
    "value",
    [
        ANSWERED,
        {"output": ANSWERED},
        {"role": "assistant", "content": ANSWERED},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWERED}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": ANSWERED}]},
        {"generations": [[{"text": ANSWERED, "message": {"id": ["x", "AIMessage"], "kwargs": {"content": ANSWERED}}}]]},
        {"messages": [*OPENAI, {"role": "assistant", "content": ANSWERED}]},
        [{"role": "assistant", "parts": [{"type": "text", "content": ANSWERED}], "finish_reason": "stop"}],
        [{"message": {"role": "assistant", "content": ANSWERED}}],
    ],
)
def test_the_last_answer(value: Any) -> None:
    assert read_output(value) == ANSWERED


def test_what_has_no_known_shape_is_kept_whole() -> None:
    assert read_input({"rows": [1, 2]}) == ('{"rows": [1, 2]}', None)
    assert read_output({"answer": {"rows": [1]}}) == '{"rows": [1]}'
    assert read_input("{not json") == ("{not json", None)


def test_nothing_is_nothing() -> None:
    assert read_input(None) == read_input("") == (None, None)
    assert read_output(None) is None
    assert read_output({"role": "assistant", "tool_calls": [{}]}) == ""
