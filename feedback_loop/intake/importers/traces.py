"""One interaction out of a trace: the request as its root saw it, with what its model calls know.

Belongs here: which observation says what. Does not belong here: field names of a tool (its own module).

    id                 the trace's
    input, output      the root's; else of the first and the last model call
    prompt, model      of the last model call that names them
    tokens, cost       summed over the model calls
    latency            the root's; first token: of the call that answers, from the root's start on
    user, session, ... of the root, else of whichever observation says it first
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from feedback_loop.intake.importers.policy import SourcePolicy
from feedback_loop.intake.importers.texts import read_input, read_output
from feedback_loop.intake.importers.values import NotTaken, text
from feedback_loop.intake.reasons import Rejection

_FROM_METADATA = ("cohort", "experiment", "variant", "safety_level", "prompt_name", "prompt_version")
_MAX_TAGS = 20
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Observation:
    """A step of a trace: a Langfuse observation, a LangSmith run, a span.

    Attributes:
        trace_id, observation_id, parent_id: its place.
        number: of its record in the source.
        started_at, ended_at, first_token_at: with time zones.
        is_model_call: a model was asked.
        input, output: as the tool keeps them; `texts.py` reads them.
        cost_usd: of this step alone.
        tags: of the trace.
        metadata: keys that name our own fields are taken from it (`cohort`, `prompt_version`, ...).
        documents: that were retrieved, as `{"id", "title"}`.
        facts: of the tool's own, kept under the interaction's metadata.
        aliases: other ids by which scores may name it.
    """

    trace_id: str
    observation_id: str
    number: int
    started_at: datetime
    parent_id: str | None = None
    is_model_call: bool = False
    ended_at: datetime | None = None
    first_token_at: datetime | None = None
    input: Any = None
    output: Any = None
    model: str | None = None
    model_parameters: dict[str, Any] | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    user_id: str | None = None
    session_id: str | None = None
    error: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    documents: tuple[dict[str, str | None], ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


def find_root(observations: Sequence[Observation]) -> Observation:
    """The observation that has no parent in the trace; of several the first. The trace is not empty."""
    known = {one.observation_id for one in observations}
    roots = [one for one in observations if one.parent_id is None or one.parent_id not in known]
    return min(roots or observations, key=lambda one: (one.started_at, one.observation_id))


def merge_trace(observations: Sequence[Observation], policy: SourcePolicy) -> dict[str, Any]:
    """The record of a trace's interaction.

    Args:
        observations: all of one trace, in any order.
        policy: of the source.

    Raises:
        NotTaken: no model was called, and the root has no input and output of its own.
        Rejection: nothing was said and nothing answered.
    """
    root = find_root(observations)
    ordered = [root, *sorted((o for o in observations if o is not root), key=lambda o: (o.started_at, o.number))]
    calls = [one for one in ordered if one.is_model_call]
    if not calls and (root.input is None or root.output is None):
        raise NotTaken("a trace without a model call")
    answering = next((one for one in reversed(calls) if one.output is not None), calls[-1] if calls else root)
    user_input, system = _input_of([root, *calls])
    output = next((found for one in (root, answering) if (found := read_output(one.output)) is not None), None)
    error = root.error or answering.error
    if user_input is None and output is None:
        raise Rejection("the trace has neither input nor output (exported without its texts?)")
    metadata = {key: value for one in reversed(ordered) for key, value in one.metadata.items()} | root.metadata
    record = {
        "type": "interaction",
        "interaction_id": root.trace_id,
        "occurred_at": root.started_at,
        "application": policy.application,
        "session_id": _first(ordered, lambda one: one.session_id),
        "user_id": _first(ordered, lambda one: one.user_id),
        "model": _first(reversed(calls), lambda one: one.model),
        "model_parameters": _first(reversed(calls), lambda one: one.model_parameters) or None,
        "system_prompt": system,
        "user_input": user_input or "",
        "output": output or "",
        "retrieved_documents": [document for one in ordered for document in one.documents] or None,
        "input_tokens": _sum(one.input_tokens for one in calls),
        "output_tokens": _sum(one.output_tokens for one in calls),
        "cost_usd": _sum(one.cost_usd for one in calls),
        "latency_ms": _milliseconds(root.started_at, root.ended_at),
        "time_to_first_token_ms": _milliseconds(root.started_at, answering.first_token_at),
        "error": error,
        "metadata": _facts(root, ordered, policy),
    }
    record |= {name: found for name in _FROM_METADATA if (found := text(metadata.get(name))) is not None}
    prompt = next((one for one in reversed(ordered) if one.prompt_version), None)
    if prompt is not None:
        record |= {"prompt_name": prompt.prompt_name, "prompt_version": prompt.prompt_version}
    record.setdefault("prompt_version", policy.prompt_version)
    return {name: value for name, value in record.items() if value is not None}


def _input_of(observations: Sequence[Observation]) -> tuple[str | None, str | None]:
    """(what was asked, the system prompt), each from the first observation that says it."""
    read = [read_input(one.input) for one in observations if one.input is not None]
    said = next((said for said, _ in read if said is not None), None)
    return said, next((system for _, system in read if system is not None), None)


def _facts(root: Observation, ordered: Sequence[Observation], policy: SourcePolicy) -> dict[str, Any]:
    """Where the interaction came from. A letter before the root's id: digits alone could be taken for a number."""
    facts: dict[str, Any] = {"source": policy.name, "root": f"x{root.observation_id}"}
    facts |= {key: value for one in reversed(ordered) for key, value in one.facts.items()}
    tags = _first(ordered, lambda one: one.tags or None)
    return facts | ({"tags": list(tags[:_MAX_TAGS])} if tags else {})


def _first(observations: Iterable[Observation], of: Callable[[Observation], _T | None]) -> _T | None:
    return next((found for one in observations if (found := of(one)) is not None), None)


def _sum(values: Iterable[int | float | None]) -> int | float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _milliseconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None or end < start else (end - start).total_seconds() * 1000
