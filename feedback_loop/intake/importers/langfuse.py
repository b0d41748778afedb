"""Langfuse: observations, scores and (older exports) traces, of the blob storage export and of the API.

Belongs here: Langfuse's field names. Does not belong here: what becomes of them (`traces.py`, `scores.py`) and requests
(`clients/langfuse.py`). Names are snake_case in exports and camelCase in the API; both are read.

Durations are computed from times: `latency` of exports set up before April 2026 is in milliseconds, of later ones in
seconds, and a row does not say which.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from feedback_loop.intake.importers import values
from feedback_loop.intake.importers.scores import Score
from feedback_loop.intake.importers.traces import Observation
from feedback_loop.intake.importers.values import NotTaken, pick
from feedback_loop.intake.reasons import Rejection

_UPPER = re.compile(r"(?<=[a-z0-9])([A-Z])")
_FACTS = ("environment", "release", "trace_name")


def split(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A record as it is: each is one observation, score or trace."""
    yield raw


def read(raw: Mapping[str, Any], number: int) -> Observation | Score:
    """An observation, a score, or a trace of the older exports as its outermost observation.

    Raises:
        NotTaken: it is about a session or an experiment.
        Rejection: it is none of these, or a field is wrong.
    """
    row = {_snake(name): value for name, value in raw.items()}
    if "type" in row and "start_time" in row:
        return _observation(row, number)
    if "data_type" in row or ("name" in row and ("value" in row or "string_value" in row)):
        return _score(row, number)
    if "timestamp" in row and "id" in row:
        return _trace(row, number)
    raise Rejection("neither an observation (`type`, `start_time`) nor a score (`data_type`) of Langfuse")


@functools.lru_cache(1024)
def _snake(name: str) -> str:
    return _UPPER.sub(r"_\1", name).lower()


def _observation(row: Mapping[str, Any], number: int) -> Observation:
    usage, cost = values.mapping(row.get("usage_details")), values.mapping(row.get("cost_details"))
    is_error = row.get("level") == "ERROR"
    is_model_call = str(row["type"]).upper() == "GENERATION"
    total = pick(row, "total_cost") if "total_cost" in row else pick(cost, "total")
    return Observation(
        trace_id=values.needed_id(row.get("trace_id"), "trace_id"),
        observation_id=values.needed_id(row.get("id"), "id"),
        number=number,
        started_at=values.needed_time(row.get("start_time"), "start_time"),
        parent_id=values.text(row.get("parent_observation_id")) if not row.get("is_root_observation") else None,
        is_model_call=is_model_call,
        ended_at=values.time(row.get("end_time"), "end_time"),
        first_token_at=values.time(row.get("completion_start_time"), "completion_start_time"),
        input=pick(row, "input"),
        output=pick(row, "output"),
        model=values.text(pick(row, "provided_model_name", "model")),
        model_parameters=values.mapping(row.get("model_parameters")) or None,
        prompt_name=values.text(row.get("prompt_name")),
        prompt_version=_version(row, is_model_call=is_model_call),
        input_tokens=values.count(pick(usage, "input", "prompt_tokens"), "usage_details.input"),
        output_tokens=values.count(pick(usage, "output", "completion_tokens"), "usage_details.output"),
        cost_usd=values.number(total, "total_cost"),
        error=(values.text(row.get("status_message")) or "error") if is_error else None,
        **_context(row),
    )


def _version(row: Mapping[str, Any], *, is_model_call: bool) -> str | None:
    """Of the prompt that is linked; without one a call's own `version`, which the SDK lets people set."""
    linked = row.get("prompt_version")
    if not values.is_none(linked):
        return str(int(linked)) if isinstance(linked, float) else str(linked)
    return values.text(row.get("version")) if is_model_call else None


def _context(row: Mapping[str, Any]) -> dict[str, Any]:
    """What every row says of its trace."""
    return {
        "user_id": values.text(row.get("user_id")),
        "session_id": values.text(row.get("session_id")),
        "tags": tuple(values.strings(row.get("tags"))),
        "metadata": values.mapping(row.get("metadata")),
        "facts": {name: found for name in _FACTS if (found := values.text(row.get(name)))},
    }


def _trace(row: Mapping[str, Any], number: int) -> Observation:
    trace_id = values.needed_id(row.get("id"), "id")
    context = _context(row)
    return Observation(
        trace_id=trace_id,
        observation_id=trace_id,
        number=number,
        started_at=values.needed_time(row.get("timestamp"), "timestamp"),
        input=pick(row, "input"),
        output=pick(row, "output"),
        prompt_version=None,
        **context,
    )


def _score(row: Mapping[str, Any], number: int) -> Score:
    subject = values.mapping(row.get("subject"))
    kind = subject.get("kind")
    trace_id = values.text(row.get("trace_id"))
    observation_id = values.text(row.get("observation_id"))
    if kind == "observation":
        trace_id = values.text(pick(subject, "trace_id", "traceId"))
        observation_id = values.text(subject.get("id"))
    elif kind == "trace":
        trace_id = values.text(subject.get("id"))
    if trace_id is None and observation_id is None:
        raise NotTaken("a score of a session or an experiment, not of a trace")
    data_type = str(row.get("data_type") or "").upper()
    value, label, correction = _value(row, data_type)
    metadata = values.mapping(row.get("metadata"))
    return Score(
        score_id=values.needed_id(row.get("id"), "id"),
        number=number,
        name=values.needed_id(row.get("name"), "name"),
        occurred_at=values.needed_time(pick(row, "timestamp", "created_at"), "timestamp"),
        trace_id=trace_id,
        observation_id=observation_id,
        value=value,
        label=label,
        comment=values.text(row.get("comment")),
        correction=correction,
        evaluator_version=values.text(row.get("config_id")),
        user_id=values.text(metadata.get("user_id")),
    )


def _value(row: Mapping[str, Any], data_type: str) -> tuple[float | bool | None, str | None, str | None]:
    """(value, label, correction): exports keep texts in `string_value` beside a number without meaning."""
    value, label = row.get("value"), row.get("string_value")
    if data_type in ("CATEGORICAL", "TEXT", "CORRECTION"):
        said = values.text(label if not values.is_none(label) else value if isinstance(value, str) else None)
        return (None, None, said) if data_type == "CORRECTION" else (None, said, None)
    if data_type == "BOOLEAN":
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true", None, None
        found = values.number(value, "value")
        return None if found is None else bool(found), None, None
    return values.number(value, "value"), values.text(label), None
