"""One message of the emulated model: the answer, its blocks, its bill, and the events of its stream.

Belongs here: what `POST /v1/messages` and one request of a batch have in common. Does not belong here: what the model
says (`responder.py`), the checks (`checks.py`), HTTP (`app.py`).

A model that thinks does so in a first `thinking` block; how many tokens that takes is invented: a share of the answer
that grows with the effort. Both count towards `max_tokens`, and an answer that does not fit is cut, as by the API.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from feedback_loop.testing.anthropic_emulator.checks import is_thinking
from feedback_loop.testing.anthropic_emulator.faults import Route
from feedback_loop.testing.anthropic_emulator.mangling import Draft, mangle
from feedback_loop.testing.anthropic_emulator.models import Model
from feedback_loop.testing.anthropic_emulator.prompt_cache import InputTokens, count_tokens, estimate_tokens
from feedback_loop.testing.anthropic_emulator.refusals import RefusedError
from feedback_loop.testing.anthropic_emulator.state import State

_THINKING_SHARE = {"low": 0.25, "medium": 0.5, "high": 1.0, "xhigh": 2.0, "max": 4.0}
_LEAST_THINKING = 8
_DELTA_LENGTH = 40  # characters per event of a stream


def make_message(
    state: State, body: Mapping[str, Any], model: Model, route: Route, custom_id: str | None = None
) -> dict[str, Any]:
    """Answer a request that passed the checks, and bill it; `custom_id` is None outside batches.

    Raises:
        RefusedError: 400, the prompt does not fit into the model's window.
    """
    n_prompt = count_tokens(body, model)
    if n_prompt > model.max_input_tokens:
        raise RefusedError(400, f"prompt is too long: {n_prompt} tokens > {model.max_input_tokens} maximum")
    tokens = state.cache.charge(body, model, state.now)
    draft = _draft(state.answer(body), body, model)
    fault = state.faults.take("answer", route)
    if fault is not None:
        draft = mangle(draft, fault.name, body)
    n_output = draft.n_thinking + estimate_tokens(draft.billed_text, model)
    message_id = state.new_id("msg", dict(body))
    state.bill(message_id, body, tokens, n_output, custom_id)
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model.id,
        "content": draft.content,
        "stop_reason": draft.stop_reason,
        "stop_sequence": None,
        "stop_details": draft.stop_details,
        "usage": _usage(tokens, n_output, draft.n_thinking, is_batch=custom_id is not None),
    }


def _draft(text: str, body: Mapping[str, Any], model: Model) -> Draft:
    """The answer before anything goes wrong with it, cut to `max_tokens`."""
    n_text, budget = estimate_tokens(text, model), body["max_tokens"]
    n_thinking = 0
    if is_thinking(body, model):
        effort = (body.get("output_config") or {}).get("effort") or model.default_effort
        n_thinking = min(budget, _LEAST_THINKING + round(n_text * _THINKING_SHARE[effort]))
    is_cut = n_text > budget - n_thinking
    if is_cut:
        text = _cut(text, int((budget - n_thinking) * model.bytes_per_token))
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    if n_thinking:
        content.insert(0, {"type": "thinking", "thinking": "", "signature": "ZW11bGF0ZWQ="})
    choice = (body.get("tool_choice") or {}).get("type")
    if choice in ("tool", "any") and not is_cut:
        name = body["tool_choice"].get("name") or body["tools"][0]["name"]
        content = [{"type": "tool_use", "id": "toolu_01emulated", "name": name, "input": json.loads(text)}]
        return Draft(content, "tool_use", n_thinking, text)
    return Draft(content, "max_tokens" if is_cut else "end_turn", n_thinking, text)


def _cut(text: str, n_bytes: int) -> str:
    return text.encode("utf-8", "surrogatepass")[:n_bytes].decode("utf-8", "ignore")


def _usage(tokens: InputTokens, n_output: int, n_thinking: int, *, is_batch: bool) -> dict[str, Any]:
    return {
        "input_tokens": tokens.uncached,
        "output_tokens": n_output,
        "cache_creation_input_tokens": tokens.written_5m + tokens.written_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.written_5m,
            "ephemeral_1h_input_tokens": tokens.written_1h,
        },
        "output_tokens_details": {"thinking_tokens": n_thinking},
        "service_tier": "batch" if is_batch else "standard",
        "server_tool_use": None,
        "inference_geo": "global",
    }


def stream_events(message: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same message as the events of a stream, in the API's order."""
    opening = {**message, "content": [], "stop_reason": None, "stop_details": None}
    opening["usage"] = {**message["usage"], "output_tokens": 1}
    yield "message_start", {"message": opening}
    yield "ping", {}
    for index, block in enumerate(message["content"] or ()):
        yield from _block_events(index, block)
    ending = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    yield "message_delta", {"delta": ending, "usage": {"output_tokens": message["usage"]["output_tokens"]}}
    yield "message_stop", {}


def _block_events(index: int, block: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    deltas: list[dict[str, Any]] = []
    start = dict(block)
    if block["type"] == "text":
        start["text"] = ""
        deltas = [{"type": "text_delta", "text": part} for part in _parts(block["text"])]
    elif block["type"] == "thinking":
        start |= {"thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": part} for part in _parts(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif block["type"] == "tool_use":
        start["input"] = {}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in _parts(json.dumps(block["input"]))]
    yield "content_block_start", {"index": index, "content_block": start}
    for delta in deltas:
        yield "content_block_delta", {"index": index, "delta": delta}
    yield "content_block_stop", {"index": index}


def _parts(text: str) -> list[str]:
    return [text[i : i + _DELTA_LENGTH] for i in range(0, len(text), _DELTA_LENGTH)]
