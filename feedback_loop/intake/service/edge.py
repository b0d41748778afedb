"""What holds for every request: headers, and answers where something goes wrong.

Belongs here: security headers, which page may read an answer (CORS), errors of ours as answers, and a log that holds no
key, no text and no user. Does not belong here: what a path does (`endpoints.py`).
"""

import logging
import time
import traceback
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feedback_loop.errors import TransientError
from feedback_loop.intake.service.answers import Refused, answer, refuse

LOG = logging.getLogger("feedback_loop.serve")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_RETRY_S = 5.0


class Edge:
    """Around the whole application.

    Args:
        app: inside.
        origins: that may read answers about feedback now.
        paths: that are logged by name; others are not.
    """

    def __init__(self, app: ASGIApp, origins: Callable[[], frozenset[str]], paths: Sequence[str]) -> None:
        self._app = app
        self._origins = origins
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(scope, MutableHeaders(raw=message["headers"]))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if status:
                raise
            await failed(error)(scope, receive, send_with_headers)
        if status >= 400:
            took_ms = (time.perf_counter() - started) * 1000
            path = next((path for path in self._paths if scope["path"] == path), "(other)")
            LOG.info(
                "%s %s %d %.1f ms key=%s",
                *(scope["method"], path, status, took_ms, scope.get("feedback_loop.key_id", "-")),
            )

    def _add_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if scope["path"] != "/v1/feedback":
            return
        headers.add_vary_header("Origin")
        origin = Headers(scope=scope).get("origin")
        if origin is not None and origin.lower() in self._origins():
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "Retry-After"


def failed(error: Exception) -> Response:
    """The answer to a request that failed here: the same words whatever it was, which only the log may know.

    Messages of the database can hold the rows that it was sent, so the log has places and classes only.
    """
    if isinstance(error, Refused):
        return refuse(error)
    if isinstance(error, TransientError):
        LOG.warning("not stored: %s", type(error).__name__)
        return refuse(Refused(503, "the database is away; nothing was stored, send it again", retry_after_s=_RETRY_S))
    places = "".join(traceback.format_tb(error.__traceback__)[-6:])
    LOG.error("failed: %s\n%s", type(error).__name__, places)
    return answer({"error": "this failed here, not by your doing; whoever runs the service finds it in its log"}, 500)


async def on_http_error(_request: object, error: Exception) -> Response:
    """Starlette's own refusals, as JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    words = {
        404: "no such path; see /openapi.json",
        405: "this path has other methods; see the header Allow",
    }
    return answer({"error": words.get(error.status_code, error.detail)}, error.status_code, error.headers)


async def on_refused(_request: object, error: Exception) -> Response:
    """Refusals of ours."""
    return failed(error)
