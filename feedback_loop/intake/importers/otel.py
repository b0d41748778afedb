"""OpenTelemetry: GenAI spans and `gen_ai.evaluation.result` events, in the OTLP JSON that collectors write to files.

Belongs here: OTLP's JSON and the GenAI attributes. Does not belong here: what becomes of them (`traces.py`,
`scores.py`). The conventions have no event for a user's feedback: send it as `gen_ai.evaluation.result` with the name
`user_feedback`. Spans with OpenInference's attributes are read as Phoenix's are.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from feedback_loop.intake.importers import values
from feedback_loop.intake.importers.phoenix import from_openinference
from feedback_loop.intake.importers.scores import Score
from feedback_loop.intake.importers.traces import Observation
from feedback_loop.intake.importers.values import NotTaken, dig, pick
from feedback_loop.intake.reasons import Rejection

EVALUATION = "gen_ai.evaluation.result"
DETAILS = "gen_ai.client.inference.operation.details"
_MODEL_CALLS = ("chat", "text_completion", "generate_content")
_ERROR = (2, "2", "STATUS_CODE_ERROR")
_HEX = frozenset("0123456789abcdef")


def split(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The spans, events of spans and log records of one line of OTLP JSON, each by itself.

    Raises:
        Rejection: the line is no OTLP JSON.
    """
    if not any(name in raw for name in ("resourceSpans", "resourceLogs")):
        raise Rejection("no OTLP JSON: neither `resourceSpans` nor `resourceLogs`")
    for resource in _list(raw, "resourceSpans"):
        for scope in _list(resource, "scopeSpans"):
            for span in _list(scope, "spans"):
                yield span
                for event in _list(span, "events"):
                    if event.get("name") == EVALUATION:
                        place = {"traceId": span.get("traceId"), "spanId": span.get("spanId")}
                        yield {**event, "eventName": EVALUATION, **place}
    for resource in _list(raw, "resourceLogs"):
        for scope in _list(resource, "scopeLogs"):
            yield from _list(scope, "logRecords")


def read(raw: Mapping[str, Any], number: int) -> Observation | Score:
    """A span, an evaluation, or the details of a call as a part of its span.

    Raises:
        NotTaken: a log record of another kind.
        Rejection: a field is wrong.
    """
    tree = values.nested(_attributes(raw.get("attributes")))
    if "startTimeUnixNano" in raw:
        return _span(raw, tree, number)
    name = pick(raw, "eventName") or dig(tree, "event.name")
    if name == EVALUATION:
        return _evaluation(raw, tree, number)
    if name == DETAILS:
        return _details(raw, tree, number)
    raise NotTaken("a log record that is no GenAI event")


def _span(raw: Mapping[str, Any], tree: Mapping[str, Any], number: int) -> Observation:
    status = values.mapping(raw.get("status"))
    is_error = status.get("code") in _ERROR
    kind = values.text(dig(tree, "error.type"))
    is_openinference = dig(tree, "openinference.span.kind") is not None
    return Observation(
        trace_id=_id(raw.get("traceId"), "traceId", 32),
        observation_id=_id(raw.get("spanId"), "spanId", 16),
        number=number,
        started_at=values.needed_time(raw.get("startTimeUnixNano"), "startTimeUnixNano"),
        ended_at=values.time(raw.get("endTimeUnixNano"), "endTimeUnixNano"),
        parent_id=_id(raw["parentSpanId"], "parentSpanId", 16) if raw.get("parentSpanId") else None,
        error=(values.text(status.get("message")) or kind or "error") if is_error else kind,
        **(from_openinference(tree) if is_openinference else _genai(tree)),
    )


def _genai(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an observation from GenAI attributes; `gen_ai.prompt` and `gen_ai.completion` are older names."""
    operation = values.text(dig(tree, "gen_ai.operation.name"))
    system = dig(tree, "gen_ai.system_instructions")
    said = values.parsed(dig(tree, "gen_ai.input.messages") or dig(tree, "gen_ai.prompt"))
    if system is not None and isinstance(said, list):
        said = [{"role": "system", "parts": values.parsed(system)}, *said]
    prompt = values.mapping(dig(tree, "gen_ai.prompt"))
    alias = values.text(dig(tree, "gen_ai.response.id"))
    usage = "gen_ai.usage."
    return {
        "is_model_call": operation in _MODEL_CALLS
        or (operation is None and dig(tree, "gen_ai.request.model") is not None),
        "input": said if not isinstance(said, Mapping) else None,
        "output": values.parsed(dig(tree, "gen_ai.output.messages") or dig(tree, "gen_ai.completion")),
        "model": values.text(dig(tree, "gen_ai.response.model") or dig(tree, "gen_ai.request.model")),
        "prompt_name": values.text(prompt.get("name")),
        "prompt_version": values.text(prompt.get("version")),
        "input_tokens": values.count(dig(tree, usage + "input_tokens"), usage + "input_tokens"),
        "output_tokens": values.count(dig(tree, usage + "output_tokens"), usage + "output_tokens"),
        "user_id": values.text(dig(tree, "user.id") or dig(tree, "enduser.id")),
        "session_id": values.text(dig(tree, "gen_ai.conversation.id") or dig(tree, "session.id")),
        "documents": _documents(dig(tree, "gen_ai.retrieval.documents")),
        "aliases": (alias,) if alias else (),
    }


def _documents(found: Any) -> tuple[dict[str, str | None], ...]:
    rows = values.parsed(found)
    rows = [one for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []
    return tuple({"id": values.text(one.get("id")), "title": values.text(one.get("title"))} for one in rows)


def _details(raw: Mapping[str, Any], tree: Mapping[str, Any], number: int) -> Observation:
    """Texts of a call that travel apart from its span: a step inside it."""
    span = _id(raw.get("spanId"), "spanId", 16)
    fields = _genai(tree) | {"input_tokens": None, "output_tokens": None, "is_model_call": True}
    return Observation(
        trace_id=_id(raw.get("traceId"), "traceId", 32),
        observation_id=f"{span}-details",
        parent_id=span,
        number=number,
        started_at=values.needed_time(pick(raw, "timeUnixNano", "observedTimeUnixNano"), "timeUnixNano"),
        **fields,
    )


def _evaluation(raw: Mapping[str, Any], tree: Mapping[str, Any], number: int) -> Score:
    trace_id, response = pick(raw, "traceId"), values.text(dig(tree, "gen_ai.response.id"))
    if trace_id is None and response is None:
        raise Rejection("the evaluation says neither `traceId` nor `gen_ai.response.id`")
    if (kind := values.text(dig(tree, "error.type"))) is not None:
        raise NotTaken(f"an evaluation that failed ({kind[:50]})")
    return Score(
        score_id=None,
        number=number,
        name=values.needed_id(dig(tree, "gen_ai.evaluation.name"), "gen_ai.evaluation.name"),
        occurred_at=values.needed_time(pick(raw, "timeUnixNano", "observedTimeUnixNano"), "timeUnixNano"),
        trace_id=None if trace_id is None else _id(trace_id, "traceId", 32),
        observation_id=response,
        value=values.number(dig(tree, "gen_ai.evaluation.score.value"), "gen_ai.evaluation.score.value"),
        label=values.text(dig(tree, "gen_ai.evaluation.score.label")),
        comment=values.text(dig(tree, "gen_ai.evaluation.explanation")),
        user_id=values.text(dig(tree, "user.id") or dig(tree, "enduser.id")),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    """OTLP's list of keys and typed values as an object."""
    if isinstance(pairs, Mapping):
        return dict(pairs)
    if not isinstance(pairs, list):
        return {}
    return {str(p["key"]): _any_value(p.get("value")) for p in pairs if isinstance(p, Mapping) and "key" in p}


def _any_value(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if "intValue" in value:
        return values.count(value["intValue"], "intValue")
    if "arrayValue" in value:
        return [_any_value(item) for item in values.mapping(value["arrayValue"]).get("values", [])]
    if "kvlistValue" in value:
        return _attributes(values.mapping(value["kvlistValue"]).get("values", []))
    return next((value[name] for name in ("stringValue", "boolValue", "doubleValue") if name in value), None)


def _id(value: Any, field: str, n_characters: int) -> str:
    """A trace's or span's id in hexadecimal; also from base64, as protobuf's own JSON has it.

    Raises:
        Rejection: it is missing, or neither.
    """
    found = values.needed_id(value, field)
    if len(found) == n_characters and set(found.lower()) <= _HEX:
        return found.lower()
    try:
        decoded = base64.b64decode(found, validate=True).hex()
    except ValueError:
        decoded = ""
    if len(decoded) != n_characters:
        raise Rejection(f"field '{field}' is no id: {found[:50]!r}")
    return decoded


def _list(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = parent.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
