"""What the failures of the place `answer` do to a message: a model that breaks the contract, and is paid for it.

Belongs here: one small change per failure. Does not belong here: when a failure is due (`faults.py`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from feedback_loop.testing.anthropic_emulator.faults import FaultName

_DETAILS = {"type": "refusal", "category": "general_harms", "explanation": None}
_CUT_SHORT: Mapping[FaultName, str] = {"max_tokens": "max_tokens", "context_window": "model_context_window_exceeded"}
_REFUSAL = "I can't help with this request."
_PROSE = "Sure! Here is what I found: most of these people were unhappy, and I would look at the first one again."


@dataclass(frozen=True)
class Draft:
    """An answer on its way out.

    Attributes:
        content: the blocks; None is a failure of its own.
        billed_text: what the model wrote, for the bill.
    """

    content: list[dict[str, Any]] | None
    stop_reason: str
    n_thinking: int
    billed_text: str
    stop_details: dict[str, Any] | None = None


def mangle(draft: Draft, name: FaultName, body: Mapping[str, Any]) -> Draft:
    """The draft as this failure leaves it.

    Raises:
        ValueError: the failure is about items or a schema, and the answer has none: what cannot happen was ordered.
    """
    if name not in (*_OF_ITEMS, "schema_violation", "wrong_enum_case"):
        return _of_message(draft, name)
    try:
        reply = json.loads(draft.billed_text)
        if name == "schema_violation":
            changed = _violate(reply)
        elif name == "wrong_enum_case":
            changed = _shout(reply, body["output_config"]["format"]["schema"])
        else:
            changed = {**reply, "items": _OF_ITEMS[name](reply["items"])}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"fault {name!r} does not go with the answer {draft.billed_text[:80]!r}") from error
    return _with_text(draft, json.dumps(changed, ensure_ascii=False))


def _of_message(draft: Draft, name: FaultName) -> Draft:
    if name in _CUT_SHORT:
        half = draft.billed_text[: len(draft.billed_text) // 2]
        return replace(_with_text(draft, half), stop_reason=_CUT_SHORT[name])
    blocks = list(draft.content or ())
    match name:
        case "refusal" | "refusal_details":
            return Draft([], "refusal", 0, "", _DETAILS if name == "refusal_details" else None)
        case "refusal_prose":
            return replace(_with_text(draft, _REFUSAL), stop_reason="refusal")
        case "prose":
            return _with_text(draft, _PROSE)
        case "thinking_first":
            thinking = {"type": "thinking", "thinking": "Let me see.", "signature": "ZW11bGF0ZWQ="}
            return replace(draft, content=[thinking, *(b for b in blocks if b["type"] != "thinking")])
        case "unknown_block":
            return replace(draft, content=[{"type": "hologram", "x": 1}, *blocks])
        case "unknown_stop_reason":
            return replace(draft, stop_reason="brand_new")
        case "none_content":
            return replace(draft, content=None)
        case _:
            raise ValueError(f"fault {name!r} does not change a message")


def _with_text(draft: Draft, text: str) -> Draft:
    kept = [block for block in draft.content or () if block["type"] == "thinking"]
    return replace(draft, content=[*kept, {"type": "text", "text": text}], billed_text=text)


def _violate(reply: Any) -> Any:
    """Take the last field from the first object: of the items if there are any, else of the reply."""
    if isinstance(reply, dict) and reply.get("items") and isinstance(reply["items"][0], dict):
        return {**reply, "items": [_violate(reply["items"][0]), *reply["items"][1:]]}
    return dict(list(reply.items())[:-1]) if isinstance(reply, dict) else {"reply": reply}


def _shout(reply: Any, schema: Mapping[str, Any]) -> Any:
    """Write every value of an enum of words in upper case."""
    if isinstance(reply, dict):
        fields = schema.get("properties", {})
        return {name: _shout(value, fields.get(name, {})) for name, value in reply.items()}
    if isinstance(reply, list):
        return [_shout(value, schema.get("items", {})) for value in reply]
    return reply.upper() if isinstance(reply, str) and "enum" in schema else reply


_Items = list[dict[str, Any]]
_OF_ITEMS: Mapping[FaultName, Callable[[_Items], _Items]] = {
    "invented_ref": lambda items: [*items, {**items[0], "ref": "r999999"}],
    "duplicate_ref": lambda items: [*items, items[0]],
    "missing_ref": lambda items: items[:-1],
}
