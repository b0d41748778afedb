"""The emulator's HTTP: the API's routes, each from request to reply, and the control plane.

Belongs here: routing, recording, the order of checks and faults, headers. Does not belong here: any content.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route as HttpRoute

from feedback_loop.testing.anthropic_emulator import batches, checks
from feedback_loop.testing.anthropic_emulator.faults import Fault, Route
from feedback_loop.testing.anthropic_emulator.messages import make_message, stream_events
from feedback_loop.testing.anthropic_emulator.models import MODELS, find_model
from feedback_loop.testing.anthropic_emulator.prompt_cache import count_tokens
from feedback_loop.testing.anthropic_emulator.refusals import RefusedError, error_body
from feedback_loop.testing.anthropic_emulator.state import RecordedRequest, State
from feedback_loop.testing.anthropic_emulator.wire import Reply, events_reply, failed_reply, json_reply, lines_reply

_ORGANISATION = {"anthropic-organization-id": "emulated-organisation"}
_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]
Handle = Callable[[Request, dict[str, Any]], Reply]


def build_app(state: State, batch_seconds: float) -> Starlette:
    """The whole service over one state."""
    takes = timedelta(seconds=batch_seconds)

    def create(request: Request, body: dict[str, Any]) -> Reply:
        checks.check_batch(body)
        return json_reply(batches.batch_json(state, batches.create_batch(state, body, takes), "batches.create"))

    def retrieve(request: Request, body: dict[str, Any]) -> Reply:
        return json_reply(batches.batch_json(state, batches.find_batch(state, _id(request)), "batches.retrieve"))

    def page(request: Request, body: dict[str, Any]) -> Reply:
        return json_reply(batches.list_batches(state, request.query_params))

    def results(request: Request, body: dict[str, Any]) -> Reply:
        return lines_reply(batches.results_lines(state, _id(request)))

    def cancel(request: Request, body: dict[str, Any]) -> Reply:
        return json_reply(batches.batch_json(state, batches.cancel_batch(state, _id(request)), "batches.cancel"))

    def delete(request: Request, body: dict[str, Any]) -> Reply:
        return json_reply(batches.delete_batch(state, _id(request)))

    def answer(request: Request, body: dict[str, Any]) -> Reply:
        return _answer(state, body)

    def count(request: Request, body: dict[str, Any]) -> Reply:
        return json_reply({"input_tokens": count_tokens(body, checks.check_message(body, "count_tokens"))})

    served: list[tuple[str, str, Route, Handle]] = [
        ("POST", "/v1/messages", "messages", answer),
        ("POST", "/v1/messages/count_tokens", "count_tokens", count),
        ("POST", "/v1/messages/batches", "batches.create", create),
        ("GET", "/v1/messages/batches", "batches.list", page),
        ("GET", "/v1/messages/batches/{id}", "batches.retrieve", retrieve),
        ("DELETE", "/v1/messages/batches/{id}", "batches.delete", delete),
        ("GET", "/v1/messages/batches/{id}/results", "batches.results", results),
        ("POST", "/v1/messages/batches/{id}/cancel", "batches.cancel", cancel),
        ("GET", "/v1/models", "models", _list_models),
        ("GET", "/v1/models/{id}", "models", _retrieve_model),
    ]
    routes = [
        HttpRoute(path, _endpoint(state, route, handle), methods=[method]) for method, path, route, handle in served
    ]
    return Starlette(routes=[*routes, *_control_routes(state), HttpRoute("/{path:path}", _no_such_route, methods=_ANY)])


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
    body, request_id = _parse(raw), state.new_id("req")
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
            reply = handle(request, checks.check_json(body))
        except RefusedError as error:
            reply = json_reply(error_body(error.status, error.message, request_id), error.status)
        else:
            reply = replace(reply, fault=state.faults.take("after", route) or reply.fault)
    return replace(reply, headers={"request-id": request_id, **_ORGANISATION, **reply.headers})


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _answer(state: State, body: dict[str, Any]) -> Reply:
    message = make_message(state, body, checks.check_message(body), "messages")
    if body.get("stream"):
        return events_reply(stream_events(message), state.faults.take("stream", "messages"))
    return json_reply(message)


def _list_models(request: Request, body: Mapping[str, Any]) -> Reply:
    data = [model.as_json() for model in MODELS.values()]
    return json_reply({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


def _retrieve_model(request: Request, body: Mapping[str, Any]) -> Reply:
    model = find_model(_id(request))
    if model is None:
        raise RefusedError(404, f"model: {_id(request)}")
    return json_reply(model.as_json())


async def _no_such_route(request: Request) -> Reply:
    return json_reply(error_body(404, "Not found", None), 404)


def _control_routes(state: State) -> list[HttpRoute]:
    """`/__emu/...`: what `AnthropicEmulator` offers in Python, for other processes. Needs no key."""

    async def control(request: Request) -> Reply:
        raw = await request.body()
        arguments = _parse(raw) or {}
        with state.lock:
            try:
                return json_reply(_control(state, request.path_params["verb"], arguments))
            except (KeyError, TypeError, ValueError) as error:
                return json_reply({"error": f"{type(error).__name__}: {error}"}, 400)

    return [HttpRoute("/__emu/{verb}", control, methods=["GET", "POST"])]


def _control(state: State, verb: str, arguments: dict[str, Any]) -> Any:
    match verb:
        case "reset":
            state.forget()
        case "script":
            state.scripts.append((str(arguments["contains"]), arguments["reply"]))
        case "faults":
            if arguments:
                state.faults.add(Fault(**arguments))
            return [asdict(fault) for fault in state.faults.faults]
        case "requests":  # without headers: the key is in them
            return [
                {"method": r.method, "path": r.path, "body": r.body, "at": r.at.isoformat()} for r in state.requests
            ]
        case "usage":
            batches.settle_batches(state)
            return [{k: v for k, v in vars(billed).items() if k != "params"} for billed in state.usage]
        case "clock":
            state.now += timedelta(seconds=float(arguments.get("advance", 0)))
            batches.settle_batches(state)
            return {"now": state.now.isoformat()}
        case _:
            raise ValueError(f"there is no {verb!r}; there are reset, script, faults, requests, usage, clock")
    return {"ok": True}
