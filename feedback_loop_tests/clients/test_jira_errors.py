"""What each failure of a request means: sent again, given up, refused, or in doubt."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from jira import JIRAError
from urllib3 import exceptions as urllib3

from feedback_loop.clients.jira_errors import CAUGHT, Failure, FieldsRefused, NotAllowed, asked_pause, failure_of
from feedback_loop.errors import (
    NotFoundError,
    OutcomeUnknown,
    TicketRefused,
    TrackerRefused,
    TrackerUnavailable,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def answer(status: int, body: Any = None, **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = body.encode() if isinstance(body, str) else json.dumps(body if body is not None else {}).encode()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


def failed(status: int, body: Any = None, *, is_repeatable: bool = True, **headers: str) -> Failure:
    error = JIRAError("secret", status, response=answer(status, body, **headers))
    return failure_of(error, is_repeatable=is_repeatable, now=NOW)


def broke(error: BaseException, *, is_repeatable: bool) -> Failure:
    assert isinstance(error, CAUGHT)
    return failure_of(error, is_repeatable=is_repeatable, now=NOW)


@pytest.mark.parametrize("status", [404, 408, 500, 502, 503, 504, 599])
def test_what_breaks_is_repeated_only_where_that_is_safe(status: int) -> None:
    page = "<html>Bad gateway</html>"
    reading, making = failed(status, page), failed(status, page, is_repeatable=False)
    assert (type(reading.error), reading.may_repeat) == (TrackerUnavailable, True)
    assert (type(making.error), making.may_repeat) == (OutcomeUnknown, False)


@pytest.mark.parametrize("status", [409, 429])
@pytest.mark.parametrize("is_repeatable", [True, False])
def test_what_was_turned_away_was_not_done_and_is_always_repeated(status: int, is_repeatable: bool) -> None:
    failure = failed(status, is_repeatable=is_repeatable, Retry_After="7")
    assert (type(failure.error), failure.may_repeat, failure.pause_s) == (TrackerUnavailable, True, 7.0)


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (401, {"message": "Client must be authenticated", "status-code": 401}, TrackerRefused, "FEEDBACK_LOOP_JIRA"),
        (403, {"errorMessages": ["No permission to create"]}, NotAllowed, "No permission to create"),
        (410, {"errorMessages": ["removed"]}, TrackerRefused, "removed"),
        (404, {"errorMessages": ["Issue does not exist"]}, NotFoundError, "Issue does not exist"),
        (413, "<html>too big</html>", TicketRefused, "HTTP 413"),
        (400, {"errorMessages": ["Transition id '9' is not valid"]}, TicketRefused, "Transition id '9'"),
        (400, {"errors": {"priority": "not on the screen"}}, FieldsRefused, "refuses priority .*not on the screen"),
        (400, [1], TicketRefused, "HTTP 400"),
    ],
)
@pytest.mark.parametrize("is_repeatable", [True, False])
def test_what_is_refused_is_never_repeated(
    status: int, body: Any, kind: type[Exception], says: str, is_repeatable: bool
) -> None:
    failure = failed(status, body, is_repeatable=is_repeatable)
    assert (type(failure.error), failure.may_repeat) == (kind, False)
    with pytest.raises(kind, match=says):
        raise failure.error


def test_a_captcha_says_what_to_do() -> None:
    failure = failed(403, "", x_authentication_denied_reason="CAPTCHA_CHALLENGE; login-url=https://x/login.jsp")
    with pytest.raises(TrackerRefused, match="log in once in a browser"):
        raise failure.error


def test_no_message_repeats_what_the_library_says() -> None:
    assert "secret" not in str(failed(500).error)


def not_made(reason: type[urllib3.HTTPError]) -> requests.ConnectionError:
    pool: Any = None
    inner = urllib3.MaxRetryError(pool, "/", reason(pool, "refused"))
    return requests.ConnectionError(inner)


@pytest.mark.parametrize("reason", [urllib3.NewConnectionError, urllib3.ConnectTimeoutError])
def test_without_a_connection_nothing_was_sent(reason: type[urllib3.HTTPError]) -> None:
    failure = broke(not_made(reason), is_repeatable=False)
    assert (type(failure.error), failure.may_repeat) == (TrackerUnavailable, True)


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError(urllib3.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))),
        requests.ReadTimeout("slow"),
        requests.exceptions.ChunkedEncodingError("cut"),
        requests.JSONDecodeError("no JSON", "<html>", 0),
        JIRAError("Empty Response!"),
        KeyError("issues"),
        AttributeError("get"),
        TypeError("None"),
        OSError("no CA bundle"),
    ],
)
def test_after_sending_a_write_is_in_doubt_and_a_read_is_repeated(error: Exception) -> None:
    reading, making = broke(error, is_repeatable=True), broke(error, is_repeatable=False)
    assert (type(reading.error), reading.may_repeat) == (TrackerUnavailable, True)
    assert (type(making.error), making.may_repeat) == (OutcomeUnknown, False)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("300", 300.0),
        ("-3", 0.0),
        ("Fri, 20 Nov 2026 00:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 00:00:30 -0000", 30.0),
        ("Thu, 19 Nov 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", float("inf")),
        ("", None),
    ],
)
def test_a_pause_is_read_as_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert asked_pause(answer(429, Retry_After=value), NOW) == seconds


def test_no_header_asks_for_nothing() -> None:
    assert asked_pause(answer(429), NOW) is None


@given(st.integers(0, 10**7))
def test_a_date_is_as_far_as_it_says(seconds: int) -> None:
    until = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert asked_pause(answer(429, Retry_After=until), NOW) == seconds


@given(st.text(max_size=60), st.integers(400, 599), st.binary(max_size=80), st.booleans())
def test_whatever_a_proxy_says_is_one_of_our_errors(header: str, status: int, body: bytes, is_repeatable: bool) -> None:
    response = answer(status)
    response._content = body
    response.headers["Retry-After"] = header
    failure = failure_of(JIRAError("x", status, response=response), is_repeatable=is_repeatable, now=NOW)
    assert isinstance(failure.error, TrackerUnavailable | TrackerRefused | TicketRefused | OutcomeUnknown)
    assert not (failure.may_repeat and isinstance(failure.error, OutcomeUnknown))
