"""What the errors of the Anthropic SDK and its transport mean to us: one of ours for each, and how long to wait.

Belongs here: the one decision whether a call may be repeated, and whether it may have been paid. Does not belong here:
calls (`anthropic.py`). No message of ours repeats the key, and no SDK error travels on: it holds the request's headers.
"""

import json
import re
from datetime import datetime
from email.utils import parsedate_to_datetime

import anthropic
import httpx2

from feedback_loop.errors import (
    AskingStopped,
    FeedbackLoopError,
    ModelUnavailable,
    NotFoundError,
    ReplyLost,
    RequestRefused,
)

CAUGHT = (anthropic.AnthropicError, httpx2.HTTPError, ValueError, KeyError, AttributeError, TypeError)
"""Everything the SDK is known to raise: its own tree, its transport's, and what its parsing lets through (malformed
JSON is a ValueError, a proxy's page in place of a list an AttributeError)."""

_STOPPING = {401: "the key", 402: "billing", 403: "permission", 404: "an unknown model or address"}
_REFUSED = (400, 413, 422)
_PERHAPS_DONE = (408, 500, 502, 504)  # of a request that creates something
_SPEND_LIMIT = re.compile(r"\b(?:usage|spend(?:ing)?) limits?\b|credit balance", re.IGNORECASE)
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_MAX_MESSAGE = 200


def translate(error: BaseException, *, is_read: bool, creates: bool = False) -> FeedbackLoopError:
    """Our error for one of `CAUGHT`.

    Args:
        error: what was raised.
        is_read: the request only reads: nothing can be paid, and it may be sent again.
        creates: the request makes a batch; after some statuses it may exist.
    """
    own = error.__cause__
    if isinstance(own, FeedbackLoopError):  # raised by our own guard inside the transport
        return own
    if isinstance(error, anthropic.APIStatusError):
        return _of_status(error, is_read=is_read, creates=creates)
    if isinstance(error, anthropic.APIConnectionError):
        cause = own or error
        said = f"{type(cause).__name__}"
        if is_read or isinstance(cause, _NOT_SENT):
            return ModelUnavailable(f"the Anthropic API cannot be reached ({said})")
        return ReplyLost(f"no reply arrived from the Anthropic API ({said}); it may have been paid")
    message = f"the Anthropic API sent what cannot be read ({type(error).__name__})"
    is_empty = isinstance(error, json.JSONDecodeError) and not error.doc.strip()
    if is_read or (is_empty and not creates):  # an empty page is nothing that the API sends
        return ModelUnavailable(message)
    return ReplyLost(f"{message}; it may have been paid")


def _of_status(error: anthropic.APIStatusError, *, is_read: bool, creates: bool) -> FeedbackLoopError:
    status, code = error.status_code, error.error_code or ""
    said = f"HTTP {status} {code or error.type or ''}".rstrip() + f": {_shown(error)} (request {error.request_id})"
    if (status == 429 and "limit_reached" in code) or (status == 400 and _SPEND_LIMIT.search(str(error.message))):
        return AskingStopped(f"a spend limit of the Anthropic account is reached: {said}")
    if status == 404 and is_read:
        return NotFoundError(f"the Anthropic API does not know it: {said}")
    if status in _STOPPING:
        return AskingStopped(f"the Anthropic API refuses every request, because of {_STOPPING[status]}: {said}")
    if status in _REFUSED:
        return RequestRefused(f"the Anthropic API refuses the request: {said}")
    if creates and status in _PERHAPS_DONE:
        return ReplyLost(f"the Anthropic API failed while making a batch, which may exist: {said}")
    if status in (408, 409, 429) or status >= 500:
        return ModelUnavailable(f"the Anthropic API is busy or broken: {said}")
    return RequestRefused(f"the Anthropic API answers with an unknown status: {said}")


def _shown(error: anthropic.APIStatusError) -> str:
    """The API's own words, shortened, without any key that it may repeat."""
    body = error.body
    inner = body.get("error") if isinstance(body, dict) else None
    said = str(inner.get("message", "")) if isinstance(inner, dict) else "no JSON"
    return re.sub(r"sk-[\w-]+", "sk-***", " ".join(said.split()))[:_MAX_MESSAGE]


def asked_pause(error: BaseException, now: datetime) -> float | None:
    """Seconds that the API asks to wait; None where it asks for nothing that can be read."""
    if not isinstance(error, anthropic.APIStatusError):
        return None
    headers = error.response.headers
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            seconds = _seconds_until(value, now)
        if seconds > 0:  # also False where it is NaN
            return seconds
    return None


def _seconds_until(http_date: str, now: datetime) -> float:
    try:
        return (parsedate_to_datetime(http_date) - now).total_seconds()
    except (TypeError, ValueError):
        return 0.0


def may_repeat(error: BaseException) -> bool:
    """False where the API says so itself."""
    is_status = isinstance(error, anthropic.APIStatusError)
    return not (is_status and error.response.headers.get("x-should-retry") == "false")  # type: ignore[attr-defined]
