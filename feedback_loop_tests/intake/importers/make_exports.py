"""Writes `exports/`, each file made of the types of its tool's SDK, so that the tests of mappings need no SDK.

    python -m feedback_loop_tests.intake.importers.make_exports

A test compares what is committed with what this makes, where the SDKs are installed.
"""

import json
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from feedback_loop_tests.intake.importers.calls import CALLS, EXPORTS, MODEL, PROMPT, SYSTEM, Call
from feedback_loop_tests.intake.importers.make_otel import otel_lines


def langfuse_observations() -> list[dict[str, Any]]:
    """As `GET api/public/v2/observations` has them: a span around a generation, per call."""
    from langfuse.api import ObservationV2

    made = []
    for call in CALLS:
        shared = {
            "trace_id": call.trace_id, "project_id": "p1", "user_id": call.user, "session_id": f"s{call.number}",
            "environment": "production", "end_time": call.ended_at, "trace_name": "ask", "tags": ["shop"],
        }  # fmt: skip
        made.append(
            ObservationV2(
                id=call.root_id, type="SPAN", is_root_observation=True, name="ask", start_time=call.started_at,
                input=call.question, output=call.answer, level="DEFAULT", **shared,
            )
        )  # fmt: skip
        made.append(
            ObservationV2(
                id=call.model_call_id, type="GENERATION", is_root_observation=False, name="chat",
                parent_observation_id=call.root_id, start_time=call.model_at, level="DEFAULT",
                completion_start_time=call.first_token_at, input=json.dumps(openai_messages(call)),
                output=json.dumps({"role": "assistant", "content": call.answer}), model=MODEL,
                usage_details={"input": call.input_tokens, "output": call.output_tokens, "total": 1},
                total_cost=0.001, prompt_name=PROMPT, prompt_version=int(call.version), **shared,
            )
        )  # fmt: skip
    return [json.loads(one.json()) for one in made]


def langfuse_scores() -> list[dict[str, Any]]:
    """As `GET api/public/v3/scores` has them: a user's thumb on the trace, a judge's number on the generation."""
    from langfuse.api.scores import types

    made: list[Any] = []
    for call in CALLS:
        shared = {
            "project_id": "p1", "environment": "production", "timestamp": call.judged_at,
            "created_at": call.judged_at, "updated_at": call.judged_at,
        }  # fmt: skip
        if call.is_up is not None:
            made.append(
                types.ScoreV3_Boolean(
                    id=f"thumb-{call.number}", name="user-feedback", value=call.is_up, source="API",
                    comment=call.comment, subject=types.ScoreSubjectV3_Trace(id=call.trace_id), **shared,
                )
            )  # fmt: skip
        subject = types.ScoreSubjectV3_Observation(id=call.model_call_id, trace_id=call.trace_id)
        made.append(
            types.ScoreV3_Numeric(
                id=f"judge-{call.number}", name="correctness", value=call.correctness, source="EVAL",
                subject=subject, **shared,
            )
        )  # fmt: skip
    return [json.loads(one.json()) for one in made]


def exported(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The API's rows as the blob storage export has them: snake_case, "" for none, times without a zone."""
    made = []
    for row in rows:
        row = {snake(name): value for name, value in row.items()}
        subject = row.pop("subject", None)
        if subject is not None:
            is_trace = subject["kind"] == "trace"
            row |= {"trace_id": subject["id"] if is_trace else subject["traceId"]}
            row |= {"observation_id": None if is_trace else subject["id"], "string_value": None}
            row["value"] = float(row["value"])
        if "model" in row:
            row["provided_model_name"] = row.pop("model")
        for name, value in row.items():
            if name.endswith(("_time", "_at", "timestamp")) and value:
                row[name] = f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M:%S.%f}"
            elif value is None and name in ("input", "output", "user_id", "parent_observation_id", "prompt_name"):
                row[name] = ""
        made.append(row)
    return made


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def openai_messages(call: Call) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": call.question}]


def run_id(hexadecimal: str) -> str:
    return str(uuid.UUID(hexadecimal.ljust(32, "0")))


def langsmith_runs() -> list[dict[str, Any]]:
    """As runs are queried and exported: a chain around a model's run, per call."""
    from langsmith.schemas import Run

    made = []
    for call in CALLS:
        root = run_id(call.trace_id)
        metadata = {"user_id": call.user, "session_id": f"s{call.number}"}
        made.append(
            Run(
                id=uuid.UUID(root), name="ask", run_type="chain", start_time=call.started_at, end_time=call.ended_at,
                inputs={"question": call.question}, outputs={"output": call.answer}, trace_id=uuid.UUID(root),
                dotted_order="", extra={"metadata": metadata}, tags=["shop"],
            )
        )  # fmt: skip
        prompt = {"prompt_name": PROMPT, "prompt_version": call.version, "ls_model_name": MODEL}
        made.append(
            Run(
                id=uuid.UUID(run_id(call.model_call_id)), name="ChatModel", run_type="llm", start_time=call.model_at,
                end_time=call.ended_at, first_token_time=call.first_token_at, parent_run_id=uuid.UUID(root),
                trace_id=uuid.UUID(root), inputs={"messages": [openai_messages(call)]}, dotted_order="",
                outputs={"generations": [[{"text": call.answer, "message": langchain_message(call.answer)}]]},
                prompt_tokens=call.input_tokens, completion_tokens=call.output_tokens, extra={"metadata": prompt},
            )
        )  # fmt: skip
    return [json.loads(one.model_dump_json(exclude={"dotted_order", "attachments"})) for one in made]


def langchain_message(text: str) -> dict[str, Any]:
    path = ["langchain", "schema", "messages", "AIMessage"]
    return {"lc": 1, "type": "constructor", "id": path, "kwargs": {"content": text, "type": "ai"}}


def langsmith_feedback() -> list[dict[str, Any]]:
    from langsmith.schemas import APIFeedbackSource, Feedback, ModelFeedbackSource

    made = []
    for call in CALLS:
        root = uuid.UUID(run_id(call.trace_id))
        shared = {"trace_id": root, "created_at": call.judged_at, "modified_at": call.judged_at}
        if call.is_up is not None:
            made.append(
                Feedback(
                    id=uuid.UUID(int=call.number), run_id=root, key="user_score", score=int(call.is_up),
                    comment=call.comment, feedback_source=APIFeedbackSource(), **shared,
                )
            )  # fmt: skip
        made.append(
            Feedback(
                id=uuid.UUID(int=100 + call.number), run_id=uuid.UUID(run_id(call.model_call_id)), key="correctness",
                score=call.correctness, feedback_source=ModelFeedbackSource(), **shared,
            )
        )  # fmt: skip
    return [json.loads(one.model_dump_json()) for one in made]


def phoenix_spans() -> list[dict[str, Any]]:
    """As `GET v1/projects/{id}/spans` has them."""
    from openinference.semconv.trace import MessageAttributes, SpanAttributes
    from phoenix.client.__generated__.v1 import Span, SpanContext

    made = []
    for call in CALLS:
        around: dict[str, Any] = {
            SpanAttributes.INPUT_VALUE: call.question, SpanAttributes.OUTPUT_VALUE: call.answer,
            SpanAttributes.SESSION_ID: f"s{call.number}", SpanAttributes.USER_ID: call.user,
            SpanAttributes.TAG_TAGS: ["shop"],
        }  # fmt: skip
        asked = f"{SpanAttributes.LLM_INPUT_MESSAGES}."
        answered = f"{SpanAttributes.LLM_OUTPUT_MESSAGES}.0."
        model: dict[str, Any] = {
            f"{asked}0.{MessageAttributes.MESSAGE_ROLE}": "system",
            f"{asked}0.{MessageAttributes.MESSAGE_CONTENT}": SYSTEM,
            f"{asked}1.{MessageAttributes.MESSAGE_ROLE}": "user",
            f"{asked}1.{MessageAttributes.MESSAGE_CONTENT}": call.question,
            f"{answered}{MessageAttributes.MESSAGE_ROLE}": "assistant",
            f"{answered}{MessageAttributes.MESSAGE_CONTENT}": call.answer,
            SpanAttributes.LLM_MODEL_NAME: MODEL, SpanAttributes.PROMPT_ID: PROMPT,
            SpanAttributes.LLM_PROMPT_TEMPLATE_VERSION: call.version,
            SpanAttributes.LLM_TOKEN_COUNT_PROMPT: call.input_tokens,
            SpanAttributes.LLM_TOKEN_COUNT_COMPLETION: call.output_tokens,
        }  # fmt: skip
        shared = {"end_time": call.ended_at.isoformat(), "status_code": "OK", "status_message": "", "events": []}
        for span, kind, at, attributes in (
            (call.root_id, "CHAIN", call.started_at, around),
            (call.model_call_id, "LLM", call.model_at, model),
        ):
            context = SpanContext(trace_id=call.trace_id, span_id=span)
            row: Any = Span(
                name=kind.lower(), context=context, span_kind=kind, start_time=at.isoformat(),
                attributes=attributes | {SpanAttributes.OPENINFERENCE_SPAN_KIND: kind}, **shared,
            )  # fmt: skip
            made.append(dict(row) | ({"parent_id": call.root_id} if kind == "LLM" else {}))
    return made


def phoenix_annotations() -> list[dict[str, Any]]:
    from phoenix.client.__generated__.v1 import AnnotationResult, SpanAnnotation

    made: list[Any] = []
    for call in CALLS:
        at = call.judged_at.isoformat()
        shared: dict[str, Any] = {"created_at": at, "updated_at": at, "metadata": {}, "identifier": "", "user_id": None}
        if call.is_up is not None:
            thumb = AnnotationResult(label="thumbs-up" if call.is_up else "thumbs-down", score=float(call.is_up))
            thumb |= AnnotationResult(explanation=call.comment) if call.comment else AnnotationResult()
            made.append(
                SpanAnnotation(
                    id=f"thumb-{call.number}", name="user_feedback", annotator_kind="HUMAN", span_id=call.root_id,
                    result=thumb, source="API", **shared,
                )
            )  # fmt: skip
        made.append(
            SpanAnnotation(
                id=f"judge-{call.number}", name="correctness", annotator_kind="LLM", span_id=call.model_call_id,
                result=AnnotationResult(score=call.correctness), source="API", **shared,
            )
        )  # fmt: skip
    return [dict(one) for one in made]


def every_export() -> dict[str, list[dict[str, Any]]]:
    """File -> its records."""
    return {
        "langfuse_api_observations": langfuse_observations(),
        "langfuse_api_scores": langfuse_scores(),
        "langfuse_observations_v2": exported(langfuse_observations()),
        "langfuse_scores": exported(langfuse_scores()),
        "langsmith_runs": langsmith_runs(),
        "langsmith_feedback": langsmith_feedback(),
        "phoenix_spans": phoenix_spans(),
        "phoenix_annotations": phoenix_annotations(),
        "otel": otel_lines(),
    }


if __name__ == "__main__":
    for name, rows in every_export().items():
        (EXPORTS / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
