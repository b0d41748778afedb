"""Said: a week's events of which somebody said what went wrong.

Belongs here: their distinct texts and vectors, and an event as it is remembered. Does not belong here: events of which
nobody said anything (`subjects.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from feedback_loop.cluster.exact import ExactVectors, encode_exactly, round_exactly
from feedback_loop.cluster.texts import DistinctTexts, Rows
from feedback_loop.llm import Embedder
from feedback_loop.records import Exemplar
from feedback_loop.redaction import visible

_MAX_QUOTE = 300  # characters of what an exemplar said
_REMEMBERED = ("interaction_id", "failure_text", "subject_text", "comments", "description")


@dataclass(frozen=True)
class Said:
    """Events, what they say, and where that lies.

    Attributes:
        events: one row each, sorted by interaction_id.
        texts: their distinct failure texts.
        vectors: of the distinct texts, shape (texts, d).
    """

    events: pd.DataFrame
    texts: DistinctTexts
    vectors: ExactVectors

    @classmethod
    def of(cls, events: pd.DataFrame, embedder: Embedder) -> "Said":
        """Events of a frame that is sorted by interaction_id."""
        texts = DistinctTexts.of(events["failure_text"].tolist())
        return cls(events.reset_index(drop=True), texts, encode_exactly(embedder, texts.texts))

    def rows_of(self, texts: Rows) -> pd.DataFrame:
        """All events with one of these texts."""
        return self.events.iloc[self.texts.rows_of(texts)]

    def users_of(self, texts: Rows) -> list[str | None]:
        """Who said each of these texts first; None for nobody who is known."""
        users = self.events["user_hash"].iloc[self.texts.first[texts]]
        return [str(user) if pd.notna(user) else None for user in users]

    def sentences_of(self, texts: Rows) -> list[str]:
        """What a model wrote of the first event with each of these texts of which it wrote anything; else nothing."""
        return [self._written.get(int(text), "") for text in texts]

    @cached_property
    def _written(self) -> dict[int, str]:
        told = self.events["sentence"].to_numpy()
        rows = np.flatnonzero(told != "")
        of, first = np.unique(self.texts.of_row[rows], return_index=True)
        return {int(text): str(told[row]) for text, row in zip(of, rows[first], strict=True)}

    def exemplars(self, texts: Rows) -> tuple[Exemplar, ...]:
        """The first event with each of these texts, as it is remembered."""
        rows = self.events.iloc[self.texts.first[texts]]
        columns = (*(rows[c] for c in _REMEMBERED), self.sentences_of(texts))
        return tuple(
            Exemplar(str(i), str(text), str(subject), visible(" ".join(said) or str(description), _MAX_QUOTE), sentence)
            for i, text, subject, said, description, sentence in zip(*columns, strict=True)
        )


def see(vectors: ExactVectors, sentences: Sequence[str], embedder: Embedder) -> ExactVectors:
    """What groups are found by: half way between words and what a model wrote; without a sentence the words alone.

    What is placed and counted is placed by the words.
    """
    written = np.array([bool(sentence) for sentence in sentences], dtype=bool)
    if not written.any():
        return vectors
    of_sentence = encode_exactly(embedder, [sentence for sentence in sentences if sentence])
    both = vectors[written].astype(np.float64) + of_sentence.astype(np.float64)
    length = np.sqrt((both**2).sum(axis=1, keepdims=True))
    seen = vectors.copy()
    seen[written] = round_exactly(both / np.where(length > 0, length, 1.0))
    return seen
