"""Texts: which events say the same, and which of many texts are looked at.

Belongs here: normal forms, distinct texts, samples. Does not belong here: vectors.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

Rows = NDArray[np.int64]

_COPY = 0.8  # share of all their words that two near-copies have in common (Jaccard)
_BLOCK = 1024


@dataclass(frozen=True)
class DistinctTexts:
    """Texts without repeats: two texts are the same that differ only in case, width or spaces.

    Attributes:
        texts: one spelling of each, by order of first appearance.
        keys: their normal forms.
        of_row: shape (rows,), which text each row has.
        first: shape (texts,), first row with each text.
    """

    texts: list[str]
    keys: list[str]
    of_row: Rows
    first: Rows

    @classmethod
    def of(cls, rows: Sequence[str]) -> "DistinctTexts":
        """The distinct texts of rows, which must be in an order that means nothing (by id)."""
        number: dict[str, int] = {}
        first: list[int] = []
        of_row = np.empty(len(rows), dtype=np.int64)
        for row, text in enumerate(rows):
            known = len(number)
            of_row[row] = number.setdefault(normal_form(text), known)
            if len(number) > known:
                first.append(row)
        return cls([rows[row] for row in first], list(number), of_row, np.array(first, dtype=np.int64))

    def rows_of(self, texts: Rows) -> Rows:
        """All rows with one of these texts, in order."""
        wanted = np.zeros(len(self.texts), dtype=bool)
        wanted[texts] = True
        return np.flatnonzero(wanted[self.of_row])

    def some(self, size: int) -> list[str]:
        """At most `size` of the texts."""
        return [self.texts[text] for text in self.sample(np.arange(len(self.texts)), size)]

    def sample(self, among: Rows, size: int) -> Rows:
        """At most `size` of some texts, in order, chosen by a hash of what they say."""
        if len(among) <= size:
            return among
        keys = [hashlib.blake2b(self.keys[text].encode(), digest_size=8).digest() for text in among]
        return np.sort(among[sorted(range(len(among)), key=keys.__getitem__)[:size]])


def normal_form(text: str) -> str:
    """What two spellings of the same text share."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def near_copies(texts: Sequence[str]) -> Rows:
    """The text that each is a near-copy of: the first with most of the same words that is no copy itself; else its own.

    Hundreds of copies of one form letter, with other names and slips in it, are one way of saying something. Without
    this each such letter is a failure of its own, for its copies have no neighbours but one another.

    Returns:
        Places, shape (n,).
    """
    words = CountVectorizer(analyzer=words_of, binary=True, dtype=np.float32)
    try:
        held = words.fit_transform(texts)
    except ValueError:  # scikit-learn's word for "not one word in all of it"
        return np.arange(len(texts))
    size = np.asarray(held.sum(axis=1)).ravel()
    leader = np.arange(len(texts))
    for start in range(0, len(texts), _BLOCK):
        shared = (held[start : start + _BLOCK] @ held[: start + _BLOCK].T).tocsr()
        shared.sort_indices()
        for row in range(shared.shape[0]):
            place = start + row
            entries = slice(shared.indptr[row], shared.indptr[row + 1])
            others, both = shared.indices[entries], shared.data[entries]
            alike = (both >= _COPY * (size[place] + size[others] - both)) & (others < place)
            leader[place] = next((int(o) for o in others[alike] if leader[o] == o), place)
    return leader


def once_per_user(copies_of: Rows, users: Sequence[str | None]) -> Rows:
    """The texts that are not near-copies of what their own user has said before: places, in order.

    Args:
        copies_of: the text that each is a near-copy of, shape (n,).
        users: who said each; of nobody's texts all are kept.
    """
    heard: set[tuple[int, str]] = set()
    kept = []
    for place, (leader, user) in enumerate(zip(copies_of.tolist(), users, strict=True)):
        if user is None or (leader, user) not in heard:
            kept.append(place)
        if user is not None:
            heard.add((leader, user))
    return np.array(kept, dtype=np.int64)


def words_of(text: str) -> list[str]:
    """The words of a text in its normal form."""
    return re.findall(r"\w+", normal_form(text))
