"""What the emulated model says: a reply that fits the request's schema, made from the items in its prompt.

Belongs here: finding the items, choosing what is asked, and filling any other schema with plain values. Does not belong
here: reading of texts (`reading.py`), a model that is fooled (`gullible.py`).

The items are the first JSON array of objects with a `ref` in the last message of the user. The properties of the
schema's `items` tell what is asked: `failure` describe, `likely_cause` card, `judgement` judge, `is_case`
label; anything else is filled by its type. Without a schema the answer is one plain sentence.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from feedback_loop.testing.anthropic_emulator.gullible import obey
from feedback_loop.testing.anthropic_emulator.reading import describe, draw_card, judge, label
from feedback_loop.testing.anthropic_emulator.schemas import resolve

_Json = dict[str, Any]


class Responder:
    """The default responder: the same request always gets the same reply.

    Args:
        obeys_injections: it does what the texts of the items tell it, as far as the schema lets it; see `gullible.py`.
    """

    def __init__(self, *, obeys_injections: bool = False) -> None:
        self.obeys_injections = obeys_injections

    def __call__(self, body: Mapping[str, Any]) -> str | _Json:
        """The reply to a request's body."""
        schema, items = wanted_schema(body), find_items(body)
        if schema is None:
            reply: str | _Json = f"I read {len(items)} items and have nothing to add."
        else:
            reply = _reply(schema, items)
        return obey(reply, items, schema) if self.obeys_injections else reply


def wanted_schema(body: Mapping[str, Any]) -> _Json | None:
    """The schema of the answer: of the output format, else of the tool the model is forced to use."""
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    if schema is not None:
        return dict(schema)
    choice = body.get("tool_choice") or {}
    if choice.get("type") not in ("tool", "any"):
        return None
    tools = body["tools"]
    return dict(next((tool for tool in tools if tool["name"] == choice.get("name")), tools[0])["input_schema"])


def find_items(body: Mapping[str, Any]) -> list[_Json]:
    """The items of the prompt; empty where it has none."""
    users = [message for message in body["messages"] if message["role"] == "user"]
    for text in _texts(users[-1]["content"]) if users else ():
        for found in _arrays(text):
            if found and all(isinstance(item, dict) and "ref" in item for item in found):
                return found
    return []


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for block in content:
        if block.get("type") == "text":
            yield block["text"]
        elif block.get("type") == "tool_result":
            yield from _texts(block.get("content") or "")


def _arrays(text: str) -> Iterator[list[Any]]:
    decoder, start = json.JSONDecoder(), text.find("[")
    while start >= 0:
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):  # the latter: thousands of brackets
            end = start + 1
        else:
            yield found
        start = text.find("[", end)


def _reply(schema: _Json, items: list[_Json]) -> _Json:
    listed = resolve(schema.get("properties", {}).get("items", {}), schema)
    each = resolve(listed.get("items", {}), schema)
    if listed.get("type") != "array" or "ref" not in each.get("properties", {}):
        filled = fill(schema, schema)
        return filled if isinstance(filled, dict) else {"value": filled}
    return {"items": [_answer(item, each, schema, items) for item in items]}


def _answer(item: _Json, each: Mapping[str, Any], schema: _Json, items: list[_Json]) -> _Json:
    fields = each["properties"]
    if "failure" in fields:
        found = describe(item)
    elif "likely_cause" in fields:
        found = draw_card(item, [other for other in items if other is not item])
    elif "judgement" in fields:
        found = judge(item)
    elif "is_case" in fields:
        found = label(item)
    else:
        found = {}
    found["ref"] = item["ref"]
    return {name: _fitting(found.get(name), fields[name], schema) for name in fields}


def _fitting(value: Any, node: Mapping[str, Any], root: _Json) -> Any:
    """The value where the schema allows it, in the allowed value's own type; else a plain one."""
    node = resolve(node, root)
    if value is None:
        return fill(node, root)
    if "enum" in node:
        return next((choice for choice in node["enum"] if str(choice) == str(value)), node["enum"][-1])
    return str(value) if node.get("type") == "string" else value


def fill(node: Mapping[str, Any], root: _Json) -> Any:
    """A plain value of any schema: the first choice, the shortest text, one element."""
    node = resolve(node, root)
    for name in ("const", "default"):
        if name in node:
            return node[name]
    if node.get("enum"):
        return node["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if node.get(name):
            return fill(node[name][0], root)
    kind = node.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: fill(child, root) for name, child in node.get("properties", {}).items()}
    if kind == "array":
        return [fill(node.get("items", {}), root)]
    plain: dict[Any, Any] = {"integer": 1, "number": 0.5, "boolean": False, "null": None}
    return plain.get(kind, "text")
