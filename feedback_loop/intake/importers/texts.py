"""What a person said and what was answered, out of the shapes in which tools keep a model's input and output.

Belongs here: finding texts in OpenAI, Anthropic, LangChain, OpenInference and OpenTelemetry GenAI messages, and in
objects with a telling key. Does not belong here: which field of a tool holds them. What has none of these shapes is
kept whole, as JSON.
"""

import json
from collections.abc import Mapping
from typing import Any

from feedback_loop.intake.importers.values import is_none, parsed

_USER = ("user", "human")
_ASSISTANT = ("assistant", "ai", "model", "aimessage")
_SYSTEM = ("system", "developer")
_INPUT_KEYS = ("input", "question", "query", "user_input", "prompt", "message", "text", "content", "user", "value")
_OUTPUT_KEYS = ("output", "answer", "response", "result", "completion", "text", "content", "message", "value")
_LISTS = ("messages", "chat_history", "input_messages", "output_messages", "choices", "generations", "contents")
_DEEPEST = 12

Message = tuple[str, str]
"""(role, text)"""


def read_input(value: Any) -> tuple[str | None, str | None]:
    """(what the person said last, the system prompt) of an input of a model or an application; None for none."""
    value = parsed(value)
    if is_none(value):
        return None, None
    found = _messages(value)
    if not found:
        return _plain(value, _INPUT_KEYS), None
    system = [text for role, text in found if role in _SYSTEM and text]
    said = [text for role, text in found if role in _USER and text] or [text for _, text in found[-1:]]
    return said[-1], "\n\n".join(system) or None


def read_output(value: Any) -> str | None:
    """The last answer in a model's or an application's output; None where there is none."""
    value = parsed(value)
    if is_none(value):
        return None
    found = _messages(value)
    if not found:
        return _plain(value, _OUTPUT_KEYS)
    answers = [text for role, text in found if role in _ASSISTANT and text]
    return answers[-1] if answers else found[-1][1]


def _plain(value: Any, keys: tuple[str, ...], depth: int = 0) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for key in keys:
            if key in value and not is_none(value[key]):
                return _plain(parsed(value[key]), keys, depth + 1)
    return json.dumps(value, ensure_ascii=False, default=str)


def _messages(value: Any, depth: int = 0) -> list[Message]:
    """Every message in a value, in order; empty where it holds none."""
    if depth > _DEEPEST:
        return []
    if isinstance(value, list | tuple):
        return [message for item in value for message in _messages(parsed(item), depth + 1)]
    if not isinstance(value, Mapping):
        return []
    if (one := _message(value)) is not None:
        return [one]
    for key in _LISTS:
        if isinstance(inner := parsed(value.get(key)), list | tuple) and (found := _messages(inner, depth + 1)):
            return found
    for key in ("message", "input", "output", "inputs", "outputs", "kwargs"):
        inner = parsed(value.get(key))
        if isinstance(inner, Mapping | list | tuple) and (found := _messages(inner, depth + 1)):
            return found
    return []


def _message(value: Mapping[str, Any]) -> Message | None:
    """A message with its role, whichever convention names them."""
    if isinstance(inner := value.get("message"), Mapping) and (found := _message(inner)) is not None:
        return found
    if isinstance(kind := value.get("id"), list) and kind and isinstance(value.get("kwargs"), Mapping):
        name = str(kind[-1]).removesuffix("Chunk").removesuffix("Message")  # LangChain, serialised
        return name.lower(), _content(value["kwargs"].get("content"))
    role: Any = value.get("role", value.get("message.role"))
    if not isinstance(role, str) and isinstance(value.get("type"), str) and "content" in value:
        role = value["type"] if value["type"] in (*_USER, *_ASSISTANT, *_SYSTEM, "tool", "function") else None
    if not isinstance(role, str):
        return None
    for key in ("content", "message.content", "parts", "contents", "message.contents", "text"):
        if not is_none(value.get(key)):
            return role.lower(), _content(parsed(value[key]))
    return role.lower(), ""


def _content(value: Any, depth: int = 0) -> str:
    """The text of a content: text itself, or its text parts; images and tool calls have none."""
    if isinstance(value, str):
        return value
    if depth > _DEEPEST:
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(text for item in value if (text := _content(parsed(item), depth + 1)))
    if isinstance(value, Mapping):
        kind = value.get("type", value.get("message_content.type", "text"))
        inner = value.get("message_content")
        if isinstance(inner, Mapping):
            return _content(inner, depth + 1)
        if kind not in ("text", "input_text", "output_text"):
            return ""
        for key in ("text", "content", "message_content.text"):
            if isinstance(value.get(key), str):
                return str(value[key])
    return ""
