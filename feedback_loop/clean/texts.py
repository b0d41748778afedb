"""Texts of comments: what says nothing, and which are copies of one another.

Belongs here: normal forms, words without content, near-copies in linear time. Does not belong here: who sent them
(`crowds.py`, `raters.py`).

Copies are looked for among shingles of four characters: texts with a band of equal minima (MinHash, Broder 1997; bands:
Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4) are compared by edits. Deviation: each bucket is compared
with its first text only, so a week of equal texts costs as much as one of different ones; a copy that shares no band
with the first of its kind is missed. Of two texts that share half of their shingles, four in five pairs meet.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel

Ints = NDArray[np.int64]
_Hashes = NDArray[np.uint64]

_SHINGLE, _BANDS, _ROWS = 4, 12, 3
_AT_ONCE = 4_000_000  # characters hashed at a time
_MAX_CHARS = 400
_MULTIPLIER, _MIX_1, _MIX_2 = (np.uint64(n) for n in (0x100000001B3, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_STEP = 0x9E3779B97F4A7C15

_EMPTY = """
bad badly terrible awful horrible worst poor sucks suck useless stupid dumb crap shit garbage trash rubbish hate
not good very so really too is was it this that the a an i im no nope nah yes ok okay meh lol lmao haha wtf omg ugh
boo hmm blah hello hi hey test testing first none nothing n na nil idk dislike thumbs down 0
schlecht sehr nicht gut mies nein doof müll mist das ist war
mal mauvais nul muy no bueno malo pas bon tres très horrible péssimo ruim
"""
_EMPTY_WORDS = frozenset(_EMPTY.split())
_MASHED = re.compile(r"^(?:[a-z]*(?:asdf|sdfg|dfgh|fghj|ghjk|hjkl|qwer|wert|qwe|zxcv|xcvb|yxcv|jkjk)[a-z]*|(\w)\1+)$")
_SIGNS, _DIGITS = re.compile(r"[\W_]+"), re.compile(r"\d+")
_NO_VOWEL = re.compile(r"^[bcdfghjklmnpqrstvwxz]{5,}$")


def normal_form(text: str) -> str:
    """Letters and digits of the start of a text, every digit a 0: what copies of a text share."""
    folded = unicodedata.normalize("NFKC", text[:_MAX_CHARS]).casefold()
    return " ".join(_SIGNS.sub(" ", _DIGITS.sub("0", folded)).split())


def says_nothing(form: str) -> bool:
    """True where a normal form has no word that could tell what went wrong: "asdf", "bad bad bad", "" (of ":(")."""
    words = form.split()
    return all(word in _EMPTY_WORDS or _MASHED.match(word) or _NO_VOWEL.match(word) for word in words)


def copies_of(texts: Sequence[str], alike: float) -> Ints:
    """The first text that each is a copy of; its own place where it is none.

    Args:
        texts: distinct normal forms, in an order that means nothing but time.
        alike: least similarity, 1 - insertions and deletions over the length of both.

    Returns:
        Places, shape (n,). The text at a place that is named is a copy of none.
    """
    label = np.arange(len(texts))
    for place, first in _meetings(texts):
        if label[place] != place:
            continue
        leader = int(label[first])
        if leader < place and Indel.normalized_similarity(texts[place], texts[leader], score_cutoff=alike) >= alike:
            label[place] = leader
    return label


def _meetings(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of a text and the first text of one of its buckets, by place."""
    minima = _minima(texts)
    pairs = []
    for band in range(_BANDS):
        part = minima[:, band * _ROWS : (band + 1) * _ROWS]
        key = part[:, 0].copy()
        for row in range(1, _ROWS):
            key = _mix(key ^ part[:, row])
        _, first, bucket = np.unique(key, return_index=True, return_inverse=True)
        place = np.flatnonzero(first[bucket] != np.arange(len(texts)))
        pairs.append(np.stack([place, first[bucket[place]]], axis=1))
    met = np.unique(np.concatenate(pairs), axis=0) if len(texts) else np.zeros((0, 2), dtype=np.int64)
    return [(int(place), int(first)) for place, first in met]


def _minima(texts: Sequence[str]) -> _Hashes:
    """Least hash of all shingles of each text, shape (n, bands x rows)."""
    found = np.empty((len(texts), _BANDS * _ROWS), dtype=np.uint64)
    lengths = np.array([max(len(text), _SHINGLE) for text in texts], dtype=np.int64)
    starts, begin = np.cumsum(lengths) - lengths, 0
    while begin < len(texts):
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + _AT_ONCE)))
        found[begin:end] = _minima_of(texts[begin:end], lengths[begin:end])
        begin = end
    return found


def _minima_of(texts: Sequence[str], lengths: Ints) -> _Hashes:
    joined = "".join(text.ljust(_SHINGLE) for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    n = len(codes) - _SHINGLE + 1
    shingles = np.zeros(n, dtype=np.uint64)
    for offset in range(_SHINGLE):
        shingles = shingles * _MULTIPLIER + codes[offset : offset + n]
    inside = np.ones(n, dtype=bool)  # of one text only
    ends = np.cumsum(lengths)
    for offset in range(1, _SHINGLE):
        inside[ends[:-1] - offset] = False
    shingles = shingles[inside]
    starts = np.concatenate([[0], np.cumsum(lengths - _SHINGLE + 1)[:-1]])
    columns = []
    for number in range(_BANDS * _ROWS):
        seed = np.uint64((number + 1) * _STEP % 2**64)
        columns.append(np.minimum.reduceat(_mix(shingles ^ seed), starts))
    return np.stack(columns, axis=1)


def _mix(values: _Hashes) -> _Hashes:
    """A hash of each (SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))
