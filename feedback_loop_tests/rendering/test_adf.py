"""ADF: valid by the rules that Jira checks, and nothing of a text becomes a node."""

import json
from typing import Any

import pytest
from hypothesis import given

from feedback_loop.documents import Bullets, Link, Paragraph, Text
from feedback_loop.rendering.adf import render
from feedback_loop.rendering.safety import address
from feedback_loop_tests.rendering.hostile import BREAK_OUTS, LONG, OUR_LINK, PLAIN, TEXTS, document_of

BLOCKS = {"heading", "paragraph", "blockquote", "bulletList", "panel"}
CONTENT = {
    "doc": BLOCKS,
    "heading": {"text"},
    "paragraph": {"text"},
    "blockquote": {"paragraph"},
    "bulletList": {"listItem"},
    "listItem": {"paragraph"},
    "panel": {"paragraph"},
}
ATTRS: dict[str, Any] = {"heading": {"level": 3}, "panel": {"panelType": "info"}}
NOT_EMPTY = {"doc", "bulletList", "listItem", "blockquote", "panel"}


def check_node(node: dict[str, Any]) -> None:
    """As `@atlaskit/adf-schema` has it, for the nodes that are used here."""
    kind = node["type"]
    if kind == "text":
        assert set(node) <= {"type", "text", "marks"}
        assert isinstance(node["text"], str)
        assert node["text"]
        marks = [mark["type"] for mark in node.get("marks", ["none"]) if mark != "none"]
        assert "marks" not in node or len(marks) == 1
        assert set(marks) <= {"strong", "em", "code", "link"}
        return
    assert set(node) - {"version"} == {"type", "content"} | ({"attrs"} if kind in ATTRS else set()), node
    assert node.get("attrs") == ATTRS.get(kind)
    assert node["content"] or kind not in NOT_EMPTY
    for child in node["content"]:
        assert child["type"] in CONTENT[kind]
        check_node(child)


def skeleton(node: dict[str, Any]) -> Any:
    return node["type"], [skeleton(child) for child in node.get("content", ()) if child["type"] != "text"]


def hrefs(node: dict[str, Any]) -> list[str]:
    own = [mark["attrs"]["href"] for mark in node.get("marks", ()) if mark["type"] == "link"]
    return own + [href for child in node.get("content", ()) for href in hrefs(child)]


def check(text: str) -> None:
    doc = render(document_of(text))
    assert (doc["version"], doc["type"]) == (1, "doc")
    check_node(doc)
    assert skeleton(doc) == skeleton(render(document_of(PLAIN)))
    assert set(hrefs(doc)) <= {address(OUR_LINK), address(text)}
    json.dumps(doc, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("text", BREAK_OUTS + LONG)
def test_a_break_out_is_text(text: str) -> None:
    check(text)


@given(TEXTS)
def test_any_text_is_text(text: str) -> None:
    check(text)


def test_nothing_at_all_is_an_empty_paragraph() -> None:
    empty = {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": []}]}
    assert render(()) == render((Bullets(()),)) == render((Paragraph((Text(""),)),)) == empty


def test_marks_and_links() -> None:
    doc = render((Paragraph((Text("a ", "strong"), Link("b", "https://c.example/"), Link("d", "javascript:x"))),))
    assert doc["content"][0]["content"] == [
        {"type": "text", "text": "a ", "marks": [{"type": "strong"}]},
        {"type": "text", "text": "b", "marks": [{"type": "link", "attrs": {"href": "https://c.example/"}}]},
        {"type": "text", "text": "d"},
    ]
