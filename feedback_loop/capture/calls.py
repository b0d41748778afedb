"""Anything that answers as an interaction: a block, a function, a coroutine, a stream.

Belongs here: where an interaction begins and ends, and that the application's own results and errors pass unchanged.
Does not belong here: what is measured (`interaction.py`), any one client's shapes (`anthropic.py`).
"""

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from feedback_loop.capture.interaction import CURRENT, Interaction, text_of

if TYPE_CHECKING:
    from feedback_loop.capture.capture import Capture

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200  # of `co_flags`; `inspect` names them, and loads much
F = TypeVar("F", bound=Callable[..., Any])


class Calls:
    """What `Capture.interaction` gives: a context manager, sync or async, and a decorator.

    As a decorator it makes an interaction of every call. `user_input` is the first argument that is text, the output is
    what `read` makes of the result, or of each piece where the function is a generator.
    """

    def __init__(self, capture: "Capture", fields: dict[str, Any], read: Callable[[Any], str | None] = text_of) -> None:
        self._capture, self._fields, self._read = capture, fields, read
        self._open: list[tuple[Interaction, Token[Interaction | None]]] = []

    def __enter__(self) -> Interaction:
        one = self._capture.open_interaction(self._fields)
        self._open.append((one, CURRENT.set(one)))
        return one

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        one, token = self._open.pop()
        restore(CURRENT, token)
        if error is not None:
            one.fail(error)
        self._capture.close_interaction(one)

    async def __aenter__(self) -> Interaction:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """The function, each of whose calls is an interaction."""
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        if flags & (_GENERATOR | _ASYNC_GENERATOR):

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return self._observed(function(*args, **kwargs), args, kwargs)
        elif flags & _COROUTINE:

            async def wrapper(*args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
                one = self._begin(args, kwargs)
                return self._finish(one, await self._awaited(one, function(*args, **kwargs)), args, kwargs)
        else:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                one = self._begin(args, kwargs)
                return self._finish(one, self._called(one, function, args, kwargs), args, kwargs)

        return functools.wraps(function)(wrapper)  # type: ignore[return-value]

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Interaction:
        one = self._capture.open_interaction(self._fields)
        if one.user_input is None:
            one.user_input = next((v for v in (*args, *kwargs.values()) if isinstance(v, str)), None)
        return one

    def _called(self, one: Interaction, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        token = CURRENT.set(one)
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            self._fail(one, error)
            raise
        finally:
            restore(CURRENT, token)

    async def _awaited(self, one: Interaction, result: Awaitable[Any]) -> Any:
        token = CURRENT.set(one)
        try:
            return await result
        except BaseException as error:
            self._fail(one, error)
            raise
        finally:
            restore(CURRENT, token)

    def _finish(self, one: Interaction, result: Any, args: Any, kwargs: Any) -> Any:
        """The result; a stream goes on being watched, anything else ends the interaction."""
        if isinstance(result, Generator | AsyncGenerator):
            return self._observed(result, args, kwargs, one)
        if one.output is None:
            one.output = self._quietly(result)
        self._capture.close_interaction(one)
        return result

    def _observed(self, stream: Any, args: Any, kwargs: Any, one: Interaction | None = None) -> Any:
        begin = functools.partial(self._begin, args, kwargs) if one is None else lambda: one
        if isinstance(stream, AsyncGenerator):
            return self._watch_async(stream, begin)
        return self._watch(stream, begin)

    def _watch(self, stream: Iterator[Any], begin: Callable[[], Interaction]) -> Generator[Any, None, Any]:
        one = begin()
        try:
            while True:
                token = CURRENT.set(one)
                try:
                    piece = next(stream)
                except StopIteration as stop:
                    return stop.value
                finally:
                    restore(CURRENT, token)
                one.append(self._quietly(piece) or "")
                yield piece
        except BaseException as error:
            one.fail(error)
            raise
        finally:
            self._capture.close_interaction(one)
            close = getattr(stream, "close", None)
            if close is not None:
                close()

    async def _watch_async(
        self, stream: AsyncIterator[Any], begin: Callable[[], Interaction]
    ) -> AsyncGenerator[Any, None]:
        one = begin()
        try:
            while True:
                token = CURRENT.set(one)
                try:
                    piece = await anext(stream)
                except StopAsyncIteration:
                    return
                finally:
                    restore(CURRENT, token)
                one.append(self._quietly(piece) or "")
                yield piece
        except BaseException as error:
            one.fail(error)
            raise
        finally:
            self._capture.close_interaction(one)
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    def _fail(self, one: Interaction, error: BaseException) -> None:
        one.fail(error)
        self._capture.close_interaction(one)

    def _quietly(self, result: Any) -> str | None:
        try:
            return self._read(result)
        except Exception as error:
            self._capture.losses.warn("capture could not read a result", type(error).__name__)
            return None


def restore(variable: ContextVar[Any], token: Token[Any]) -> None:
    """Undo `set`; an async generator may be closed in another context than it was begun in."""
    with contextlib.suppress(ValueError):
        variable.reset(token)
