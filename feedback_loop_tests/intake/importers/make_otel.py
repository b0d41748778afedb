"""OTLP JSON of the three calls, made by OpenTelemetry's own SDK and encoder, with the constants of its conventions."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from feedback_loop_tests.intake.importers.calls import CALLS, MODEL, PROMPT, SYSTEM, Call


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def attributes(call: Call) -> dict[str, Any]:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

    return {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_REQUEST_MODEL: MODEL,
        gen_ai.GEN_AI_CONVERSATION_ID: f"s{call.number}",
        gen_ai.GEN_AI_PROMPT_NAME: PROMPT,
        "gen_ai.prompt.version": call.version,  # in wide use, not in the conventions
        gen_ai.GEN_AI_SYSTEM_INSTRUCTIONS: json.dumps([{"type": "text", "content": SYSTEM}]),
        gen_ai.GEN_AI_INPUT_MESSAGES: json.dumps([message("user", call.question)]),
        gen_ai.GEN_AI_OUTPUT_MESSAGES: json.dumps([message("assistant", call.answer)]),
        gen_ai.GEN_AI_USAGE_INPUT_TOKENS: call.input_tokens,
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: call.output_tokens,
        gen_ai.GEN_AI_RESPONSE_ID: f"r{call.number}",
        "user.id": call.user,
    }


def spans(call: Call) -> list[Any]:
    """A server span around a chat span, whose event is the judge's number."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
    from opentelemetry.trace import SpanContext, TraceFlags

    def context(span_id: str) -> SpanContext:
        return SpanContext(int(call.trace_id, 16), int(span_id, 16), False, TraceFlags(1))

    judged = {gen_ai.GEN_AI_EVALUATION_NAME: "correctness", gen_ai.GEN_AI_EVALUATION_SCORE_VALUE: call.correctness}
    event = Event("gen_ai.evaluation.result", judged, nanoseconds(call.judged_at))
    root = context(call.root_id)
    shared = {"resource": Resource.create({"service.name": "shop"}), "end_time": nanoseconds(call.ended_at)}
    return [
        ReadableSpan("POST /ask", root, start_time=nanoseconds(call.started_at), **shared),
        ReadableSpan(
            "chat", context(call.model_call_id), root, start_time=nanoseconds(call.model_at),
            attributes=attributes(call), events=[event], **shared,
        ),
    ]  # fmt: skip


def thumb(call: Call) -> Any:
    """A user's thumb as a log record: the conventions have no event of its own for it."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

    said: dict[str, Any] = {
        gen_ai.GEN_AI_EVALUATION_NAME: "user_feedback",
        gen_ai.GEN_AI_EVALUATION_SCORE_LABEL: "up" if call.is_up else "down",
        gen_ai.GEN_AI_EVALUATION_SCORE_VALUE: float(bool(call.is_up)),
        gen_ai.GEN_AI_RESPONSE_ID: f"r{call.number}",
    }
    if call.comment:
        said[gen_ai.GEN_AI_EVALUATION_EXPLANATION] = call.comment
    record = LogRecord(
        timestamp=nanoseconds(call.judged_at), observed_timestamp=nanoseconds(call.judged_at),
        severity_number=SeverityNumber.INFO, event_name="gen_ai.evaluation.result", attributes=said,
    )  # fmt: skip
    return ReadableLogRecord(record, Resource.create({"service.name": "shop"}))


def otel_lines() -> list[dict[str, Any]]:
    """One line of traces, one of logs, as a collector's file exporter writes them: ids in hexadecimal."""
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    traces = MessageToDict(encode_spans([span for call in CALLS for span in spans(call)]))
    logs = MessageToDict(encode_logs([thumb(call) for call in CALLS if call.is_up is not None]))
    return [hexadecimal(traces), hexadecimal(logs)]


def hexadecimal(value: Any) -> Any:
    """OTLP's one deviation from protobuf's JSON."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(item).hex() if name in ("traceId", "spanId", "parentSpanId") else hexadecimal(item)
            for name, item in value.items()
            if name not in ("schemaUrl", "resource")
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [hexadecimal(item) for item in value]
    return value
