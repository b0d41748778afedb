"""Texts that a process has met: what an event says went wrong, and where frozen detectors place that.

Belongs here: remembering both, and forgetting them in time. Does not belong here: describing (`describe/`), placing
(`cluster/`), and reading events (`seeing.py`).

A description depends on the texts of its event only, and a placement on the description and the detector only. So both
are worked out once per process, however many looks, watches and days ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.cluster import place_events
from feedback_loop.describe import DescribePolicy, describe_failures
from feedback_loop.llm import Embedder
from feedback_loop.records import PatternState

NOT_SAID, NO_PATTERN = -1, -1
"""In place of a text: nobody said what went wrong. In place of a pattern: none took the text."""

_MOST = 500_000  # events remembered; past it everything is forgotten, which costs time and changes nothing
_SAYING = ("comments", "reasons", "signals", "output", "edited_output", "user_input")

Numbers = NDArray[np.int64]


@dataclass
class Placed:
    """Where a detector places the numbered texts, as far as it was asked: place of the pattern in it, similarity."""

    pattern: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    similarity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass
class TextMemory:
    """Failure texts by number.

    Attributes:
        texts: each once.
    """

    texts: list[str] = field(default_factory=list)
    _number: dict[str, int] = field(default_factory=dict)
    _said: dict[bytes, int] = field(default_factory=dict)  # digest of an event's texts -> what it says
    _placed: dict[tuple[str, ...], Placed] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether it is time to begin anew."""
        return len(self._said) + len(self.texts) > _MOST

    def describe(self, texts: pd.DataFrame, policy: DescribePolicy) -> Numbers:
        """Number of what each event says went wrong, as in the weekly run; `NOT_SAID` where it says nothing.

        Args:
            texts: frame `records.TEXTS`.
            policy: always the same one.
        """
        digests = [
            blake2b(repr(row).encode(errors="surrogatepass"), digest_size=16).digest()
            for row in zip(*(texts[name] for name in _SAYING), strict=True)
        ]
        is_new = np.array([digest not in self._said for digest in digests], dtype=bool)
        described = describe_failures(texts[is_new], policy)
        new = [digest for digest, fresh in zip(digests, is_new, strict=True) if fresh]
        self._said.update(zip(new, self.number(described), strict=True))
        return np.array([self._said[digest] for digest in digests], dtype=np.int64)

    def number(self, described: pd.DataFrame) -> list[int]:
        """Numbers of descriptions, frame `records.DESCRIPTIONS`."""
        pairs = zip(described["failure_text"], described["is_inferred"], strict=True)
        numbers = [
            NOT_SAID if inferred else self._number.setdefault(text, len(self._number)) for text, inferred in pairs
        ]
        self.texts += list(self._number)[len(self.texts) :]
        return numbers

    def place(self, version: str, patterns: Sequence[PatternState], encoder: Embedder) -> Placed:
        """Where a detector places all texts so far."""
        names = [p.pattern_id for p in patterns]
        placed = self._placed.setdefault((encoder.version, version, *names), Placed())
        new = pd.DataFrame({"failure_text": self.texts[len(placed.pattern) :], "is_inferred": False})
        found = place_events(new.assign(interaction_id=new.index.astype(str)), patterns, encoder)
        where, of = found["interaction_id"].astype("int64"), {name: place for place, name in enumerate(names)}
        pattern, similarity = np.full(len(new), NO_PATTERN, dtype=np.int64), np.zeros(len(new))
        pattern[where], similarity[where] = found["pattern_id"].map(of), found["similarity"]
        placed.pattern = np.concatenate([placed.pattern, pattern])
        placed.similarity = np.concatenate([placed.similarity, similarity])
        return placed


def text_memory(policy: DescribePolicy) -> TextMemory:
    """That of this process; a new one where it is full or descriptions are made otherwise."""
    if memory_of(policy).is_full:
        memory_of.cache_clear()
    return memory_of(policy)


@lru_cache(maxsize=1)
def memory_of(_policy: DescribePolicy) -> TextMemory:
    """Ask `text_memory` for it."""
    return TextMemory()
