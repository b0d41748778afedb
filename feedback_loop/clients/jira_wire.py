"""One session with Jira: requests in, checked answers out; every odd outcome is one of our errors.

Belongs here: the `jira` client, how often and after which pause a request is repeated, and that an answer is one. Does
not belong here: what is asked (`jira.py`), what an error means (`jira_errors.py`).

The client finds out what it talks to, and signs in. Its own repeating is off (`max_retries=0`): it would send a POST
again whose answer was lost, and a second issue is made. Its own methods are not used either: they ask for more than
they are told to, and read a proxy's page as an answer.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import requests
from jira import JIRA

from feedback_loop.clients.jira_errors import CAUGHT, NotAllowed, failure_of
from feedback_loop.clients.jira_fields import account_id
from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.errors import ConfigurationError, NotFoundError, TrackerRefused, TrackerUnavailable

_ATTEMPTS = 4
_FIRST_PAUSE_S = 1.0
_PAGE = 100
_MAX_PAGES = 200

T = TypeVar("T")
Params = Mapping[str, str | int]
Expected = str | tuple[str, ...] | type[list[Any]] | None
"""What an answer must be: an object with this key or these, a list, or nothing at all."""


class JiraWire:
    """Requests to one Jira, as one account.

    Attributes:
        is_cloud: Cloud (API v3), else Data Center (API v2).
        base_url: where people read it, which is not where a scoped token asks.
        account: who we are there.
    """

    def __init__(
        self,
        policy: JiraPolicy,
        token: str,
        email: str | None,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> None:
        if not policy.server or not policy.project or not token:
            raise ConfigurationError("Jira needs the settings `server` and `project`, and FEEDBACK_LOOP_JIRA_TOKEN")
        self._max_retry_after_s, self._now, self._sleep, self._jitter = policy.max_retry_after_s, now, sleep, jitter
        self._api = f"{policy.server.rstrip('/')}/rest/api/2"
        with there("which Jira it is"), everywhere():
            self._client = self._repeat(lambda: _sign_in(policy, token, email), is_repeatable=True)
        try:
            with there("which Jira it is"), everywhere():
                server = self.get("serverInfo", "baseUrl")
            kind = policy.kind if policy.kind != "auto" else "cloud" if self._client.deploymentType == "Cloud" else "dc"
            self.is_cloud = kind == "cloud"
            self.base_url = str(server["baseUrl"]).rstrip("/")
            self._api = f"{policy.server.rstrip('/')}/rest/api/{3 if self.is_cloud else 2}"
            self.account = self.check_account()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()  # type: ignore[no-untyped-call]

    def check_account(self) -> str:
        """Who we are; wrong credentials show only here, and read elsewhere as if there were no issues.

        Raises:
            TrackerRefused: Jira does not take the credentials.
        """
        with there("whose credentials these are"), everywhere():
            account = account_id(self.get("myself", "displayName"))
        if not account:
            raise TrackerUnavailable("what answers does not say whose credentials these are: perhaps it is no Jira")
        return account

    def get(self, path: str, expected: str | tuple[str, ...], params: Params | None = None) -> dict[str, Any]:
        """An object that has the key or keys `expected`; another answer is none, so that failed never reads as empty.

        Raises:
            NotFoundError: Jira does not know it, or hides it.
            TrackerUnavailable, TrackerRefused, TicketRefused: see `errors.py`.
        """
        answer: dict[str, Any] = self._send("GET", path, expected, is_repeatable=True, params=params)
        return answer

    def get_list(self, path: str) -> list[dict[str, Any]]:
        """A list of objects; raises as `get`."""
        answer: list[dict[str, Any]] = self._send("GET", path, list, is_repeatable=True)
        return answer

    def get_pages(self, path: str, expected: str, params: Params | None = None) -> list[dict[str, Any]]:
        """All items of a list that comes in pages by offset; raises as `get`."""
        items: list[dict[str, Any]] = []
        previous = None
        for _ in range(_MAX_PAGES):
            page = self.get(path, expected, {**(params or {}), "startAt": len(items), "maxResults": _PAGE})
            found, total = page[expected], page.get("total")
            if not isinstance(found, list) or (found and found == previous):
                raise TrackerUnavailable(f"Jira sends no pages of {path}, or the same one again and again")
            items, previous = items + found, found
            is_short = len(items) >= total if isinstance(total, int) else len(found) < _PAGE
            if not found or page.get("isLast") is True or is_short:
                return items
        raise TrackerUnavailable(f"Jira's list {path} does not end after {_MAX_PAGES} pages")

    def put(self, path: str, body: Any) -> None:
        """Set a property; raises as `get`."""
        status = self._send("PUT", path, None, is_repeatable=True, data=json.dumps(body))
        if status == 200:  # it was there before, or what answered with nothing is not Jira
            with there(f"{path}, which was just set"):
                if self.get(path, "value")["value"] != body:
                    raise TrackerUnavailable(f"Jira does not keep {path} as it was just set")

    def post(self, path: str, body: Any, expected: Expected, *, is_repeatable: bool = False) -> dict[str, Any]:
        """Make something; sent once, unless Jira surely did nothing or doing it twice is the same.

        Raises:
            OutcomeUnknown: it may have been made.
            NotFoundError, TrackerUnavailable, TrackerRefused, TicketRefused: it was not.
        """
        answer = self._send("POST", path, expected, is_repeatable=is_repeatable, data=json.dumps(body))
        return {} if expected is None else answer

    def attach(self, path: str, name: str, png: bytes) -> None:
        """Upload a picture; raises as `post`."""
        files = {"file": (name, png, "image/png")}
        headers = {"Content-Type": None, "X-Atlassian-Token": "no-check"}  # requests names the parts' boundary itself
        self._send("POST", path, list, is_repeatable=False, files=files, headers=headers)

    def _send(self, method: str, path: str, expected: Expected, *, is_repeatable: bool, **how: Any) -> Any:
        def send() -> Any:
            session = self._client._session  # it has no public way to send what we need
            response = session.request(method, f"{self._api}/{path}", allow_redirects=False, **how)
            if response.is_redirect:  # following it would turn a POST into a GET
                raise TrackerRefused(
                    f"{self._api} leads on to {response.headers['Location'].partition('?')[0]}: the setting `server` "
                    "is another address, or a login page stands before Jira"
                )
            return _read(response, expected)

        return self._repeat(send, is_repeatable=is_repeatable)

    def _repeat(self, send: Callable[[], T], *, is_repeatable: bool) -> T:
        """Send, again after a pause where that is safe and may help."""
        for attempt in range(_ATTEMPTS):
            try:
                return send()
            except CAUGHT as error:
                failure = failure_of(error, is_repeatable=is_repeatable, now=self._now())
            # Raised outside of `except`: the client's error holds the request.
            pause = failure.pause_s
            if pause is not None and pause > self._max_retry_after_s:
                raise TrackerUnavailable(
                    f"{failure.error}; it asks to wait {pause:.0f} s, more than the setting max_retry_after_s = "
                    f"{self._max_retry_after_s:g}"
                )
            if not failure.may_repeat or attempt == _ATTEMPTS - 1:
                raise failure.error
            self._sleep(max(pause or 0.0, _FIRST_PAUSE_S * 2**attempt * (1 - self._jitter() / 4)))
        raise AssertionError("unreachable")


@contextmanager
def there(what: str) -> Iterator[None]:
    """What every Jira has, or had a moment ago, is not simply unknown.

    Raises:
        TrackerUnavailable: instead of NotFoundError.
    """
    try:
        yield
    except NotFoundError as error:
        raise TrackerUnavailable(f"Jira does not show {what}: {error}") from error


@contextmanager
def everywhere() -> Iterator[None]:
    """What every account may do is not refused of one ticket only.

    Raises:
        TrackerRefused: instead of NotAllowed.
    """
    try:
        yield
    except NotAllowed as error:
        raise TrackerRefused(str(error)) from error


def _sign_in(policy: JiraPolicy, token: str, email: str | None) -> JIRA:
    return JIRA(
        server=policy.server.rstrip("/"),
        basic_auth=(email, token) if email else None,
        token_auth=None if email else token,
        get_server_info=True,
        max_retries=0,
        timeout=(policy.connect_timeout_s, policy.read_timeout_s),
    )


def _read(response: requests.Response, expected: Expected) -> Any:
    """The answer, where it is one; its status where nothing is expected.

    Raises:
        ValueError: it is not, but a page of some proxy or nothing at all.
    """
    if expected is None:
        if response.status_code not in (201, 204) and response.request.method != "PUT":
            raise ValueError(f"HTTP {response.status_code} where nothing was to be said")
        if response.content:
            response.json()  # whatever it says; a login page is no JSON
        return response.status_code
    answer = response.json()
    keys = {expected} if isinstance(expected, str) else set(expected) if isinstance(expected, tuple) else None
    is_one = isinstance(answer, list) if keys is None else isinstance(answer, dict) and keys <= answer.keys()
    if not is_one:
        raise ValueError("no such answer")
    return answer
