"""The object that an application makes once: what it offers to the application, and how its parts hang together.

Belongs here: the application's side, every method of which returns at once and never raises (wrong arguments of
`Capture(...)` itself do). Does not belong here: the work itself; see the package's docstring for who does what.
"""

import atexit
import os
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from feedback_loop.capture.anthropic import WrappedClient
from feedback_loop.capture.calls import Calls
from feedback_loop.capture.interaction import CURRENT, FIELDS, REQUEST, Interaction, Request, text_of
from feedback_loop.capture.losses import Losses
from feedback_loop.capture.middleware import Application, CaptureMiddleware
from feedback_loop.capture.sampling import SamplingPolicy
from feedback_loop.capture.sinks import Sink
from feedback_loop.capture.snapshot import snapshot
from feedback_loop.capture.spool import JsonlSpool, Spooled
from feedback_loop.capture.writer import Writer

if TYPE_CHECKING:
    from feedback_loop.capture.preparing import Preparer
    from feedback_loop.prices import Price

Client = TypeVar("Client")
_AT_EXIT_S = 3.0


class Capture:
    """Captures interactions and feedback of an application.

    Args:
        application: the tenant's name, in every record.
        sink: where records go: `JsonlSpool`, `HttpSink`, `intake.direct.PostgresSink`.
        policy: what is kept; `SamplingPolicy(rate=1)` keeps everything.
        spool: directory in which records wait for the sink, so that they survive a restart, and in which the processes
            of an application tell each other of feedback; None keeps records in memory and feedback per process.
        defaults: fields of every interaction (`prompt_name`, `prompt_version`, ...; see `interaction.FIELDS`).
        prices: dollars by model, in place of the dated table of `feedback_loop/prices.py`.
        hash_key: of user ids, 32 bytes; None means that of the installation (`identity.load_hash_key`).
        trust_ids: take an interaction id from the request's `x-interaction-id`; only behind a gateway that sets it.
        max_records, max_bytes: bounds of the buffer in memory; interactions that wait for feedback have bounds of
            their own in the policy.
        interval_s: how often the background thread looks.

    Raises:
        ValueError: a default is no field of an interaction.
    """

    def __init__(
        self,
        application: str,
        sink: Sink,
        policy: SamplingPolicy | None = None,
        *,
        spool: str | os.PathLike[str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        prices: "Mapping[str, Price] | None" = None,
        hash_key: bytes | None = None,
        trust_ids: bool = False,
        max_records: int = 10_000,
        max_bytes: int = 32 << 20,
        interval_s: float = 0.25,
    ) -> None:
        if unknown := sorted(set(defaults or ()) - set(FIELDS)):
            raise ValueError(f"defaults names {unknown[0]!r}, which is no field of an interaction")
        self.application, self.trust_ids = application, trust_ids
        self.losses = Losses()
        self._defaults, self._prices, self._hash_key = dict(defaults or {}), dict(prices or {}), hash_key
        self._writer = Writer(
            self._make_preparer,
            sink if spool is None else Spooled(JsonlSpool(spool), sink),
            policy or SamplingPolicy(),
            self.losses,
            max_records=max_records,
            max_bytes=max_bytes,
            interval_s=interval_s,
        )
        atexit.register(_close_at_exit, weakref.ref(self))

    @property
    def counts(self) -> dict[str, int]:
        """What became of records: `captured`, `stored`, `spooled`, `duplicate`, `left_out` (by sampling), `waiting`,
        `buffered`, `untold` (feedback of which other processes do not know), and `dropped:REASON` for each reason.
        """  # noqa: D205
        dropped = {f"dropped:{reason}": n for reason, n in self.losses.as_dict().items()}
        return {**self._writer.counts, **self._writer.gauges(), **dropped}

    def middleware(self, app: Application) -> CaptureMiddleware:
        """An ASGI application with an interaction id per request: `app.add_middleware(capture.middleware)`."""
        return CaptureMiddleware(app, self)

    def interaction(self, *, read: Callable[[Any], str | None] = text_of, **fields: Any) -> Calls:
        """A block (`with`, `async with`) or, as a decorator, a function or generator whose calls are interactions.

        Args:
            read: makes text of a decorated function's result, or of each piece of a stream.
            fields: of the interaction; see `interaction.FIELDS`. One that is none is left out and logged.
        """
        if unknown := sorted(set(fields) - set(FIELDS)):
            self.losses.warn("capture left out what is no field of an interaction", ", ".join(unknown)[:200])
        return Calls(self, fields, read)

    def wrap_anthropic(self, client: Client) -> Client:
        """The client, of whose `messages.create` and `messages.stream` tokens, model, cost and texts are noted.

        Sync and async; a call within an interaction adds to it, any other call is an interaction.
        """
        return WrappedClient(client, self)  # type: ignore[return-value]

    def identify(self, *, user_id: str | None = None, session_id: str | None = None, cohort: str | None = None) -> None:
        """Say who is asking in the current request or interaction."""
        known = {"user_id": user_id, "session_id": session_id, "cohort": cohort}
        known = {name: value for name, value in known.items() if value is not None}
        request, current = REQUEST.get(), CURRENT.get()
        if request is not None:
            request.who.update(known)
        for one in (current, request.interaction if request is not None else None):
            for name, value in known.items() if one is not None else ():
                setattr(one, name, value)

    def interaction_id(self) -> str | None:
        """The id of the current interaction, else of the current request; None outside of both."""
        current, request = CURRENT.get(), REQUEST.get()
        if current is not None:
            return current.interaction_id
        return None if request is None else request.interaction.interaction_id

    def record_feedback(
        self,
        interaction_id: str,
        signal: str,
        *,
        value: float | bool | None = None,
        reason: str | None = None,
        comment: str | None = None,
        user_id: str | None = None,
        edited_output: str | None = None,
        preferred_output: str | None = None,
        feedback_id: str | None = None,
    ) -> None:
        """Record a signal (`records.Signal`) on an interaction, now; one that is none is dropped and counted."""
        raw = {
            "type": "feedback",
            "feedback_id": feedback_id or new_id(),
            "interaction_id": interaction_id,
            "occurred_at": time.time(),
            "signal": signal,
            "value": value,
            "user_id": user_id,
            "reason": reason,
            "comment": comment,
            "edited_output": edited_output,
            "preferred_output": preferred_output,
        }
        self._put(lambda: snapshot(raw))

    def hear(self, interaction_id: str) -> None:
        """Say that explicit feedback on an interaction went elsewhere, as to the ingest service; it records nothing.

        What sampling would leave out is kept, as after `record_feedback`.
        """
        self._put(lambda: snapshot({"type": "heard", "interaction_id": interaction_id}))

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until the sink has what is to be sent by now; False if it took too long. For tests and short scripts."""
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Send everything, also what waits for feedback, and stop; False if it took too long. Runs at exit too."""
        return self._writer.close(timeout_s)

    def open_interaction(self, fields: Mapping[str, Any]) -> Interaction:
        """For the parts of this package: an interaction, that of the request where nobody has claimed it."""
        request = REQUEST.get()
        if request is not None and not request.is_claimed:
            request.is_claimed = True
            one = request.interaction
            for name in FIELDS:
                if fields.get(name) is not None:
                    setattr(one, name, fields[name])
        else:
            who = request.who if request is not None else {}
            one = Interaction(new_id(), {**self._defaults, **who, **fields})
        one.use()
        return one

    def close_interaction(self, one: Interaction) -> None:
        """For the parts of this package: an interaction has ended."""
        self._put(one.end)

    def is_implicit(self, one: Interaction) -> bool:
        """For the wrapper of clients: the interaction is a request's that the application has not claimed."""
        request = REQUEST.get()
        return request is not None and request.interaction is one and not request.is_claimed

    def open_request(self, interaction_id: str | None, session_id: str | None) -> Request:
        """For the middleware: what the interactions of a request start from."""
        who = {"session_id": session_id} if session_id else {}
        return Request(Interaction(interaction_id or new_id(), {**self._defaults, **who}), who)

    def _put(self, make: Callable[[], tuple[dict[str, Any], int] | None]) -> None:
        try:
            made = make()
            if made is not None:
                self._writer.put(*made)
        except Exception as error:
            self.losses.add("unreadable", detail=type(error).__name__)

    def _make_preparer(self) -> "Preparer":
        from feedback_loop.capture.preparing import Preparer
        from feedback_loop.environment import read_environment
        from feedback_loop.identity import load_hash_key

        key = self._hash_key or load_hash_key(read_environment())
        return Preparer(self.application, key, self._prices, self.losses.warn)


def new_id() -> str:
    """An id that nobody can guess: 32 hexadecimal characters."""
    return os.urandom(16).hex()


def _close_at_exit(capture: "weakref.ref[Capture]") -> None:
    found = capture()
    if found is not None:
        found.close(_AT_EXIT_S)
