"""One answer as it happens: what an application says of it, and what is measured meanwhile.

Belongs here: the object that an application holds, and the raw record it ends as. Does not belong here: what is made of
the record (`preparing.py`). Methods of an interaction never raise.
"""

import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from feedback_loop.capture.snapshot import MAX_TEXT_CHARS, snapshot

Raw = dict[str, Any]

FIELDS = (
    "session_id", "turn", "user_id", "cohort", "prompt_name", "prompt_version", "prompt_template", "model",
    "model_parameters", "tools", "system_prompt", "user_input", "output", "retrieved_documents", "input_tokens",
    "output_tokens", "cost_usd", "safety_level", "experiment", "variant", "metadata",
)  # fmt: skip
"""What an application may set; `prompt_template` is hashed into a `prompt_version` where there is none."""

_MAX_CALLS = 200


class Usage(NamedTuple):
    """Tokens of one call of a model; `input_tokens` without those of the prompt cache, as providers bill them."""

    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    is_batch: bool = False


class Interaction:
    """One interaction; set its fields while it is open. See `FIELDS` and `docs/how-to/instrument.md`.

    Attributes:
        interaction_id: give it to whoever collects feedback.
    """

    __slots__ = (
        *FIELDS, "_ended", "_error", "_first_at", "_is_used", "_occurred_at", "_pieces", "_piece_chars", "_started",
        "_stopped_early", "_usage", "interaction_id",
    )  # fmt: skip

    session_id: str | None
    turn: int | None
    user_id: str | None
    cohort: str | None
    prompt_name: str | None
    prompt_version: str | None
    prompt_template: str | None
    model: str | None
    model_parameters: dict[str, Any] | None
    tools: list[Any] | None
    system_prompt: str | None
    user_input: str | None
    output: str | None
    retrieved_documents: list[Any] | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    safety_level: str | None
    experiment: str | None
    variant: str | None
    metadata: dict[str, Any] | None

    def __init__(self, interaction_id: str, fields: Mapping[str, Any]) -> None:
        for name in FIELDS:
            setattr(self, name, fields.get(name))
        self.interaction_id = interaction_id
        self._occurred_at, self._started = time.time(), time.perf_counter()
        self._first_at: float | None = None
        self._error: str | None = None
        self._pieces: list[str] = []
        self._piece_chars = 0
        self._usage: list[Usage] = []
        self._is_used = self._ended = self._stopped_early = False

    @property
    def is_used(self) -> bool:
        """Anything was said of it: there is something to send."""
        return self._is_used or self.output is not None or self.user_input is not None or bool(self._usage)

    def use(self) -> None:
        """Send it even if nothing more is said of it."""
        self._is_used = True

    def append(self, text: str) -> None:
        """A piece of a streamed answer; the first one sets the time to the first token."""
        if not isinstance(text, str) or not text:
            return
        if self._first_at is None:
            self._first_at = time.perf_counter()
        if self._piece_chars <= MAX_TEXT_CHARS:
            self._pieces.append(text)
            self._piece_chars += len(text)

    def add_usage(
        self,
        model: str,
        input_tokens: int,
        output_tokens: int,
        *,
        cache_write_5m_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        cache_read_tokens: int = 0,
        is_batch: bool = False,
    ) -> None:
        """Tokens of one call; calls of one interaction add up, and are priced at the prices of the day."""
        cached = (cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens)
        if len(self._usage) < _MAX_CALLS:
            self._usage.append(Usage(model, input_tokens, output_tokens, *cached, is_batch))

    def fail(self, error: BaseException | str) -> None:
        """Note an error of the application; an exception that ends a client's wait is no error but an early stop."""
        if not isinstance(error, str | Exception):
            self._stopped_early = True
            return
        try:
            self._error = error if isinstance(error, str) else f"{type(error).__name__}: {error}"[:2_000]
        except Exception:
            self._error = type(error).__name__

    def stop_early(self) -> None:
        """The answer was not taken to its end; what came until then counts."""
        self._stopped_early = True

    def end(self) -> tuple[Raw, int] | None:
        """The raw record and its size in bytes, once; None if it ended before."""
        if self._ended:
            return None
        self._ended = True
        ended = time.perf_counter()
        raw, n_bytes = snapshot({name: value for name in FIELDS if (value := getattr(self, name)) is not None})
        if self._pieces and raw.get("output") is None:
            raw["output"], n_output = snapshot("".join(self._pieces))
            n_bytes += n_output
        raw |= {
            "type": "interaction",
            "interaction_id": self.interaction_id,
            "occurred_at": self._occurred_at,
            "latency_ms": (ended - self._started) * 1e3,
            "usage": self._usage,
            "stopped_early": self._stopped_early,
        }
        if self._first_at is not None:
            raw["time_to_first_token_ms"] = (self._first_at - self._started) * 1e3
        if self._error is not None:
            raw["error"], n_error = snapshot(self._error)
            n_bytes += n_error
        return raw, n_bytes


class Request:
    """What is known of the request that is being answered; interactions within it start from this.

    Attributes:
        interaction: of the request, until it is claimed by an interaction that the application opens.
        who: `user_id`, `session_id`, `cohort`.
    """

    __slots__ = ("interaction", "is_claimed", "who")

    def __init__(self, interaction: Interaction, who: dict[str, Any]) -> None:
        self.interaction, self.who, self.is_claimed = interaction, who, False


REQUEST: ContextVar[Request | None] = ContextVar("feedback_loop_request", default=None)
CURRENT: ContextVar[Interaction | None] = ContextVar("feedback_loop_interaction", default=None)


def text_of(value: Any) -> str | None:
    """The text of what a call returned: itself, or what lies where common clients keep it; None for anything else."""
    if isinstance(value, str):
        return value
    for name in ("text", "output_text", "content"):
        found = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        if isinstance(found, str):
            return found
        if name == "content" and isinstance(found, Sequence):
            texts = [text for block in found if isinstance(text := getattr(block, "text", None), str)]
            return "".join(texts) if texts else None
    return None
