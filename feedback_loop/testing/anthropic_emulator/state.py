"""All that an emulator remembers between requests, and its virtual clock.

Belongs here: what was asked, what was billed, what is to fail, and the ids. Does not belong here: HTTP (`app.py`) and
any decision on an answer.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from threading import RLock
from typing import Any

from feedback_loop.testing.anthropic_emulator.faults import FaultPlan
from feedback_loop.testing.anthropic_emulator.prompt_cache import InputTokens, PromptCache

Respond = Callable[[Mapping[str, Any]], str | dict[str, Any]]
"""A request's body in, the text of the answer out (a dict is written as JSON)."""


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it came in.

    Attributes:
        path: with the query string.
        body: the parsed JSON object; empty where there was none.
        headers: names in lower case. The key is in it: never log it.
        at: the virtual time.
    """

    method: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(repr=False)
    at: datetime


@dataclass(frozen=True)
class Billed:
    """One message that was paid for, whether or not its answer arrived.

    Attributes:
        prompt_hash: equal for equal parameters, streamed or not, alone or in a batch.
        params: the parameters that were answered.
    """

    message_id: str
    custom_id: str | None
    model: str
    input_tokens: int
    cache_creation_5m_tokens: int
    cache_creation_1h_tokens: int
    cache_read_tokens: int
    output_tokens: int
    is_batch: bool
    prompt_hash: str
    params: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass
class State:
    """One emulated organisation. Every access from outside the server's thread holds `lock`."""

    respond: Respond
    api_key: str
    start: datetime
    batch_takes: timedelta = timedelta(minutes=1)
    base_url: str = ""
    lock: RLock = field(default_factory=RLock)
    crashes: list[BaseException] = field(default_factory=list)  # faults of the emulator itself
    n_ids: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Back to the start, but for ids: those never come twice."""
        self.now = self.start
        self.requests: list[RecordedRequest] = []
        self.usage: list[Billed] = []
        self.faults = FaultPlan()
        self.cache = PromptCache()
        self.scripts: list[tuple[str, str | dict[str, Any]]] = []
        self.batches: dict[str, Any] = {}

    def new_id(self, prefix: str, content: object = None) -> str:
        """`msg_...`: follows from the start, the content and how many there were; equal runs give equal ids."""
        self.n_ids[prefix] += 1
        source = json.dumps([prefix, self.start.isoformat(), self.n_ids[prefix], content], sort_keys=True)
        return f"{prefix}_01{sha256(source.encode()).hexdigest()[:22]}"

    def answer(self, body: Mapping[str, Any]) -> str:
        """The text of the answer: of the first script whose marker is in the prompt, else of the responder."""
        prompt = json.dumps([body.get("system"), body["messages"]], ensure_ascii=False)
        scripted = [reply for marker, reply in self.scripts if marker in prompt]
        reply = scripted[0] if scripted else self.respond(body)
        return reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)

    def bill(
        self, message_id: str, body: Mapping[str, Any], tokens: InputTokens, n_output: int, custom_id: str | None
    ) -> None:
        """Write down what a message cost."""
        params = {name: value for name, value in body.items() if name != "stream"}
        self.usage.append(
            Billed(
                message_id,
                custom_id,
                str(body["model"]),
                tokens.uncached,
                tokens.written_5m,
                tokens.written_1h,
                tokens.cache_read,
                n_output,
                custom_id is not None,
                sha256(json.dumps(params, sort_keys=True).encode()).hexdigest(),
                params,
            )
        )
