"""Claude over HTTP: requests in, replies out; every odd outcome is one of our errors.

Belongs here: the Anthropic SDK, how often and after which pause a call is repeated, and the shape of its answers. Does
not belong here: prompts and their reading (`llm/`), money and the ledger (`defs/asking.py`).

The SDK never retries here (`max_retries=0`): it would sleep for as long as the API asks, and send a request again whose
first reply was lost and paid. The key goes to the configured address only.
"""

import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self

import anthropic
import httpx2

from feedback_loop.clients.anthropic_errors import CAUGHT, asked_pause, may_repeat, translate
from feedback_loop.errors import AskingStopped, ModelUnavailable, ReplyLost, RequestRefused
from feedback_loop.llm.manners import manners_of
from feedback_loop.llm.requests import BatchResult, BatchState, Reply, Request, Usage

BASE_URL = "https://api.anthropic.com"
_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.5
_BYTES_PER_TOKEN = 4  # fewer tokens than there are, so that no block is marked in vain
_LISTED = 100  # batches looked through for one whose creation is in doubt


class ClaudeClient:
    """The Messages and Message Batches API.

    Args:
        api_key: never shown, logged or sent anywhere but to `base_url`.
        base_url: root of the API, without `/v1`.
        timeout_s: of every single request.
        max_retry_after_s: a longer pause than this is not waited for; asking stops.
        sleep, now, jitter: the clock and chance, 0 <= jitter() < 1.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        *,
        now: Callable[[], datetime],
        timeout_s: float = 120.0,
        max_retry_after_s: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._origin = _origin(httpx2.URL(base_url or BASE_URL))
        self._max_retry_after_s, self._sleep, self._now, self._jitter = max_retry_after_s, sleep, now, jitter
        self._sdk = anthropic.Anthropic(
            api_key=api_key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            timeout=timeout_s,
            http_client=anthropic.DefaultHttpxClient(event_hooks={"request": [self._check_host]}),
        )
        self._messages: Any = self._sdk.messages  # its overloads do not take a dict of arguments

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._sdk.close()

    def ask(self, request: Request) -> Reply:
        """Put one request to its model.

        Raises:
            RequestRefused, AskingStopped: see `errors.py`; not paid.
            ModelUnavailable: still busy after four attempts, or what answers is not the API (a proxy's page); not paid.
            ReplyLost: no readable reply; may be paid.
        """
        message = self._call(lambda: self._messages.create(**message_parameters(request)))
        return _read_message(message, is_batch=False)

    def check_model(self, model: str) -> None:
        """Whether the key may use a model; costs nothing.

        Raises:
            NotFoundError: there is no such model for this key.
            RequestRefused, AskingStopped, ModelUnavailable: it cannot be said.
        """
        self._call(lambda: self._sdk.models.retrieve(model), is_read=True)

    def create_batch(self, requests: Mapping[str, Request]) -> BatchState:
        """Ask for a batch, custom_id -> request. Sent at most once without a clear refusal.

        Raises:
            ReplyLost: it may exist; look for it with `list_batches`.
            RequestRefused, AskingStopped, ModelUnavailable: it does not exist.
        """
        entries = [{"custom_id": name, "params": message_parameters(one, "1h")} for name, one in requests.items()]
        batch = _read_batch(self._call(lambda: self._messages.batches.create(requests=entries), creates=True))
        if batch is None:
            raise ReplyLost("the Anthropic API sent no batch; it may exist")
        return batch

    def fetch_batch(self, batch_id: str) -> BatchState:
        """How far a batch is.

        Raises:
            NotFoundError: there is no such batch.
            AskingStopped, ModelUnavailable: it cannot be said now.
        """
        batch = _read_batch(self._call(lambda: self._messages.batches.retrieve(batch_id), is_read=True))
        if batch is None:
            raise ModelUnavailable(f"the Anthropic API sent no batch where {batch_id} was asked for")
        return batch

    def list_batches(self) -> list[BatchState]:
        """The newest batches of the account's workspace, newest first.

        Raises:
            AskingStopped, ModelUnavailable: it cannot be said now.
        """
        page = self._call(lambda: self._messages.batches.list(limit=_LISTED), is_read=True)
        data = getattr(page, "data", None)
        if not isinstance(data, list):
            raise ModelUnavailable("the Anthropic API sent no list of batches")
        return [batch for batch in map(_read_batch, data) if batch is not None]

    def read_results(self, batch_id: str) -> list[BatchResult]:
        """All results of an ended batch, in any order, whole or not at all.

        Raises:
            ModelUnavailable: the file was cut or has not come; reading it again costs nothing.
            RequestRefused: the API names another host for the file.
            NotFoundError, AskingStopped: there is no such file for us.
        """
        rows = self._call(lambda: list(self._messages.batches.results(batch_id)), is_read=True)
        if not all(isinstance(getattr(row, "custom_id", None), str) for row in rows):
            raise ModelUnavailable(f"what the Anthropic API sent as results of {batch_id} has another shape")
        return [_read_result(row) for row in rows]

    def _call(self, send: Callable[[], Any], *, is_read: bool = False, creates: bool = False) -> Any:
        """Send, again after a pause where nothing was done and the API may recover."""
        for attempt in range(_ATTEMPTS):
            try:
                return send()
            except CAUGHT as error:
                ours = translate(error, is_read=is_read, creates=creates)
                pause = asked_pause(error, self._now())
                is_last = attempt == _ATTEMPTS - 1 or not may_repeat(error)
            # Raised outside of `except`: the SDK's error holds the key in its request's headers.
            if not isinstance(ours, ModelUnavailable):
                raise ours
            if pause is not None and pause > self._max_retry_after_s:
                raise AskingStopped(
                    f"{ours}; it asks to wait {pause:.0f} s, more than analyst.max_retry_after_s = "
                    f"{self._max_retry_after_s:g}"
                )
            if is_last:
                raise ours
            self._sleep(pause or _FIRST_PAUSE_S * 2**attempt * (1 - self._jitter() / 4))
        raise AssertionError("unreachable")

    def _check_host(self, request: httpx2.Request) -> None:
        if _origin(request.url) != self._origin:
            raise RequestRefused(f"the API points to another host ({request.url.host}); the key is not sent there")


def message_parameters(request: Request, ttl: str = "5m") -> dict[str, Any]:
    """The body of `POST /v1/messages` for a request, by the manners of its model."""
    manners = manners_of(request.model)
    system: dict[str, Any] = {"type": "text", "text": request.system}
    if len(request.system.encode()) >= manners.min_cacheable * _BYTES_PER_TOKEN:
        system["cache_control"] = {"type": "ephemeral", "ttl": ttl}
    output: dict[str, Any] = {"format": {"type": "json_schema", "schema": request.schema}}
    if manners.takes_effort:
        output["effort"] = request.effort
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "system": [system],
        "messages": [{"role": "user", "content": request.user}],
        "output_config": output,
    }
    return body | ({"thinking": {"type": manners.thinking}} if manners.thinking else {})


def _read_message(message: Any, *, is_batch: bool) -> Reply:
    """A message as a reply; what it says is not looked at.

    Raises:
        ModelUnavailable: it is none but a page of some proxy, or JSON of another shape.
    """
    usage, stop_reason = getattr(message, "usage", None), getattr(message, "stop_reason", None)
    if usage is None or not isinstance(stop_reason, str):
        raise ModelUnavailable(f"what answers is not the Anthropic API: it sent no message ({type(message).__name__})")
    texts = [b.text for b in getattr(message, "content", None) or () if getattr(b, "type", None) == "text"]
    return Reply(
        text="".join(text for text in texts if isinstance(text, str)),
        stop_reason=stop_reason,
        usage=_read_usage(usage, is_batch=is_batch),
        message_id=getattr(message, "id", None),
        request_id=getattr(message, "_request_id", None),
    )


def _read_usage(usage: Any, *, is_batch: bool) -> Usage:
    written = getattr(usage, "cache_creation", None)
    long = _count(getattr(written, "ephemeral_1h_input_tokens", None))
    return Usage(
        input_tokens=_count(usage.input_tokens),
        output_tokens=_count(usage.output_tokens),
        cache_write_5m_tokens=max(0, _count(usage.cache_creation_input_tokens) - long),
        cache_write_1h_tokens=long,
        cache_read_tokens=_count(usage.cache_read_input_tokens),
        is_batch=is_batch or getattr(usage, "service_tier", None) == "batch",
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _read_batch(batch: Any) -> BatchState | None:
    counts, created_at = getattr(batch, "request_counts", None), getattr(batch, "created_at", None)
    batch_id, status = getattr(batch, "id", None), getattr(batch, "processing_status", None)
    if counts is None or not isinstance(created_at, datetime) or not isinstance(batch_id, str):
        return None
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    n_requests = sum(_count(getattr(counts, name, None)) for name in names)
    return BatchState(batch_id, created_at, n_requests, has_ended=status == "ended")


def _read_result(row: Any) -> BatchResult:
    custom_id = row.custom_id
    result: Any = getattr(row, "result", None)
    kind = getattr(result, "type", None)
    if kind == "succeeded":
        try:
            return BatchResult(custom_id, _read_message(result.message, is_batch=True))
        except ModelUnavailable as error:
            return BatchResult(custom_id, None, str(error), may_be_paid=True)
    said = getattr(getattr(getattr(result, "error", None), "error", None), "message", None)
    return BatchResult(custom_id, None, f"{kind} in the batch{f': {said}' if said else ''}")


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return (url.scheme, url.host, url.port)
