"""Phoenix by its client: spans and their annotations of a window, and annotations written back.

Belongs here: requests, pages and the client's errors as ours. Does not belong here: what a record means
(`intake/importers/phoenix.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from feedback_loop.clients.source_calls import Outcome, Sleep, call, load_sdk, status_error, write_batches
from feedback_loop.errors import SourceUnavailable
from feedback_loop.records import SourceScore, Window

_MOST = 5_000  # spans of one call, which holds them all; more of a window are asked for by halves
_SHORTEST = timedelta(seconds=1)
_ANNOTATED, _WRITTEN = 100, 100
_TIMEOUT = 60  # seconds
_T = TypeVar("_T")


class PhoenixClient:
    """A Phoenix project.

    Args:
        secret: API key; empty for an installation without keys.
        url: root of the installation.
        project: its name.
        sleep: waits so many seconds.

    Raises:
        ConfigurationError: the client is not installed.
    """

    def __init__(self, secret: str, url: str | None, project: str, sleep: Sleep) -> None:
        sdk = load_sdk("phoenix.client", "phoenix")
        self._http = load_sdk("httpx", "phoenix")
        self._client = sdk.Client(base_url=url or "http://localhost:6006", api_key=secret or None)
        self._project, self._sleep = project, sleep

    def observations(self, window: Window) -> Iterator[dict[str, Any]]:
        """Spans that started in the window.

        Raises:
            SourceRefused, SourceUnavailable: as `call`.
        """
        limit = _MOST
        while len(spans := self._spans(window, limit)) == limit and window.end - window.start <= _SHORTEST:
            limit *= 2
        if len(spans) < limit:
            yield from (dict(span) for span in spans)
            return
        middle = window.start + (window.end - window.start) / 2
        yield from self.observations(Window(window.start, middle))
        yield from self.observations(Window(middle, window.end))

    def scores(self, window: Window) -> Iterator[dict[str, Any]]:
        """Annotations of the spans that started in the window, each with its span's trace.

        Raises:
            SourceRefused, SourceUnavailable: as `call`.
        """
        batch: dict[str, str] = {}
        for span in self.observations(window):
            batch[span["context"]["span_id"]] = span["context"]["trace_id"]
            if len(batch) == _ANNOTATED:
                yield from self._annotations(batch)
                batch = {}
        yield from self._annotations(batch)

    def write(self, scores: Sequence[SourceScore]) -> Iterator[Outcome]:
        """Annotate root spans; what is there already under a name and identifier is replaced.

        Raises:
            SourceLocked, SourceUnavailable: as `write_batches`.
        """
        return write_batches(scores, _WRITTEN, self._log)

    def close(self) -> None:
        """End the connections."""
        self._client._client.close()

    def _spans(self, window: Window, limit: int) -> list[Any]:
        asked = {"project_identifier": self._project, "start_time": window.start, "end_time": window.end}
        found: list[Any] = self._ask(lambda: self._client.spans.get_spans(**asked, limit=limit, timeout=_TIMEOUT))
        return found

    def _annotations(self, trace_of: dict[str, str]) -> Iterator[dict[str, Any]]:
        if not trace_of:
            return
        found: list[Any] = self._ask(
            lambda: self._client.spans.get_span_annotations(
                span_ids=list(trace_of), project_identifier=self._project, timeout=_TIMEOUT
            )
        )
        for one in found:
            yield {**one, "trace_id": trace_of.get(one["span_id"])}

    def _log(self, scores: Sequence[SourceScore]) -> None:
        annotations = [_annotation(one) for one in scores]
        self._ask(lambda: self._client.spans.log_span_annotations(span_annotations=annotations, sync=True))

    def _ask(self, request: Callable[[], _T]) -> _T:
        return call(lambda: self._translated(request), self._sleep)

    def _translated(self, request: Callable[[], _T]) -> _T:
        try:
            return request()
        except self._http.HTTPStatusError as error:
            answer = error.response
            raise status_error("Phoenix", answer.status_code, answer.text, answer.headers) from error
        except self._http.HTTPError as error:
            raise SourceUnavailable(f"Phoenix cannot be reached: {error}") from error


def _annotation(one: SourceScore) -> dict[str, Any]:
    return {
        "span_id": one.root_id,
        "name": one.name,
        "annotator_kind": "CODE",
        "identifier": one.score_id,
        "result": {"label": one.value} | ({"explanation": one.comment} if one.comment else {}),
    }
