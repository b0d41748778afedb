"""What is asked of a model and what comes back, as nouns.

Belongs here: requests, replies, answers, batches. Does not belong here: what is in a prompt (`prompts.py`) or in a
reply (`replies.py`), SDKs, money.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

Purpose = Literal["describe", "card", "judge", "audit"]
Reason = Literal[
    # the model's: asked again in smaller requests; alone they are final, remembered and never paid for again
    "refused",  # the model would not
    "cut",  # the answer or the prompt did not fit
    "unreadable",  # no JSON of the agreed shape
    "missing",  # no answer for this item
    "repeated",  # more than one answer for this item: none is believed
    "invalid",  # an answer, but with a value that is not allowed
    # paid, or perhaps paid, but the reply never arrived: not asked again, unless every event must be described
    "lost",
    # circumstances: another run may ask again
    "offline",  # nobody is asked
    "limit",  # more events than `max_describe_events`
    "budget",  # the money of the week is spent or reserved
    "stopped",  # asking was given up for this run
    "failed",  # the call failed
    "pending",  # in a batch that has not been collected yet
]
FINAL_REASONS: frozenset[Reason] = frozenset({"refused", "cut", "unreadable", "missing", "repeated", "invalid"})
"""Reasons that are the model's own: asking for the same thing again would be paying for the same answer."""

Entry = Mapping[str, Any]
"""A valid answer for one item, as plain JSON; what is cached."""


@dataclass(frozen=True)
class Problem:
    """Why there is no answer for an item."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class Item:
    """One thing asked about, without the name its owner has for it.

    Attributes:
        key: names purpose, prompt version, model and content; equal keys get the same answer.
        content: its JSON, but for the ref.
        n_inner: how many refs of its own it has: quotes of a card, known patterns of a judgement.
    """

    key: str
    content: Mapping[str, Any] = field(repr=False)
    n_inner: int = 0


@dataclass(frozen=True)
class Request:
    """One call: everything that determines the reply, and the items it is about."""

    purpose: Purpose
    model: str
    prompt_version: str
    system: str = field(repr=False)
    user: str = field(repr=False)
    schema: Mapping[str, Any] = field(repr=False)
    max_tokens: int
    effort: str
    items: tuple[Item, ...] = field(repr=False)

    @cached_property
    def request_hash(self) -> str:
        """SHA-256 of all but the items' keys; equal hashes mean equal replies may be expected."""
        parts = (self.purpose, self.model, self.prompt_version, self.system, self.user, self.max_tokens, self.effort)
        return hash_json([*parts, self.schema])

    @cached_property
    def n_bytes(self) -> int:
        """UTF-8 bytes of what is sent for reading: an upper bound of its tokens."""
        return sum(len(text.encode()) for text in (self.system, self.user, json.dumps(self.schema)))


@dataclass(frozen=True)
class Usage:
    """Tokens a reply was billed for."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    is_batch: bool = False


@dataclass(frozen=True)
class Reply:
    """What a model sent: paid for, not yet read."""

    text: str = field(repr=False)
    stop_reason: str
    usage: Usage
    message_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Answer:
    """What is known of every item of a request: each key is in exactly one of the two."""

    found: Mapping[str, Entry] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

    @classmethod
    def none(cls, items: tuple[Item, ...], problem: Problem) -> "Answer":
        """The same problem for every item."""
        return cls({}, {item.key: problem for item in items})


@dataclass(frozen=True)
class BatchState:
    """A batch as the API lists it."""

    batch_id: str
    created_at: datetime
    n_requests: int
    has_ended: bool


@dataclass(frozen=True)
class BatchResult:
    """The fate of one request of a batch: a reply, or why there is none."""

    custom_id: str
    reply: Reply | None
    problem: str = ""
    may_be_paid: bool = False  # of one without a reply: what errored, expired or was canceled is not


def hash_json(content: Any) -> str:
    """SHA-256 of the canonical JSON of anything, hexadecimal."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
