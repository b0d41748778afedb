"""Langfuse by its SDK: observations and scores of a window, and scores written back.

Belongs here: requests, pages and the SDK's errors as ours. Does not belong here: what a record means
(`intake/importers/langfuse.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from feedback_loop.clients.source_calls import Outcome, Sleep, call, load_sdk, status_error, write_batches
from feedback_loop.errors import ConfigurationError, SourceRefused, SourceUnavailable
from feedback_loop.records import SourceScore, Window

CLOUD = "https://cloud.langfuse.com"
_FIELDS = "core,basic,time,io,metadata,model,usage,prompt,trace_context"
_OBSERVATIONS, _SCORES, _WRITTEN = 200, 100, 100  # a request; observations hold whole texts
_ONCE: Any = {"max_retries": 0, "timeout_in_seconds": 60}  # trying again is `call`'s
_T = TypeVar("_T")


class LangfuseClient:
    """A Langfuse project.

    Args:
        secret: `pk-...:sk-...`, the project's public and secret key.
        url: root of the installation; None is Langfuse's cloud.
        sleep: waits so many seconds.

    Raises:
        ConfigurationError: the SDK is not installed, or the secret is no pair of keys.
    """

    def __init__(self, secret: str, url: str | None, sleep: Sleep) -> None:
        public, colon, private = secret.partition(":")
        if not colon or not public or not private:
            raise ConfigurationError(
                "the secret of a Langfuse source is its public and secret key: pk-lf-...:sk-lf-..."
            )
        self._sdk = load_sdk("langfuse.api", "langfuse")
        self._http = load_sdk("httpx", "langfuse")
        self._api = self._sdk.LangfuseAPI(
            base_url=url or CLOUD, username=public, password=private, x_langfuse_public_key=public, timeout=60
        )
        self._sleep = sleep

    def observations(self, window: Window) -> Iterator[dict[str, Any]]:
        """Observations that started in the window, as the API names their fields.

        Raises:
            SourceRefused, SourceUnavailable: as `call`.
        """
        yield from self._pages(
            lambda cursor: self._api.observations.get_many(
                fields=_FIELDS,
                limit=_OBSERVATIONS,
                cursor=cursor,
                from_start_time=window.start,
                to_start_time=window.end,
                request_options=_ONCE,
            )
        )

    def scores(self, window: Window) -> Iterator[dict[str, Any]]:
        """Scores with a time in the window.

        Raises:
            SourceRefused, SourceUnavailable: as `call`.
        """
        yield from self._pages(
            lambda cursor: self._api.scores.get_many(
                fields="details,subject",
                limit=_SCORES,
                cursor=cursor,
                from_timestamp=window.start,
                to_timestamp=window.end,
                request_options=_ONCE,
            )
        )

    def write(self, scores: Sequence[SourceScore]) -> Iterator[Outcome]:
        """Write scores; what is there already under an id is replaced.

        Raises:
            SourceLocked, SourceUnavailable: as `write_batches`.
        """
        return write_batches(scores, _WRITTEN, self._create)

    def close(self) -> None:
        """End the connections."""
        self._api._client_wrapper.httpx_client.httpx_client.close()

    def _create(self, batch: Sequence[SourceScore]) -> None:
        request = [
            self._sdk.CreateScoreRequest(
                id=one.score_id,
                trace_id=one.interaction_id,
                name=one.name,
                value=one.value,
                data_type="CATEGORICAL",
                comment=one.comment,
                timestamp=one.occurred_at,  # an id is replaced only with the time that it had
            )
            for one in batch
        ]
        answer = self._ask(lambda: self._api.scores.create(request=request, request_options=_ONCE))
        if n_rejected := getattr(answer, "rejected", 0):
            said = "; ".join(dict.fromkeys(error.message for error in answer.errors))[:300]
            raise SourceRefused(f"Langfuse rejects {n_rejected} of {len(batch)} scores: {said}")

    def _pages(self, get: Callable[[str | None], Any]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self._ask(lambda at=cursor: get(at))  # type: ignore[misc]
            for one in page.data:
                yield one.model_dump()
            cursor = page.meta.cursor
            if not cursor:
                return

    def _ask(self, request: Callable[[], _T]) -> _T:
        return call(lambda: self._translated(request), self._sleep)

    def _translated(self, request: Callable[[], _T]) -> _T:
        try:
            return request()
        except self._sdk.core.ApiError as error:
            raise status_error("Langfuse", error.status_code or 500, error.body, error.headers) from error
        except self._http.HTTPError as error:
            raise SourceUnavailable(f"Langfuse cannot be reached: {error}") from error
        except ValueError as error:  # pydantic's errors are
            raise SourceRefused(f"Langfuse answers something that its SDK does not know: {str(error)[:300]}") from error
