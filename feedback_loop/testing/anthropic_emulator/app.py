"""The emulator's HTTP: the API's routes, each from request to reply.

Belongs here: routing, recording, the order of checks and faults, headers. Does not belong here: any content,
and the control plane (`control.py`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route as HttpRoute

from feedback_loop.testing.anthropic_emulator import batches, checks
from feedback_loop.testing.anthropic_emulator.control import control_route
from feedback_loop.testing.anthropic_emulator.faults import Route
from feedback_loop.testing.anthropic_emulator.messages import make_message, stream_events
from feedback_loop.testing.anthropic_emulator.models import MODELS, find_model
from feedback_loop.testing.anthropic_emulator.prompt_cache import count_tokens
from feedback_loop.testing.anthropic_emulator.refusals import RefusedError, error_body
from feedback_loop.testing.anthropic_emulator.state import RecordedRequest, State
from feedback_loop.testing.anthropic_emulator.wire import (
    Reply,
    events_reply,
    failed_reply,
    json_reply,
    lines_reply,
    parse_object,
)

_ORGANISATION = {"anthropic-organization-id": "emulated-organisation", "anthropic-workspace-id": "default"}
_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_LIMITS = {"requests": 4_000, "tokens": 2_400_000, "input-tokens": 2_000_000, "output-tokens": 400_000}
Handle = Callable[[State, Request, dict[str, Any]], Reply]


def build_app(state: State) -> Starlette:
    """The whole service over one state."""
    routes = [HttpRoute(path, _endpoint(state, name, handle), methods=[verb]) for verb, path, name, handle in _SERVED]
    fallback = HttpRoute("/{path:path}", _no_such_route, methods=_ANY)
    return Starlette(routes=[*routes, control_route(state), fallback])


def _endpoint(state: State, route: Route, handle: Handle) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Reply:
        raw = await request.body()
        with state.lock:
            try:
                reply = _serve(state, route, handle, request, raw)
            except Exception as error:
                state.crashes.append(error)  # raised again when the emulator is closed
                raise
        return reply

    return endpoint


def _serve(state: State, route: Route, handle: Handle, request: Request, raw: bytes) -> Reply:
    """One request: recorded, failed if that was ordered, checked, answered, and perhaps spoilt on its way."""
    body, request_id = parse_object(raw), state.new_id("req")
    query = f"?{urlencode(list(request.query_params.items()))}" if request.query_params else ""
    path = f"{request.url.path}{query}"
    state.requests.append(RecordedRequest(request.method, path, body or {}, dict(request.headers), state.now))
    fault = state.faults.take("before", route)
    if fault is not None:
        reply = failed_reply(fault, request_id)
    else:
        try:
            checks.check_headers(request.headers, state.api_key)
            checks.check_size(len(raw), checks.MAX_BATCH_BODY if route == "batches.create" else checks.MAX_BODY)
            reply = handle(state, request, checks.check_json(body))
        except RefusedError as error:
            reply = json_reply(error_body(error.status, error.message, request_id), error.status)
        else:
            reply = replace(reply, fault=state.faults.take("after", route) or reply.fault)
    told = {"request-id": request_id, **_ORGANISATION, **_rate_headers(state, reply.status)}
    return replace(reply, headers={**told, **reply.headers})


def _rate_headers(state: State, status: int) -> dict[str, str]:
    """Limits nobody reaches; only a 429 says that they were."""
    reset = state.now.isoformat().replace("+00:00", "Z")
    told: dict[str, str] = {}
    for kind, limit in _LIMITS.items():
        values = {"limit": str(limit), "remaining": "0" if status == 429 else str(limit), "reset": reset}
        told |= {f"anthropic-ratelimit-{kind}-{name}": value for name, value in values.items()}
    return told


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _answer(state: State, _: Request, body: dict[str, Any]) -> Reply:
    message = make_message(state, body, checks.check_message(body), "messages")
    if body.get("stream"):
        return events_reply(stream_events(message), state.faults.take("stream", "messages"))
    return json_reply(message)


def _count(_: State, __: Request, body: dict[str, Any]) -> Reply:
    return json_reply({"input_tokens": count_tokens(body, checks.check_message(body, "count_tokens"))})


def _create(state: State, _: Request, body: dict[str, Any]) -> Reply:
    checks.check_batch(body)
    return json_reply(batches.batch_json(state, batches.create_batch(state, body), "batches.create"))


def _retrieve(state: State, request: Request, _: dict[str, Any]) -> Reply:
    return json_reply(batches.batch_json(state, batches.find_batch(state, _id(request)), "batches.retrieve"))


def _list(state: State, request: Request, _: dict[str, Any]) -> Reply:
    return json_reply(batches.list_batches(state, request.query_params))


def _results(state: State, request: Request, _: dict[str, Any]) -> Reply:
    return lines_reply(batches.results_lines(state, _id(request)))


def _cancel(state: State, request: Request, _: dict[str, Any]) -> Reply:
    return json_reply(batches.batch_json(state, batches.cancel_batch(state, _id(request)), "batches.cancel"))


def _delete(state: State, request: Request, _: dict[str, Any]) -> Reply:
    return json_reply(batches.delete_batch(state, _id(request)))


def _list_models(_: State, __: Request, ___: dict[str, Any]) -> Reply:
    data = [model.as_json() for model in MODELS.values()]
    return json_reply({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


def _retrieve_model(_: State, request: Request, __: dict[str, Any]) -> Reply:
    model = find_model(_id(request))
    if model is None:
        raise RefusedError(404, f"model: {_id(request)}")
    return json_reply(model.as_json())


_SERVED: tuple[tuple[str, str, Route, Handle], ...] = (
    ("POST", "/v1/messages", "messages", _answer),
    ("POST", "/v1/messages/count_tokens", "count_tokens", _count),
    ("POST", "/v1/messages/batches", "batches.create", _create),
    ("GET", "/v1/messages/batches", "batches.list", _list),
    ("GET", "/v1/messages/batches/{id}", "batches.retrieve", _retrieve),
    ("DELETE", "/v1/messages/batches/{id}", "batches.delete", _delete),
    ("GET", "/v1/messages/batches/{id}/results", "batches.results", _results),
    ("POST", "/v1/messages/batches/{id}/cancel", "batches.cancel", _cancel),
    ("GET", "/v1/models", "models", _list_models),
    ("GET", "/v1/models/{id}", "models", _retrieve_model),
)


async def _no_such_route(request: Request) -> Reply:
    return json_reply(error_body(404, "Not found", None), 404)
