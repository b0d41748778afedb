"""The emulator as tests and the demo use it: a server on loopback, and its controls.

Belongs here: the public verbs. Does not belong here: what the service does (`app.py`), the life of the server
(`testing/loopback.py`).
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from feedback_loop.testing.anthropic_emulator.app import build_app
from feedback_loop.testing.anthropic_emulator.batches import settle_batches
from feedback_loop.testing.anthropic_emulator.faults import Fault, FaultName
from feedback_loop.testing.anthropic_emulator.responder import Responder
from feedback_loop.testing.anthropic_emulator.state import Billed, RecordedRequest, Respond, State
from feedback_loop.testing.loopback import Loopback

START = datetime(2026, 11, 20, tzinfo=UTC)


class AnthropicEmulator:
    """The Anthropic API of version 2026-10-21 on loopback, for one `with` block.

    Point the SDK at it with `Anthropic(api_key="sk-ant-test", base_url=emulator.base_url, max_retries=0, timeout=10)`
    and keep proxies out of the way (`NO_PROXY=127.0.0.1`).

    Args:
        responder: what the model says; default `Responder()`.
        api_key: the only key it accepts, as bearer or `x-api-key`.
        start: the virtual time it begins at; time moves with `advance` only.
        batch_seconds: virtual seconds a batch takes. 0: it has ended when it is looked at after its creation.
    """

    def __init__(
        self,
        responder: Respond | None = None,
        api_key: str = "sk-ant-test",
        start: datetime = START,
        batch_seconds: float = 60.0,
    ) -> None:
        self._state = State(responder or Responder(), api_key, start, timedelta(seconds=batch_seconds))
        self._loopback = Loopback("anthropic-emulator")

    def __enter__(self) -> Self:
        self._state.base_url = self._loopback.start(build_app(self._state))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loopback.stop(self._state.crashes, error)

    @property
    def base_url(self) -> str:
        """Root of the service; the SDK adds `/v1`."""
        return self._state.base_url

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self._state.now

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, also those that failed; without the control plane's own."""
        with self._state.lock:
            return list(self._state.requests)

    @property
    def usage(self) -> list[Billed]:
        """Every message that was paid for so far, also those whose answer was lost."""
        with self._state.lock:
            settle_batches(self._state)
            return list(self._state.usage)

    def n_paid(self, contains: str | None = None, custom_id: str | None = None, is_batch: bool | None = None) -> int:
        """How many messages were paid for.

        Args:
            contains: only those with this text in their parameters (as JSON writes it, without escapes).
            custom_id: only that of this request of a batch.
            is_batch: only those in batches, or only those outside.
        """
        return sum(
            (contains is None or any(contains in text for text in _strings(billed.params)))
            and custom_id in (None, billed.custom_id)
            and is_batch in (None, billed.is_batch)
            for billed in self.usage
        )

    def paid_twice(self) -> list[Billed]:
        """Messages whose very same parameters were paid for before: the second and later ones."""
        seen: Counter[str] = Counter()
        again = []
        for billed in self.usage:
            seen[billed.prompt_hash] += 1
            if seen[billed.prompt_hash] > 1:
                again.append(billed)
        return again

    def fail(
        self, name: FaultName, route: str | None = None, *, nth: int = 1, count: int | None = 1, **how: Any
    ) -> Fault:
        """Order a failure; see `Fault` for the arguments and `faults.py` for what each one means.

        Raises:
            ValueError: unknown name or route.
        """
        fault = Fault(name, route, nth, count, **how)
        with self._state.lock:
            self._state.faults.add(fault)
        return fault

    def script(self, contains: str, reply: str | dict[str, Any]) -> None:
        """Answer every prompt that contains this marker with this reply, before the responder is asked."""
        with self._state.lock:
            self._state.scripts.append((contains, reply))

    def advance(self, seconds: float) -> None:
        """Move the virtual clock on; batches that are due end."""
        with self._state.lock:
            self._state.now += timedelta(seconds=seconds)
            settle_batches(self._state)

    def reset(self) -> None:
        """Forget everything: requests, bills, batches, faults, scripts, the prompt cache. Ids are not used again."""
        with self._state.lock:
            self._state.forget()


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in _strings(child)]
