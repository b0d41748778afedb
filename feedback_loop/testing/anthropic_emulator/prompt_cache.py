"""What a request costs: tokens by estimate, and the prompt cache by prefix.

Belongs here: the estimate, the order of blocks, what is written to and read from the cache, and when it is forgotten.
Does not belong here: prices.

The estimate is UTF-8 bytes over `Model.bytes_per_token` (see `models.py`), plus four tokens per message for its frame.
It is within some 15 % of the real count for English prose; it is not the tokenizer. The cache is that of one
organisation: an entry is the hash of everything up to a breakpoint (model and output format included, because changing
either invalidates it), it lives 5 minutes or 1 hour from its last use, and prefixes below the model's minimum are
passed over in silence, as the API does. Unlike the API, an entry is there at once, also for requests in parallel.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import Any

from feedback_loop.testing.anthropic_emulator.models import Model

_TTL = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
_FRAME_TOKENS = 4


@dataclass(frozen=True)
class InputTokens:
    """The input side of a bill. The whole prompt is the sum of the four."""

    uncached: int
    cache_read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def total(self) -> int:
        """Tokens of the whole prompt."""
        return self.uncached + self.cache_read + self.written_5m + self.written_1h


@dataclass(frozen=True)
class _Block:
    text: str
    n_tokens: int
    ttl: str | None


def estimate_tokens(text: str, model: Model) -> int:
    """Tokens of a text, rounded up."""
    return ceil(len(text.encode("utf-8", "surrogatepass")) / model.bytes_per_token)


class PromptCache:
    """Prefix hash -> until when it is remembered."""

    def __init__(self) -> None:
        self._entries: dict[str, datetime] = {}
        self._ttls: dict[str, str] = {}

    def charge(self, body: Mapping[str, Any], model: Model, now: datetime) -> InputTokens:
        """Split a prompt into read, written and uncached tokens, and remember what is written."""
        prefixes = list(_prefixes(body, model))
        total = prefixes[-1][1] if prefixes else 0
        last_mark = max((i for i, (_, _, ttl) in enumerate(prefixes) if ttl), default=-1)
        n_read = self._read(prefixes[: last_mark + 1], now)
        written, done = {"5m": 0, "1h": 0}, n_read
        for key, n_tokens, ttl in prefixes:
            if ttl is None or n_tokens <= n_read or n_tokens < model.min_cacheable:
                continue
            written[ttl] += n_tokens - done
            done = n_tokens
            self._entries[key], self._ttls[key] = now + _TTL[ttl], ttl
        return InputTokens(total - done, n_read, written["5m"], written["1h"])

    def _read(self, prefixes: list[tuple[str, int, str | None]], now: datetime) -> int:
        """Tokens of the longest remembered prefix, whose life starts anew."""
        for key, n_tokens, _ in reversed(prefixes):
            if self._entries.get(key, now) > now:
                self._entries[key] = now + _TTL[self._ttls[key]]
                return n_tokens
        return 0


def count_tokens(body: Mapping[str, Any], model: Model) -> int:
    """Tokens of a prompt, ignoring the cache: what `count_tokens` answers."""
    return sum(block.n_tokens for block in _blocks(body, model))


def _prefixes(body: Mapping[str, Any], model: Model) -> Iterator[tuple[str, int, str | None]]:
    """After each block: hash of all so far, tokens so far, and its breakpoint's lifetime if it has one."""
    digest, n_tokens = sha256(model.id.encode()), 0
    digest.update(_text((body.get("output_config") or {}).get("format")).encode())
    blocks = list(_blocks(body, model))
    if body.get("cache_control"):  # on the request itself it marks its last block
        blocks[-1] = replace(blocks[-1], ttl=body["cache_control"].get("ttl", "5m"))
    for block in blocks:
        digest.update(sha256(block.text.encode("utf-8", "surrogatepass")).digest())
        n_tokens += block.n_tokens
        yield digest.hexdigest(), n_tokens, block.ttl


def _blocks(body: Mapping[str, Any], model: Model) -> Iterator[_Block]:
    format_schema = (body.get("output_config") or {}).get("format")
    if format_schema:  # the API adds the schema to the system prompt
        yield _Block("", estimate_tokens(_text(format_schema), model), None)
    for tool in body.get("tools") or ():
        yield _block(tool, "tool", model)
    yield from _content("system", body.get("system") or "", model)
    for message in body["messages"]:
        yield _Block(message["role"], _FRAME_TOKENS, None)
        yield from _content(message["role"], message["content"], model)


def _content(role: str, content: str | list[Mapping[str, Any]], model: Model) -> Iterator[_Block]:
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for part in parts:
        yield _block(part, role, model)


def _block(part: Mapping[str, Any], role: str, model: Model) -> _Block:
    control = part.get("cache_control")
    plain = {name: value for name, value in part.items() if name != "cache_control"}
    text = plain["text"] if plain.get("type") == "text" else _text(plain)
    return _Block(f"{role}\0{text}", estimate_tokens(text, model), control.get("ttl", "5m") if control else None)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
