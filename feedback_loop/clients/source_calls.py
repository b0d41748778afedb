"""Calls to tools that are imported from: waits that they ask for, and their errors as ours.

Belongs here: what the clients of Langfuse, LangSmith and Phoenix have in common, and finding their SDKs. Does not
belong here: any of them.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from feedback_loop.errors import ConfigurationError, SourceLocked, SourceRefused, SourceUnavailable
from feedback_loop.records import SourceScore

ATTEMPTS = 5
MAX_WAIT = 60.0  # seconds before one call, whatever the tool asks for
_BUSY = (408, 409, 425, 429)
_UNKNOWN = (401, 403)
_T = TypeVar("_T")

Sleep = Callable[[float], None]
Outcome = tuple[list[SourceScore], str | None]
"""(scores, why the tool refuses them; None: it holds them)."""


def load_sdk(module: str, extra: str) -> Any:
    """An SDK's module, imported now.

    Raises:
        ConfigurationError: it is not installed; says which command installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"{extra} needs its SDK: pip install 'feedback-loop[{extra}]' ({error})") from error


def call(request: Callable[[], _T], sleep: Sleep) -> _T:
    """Make a request, again where that can help.

    It waits as long as the tool asks for, at most a minute, else 1, 2, 4 and 8 seconds.

    Args:
        request: raises our errors.
        sleep: waits so many seconds.

    Raises:
        SourceUnavailable: the tool is still too busy or out of reach.
        SourceRefused: it refuses the request.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return request()
        except SourceUnavailable as error:
            sleep(min(2.0**attempt if error.retry_after is None else error.retry_after, MAX_WAIT))
    return request()


def write_batches(
    scores: Sequence[SourceScore], size: int, send: Callable[[Sequence[SourceScore]], object]
) -> Iterator[Outcome]:
    """Write scores in batches; of a batch that is refused each by itself, so that the others are written.

    Args:
        scores: with ids, by which writing again replaces.
        size: of a batch.
        send: writes some; raises `SourceRefused` where one of them is refused.

    Raises:
        SourceLocked: the tool does not accept the credentials; what was given back is settled.
        SourceUnavailable: it is too busy or out of reach; likewise.
    """
    for start in range(0, len(scores), size):
        batch = list(scores[start : start + size])
        problem = _refusal(send, batch)
        if problem is None or len(batch) == 1:
            yield batch, problem
        else:
            for one in batch:
                yield [one], _refusal(send, [one])


def _refusal(send: Callable[[Sequence[SourceScore]], object], scores: Sequence[SourceScore]) -> str | None:
    try:
        send(scores)
    except SourceLocked:
        raise
    except SourceRefused as error:
        return str(error)
    return None


def status_error(
    tool: str, status: int, message: object, headers: Mapping[str, str] | None = None
) -> SourceRefused | SourceUnavailable:
    """The error that an HTTP status is.

    Args:
        tool: its name, for the message.
        status: of the answer.
        message: what the tool says.
        headers: of the answer, with `Retry-After` in seconds, or as a date that is compared with the answer's own.
    """
    said = " ".join(str(message).split())[:300]
    if status in _BUSY or status >= 500:
        return SourceUnavailable(f"{tool} answers {status}: {said}", _retry_after(headers or {}))
    if status in _UNKNOWN:
        return SourceLocked(f"{tool} does not accept the credentials ({status}): {said}")
    return SourceRefused(f"{tool} refuses ({status}): {said}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    known = {name.lower(): value for name, value in headers.items()}
    if (found := known.get("retry-after")) is None:
        return None
    try:
        return max(0.0, float(found))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(found) - parsedate_to_datetime(known["date"])).total_seconds())
    except (ValueError, KeyError, TypeError):
        return None
