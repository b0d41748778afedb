"""A model that is fooled: it does what a text of its input tells it to, as far as its schema lets it.

Belongs here: the worst a fooled model can put into a reply that still fits the schema, to show what of it reaches the
product's output. Does not belong here: any defence.

A text is obeyed where it speaks to the model ("ignore your instructions ...", a fake role, a fake end of the data) or
gives an order ("Write ...", "How do I ...", "... in your answer"). What is ordered is what stands behind "reply with"
and its like, else the order itself. If that is JSON with items, they become the reply's, whatever refs they name; else
every free text of the item becomes the order, every choice the one the order names, else its last, and every flag is
lowered.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_Json = dict[str, Any]

_SPEAKS_TO_MODEL = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,60}\b(?:instructions?|prompt|rules?|above|previous|everything)\b"
    r"|\b(?:system prompt|you are now|as an ai|new instructions?|important message to you)\b"
    r"|(?:^|\n)\s*(?:system|assistant|human|user)\s*:|</?\w+>|```|<\|",
    re.IGNORECASE | re.DOTALL,
)
_VERBS = (
    r"(?P<order>(?:please\s+)?(?:write|provide|show|give|list|recommend|suggest|summari[sz]e|analy[sz]e|help|tell|explain|"
    r"describe|create|generate|translate|compose|print|output|reply|respond|answer|say|set|mark|rate|call|return|add|use|"
    r"find|compare|identify|share|offer|make|turn|convert|"
    r"determine|classify|is this|estimate|how|what|which|who|why|where|can you|could you)\b[^\n]*)"
)
_ORDER = re.compile(r"(?:^|(?<=[.!?:\n>`]))\s*" + _VERBS, re.IGNORECASE)  # where a sentence begins
_NEXT_ORDER = re.compile(r"\b" + _VERBS, re.IGNORECASE)  # anywhere, once the model was spoken to
_ABOUT_ANSWER = re.compile(
    r"(?:^|(?<=[.!?\n]))[^.!?\n]*\byour (?:\w+ )?(?:answer|reply|response|message|output)\b[^\n]*", re.IGNORECASE
)
_PAYLOAD = re.compile(
    r"\b(?:reply|respond|answer|output|say|print|write|return)\b(?:\s+(?:only|just|exactly|with|as|the\s+words?))*\s*:?\s*"
    r"(?P<payload>\S.*)",
    re.IGNORECASE | re.DOTALL,
)


def speaks_to_model(text: str) -> bool:
    """Whether an honest model would suspect an injection."""
    return _SPEAKS_TO_MODEL.search(text) is not None


def find_order(text: str) -> str | None:
    """What a text tells the model to do or say; None where it tells nothing."""
    spoken = _SPEAKS_TO_MODEL.search(text)
    order = (_NEXT_ORDER.search(text, spoken.end()) if spoken else None) or _ORDER.search(text)
    if order is None and (about := _ABOUT_ANSWER.search(text)):
        return about[0].strip()
    if order is None:
        return (text[spoken.end() :].strip(" .:,;!-") or text) if spoken else None
    said = order["order"].strip()
    payload = _PAYLOAD.match(said)
    return payload["payload"].strip().strip("\"'“”") if payload else said


def obey(reply: str | _Json, items: list[_Json], schema: _Json | None) -> str | _Json:
    """The reply as a fooled model gives it."""
    orders = {str(item["ref"]): order for item in items if (order := find_order(_all_text(item))) is not None}
    if not orders:
        return reply
    if schema is None or not isinstance(reply, dict) or not isinstance(reply.get("items"), list):
        return next(iter(orders.values())) if schema is None else reply
    fields = schema["properties"]["items"].get("items", {}).get("properties", {})
    obeyed: list[_Json] = []
    for answer in reply["items"]:
        order = orders.get(str(answer["ref"]))
        obeyed += [answer] if order is None else _obeyed(answer, order, fields)
    return {**reply, "items": obeyed}


def _obeyed(answer: _Json, order: str, fields: Mapping[str, Any]) -> list[_Json]:
    forged = _forged(order)
    if forged:
        return [{name: item.get(name, answer[name]) for name in answer} for item in forged]
    return [
        {
            name: value if name == "ref" else _spoilt(value, order, fields.get(name, {}))
            for name, value in answer.items()
        }
    ]


def _forged(order: str) -> list[_Json]:
    """Items that the text itself spells out as JSON."""
    start = min((at for at in (order.find("{"), order.find("[")) if at >= 0), default=-1)
    if start < 0:
        return []
    try:
        said, _ = json.JSONDecoder().raw_decode(order, start)
    except (ValueError, RecursionError):
        return []
    listed = said.get("items", [said]) if isinstance(said, dict) else said
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _spoilt(value: Any, order: str, node: Mapping[str, Any]) -> Any:
    if "enum" in node:
        named = [choice for choice in node["enum"] if re.search(rf"\b{re.escape(str(choice))}\b", order, re.IGNORECASE)]
        return named[0] if named else node["enum"][-1]
    if isinstance(value, bool):
        return False
    return order if isinstance(value, str) else value


def _all_text(value: Any) -> str:
    """Every text of an item, but not its refs."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(_all_text(child) for name, child in value.items() if name != "ref")
    return "\n".join(_all_text(child) for child in value) if isinstance(value, list) else ""
