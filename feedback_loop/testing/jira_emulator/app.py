"""The emulator's HTTP: every request recorded, failed if that was ordered, asked who it is, answered, perhaps spoilt.

Belongs here: routing and that order. Does not belong here: what a route does (`*_routes.py`), the control plane
(`control.py`), the page (`page.py`).
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route as HttpRoute

from feedback_loop.testing.jira_emulator import (
    hanging_routes,
    issue_routes,
    page,
    project_routes,
    search_routes,
    uploads,
)
from feedback_loop.testing.jira_emulator.call import Call, Handle
from feedback_loop.testing.jira_emulator.control import control_route
from feedback_loop.testing.jira_emulator.faults import OF_SEARCHES, Route
from feedback_loop.testing.jira_emulator.records import RecordedRequest
from feedback_loop.testing.jira_emulator.refusals import RefusedError, no_such_route, refuse
from feedback_loop.testing.jira_emulator.shapes import Shapes
from feedback_loop.testing.jira_emulator.state import State
from feedback_loop.testing.jira_emulator.wire import Reply, failed_reply, parse, to_json

_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_SERVED = (*project_routes.SERVED, *search_routes.SERVED, *issue_routes.SERVED, *hanging_routes.SERVED)
_CLOUD_ONLY = ("issue/{issue}/changelog", "changelog/bulkfetch", "search/jql", "search/approximate-count",
               "project/search")  # fmt: skip
_GONE = "issue/createmeta"  # not of an issue with that key
_CHALLENGE = {"www-authenticate": 'OAuth realm="jira"', "x-seraph-loginreason": "AUTHENTICATED_FAILED"}


def build_app(state: State) -> Starlette:
    """The whole service over one state."""
    apis = ("2", "3", "latest") if state.is_cloud else ("2", "latest")
    routes = [
        HttpRoute(f"/rest/api/{api}/{path}", _endpoint(state, name, handle, api), methods=[verb])
        for api in apis
        for verb, path, name, handle in _SERVED
        if state.is_cloud or path not in _CLOUD_ONLY
    ]
    applinks = _endpoint(state, "applinks", project_routes.application_links, "2")
    content = _endpoint(state, "attachment.get", hanging_routes.get_content, "2")
    nothing = _endpoint(state, None, _no_such_route, "2")
    return Starlette(
        routes=[
            *(HttpRoute(f"/rest/api/{api}/{_GONE}", nothing, methods=["GET"]) for api in apis),
            *routes,
            HttpRoute("/rest/applinks/latest/listApplicationlinks", applinks, methods=["GET"]),
            HttpRoute("/secure/attachment/{attachment}/{filename}", content, methods=["GET"]),
            control_route(state),
            *page.routes(state),
            HttpRoute("/{path:path}", nothing, methods=_ANY),
        ]
    )


def _endpoint(state: State, route: Route | None, handle: Handle, api: str) -> Callable[[Request], Any]:
    version = {"latest": "3" if state.is_cloud else "2"}.get(api, api)

    async def endpoint(request: Request) -> Reply:
        raw = await request.body()
        with state.lock:
            try:
                reply = _serve(state, route, handle, Shapes(state, version), request, raw)
            except Exception as error:
                state.crashes.append(error)  # raised again when the emulator is closed
                raise
            state.requests.append(_recorded(state, route, request, raw, reply))
        return reply

    return endpoint


def _serve(state: State, route: Route | None, handle: Handle, shapes: Shapes, request: Request, raw: bytes) -> Reply:
    fault = state.faults.take("before", route) if route else None
    if fault is not None:
        return failed_reply(fault, None, state.base_url)
    try:
        if route != "serverinfo" or not state.is_cloud:
            _authenticate(state, request)
        call = Call(state, request, _json(request, raw), raw, shapes)
        reply = handle(call)
    except RefusedError as error:
        body = error.body.encode() if isinstance(error.body, str) else to_json(error.body)
        return Reply(error.status, body, error.media_type, error.headers)
    fault = state.faults.take("after", route) if route else None
    if fault is None:
        return reply
    if fault.name in OF_SEARCHES:
        return search_routes.spoil(fault, call, reply)
    return failed_reply(fault, reply, state.base_url)


def _json(request: Request, raw: bytes) -> Any:
    """The parsed body, but of an upload.

    Raises:
        RefusedError: 400, it is no JSON; 415, it is not said to be.
    """
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/") or not raw:
        return None
    if not kind.startswith("application/json"):
        raise refuse(415, "Unsupported Media Type")
    try:
        return parse(raw)
    except ValueError as error:
        raise refuse(400, "There was an error parsing JSON. Check that your request body is valid.") from error


def _authenticate(state: State, request: Request) -> None:
    """Cloud: Basic, email and API token. Data Center: Bearer, a personal access token.

    Raises:
        RefusedError: 401.
    """
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if state.is_cloud and kind.lower() == "basic":
        try:
            is_known = base64.b64decode(given, validate=True) == f"{state.email}:{state.token}".encode()
        except binascii.Error:
            is_known = False
    else:
        is_known = not state.is_cloud and kind.lower() == "bearer" and given == state.token
    if is_known:
        return
    if not state.is_cloud and kind.lower() == "basic":
        raise RefusedError(401, "Basic auth with password is not allowed on this instance", "text/plain", _CHALLENGE)
    message = "Client must be authenticated to access this resource."
    raise RefusedError(401, {"message": message, "status-code": 401}, headers=_CHALLENGE)


def _recorded(state: State, route: Route | None, request: Request, raw: bytes, reply: Reply) -> RecordedRequest:
    try:
        body = parse(raw)
    except ValueError:
        body = _file_in(request, raw)
    return RecordedRequest(
        request.method,
        request.url.path,
        parse_qs(request.url.query, keep_blank_values=True),
        body,
        reply.status_sent,
        route,
        reply.fault.name if reply.fault else None,
        state.now,
        dict(request.headers),
    )


def _file_in(request: Request, raw: bytes) -> Any:
    try:
        name, content = uploads.read_files(request.headers.get("content-type", ""), raw)[0]
    except RefusedError:
        return None
    return {"filename": name, "size": len(content)}


def _no_such_route(call: Call) -> Reply:
    raise no_such_route(call.request.url.path)
