"""Responses as they go over the wire, also broken ones: connections that really are reset, cut or slow.

Belongs here: bytes and headers. Does not belong here: which failure is due (`faults.py`), what an answer
says.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import Receive, Scope, Send

from feedback_loop.testing.anthropic_emulator.faults import STATUSES, Fault
from feedback_loop.testing.anthropic_emulator.refusals import error_body
from feedback_loop.testing.loopback import disconnect

_HTML = b"<html><head><title>Sign in</title></head><body>proxy</body></html>"


@dataclass(frozen=True)
class Reply:
    """A response and what is to go wrong with it; an ASGI application.

    Attributes:
        chunks: the body in the pieces it is sent in.
        is_stream: sent without a length, as events.
        fault: of the places `before`, `after` or `stream`.
    """

    status: int
    chunks: tuple[bytes, ...]
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_stream: bool = False
    fault: Fault | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or what the fault leaves of it."""
        name = self.fault.name if self.fault else None
        if name in ("reset", "lost_response"):
            await disconnect(scope, is_reset=True)
            return
        if name == "slow_header" and self.fault:
            await asyncio.sleep(self.fault.delay)
        whole = b"".join(self.chunks)
        if name == "malformed_json":
            whole = whole[: len(whole) // 2]
        pieces = self.chunks if self.is_stream and name not in ("malformed_json", "slow_body") else _halves(whole)
        await send({"type": "http.response.start", "status": self.status, "headers": self._raw_headers(len(whole))})
        if name in ("truncated_body", "stream_cut"):
            for piece in pieces[: max(1, len(pieces) // 2)]:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await disconnect(scope, is_reset=False)
            return
        for i, piece in enumerate(pieces):
            if i and name == "slow_body" and self.fault:
                await asyncio.sleep(self.fault.delay)
            await send({"type": "http.response.body", "body": piece, "more_body": i < len(pieces) - 1})

    def _raw_headers(self, length: int) -> list[tuple[bytes, bytes]]:
        headers = {"content-type": self.media_type} if self.media_type else {}
        headers |= self.headers
        if not self.is_stream:
            headers["content-length"] = str(length)
        return [(name.encode(), value.encode()) for name, value in headers.items()]


def parse_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object of a body, an empty one where there is none; None where it is anything else."""
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def json_reply(content: object, status: int = 200) -> Reply:
    """JSON with its length."""
    return Reply(status, (json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace"),))


def lines_reply(lines: Iterable[bytes]) -> Reply:
    """A file of JSON Lines."""
    return Reply(200, tuple(lines), "application/x-jsonl")


def events_reply(events: Iterable[tuple[str, dict[str, Any]]], fault: Fault | None) -> Reply:
    """Server-sent events, whole or as a fault of the place `stream` leaves them."""
    chunks = [_event(name, data) for name, data in events]
    if fault is not None and fault.name != "stream_cut":
        chunks = chunks[: len(chunks) // 2]
        if fault.name == "stream_error":
            chunks.append(_event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}}))
    return Reply(200, tuple(chunks), "text/event-stream; charset=utf-8", is_stream=True, fault=fault)


def failed_reply(fault: Fault, request_id: str) -> Reply:
    """What is sent instead of an answer, for a fault of the place `before`."""
    if fault.name == "html_200":
        return Reply(200, (_HTML,), "text/html")
    if fault.name == "empty_200":
        return Reply(200, (b"",), media_type="")  # of type JSON it would be a malformed body
    if fault.name == "wrong_shape":
        return json_reply({"hello": "world"})
    if fault.name == "reset":
        return Reply(200, (), fault=fault)
    status, message = STATUSES[fault.name]
    error_code = fault.error_code or ("enforced_spend_limit_reached" if fault.name == "tier_spend_limit" else None)
    reply = json_reply(error_body(status, message, request_id, error_code), status)
    if fault.is_html:
        reply = Reply(status, (_HTML,), "text/html")
    asked = {"retry-after": fault.retry_after, "retry-after-ms": fault.retry_after_ms}
    if fault.should_retry is not None:
        asked["x-should-retry"] = str(fault.should_retry).lower()
    return replace(reply, headers={name: value for name, value in asked.items() if value is not None})


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    body = json.dumps({"type": name, **data}, ensure_ascii=False)
    return f"event: {name}\ndata: {body}\n\n".encode("utf-8", "backslashreplace")


def _halves(body: bytes) -> tuple[bytes, ...]:
    middle = len(body) // 2
    return (body[:middle], body[middle:])
