"""LangSmith: runs and feedback, of the bulk export and of the API.

Belongs here: LangSmith's field names. Does not belong here: what becomes of them (`traces.py`, `scores.py`) and
requests (`clients/langsmith.py`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from feedback_loop.intake.importers import values
from feedback_loop.intake.importers.scores import Score
from feedback_loop.intake.importers.traces import Observation
from feedback_loop.intake.importers.values import NotTaken, pick
from feedback_loop.intake.reasons import Rejection

_SESSIONS = ("thread_id", "session_id", "conversation_id")  # of metadata, as LangSmith's threads read them
_VERSIONS = ("prompt_version", "lc_hub_commit_hash", "revision_id")
_NAMES = ("prompt_name", "lc_hub_repo")


def split(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A record as it is: each is one run or feedback."""
    yield raw


def read(raw: Mapping[str, Any], number: int) -> Observation | Score:
    """A run or a feedback.

    Raises:
        NotTaken: feedback on a project, not on a run.
        Rejection: it is neither, or a field is wrong.
    """
    if "run_type" in raw:
        return _run(raw, number)
    if "key" in raw:
        return _feedback(raw, number)
    raise Rejection("neither a run (`run_type`) nor a feedback (`key`) of LangSmith")


def _run(raw: Mapping[str, Any], number: int) -> Observation:
    extra = values.mapping(raw.get("extra"))
    metadata = values.mapping(extra.get("metadata")) | values.mapping(raw.get("metadata"))
    run_id = values.needed_id(raw.get("id"), "id")
    parents = values.strings(raw.get("parent_run_ids"))
    parent = (
        None if raw.get("is_root") is True else values.text(raw.get("parent_run_id")) or next(reversed(parents), None)
    )
    trace_id = values.text(raw.get("trace_id")) or (run_id if parent is None else None)
    is_model_call = str(raw.get("run_type")).lower() == "llm"
    inputs, outputs = values.parsed(raw.get("inputs")), values.parsed(raw.get("outputs"))
    parameters = values.mapping(extra.get("invocation_params"))
    return Observation(
        trace_id=values.needed_id(trace_id, "trace_id"),
        observation_id=run_id,
        number=number,
        started_at=values.needed_time(raw.get("start_time"), "start_time"),
        parent_id=parent,
        is_model_call=is_model_call,
        ended_at=values.time(raw.get("end_time"), "end_time"),
        first_token_at=values.time(raw.get("first_token_time"), "first_token_time"),
        input=inputs or None,
        output=outputs or None,
        model=values.text(pick(metadata, "ls_model_name") or pick(parameters, "model", "model_name")),
        model_parameters={k: metadata[k] for k in ("ls_temperature", "ls_max_tokens") if k in metadata} or None,
        prompt_name=values.text(pick(metadata, *_NAMES)),
        prompt_version=values.text(pick(metadata, *_VERSIONS)),
        input_tokens=values.count(raw.get("prompt_tokens"), "prompt_tokens"),
        output_tokens=values.count(raw.get("completion_tokens"), "completion_tokens"),
        cost_usd=values.number(raw.get("total_cost"), "total_cost"),
        user_id=values.text(pick(metadata, "user_id")),
        session_id=values.text(pick(raw, "thread_id") or pick(metadata, *_SESSIONS)),
        error=values.text(raw.get("error")),
        tags=tuple(values.strings(raw.get("tags"))),
        metadata=metadata,
        documents=_documents(raw, outputs),
        facts={"name": name} if parent is None and (name := values.text(raw.get("name"))) else {},
    )


def _documents(raw: Mapping[str, Any], outputs: Any) -> tuple[dict[str, str | None], ...]:
    """What a retriever found: LangChain's documents."""
    if str(raw.get("run_type")).lower() != "retriever" or not isinstance(outputs, Mapping):
        return ()
    found = values.parsed(pick(outputs, "documents", "output"))
    rows = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    metadata = [values.mapping(one.get("metadata")) for one in rows]
    return tuple(
        {
            "id": values.text(pick(one, "id") or pick(of, "id", "source")),
            "title": values.text(pick(of, "title", "source")),
        }
        for one, of in zip(rows, metadata, strict=True)
    )


def _feedback(raw: Mapping[str, Any], number: int) -> Score:
    trace_id, run_id = values.text(raw.get("trace_id")), values.text(raw.get("run_id"))
    if trace_id is None and run_id is None:
        raise NotTaken("feedback on a project, not on a run")
    score, value = raw.get("score"), values.parsed(raw.get("value"))
    source = values.mapping(raw.get("feedback_source"))
    about = values.mapping(source.get("metadata")) | values.mapping(raw.get("extra"))
    if values.is_none(score) and isinstance(value, int | float):
        score, value = value, None
    correction = values.parsed(raw.get("correction"))
    if isinstance(correction, Mapping) and len(correction) == 1:
        correction = next(iter(correction.values()))
    return Score(
        score_id=values.needed_id(raw.get("id"), "id"),
        number=number,
        name=values.needed_id(raw.get("key"), "key"),
        occurred_at=values.needed_time(pick(raw, "created_at", "modified_at"), "created_at"),
        trace_id=trace_id,
        observation_id=run_id,
        value=score if isinstance(score, bool) else values.number(score, "score"),
        label=values.text(value) if isinstance(value, str) else None,
        comment=values.text(raw.get("comment")),
        correction=None if values.is_none(correction) else str(correction),
        evaluator_version=values.text(about.get("evaluator_version")),
        user_id=values.text(about.get("user_id")),
    )
