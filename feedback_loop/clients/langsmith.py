"""LangSmith by its SDK: runs and feedback of a window, and feedback written back.

Belongs here: requests, pages and the SDK's errors as ours. Does not belong here: what a record means
(`intake/importers/langsmith.py`).
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from feedback_loop.clients.source_calls import Outcome, Sleep, call, load_sdk, status_error, write_batches
from feedback_loop.errors import SourceRefused, SourceUnavailable
from feedback_loop.records import SourceScore, Window

_PAGE = 100
_FIELDS = """
ID NAME RUN_TYPE START_TIME END_TIME FIRST_TOKEN_TIME ERROR EXTRA METADATA INPUTS OUTPUTS PARENT_RUN_IDS TRACE_ID
THREAD_ID IS_ROOT PROMPT_TOKENS COMPLETION_TOKENS TOTAL_COST TAGS
"""
_SELECTED = _FIELDS.split()
_T = TypeVar("_T")


class LangSmithClient:
    """A LangSmith project.

    Args:
        secret: API key.
        url: root of the API; None is LangSmith's cloud.
        project: its name.
        sleep: waits so many seconds.

    Raises:
        ConfigurationError: the SDK is not installed.
    """

    def __init__(self, secret: str, url: str | None, project: str, sleep: Sleep) -> None:
        self._sdk = load_sdk("langsmith", "langsmith")
        self._errors = load_sdk("langsmith.utils", "langsmith")
        self._requests = load_sdk("requests", "langsmith")
        self._client = self._sdk.Client(
            api_url=url,
            api_key=secret,
            auto_batch_tracing=False,
            timeout_ms=60_000,
            tracing_mode="langsmith",
            retry_config=load_sdk("urllib3", "langsmith").Retry(0),  # its default waits as long as it is told to
        )
        self._loop = asyncio.new_event_loop()  # the SDK queries runs only asynchronously
        self._name, self._sleep = project, sleep
        self._project: str | None = None

    def observations(self, window: Window) -> Iterator[dict[str, Any]]:
        """Runs that started in the window.

        Raises:
            SourceRefused, SourceUnavailable: as `call`.
        """
        project = self._project_id()

        def first() -> Any:
            return self._loop.run_until_complete(
                _page(
                    self._client.runs.query_v2(
                        project_ids=[project],
                        min_start_time=window.start,
                        max_start_time=window.end,
                        page_size=_PAGE,
                        selects=_SELECTED,
                    )
                )
            )

        page = self._ask(first)
        while True:
            for run in page.items:
                yield run.model_dump()
            if not page.has_next_page():
                return
            page = self._ask(lambda at=page: self._loop.run_until_complete(at.get_next_page()))  # type: ignore[misc]

    def scores(self, window: Window) -> Iterator[dict[str, Any]]:
        """Feedback that was given in the window.

        Raises:
            SourceRefused, SourceUnavailable: as `call`.
        """
        project, offset = self._project_id(), 0
        while True:
            page = self._ask(lambda at=offset: self._feedback(window, project, at))  # type: ignore[misc]
            yield from page
            offset += len(page)
            if len(page) < _PAGE:
                return

    def _feedback(self, window: Window, project: str, offset: int) -> list[dict[str, Any]]:
        found = self._client.list_feedback(
            limit=_PAGE,
            offset=offset,
            session=project,
            min_created_at=window.start.isoformat(),
            max_created_at=window.end.isoformat(),
        )
        return [one.model_dump() for one in found]

    def write(self, scores: Sequence[SourceScore]) -> Iterator[Outcome]:
        """Write feedback on root runs; what is there already under an id is replaced.

        Raises:
            SourceLocked, SourceUnavailable: as `write_batches`.
        """
        project = self._project_id()
        return write_batches(scores, 1, lambda one: self._ask(lambda: self._create(one[0], project)))

    def _create(self, one: SourceScore, project: str) -> None:
        self._client.create_feedback(  # without a trace id it is sent now, not in the background
            run_id=one.interaction_id,
            key=one.name,
            value=one.value,
            comment=one.comment,
            feedback_id=one.score_id,
            session_id=project,
            start_time=one.occurred_at,
            stop_after_attempt=1,
        )

    def close(self) -> None:
        """End the connections."""
        api = self._client._langsmith_api
        if api is not None:
            self._loop.run_until_complete(api.close())
        self._loop.close()
        self._client.close(timeout=0)

    def _project_id(self) -> str:
        if self._project is None:
            found = self._ask(lambda: self._client.read_project(project_name=self._name))
            self._project = str(found.id)
        return self._project

    def _ask(self, request: Callable[[], _T]) -> _T:
        return call(lambda: self._translated(request), self._sleep)

    def _translated(self, request: Callable[[], _T]) -> _T:
        known, sdk = self._errors, self._sdk
        try:
            return request()
        except sdk.APIStatusError as error:
            raise status_error("LangSmith", error.status_code, error.message, error.response.headers) from error
        except (known.LangSmithConnectionError, sdk.APIConnectionError, self._requests.ConnectionError) as error:
            raise SourceUnavailable(f"LangSmith cannot be reached: {_short(error)}") from error
        except self._requests.Timeout as error:
            raise SourceUnavailable(f"LangSmith does not answer: {_short(error)}") from error
        except known.LangSmithNotFoundError as error:
            raise SourceRefused(f"LangSmith does not know it: {_short(error)}") from error
        except known.LangSmithError as error:
            raise self._by_response(error) from error

    def _by_response(self, error: Exception) -> Exception:
        """The SDK's errors hold the answer that they are about as their cause."""
        cause: BaseException | None = error
        while cause is not None:
            response = getattr(cause, "response", None)
            if response is not None:
                return status_error("LangSmith", response.status_code, _short(error), response.headers)
            cause = cause.__cause__ or cause.__context__
        return SourceRefused(f"LangSmith refuses: {_short(error)}")


async def _page(pending: Any) -> Any:
    """The first page of a query, which the SDK starts when it is awaited."""
    return await pending


def _short(error: Exception) -> str:
    """Without the lines in which the SDK shows parts of the key."""
    return str(error).partition("\n")[0][:300]
