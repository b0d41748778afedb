"""The emulator as tests and the demo use it: a server on loopback, and its controls.

Belongs here: the public verbs. Does not belong here: what the service does (`app.py`), what people do (`people.py`),
the life of the server (`testing/loopback.py`).
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from feedback_loop.testing.jira_emulator import page
from feedback_loop.testing.jira_emulator.app import build_app
from feedback_loop.testing.jira_emulator.faults import Fault, FaultName
from feedback_loop.testing.jira_emulator.people import People
from feedback_loop.testing.jira_emulator.records import Issue, RecordedRequest
from feedback_loop.testing.jira_emulator.state import Personality, State
from feedback_loop.testing.loopback import Loopback

START = datetime(2026, 11, 20, tzinfo=UTC)
_ATTACHMENT_LIMIT = 10 * 1024 * 1024


class JiraEmulator(People):
    """Jira on loopback, for one `with` block: Cloud (REST v2 and v3) or Data Center 10.3 (REST v2).

    Point the client at it and keep proxies out of the way (`NO_PROXY=127.0.0.1`):

        JIRA(server=emulator.base_url, basic_auth=(email, token), options={"rest_api_version": "3"}, max_retries=0,
             timeout=5)                                  # Cloud; Data Center: token_auth=token, version "2"

    Args:
        personality: `cloud` or `dc`.
        project: the project that people file into.
        email: with the token, who may enter Cloud.
        token: the API token of Cloud, the personal access token of Data Center.
        start: the virtual time it begins at; time moves with `advance` only.
        index_lag_seconds: how long, on the virtual clock, a search does not see a write.
        projects: keys of all projects; `project` is put first.
        fields_on_screen: ids of the fields that create and edit may set besides project, type and summary; None: all.
        attachment_limit: bytes of a file that are still taken.
        trusted_hosts: links to these the page shows as links, all others as dangerous.
    """

    def __init__(
        self,
        personality: Personality = "cloud",
        project: str = "FL",
        email: str = "bot@example.com",
        token: str = "jira-token",  # noqa: S107 (of an emulator)
        start: datetime = START,
        index_lag_seconds: float = 0.0,
        projects: Sequence[str] = ("FL", "MODEL"),
        fields_on_screen: Collection[str] | None = None,
        attachment_limit: int = _ATTACHMENT_LIMIT,
        trusted_hosts: Collection[str] = ("127.0.0.1", "localhost"),
    ) -> None:
        if personality not in ("cloud", "dc"):
            raise ValueError(f"there is no personality {personality!r}; there are cloud, dc")
        keys = tuple(dict.fromkeys((project, *projects)))
        lag = timedelta(seconds=index_lag_seconds)
        shown = None if fields_on_screen is None else frozenset(fields_on_screen)
        super().__init__(
            State(personality, keys, email, token, start, lag, shown, attachment_limit, frozenset(trusted_hosts))
        )
        self._loopback = Loopback("jira-emulator")

    def __enter__(self) -> Self:
        self._state.base_url = self._loopback.start(build_app(self._state))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loopback.stop(self._state.crashes, error)

    @property
    def base_url(self) -> str:
        """Root of the service, without a slash at its end."""
        return self._state.base_url

    @property
    def personality(self) -> Personality:
        """`cloud` or `dc`."""
        return self._state.personality

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self._state.now

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, also those that failed; without the control plane's and the page's own."""
        with self._state.lock:
            return list(self._state.requests)

    @property
    def refused(self) -> list[RecordedRequest]:
        """Requests the service itself answered with 4xx, but for a GET that found nothing (404). Tests want none."""
        return [request for request in self.requests if request.is_refused]

    @property
    def issues(self) -> list[Issue]:
        """Every issue there is, hidden ones too, in order of birth."""
        with self._state.lock:
            return list(self._state.issues.values())

    def find(self, key_or_id: str) -> Issue | None:
        """An issue by its id, its key or a key it had; hidden ones too."""
        with self._state.lock:
            return self._state.find(key_or_id)

    def fail(
        self, name: FaultName, route: str | None = None, *, nth: int = 1, count: int | None = 1, **how: Any
    ) -> Fault:
        """Order a failure; see `Fault` for the arguments, `ROUTES` for the routes and `FAULTS` for a list of all kinds.

        Raises:
            ValueError: unknown name or route.
        """
        fault = Fault(name, route, nth, count, **how)
        with self._state.lock:
            self._state.faults.add(fault)
        return fault

    def advance(self, seconds: float) -> None:
        """Move the virtual clock on."""
        with self._state.lock:
            self._state.now += timedelta(seconds=seconds)

    def reset(self) -> None:
        """Back to the start: no issues, versions, requests or faults; ids and keys begin again."""
        with self._state.lock:
            self._state.forget()

    def page(self, key: str) -> str:
        """The issue as a person reads it: one HTML file with its images inside, and nothing that runs or loads.

        Raises:
            ValueError: there is no such issue.
        """
        with self._state.lock:
            return page.issue_page(self._state, self._issue(key))

    def active_content(self, key: str, allowed_hosts: Collection[str] = ()) -> list[str]:
        """What a real Jira would make active in description and comments: mentions, remote images, links elsewhere.

        Args:
            key: or id.
            allowed_hosts: links to these are left out.

        Returns:
            One line each, as `mention: colleague`, `image: http://...`, `link: https://...`; empty: all is inert.

        Raises:
            ValueError: there is no such issue.
        """
        with self._state.lock:
            return page.active_content(self._issue(key), allowed_hosts)
