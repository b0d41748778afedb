"""What the real API refuses: every check of a request, before anything is answered or billed.

Belongs here: headers, sizes, the SDK's own request types, and the manners of each model. Does not belong here: the
limits of JSON schemas (`schemas.py`) and the failures a test orders (`faults.py`). The wording of an error is the
API's where it is known from public reports; the status, the type and the field named first always are.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase, MessageCreateParamsNonStreaming
from pydantic import TypeAdapter, ValidationError

from feedback_loop.testing.anthropic_emulator.models import Model, find_model
from feedback_loop.testing.anthropic_emulator.refusals import RefusedError
from feedback_loop.testing.anthropic_emulator.schemas import check_schema

MAX_BODY, MAX_BATCH_BODY = 32 * 2**20, 256 * 2**20
MAX_BATCH_REQUESTS = 100_000
MAX_BREAKPOINTS = 4
_SENT_AS_HEADERS = {"user_profile_id", "workspace_id"}
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

Kind = Literal["message", "count_tokens"]


def check_headers(headers: Mapping[str, str], api_key: str) -> None:
    """Refuse a request without a right key or without the API's version. `headers` has lower-case names."""
    bearer, key = headers.get("authorization"), headers.get("x-api-key")
    if bearer is None and key is None:
        raise RefusedError(401, "x-api-key header is required")
    if bearer is not None and bearer != f"Bearer {api_key}":
        raise RefusedError(401, "Invalid bearer token")
    if bearer is None and key != api_key:
        raise RefusedError(401, "invalid x-api-key")
    if "anthropic-version" not in headers:
        raise RefusedError(400, "anthropic-version: header is required")


def check_size(n_bytes: int, limit: int = MAX_BODY) -> None:
    """Refuse a body over the limit."""
    if n_bytes > limit:
        raise RefusedError(413, "Request exceeds the maximum size")


def check_json(body: dict[str, Any] | None) -> dict[str, Any]:
    """Refuse a body that is no JSON object, which comes in as None."""
    if body is None:
        raise RefusedError(400, "The request body is not valid JSON")
    return body


def check_message(body: Mapping[str, Any], kind: Kind = "message") -> Model:
    """Refuse the parameters of a message as the API of version 2026-10-21 does.

    Returns:
        The model that is to answer.

    Raises:
        RefusedError: 400, or 404 for an unknown model.
    """
    _check_types(body, kind)
    model = find_model(body["model"])
    if model is None:
        raise RefusedError(404, f"model: {body['model']}")
    if kind == "message":
        _check_max_tokens(body["max_tokens"], model)
    _check_turns(body["messages"], model)
    _check_thinking(body, model)
    _check_tools(body, model)
    _check_breakpoints(body)
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    if schema is not None:
        check_schema(schema)
    return model


def check_batch(body: Mapping[str, Any]) -> None:
    """Refuse what a batch is refused for at once. Its `params` are checked when it is worked on, as the API does."""
    requests = body.get("requests")
    if not isinstance(requests, list):
        raise RefusedError(
            400, "requests: Field required" if requests is None else "requests: Input should be a valid list"
        )
    if not 1 <= len(requests) <= MAX_BATCH_REQUESTS:
        raise RefusedError(400, f"requests: List should have 1 to {MAX_BATCH_REQUESTS} items, not {len(requests)}")
    for i, request in enumerate(requests):
        if not isinstance(request, dict) or not isinstance(request.get("params"), dict):
            raise RefusedError(400, f"requests.{i}.params: Field required")
        if not _CUSTOM_ID.fullmatch(str(request.get("custom_id", ""))):
            raise RefusedError(400, f"requests.{i}.custom_id: String should match pattern '^{_CUSTOM_ID.pattern}$'")
    name, n_times = Counter(request["custom_id"] for request in requests).most_common(1)[0]
    if n_times > 1:
        raise RefusedError(400, f"requests: custom_id must be unique, {name!r} is used {n_times} times")


def check_batch_params(params: Mapping[str, Any]) -> Model:
    """The same for one request of a batch, which may neither stream nor only warm the cache."""
    if "stream" in params:
        raise RefusedError(400, "stream: streaming is not supported in message batches")
    if params.get("max_tokens") == 0:
        raise RefusedError(400, "max_tokens: must be greater than or equal to 1 in message batches")
    return check_message(params)


@cache
def _adapter(kind: Kind) -> TypeAdapter[Any]:
    return TypeAdapter(MessageCreateParamsNonStreaming if kind == "message" else MessageCountTokensParams)


def _check_types(body: Mapping[str, Any], kind: Kind) -> None:
    declared = MessageCreateParamsBase if kind == "message" else MessageCountTokensParams
    known = set(declared.__annotations__) - _SENT_AS_HEADERS | ({"stream"} if kind == "message" else set())
    for name in body:
        if name not in known:  # among them temperature, top_p and top_k, which this version of the API no longer has
            raise RefusedError(400, f"{name}: Extra inputs are not permitted")
    if not isinstance(body.get("stream", False), bool):
        raise RefusedError(400, "stream: Input should be a valid boolean")
    try:
        _exhaust(_adapter(kind).validate_python({k: v for k, v in body.items() if k != "stream"}), ())
    except ValidationError as error:
        raise RefusedError(400, _first_problem(error, ())) from error


def _exhaust(value: Any, place: tuple[str | int, ...]) -> None:
    """Walk a validated value: pydantic checks an `Iterable` only as it is read."""
    if isinstance(value, dict):
        for name, child in value.items():
            _exhaust(child, (*place, name))
    elif isinstance(value, Iterator):
        position = 0
        try:
            for position, child in enumerate(value):
                _exhaust(child, (*place, position))
        except ValidationError as error:
            raise RefusedError(400, _first_problem(error, place)) from error


def _first_problem(error: ValidationError, place: tuple[str | int, ...]) -> str:
    """`messages.0.role: ...`: the field without the names of the SDK's classes that pydantic tried in turn.

    Of those classes the one counts whose `type` or `role` is that of the value, if there is one.
    """
    problems = error.errors(include_url=False)
    others = [p["loc"][:-1] for p in problems if p["type"] == "literal_error" and p["loc"][-1] in ("type", "role")]
    meant = [p for p in problems if not any(p["loc"][: len(other)] == other for other in others)]
    unnamed = [p for p in problems if p["type"] == "literal_error"]
    first = (meant or unnamed or problems)[0]
    parts = [*place, *(part for part in first["loc"] if isinstance(part, int) or part.islower())]
    named = ".".join(str(part) for part in parts if "[" not in str(part))
    return f"{named}: {'Field required' if first['type'] == 'missing' else first['msg']}"


def _check_max_tokens(max_tokens: int, model: Model) -> None:
    if max_tokens < 0:
        raise RefusedError(400, "max_tokens: must be greater than or equal to 0")
    if max_tokens > model.max_tokens:
        raise RefusedError(
            400,
            f"max_tokens: {max_tokens} > {model.max_tokens}, which is the maximum allowed number of output tokens for "
            f"{model.id}",
        )


def _check_turns(messages: list[Mapping[str, Any]], model: Model) -> None:
    if not messages:
        raise RefusedError(400, "messages: at least one message is required")
    for i, message in enumerate(messages):
        if not message["content"] and i < len(messages) - 1:
            raise RefusedError(400, f"messages.{i}: all messages must have non-empty content")
    if messages[-1]["role"] == "assistant" and not model.takes_prefill:
        raise RefusedError(
            400,
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    if not messages[-1]["content"]:
        raise RefusedError(400, f"messages.{len(messages) - 1}: user messages must have non-empty content")


def _check_thinking(body: Mapping[str, Any], model: Model) -> None:
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    if kind in model.refused_thinking:
        raise RefusedError(
            400,
            f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.',
        )
    effort = (body.get("output_config") or {}).get("effort")
    if kind in ("disabled", "between_tools") and model.thinks_by_default and effort in ("xhigh", "max"):
        raise RefusedError(400, f"thinking.type.{kind} is not supported with output_config.effort {effort!r}")
    if kind == "enabled" and not 1024 <= thinking["budget_tokens"] < body.get("max_tokens", 2**31):
        raise RefusedError(400, "thinking.enabled.budget_tokens: must be at least 1024 and less than max_tokens")


def _check_tools(body: Mapping[str, Any], model: Model) -> None:
    choice = body.get("tool_choice") or {}
    forced = choice.get("type") in ("tool", "any")
    names = [tool.get("name") for tool in body.get("tools") or ()]
    if forced and not model.takes_forced_tools:
        raise RefusedError(400, "tool_choice: forcing tool use is not supported for this model")
    if forced and is_thinking(body, model):
        raise RefusedError(400, "Thinking may not be enabled when tool_choice forces tool use.")
    if choice and not names:
        raise RefusedError(400, "tool_choice: may only be specified while providing tools")
    if choice.get("type") == "tool" and choice["name"] not in names:
        raise RefusedError(400, f"Tool '{choice['name']}' not found in provided tools")


def is_thinking(body: Mapping[str, Any], model: Model) -> bool:
    """Whether the model thinks before it answers: as the request says, else as the model does by default."""
    kind = (body.get("thinking") or {}).get("type")
    if kind == "between_tools":
        return bool(body.get("tools"))
    return kind in ("adaptive", "enabled") if kind is not None else model.thinks_by_default


def _check_breakpoints(body: Mapping[str, Any]) -> None:
    ttls = [control.get("ttl", "5m") for control in find_breakpoints(body)]
    for ttl in ttls:
        if ttl not in ("5m", "1h"):  # the SDK's types let it pass inside a message
            raise RefusedError(400, f"cache_control.ephemeral.ttl: Input should be '5m' or '1h', not {ttl!r}")
    if len(ttls) > MAX_BREAKPOINTS:
        raise RefusedError(
            400, f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(ttls)}."
        )
    if "1h" in ttls[ttls.index("5m") if "5m" in ttls else len(ttls) :]:
        raise RefusedError(400, "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")


def find_breakpoints(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every `cache_control` of a request, in the order in which the API reads it: tools, system, messages."""
    if isinstance(value, Mapping):
        for name in sorted(value, key=lambda key: {"tools": 0, "system": 1}.get(key, 2)):
            if name != "cache_control":
                yield from find_breakpoints(value[name])
        if isinstance(value.get("cache_control"), Mapping):  # on the request itself it means its last block
            yield value["cache_control"]
    elif isinstance(value, list):
        for child in value:
            yield from find_breakpoints(child)
