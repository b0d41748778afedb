"""Responses as they go over the wire, also broken ones: connections that really are reset, cut or slow.

Belongs here: bytes and headers. Does not belong here: which failure is due (`faults.py`), what an answer says.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import Receive, Scope, Send

from feedback_loop.testing.jira_emulator.faults import Fault
from feedback_loop.testing.loopback import disconnect

_HTML = b"<html><head><title>Log in</title></head><body>Please log in to continue.</body></html>"
_SILENT = ("reset_before", "reset_after", "timeout_before", "timeout_after")
_CAPTCHA = "CAPTCHA_CHALLENGE; login-url={}/login.jsp"


@dataclass(frozen=True)
class Reply:
    """A response and what is to go wrong with it; an ASGI application."""

    status: int
    body: bytes = b""
    media_type: str = "application/json;charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    @property
    def status_sent(self) -> int | None:
        """The status the client sees; None where it sees nothing."""
        return None if self.fault and self.fault.name in _SILENT else self.status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or what the fault leaves of it."""
        name = self.fault.name if self.fault else None
        if self.fault and self.fault.delay:
            await asyncio.sleep(self.fault.delay)
        if name in _SILENT:
            await disconnect(scope, is_reset=True)
            return
        headers = {"content-type": self.media_type} if self.body else {}
        headers |= {"content-length": str(len(self.body)), **self.headers}
        if self.status == 204:
            del headers["content-length"]
        raw = [(header.encode(), value.encode("latin-1", "replace")) for header, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        if name == "truncated":
            await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
            await disconnect(scope, is_reset=False)
            return
        await send({"type": "http.response.body", "body": self.body})


def json_reply(content: object, status: int = 200) -> Reply:
    """JSON with its length."""
    return Reply(status, to_json(content))


def to_json(content: object) -> bytes:
    """As the API writes it: a lone surrogate, which no text should hold, does not stop it."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")


def parse(raw: bytes) -> Any:
    """The JSON of a body; None where there is none.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(raw) if raw else None
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def failed_reply(fault: Fault, done: Reply | None, base_url: str) -> Reply:
    """What is sent instead of an answer, or of the answer `done` to a write that was made."""
    match fault.name:
        case "html_200":
            return Reply(200, _HTML, "text/html;charset=UTF-8", fault=fault)
        case "empty_200":
            return Reply(200, fault=fault)
        case "truncated":
            whole = done if done and done.body else json_reply({"expand": "schema,names", "self": base_url})
            return replace(whole, fault=fault)
        case "captcha":
            return Reply(403, headers={"x-authentication-denied-reason": _CAPTCHA.format(base_url)}, fault=fault)
        case "status":
            return _status_reply(fault)
        case _:
            return replace(done or Reply(200), fault=fault)


def _status_reply(fault: Fault) -> Reply:
    body: dict[str, Any] = {"errorMessages": [fault.message], "errors": {}}
    if fault.status == 401:
        body = {"message": fault.message, "status-code": 401}
    elif fault.status >= 500:
        body = {"errorMessage": fault.message}
    reply = Reply(fault.status, to_json(body))
    if fault.is_html:
        reply = Reply(fault.status, _HTML, "text/html;charset=UTF-8")
    asked = {"retry-after": fault.retry_after, "ratelimit-reason": fault.reason}
    if fault.status == 429:
        asked |= {"x-ratelimit-limit": "350", "x-ratelimit-remaining": "0"}
    given = {name: str(value) for name, value in asked.items() if value is not None}
    return replace(reply, headers=given, fault=fault)
