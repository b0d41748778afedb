"""ASGI middleware: every request gets an interaction id, which its answer carries in a header.

Belongs here: the ASGI protocol. Does not belong here: what an interaction says (`interaction.py`). Works for any ASGI
application (FastAPI, Starlette, Django); other scopes than `http` pass untouched.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from feedback_loop.capture.calls import restore
from feedback_loop.capture.interaction import CURRENT, REQUEST, Request

if TYPE_CHECKING:
    from feedback_loop.capture.capture import Capture

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

ID_HEADER, SESSION_HEADER = b"x-interaction-id", b"x-session-id"
STATE = "interaction_id"
_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


class CaptureMiddleware:
    """Opens an interaction for each request, and sends it if anything was said of it when the answer is complete."""

    def __init__(self, app: Application, capture: "Capture") -> None:
        self.app, self._capture = app, capture

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = self._open(scope) if scope.get("type") == "http" else None
        if request is None:
            await self.app(scope, receive, send)
            return
        header = (ID_HEADER, request.interaction.interaction_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers") or ())
                if not any(name.lower() == ID_HEADER for name, _ in headers):
                    message["headers"] = [*headers, header]
                if message.get("status", 0) >= 500 and not request.is_claimed:
                    request.interaction.fail(f"HTTP {message['status']}")
            await send(message)

        tokens = REQUEST.set(request), CURRENT.set(None)
        try:
            await self.app(scope, receive, send_with_id)
        except BaseException as error:
            if not request.is_claimed:
                request.interaction.fail(error)
            raise
        finally:
            restore(REQUEST, tokens[0])
            restore(CURRENT, tokens[1])
            if not request.is_claimed and request.interaction.is_used:
                self._capture.close_interaction(request.interaction)

    def _open(self, scope: MutableMapping[str, Any]) -> Request | None:
        """The request; None where that fails, which is ours to bear."""
        try:
            interaction_id = session_id = None
            for name, value in scope["headers"]:
                if name == SESSION_HEADER:
                    session_id = _checked(value)
                elif name == ID_HEADER and self._capture.trust_ids:
                    interaction_id = _checked(value)
            request = self._capture.open_request(interaction_id, session_id)
            scope.setdefault("state", {})[STATE] = request.interaction.interaction_id
        except Exception as error:
            self._capture.losses.warn("capture could not open a request", type(error).__name__)
            return None
        return request


def _checked(value: bytes) -> str | None:
    text = value.decode("latin-1")
    return text if _ID.fullmatch(text) else None
