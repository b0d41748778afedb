"""Request bodies that the tests of the emulated Anthropic API share: the three purposes of the product."""

import json
from typing import Any

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"


def items_schema(**fields: dict[str, Any]) -> dict[str, Any]:
    """`{"items": [{"ref", ...}]}`, closed, everything required."""
    properties = {"ref": {"type": "string"}, **fields}
    each = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    listed = {"items": {"type": "array", "items": each}}
    return {"type": "object", "properties": listed, "required": ["items"], "additionalProperties": False}


TEXT = {"type": "string"}
DESCRIBE = items_schema(failure=TEXT, injection_suspected={"type": "boolean"})
CARD = items_schema(
    name=TEXT,
    description=TEXT,
    likely_cause={"type": "string", "enum": ["prompt", "retrieval", "model", "product", "unknown"]},
    severity={"type": "integer", "enum": [1, 2, 3, 4]},
    severity_reason=TEXT,
    suggested_fix=TEXT,
    evidence={"type": "array", "items": TEXT},
)
JUDGE = items_schema(judgement={"type": "string", "enum": ["new", "same", "sub", "noise"]}, of=TEXT, reason=TEXT)
AUDIT = items_schema(is_case={"type": "string", "enum": ["yes", "no", "unsure"]})

ITEMS = [
    {"ref": "r001", "text": "The link in the answer is broken. I had to call."},
    {"ref": "r002", "text": "the refund amount is wrong, it forgot the tax"},
    {"ref": "r003", "text": "answered in German again!"},
]


def ask(items: list[dict[str, Any]] | None = None, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Parameters of one message about some items, with thinking off."""
    content = "Items:\n" + json.dumps(ITEMS if items is None else items)
    body: dict[str, Any] = {
        "model": HAIKU,
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": content}],
        "output_config": {"format": {"type": "json_schema", "schema": schema or DESCRIBE}},
        "thinking": {"type": "disabled"},
    }
    return body | more


def batch(*custom_ids: object, **params: Any) -> dict[str, Any]:
    """Arguments of `batches.create`: one request per id, with the same parameters."""
    return {"requests": [{"custom_id": custom_id, "params": ask() | params} for custom_id in custom_ids]}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """A body that lacks these parameters."""
    return {name: value for name, value in body.items() if name not in names}
