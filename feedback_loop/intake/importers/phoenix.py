"""Phoenix and OpenInference: spans and annotations, of exported dataframes, of JSON files and of the API.

Belongs here: OpenInference's attributes and Phoenix's field names. Does not belong here: what becomes of them
(`traces.py`, `scores.py`) and requests (`clients/phoenix.py`).

A span has its attributes in an object (API) or in columns that begin with `attributes.` (dataframes); names are dotted
or nested. Both are read.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from feedback_loop.intake.importers import values
from feedback_loop.intake.importers.scores import Score
from feedback_loop.intake.importers.traces import Observation
from feedback_loop.intake.importers.values import dig, pick
from feedback_loop.intake.reasons import Rejection

_PREFIX = "attributes."


def split(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A record as it is: each is one span or annotation."""
    yield raw


def read(raw: Mapping[str, Any], number: int) -> Observation | Score:
    """A span or an annotation.

    Raises:
        Rejection: it is neither, or a field is wrong.
    """
    if "annotator_kind" in raw or "annotation_name" in raw:
        return _annotation(raw, number)
    if "start_time" in raw:
        return _span(raw, number)
    raise Rejection("neither a span (`start_time`) nor an annotation (`annotator_kind`) of Phoenix")


def _span(raw: Mapping[str, Any], number: int) -> Observation:
    context = values.mapping(raw.get("context"))
    attributes = values.mapping(raw.get("attributes")) | {
        name.removeprefix(_PREFIX): value
        for name, value in raw.items()
        if name.startswith(_PREFIX) and not values.is_none(value)
    }
    tree = values.nested(attributes)
    is_error = str(raw.get("status_code") or "").upper() == "ERROR"
    return Observation(
        trace_id=values.needed_id(pick(raw, "context.trace_id", "trace_id") or pick(context, "trace_id"), "trace_id"),
        observation_id=values.needed_id(pick(raw, "context.span_id", "span_id") or pick(context, "span_id"), "span_id"),
        number=number,
        started_at=values.needed_time(raw.get("start_time"), "start_time"),
        ended_at=values.time(raw.get("end_time"), "end_time"),
        parent_id=values.text(raw.get("parent_id")),
        error=(values.text(raw.get("status_message")) or "error") if is_error else None,
        **from_openinference(tree, values.text(raw.get("span_kind"))),
    )


def from_openinference(tree: Mapping[str, Any], span_kind: str | None = None) -> dict[str, Any]:
    """Fields of an observation from a span's attributes, nested.

    Raises:
        Rejection: a number is none.
    """
    kind = (values.text(dig(tree, "openinference.span.kind")) or span_kind or "").upper()
    is_model_call = kind == "LLM"
    metadata = values.mapping(dig(tree, "metadata"))
    return {
        "is_model_call": is_model_call,
        "input": (dig(tree, "llm.input_messages") if is_model_call else None) or dig(tree, "input.value"),
        "output": (dig(tree, "llm.output_messages") if is_model_call else None) or dig(tree, "output.value"),
        "model": values.text(dig(tree, "llm.model_name") or dig(tree, "llm.response.model_name")),
        "model_parameters": values.mapping(dig(tree, "llm.invocation_parameters")) or None,
        "prompt_name": values.text(dig(tree, "prompt.id")),
        "prompt_version": values.text(dig(tree, "llm.prompt_template.version")),
        "input_tokens": values.count(dig(tree, "llm.token_count.prompt"), "llm.token_count.prompt"),
        "output_tokens": values.count(dig(tree, "llm.token_count.completion"), "llm.token_count.completion"),
        "cost_usd": values.number(dig(tree, "llm.cost.total"), "llm.cost.total"),
        "user_id": values.text(dig(tree, "user.id")),
        "session_id": values.text(dig(tree, "session.id")),
        "tags": tuple(values.strings(dig(tree, "tag.tags"))),
        "metadata": metadata,
        "documents": _documents(dig(tree, "retrieval.documents")) if kind == "RETRIEVER" else (),
    }


def _documents(found: Any) -> tuple[dict[str, str | None], ...]:
    rows = values.parsed(found)
    trees = [values.nested(one) for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []
    return tuple(
        {
            "id": values.text(dig(one, "document.id")),
            "title": values.text(
                dig(one, "document.name") or values.mapping(dig(one, "document.metadata")).get("title")
            ),
        }
        for one in trees
    )


def _annotation(raw: Mapping[str, Any], number: int) -> Score:
    result = values.mapping(raw.get("result"))
    metadata = values.mapping(raw.get("metadata"))
    span_id = values.text(raw.get("span_id"))
    trace_id = values.text(raw.get("trace_id"))
    if span_id is None and trace_id is None:
        raise Rejection("field 'span_id' is missing")
    name = values.needed_id(pick(raw, "annotation_name", "name"), "name")
    return Score(
        score_id=values.text(raw.get("id")),
        number=number,
        name=name,
        occurred_at=values.needed_time(pick(raw, "created_at", "updated_at"), "created_at"),
        trace_id=trace_id,
        observation_id=span_id,
        value=values.number(pick(raw, "result.score", "score") if not result else result.get("score"), "score"),
        label=values.text(pick(raw, "result.label", "label") or result.get("label")),
        comment=values.text(pick(raw, "result.explanation", "explanation") or result.get("explanation")),
        evaluator_version=values.text(raw.get("identifier")),
        user_id=values.text(metadata.get("user_id")),
    )
