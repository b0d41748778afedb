"""What the errors of the Jira client and its transport mean to us: one of ours for each, and how long to wait.

Belongs here: the one decision whether a request may be sent again. Does not belong here: requests (`jira_wire.py`).
No error of the library travels on: its text holds headers and bodies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any

import requests
from jira import JIRAError
from urllib3 import exceptions as urllib3

from feedback_loop.errors import (
    FeedbackLoopError,
    NotFoundError,
    OutcomeUnknown,
    TicketRefused,
    TrackerRefused,
    TrackerUnavailable,
)
from feedback_loop.redaction import visible

CAUGHT = (JIRAError, OSError, urllib3.HTTPError, ValueError, KeyError, TypeError, AttributeError)
"""Everything the client is known to raise: its own error, those of requests (each an OSError) and urllib3, and what its
reading of answers lets through (a login page is a ValueError, an empty answer a KeyError)."""

_NOT_DONE = (409, 429)  # the request was turned away before anything was done
_MAX_MESSAGE = 300


class FieldsRefused(TicketRefused):
    """Jira refuses some fields of an issue."""

    def __init__(self, message: str, fields: Mapping[str, str]) -> None:
        super().__init__(message)
        self.fields = fields


class NotAllowed(TicketRefused):
    """Jira does not allow this to the account, here; elsewhere it may."""


@dataclass(frozen=True)
class Failure:
    """What one failed attempt means.

    Attributes:
        error: ours.
        may_repeat: whether sending it once more can neither do it twice nor be in vain.
        pause_s: that Jira asks for; None where it asks for none.
    """

    error: FeedbackLoopError
    may_repeat: bool = False
    pause_s: float | None = None


def failure_of(error: BaseException, *, is_repeatable: bool, now: datetime) -> Failure:
    """What one of `CAUGHT` means.

    Args:
        error: what was raised.
        is_repeatable: doing what was asked twice is the same as doing it once.
        now: for a pause that is told as a date.
    """
    response = getattr(error, "response", None)
    if isinstance(error, JIRAError) and isinstance(response, requests.Response):
        return _of_status(response, is_repeatable=is_repeatable, now=now)
    if _was_not_sent(error):
        return Failure(TrackerUnavailable(f"Jira cannot be reached ({_kind(error)})"), may_repeat=True)
    if isinstance(error, OSError | urllib3.HTTPError) and not isinstance(error, ValueError):
        return _broken(f"no answer arrived from Jira ({_kind(error)})", is_repeatable=is_repeatable)
    said = f"what answers is not Jira, or the answer was cut ({_kind(error)}): perhaps a login page or a proxy's"
    return _broken(said, is_repeatable=is_repeatable)


def _of_status(response: requests.Response, *, is_repeatable: bool, now: datetime) -> Failure:
    status, said = response.status_code, f"HTTP {response.status_code}: {_shown(response)}"
    if "CAPTCHA" in response.headers.get("x-authentication-denied-reason", "").upper():
        return Failure(
            TrackerRefused(
                "Jira wants a captcha after failed logins: log in once in a browser as the account of these "
                f"credentials, check the credentials, and run again ({said})"
            )
        )
    if status == 401:
        advice = (
            "check FEEDBACK_LOOP_JIRA_EMAIL and _TOKEN (Cloud), or only _TOKEN (Data Center: a personal access token)"
        )
        return Failure(TrackerRefused(f"Jira refuses the credentials; {advice} ({said})"))
    if status == 403:
        return Failure(NotAllowed(f"Jira does not allow this to the account ({said})"))
    if status == 410:
        return Failure(TrackerRefused(f"Jira has this no more ({said})"))
    if status == 404 and "errorMessages" in _json(response):
        return Failure(NotFoundError(f"Jira does not know it, or hides it ({said})"))
    if status in _NOT_DONE:
        reason = response.headers.get("RateLimit-Reason")
        busy = TrackerUnavailable(f"Jira is too busy{f' ({reason})' if reason else ''} ({said})")
        return Failure(busy, may_repeat=True, pause_s=asked_pause(response, now))
    if status in (404, 408) or status >= 500:
        return _broken(f"Jira is broken ({said})", is_repeatable=is_repeatable, pause_s=asked_pause(response, now))
    fields = _json(response).get("errors")
    if isinstance(fields, dict) and fields:
        return Failure(FieldsRefused(f"Jira refuses {', '.join(sorted(map(str, fields)))} ({said})", fields))
    return Failure(TicketRefused(f"Jira refuses this ({said})"))


def _broken(message: str, *, is_repeatable: bool, pause_s: float | None = None) -> Failure:
    if is_repeatable:
        return Failure(TrackerUnavailable(message), may_repeat=True, pause_s=pause_s)
    return Failure(OutcomeUnknown(f"{message}; it may have done what was asked"))


def _was_not_sent(error: BaseException) -> bool:
    """The connection itself failed: refused, unknown host, or not made in time."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(
        reason, urllib3.NewConnectionError | urllib3.ConnectTimeoutError
    )


def _kind(error: BaseException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason or error).__name__


def asked_pause(response: requests.Response, now: datetime) -> float | None:
    """Seconds that `Retry-After` asks to wait, whether it says a number or a date; None where it says neither."""
    value = response.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return None if isnan(seconds) else max(0.0, seconds)


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _shown(response: requests.Response) -> str:
    """Jira's own words, shortened."""
    body = _json(response)
    if not body:
        is_plain = response.headers.get("Content-Type", "").startswith("text/plain")
        return visible(response.text, _MAX_MESSAGE) if is_plain else "without words of Jira's"
    messages = body.get("errorMessages")
    errors = body.get("errors")
    said = [str(message) for message in messages] if isinstance(messages, list) else []
    said += [f"{name}: {message}" for name, message in errors.items()] if isinstance(errors, dict) else []
    said += [str(body[name]) for name in ("message", "errorMessage") if body.get(name)]
    return visible(" ".join(said) or "no reason given", _MAX_MESSAGE)
