"""Calls of an Anthropic client, seen by their shape: nothing of the SDK is imported, nothing it returns is changed.

Belongs here: where a request, a message and the events of a stream keep what an interaction needs. Does not belong
here: prices (`preparing.py`) and other clients: wrap a call of theirs with `Capture.interaction` and `add_usage`.
"""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from feedback_loop.capture.interaction import CURRENT, REQUEST, Interaction, text_of

if TYPE_CHECKING:
    from feedback_loop.capture.capture import Capture

_PARAMETERS = ("temperature", "max_tokens", "top_p", "top_k", "stop_sequences", "service_tier")
_COPIES = ("with_options", "copy")


class _Proxy:
    """Stands for an object of the SDK; `isinstance` sees the object."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._inner)


class WrappedClient(_Proxy):
    """A client whose `messages`, also those of `beta`, are watched; copies of it are as well."""

    def __init__(self, inner: Any, capture: "Capture") -> None:
        super().__init__(inner)
        self._capture = capture

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "messages":
            return _Messages(found, self._capture)
        if name == "beta":
            return WrappedClient(found, self._capture)
        if name in _COPIES:
            return lambda *args, **kwargs: WrappedClient(found(*args, **kwargs), self._capture)
        return found

    def __enter__(self) -> Any:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._inner.__exit__(*error)

    async def __aenter__(self) -> Any:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._inner.__aexit__(*error)


class _Messages(_Proxy):
    def __init__(self, inner: Any, capture: "Capture") -> None:
        super().__init__(inner)
        self._capture = capture

    def create(self, *args: Any, **kwargs: Any) -> Any:
        call = _Call(self._capture, kwargs)
        try:
            result = self._inner.create(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return self._awaited(call, result) if hasattr(result, "__await__") else _watched(call, result)

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        call = _Call(self._capture, kwargs)
        try:
            return _Manager(self._inner.stream(*args, **kwargs), call)
        except BaseException as error:
            call.fail(error)
            raise

    async def _awaited(self, call: "_Call", result: Any) -> Any:
        try:
            reply = await result
        except BaseException as error:
            call.fail(error)
            raise
        return _watched(call, reply)


def _quiet(function: Callable[..., None]) -> Callable[..., None]:
    """What we make of the SDK's objects may go wrong; the application's call may not."""

    @functools.wraps(function)
    def wrapper(self: "_Call", *args: Any) -> None:
        try:
            function(self, *args)
        except Exception as error:
            self.capture.losses.warn("capture could not read a model's call", repr(error)[:200])

    return wrapper


class _Call:
    """One call of a model: it adds to the interaction that is open, or is one of its own."""

    def __init__(self, capture: "Capture", arguments: dict[str, Any]) -> None:
        self.capture = capture
        request, current = REQUEST.get(), CURRENT.get()
        if current is None and request is not None and not request.is_claimed:
            current = request.interaction
        self._is_own = current is None
        self._one: Interaction = capture.open_interaction({}) if current is None else current
        self._model = str(arguments.get("model"))
        self._usage: dict[str, int] = {}
        self._texts: list[str] = []
        self._has_ended = False
        self._describe(arguments)

    @_quiet
    def _describe(self, arguments: dict[str, Any]) -> None:
        one = self._one
        one.model = self._model
        if one.system_prompt is None:
            one.system_prompt = _system_text(arguments.get("system"))
        if one.user_input is None:
            one.user_input = _asked(arguments.get("messages"))
        if one.tools is None and isinstance(arguments.get("tools"), list | tuple):
            one.tools = [tool.get("name") if isinstance(tool, dict) else str(tool) for tool in arguments["tools"]]
        if one.model_parameters is None:
            given = {name: arguments[name] for name in _PARAMETERS if arguments.get(name) is not None}
            one.model_parameters = {k: v for k, v in given.items() if isinstance(v, int | float | str | list)} or None

    @_quiet
    def see(self, event: Any) -> None:
        """An event of a stream."""
        kind = getattr(event, "type", None)
        if kind == "message_start":
            self._see_usage(event.message)
        elif kind == "content_block_delta":
            self.piece(getattr(event.delta, "text", None))
        elif kind == "message_delta":
            self._see_usage(event)

    @_quiet
    def piece(self, text: Any) -> None:
        """A piece of the answer's text."""
        if isinstance(text, str) and text:
            self._texts.append(text)
            self._one.append(text)

    @_quiet
    def read(self, message: Any) -> None:
        """A whole message."""
        self._see_usage(message)
        text = text_of(message)
        if text is not None:
            self._texts = [text]

    def fail(self, error: BaseException) -> None:
        """The call failed; whether the interaction does is for the application to say, where it is not ours."""
        if self._is_own:
            self._one.fail(error)
        self.end()

    @_quiet
    def end(self) -> None:
        """The call is over."""
        if self._has_ended:
            return
        self._has_ended = True
        used = self._usage
        if used:
            long = used.get("ephemeral_1h_input_tokens", 0)
            self._one.add_usage(
                self._model,
                used.get("input_tokens", 0),
                used.get("output_tokens", 0),
                cache_write_5m_tokens=max(0, used.get("cache_creation_input_tokens", 0) - long),
                cache_write_1h_tokens=long,
                cache_read_tokens=used.get("cache_read_input_tokens", 0),
            )
        if self._is_own or self.capture.is_implicit(self._one):
            self._one.output = "".join(self._texts)
        if self._is_own:
            self.capture.close_interaction(self._one)

    def stop_early(self) -> None:
        """The stream was left before its end."""
        if self._is_own and not self._has_ended:
            self._one.stop_early()
        self.end()

    def _see_usage(self, holder: Any) -> None:
        self._model = str(getattr(holder, "model", None) or self._model)
        usage = getattr(holder, "usage", None)
        names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        found = {name: getattr(usage, name, None) for name in names}
        written = getattr(usage, "cache_creation", None)
        found["ephemeral_1h_input_tokens"] = getattr(written, "ephemeral_1h_input_tokens", None)
        self._usage |= {name: value for name, value in found.items() if isinstance(value, int)}


class _Stream(_Proxy):
    """The events of `create(stream=True)`, or the stream of `messages.stream`, as they pass."""

    def __init__(self, inner: Any, call: _Call) -> None:
        super().__init__(inner)
        self._call = call

    @property
    def text_stream(self) -> Any:
        """Pieces of text, where the SDK offers them."""
        inner = self._inner.text_stream
        return (
            self._pass_async(inner, self._call.piece)
            if hasattr(inner, "__anext__")
            else self._pass(inner, self._call.piece)
        )

    def __iter__(self) -> Iterator[Any]:
        return self._pass(iter(self._inner), self._call.see)

    def __next__(self) -> Any:
        event = next(self._inner)
        self._call.see(event)
        return event

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._pass_async(aiter(self._inner), self._call.see)

    async def __anext__(self) -> Any:
        event = await anext(self._inner)
        self._call.see(event)
        return event

    def __enter__(self) -> Any:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        self._call.stop_early()
        return self._inner.__exit__(*error)

    async def __aenter__(self) -> Any:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        self._call.stop_early()
        return await self._inner.__aexit__(*error)

    def close(self) -> Any:
        self._call.stop_early()
        return self._inner.close()

    def _pass(self, inner: Iterator[Any], see: Callable[[Any], None]) -> Iterator[Any]:
        try:
            for one in inner:
                see(one)
                yield one
        except GeneratorExit:
            self._call.stop_early()
            raise
        except BaseException as error:
            self._call.fail(error)
            raise
        self._ended()

    async def _pass_async(self, inner: AsyncIterator[Any], see: Callable[[Any], None]) -> AsyncIterator[Any]:
        try:
            async for one in inner:
                see(one)
                yield one
        except GeneratorExit:
            self._call.stop_early()
            raise
        except BaseException as error:
            self._call.fail(error)
            raise
        self._ended()

    def _ended(self) -> None:
        snapshot = getattr(self._inner, "current_message_snapshot", None)
        if snapshot is not None:
            self._call.read(snapshot)
        self._call.end()


class _Manager(_Proxy):
    """What `messages.stream` gives: a context manager, sync or async."""

    def __init__(self, inner: Any, call: _Call) -> None:
        super().__init__(inner)
        self._call = call
        self._stream: Any = None

    def __enter__(self) -> Any:
        try:
            self._stream = self._inner.__enter__()
        except BaseException as error:
            self._call.fail(error)
            raise
        return _Stream(self._stream, self._call)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        self._finish(error)
        return self._inner.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Any:
        try:
            self._stream = await self._inner.__aenter__()
        except BaseException as error:
            self._call.fail(error)
            raise
        return _Stream(self._stream, self._call)

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        self._finish(error)
        return await self._inner.__aexit__(kind, error, traceback)

    def _finish(self, error: BaseException | None) -> None:
        try:
            message = self._stream.current_message_snapshot  # asserts where nothing came
        except Exception:
            message = None
        if message is not None:
            self._call.read(message)
        if error is not None:
            self._call.fail(error)
        elif message is None or getattr(message, "stop_reason", None) is None:
            self._call.stop_early()
        else:
            self._call.end()


def _watched(call: _Call, reply: Any) -> Any:
    """The reply; a stream goes on being watched."""
    is_stream = getattr(reply, "content", None) is None and hasattr(reply, "close")
    if is_stream and (hasattr(reply, "__iter__") or hasattr(reply, "__aiter__")):
        return _Stream(reply, call)
    call.read(reply)
    call.end()
    return reply


def _system_text(system: Any) -> str | None:
    if isinstance(system, list | tuple):
        return "\n".join(str(block.get("text", "")) for block in system if isinstance(block, dict))
    return system if isinstance(system, str) else None


def _asked(messages: Any) -> str | None:
    """The text of the last message of the user."""
    for message in reversed(messages if isinstance(messages, list | tuple) else ()):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            texts = [
                block["text"] for block in content or () if isinstance(block, dict) and block.get("type") == "text"
            ]
            if texts:
                return "\n".join(texts)
    return None
