"""Masking: a text without the words of what it is about.

Belongs here: what a word and its stem are, in any script, and which words go. Does not belong here: which texts mask
which (`describe/__init__.py`).

A word goes when its stem also occurs in the subject: its first 5 letters, or 2 syllables of Hangul. Scripts without
spaces have no words to compare, so what goes is runs that the subject has too: 2 Han characters, 3 katakana, 5 letters
of Thai, Lao, Khmer or Burmese. Hiragana is mostly grammar and stays. Everything is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from feedback_loop.describe.kept_words import KEPT_RUNS, KEPT_WORDS
from feedback_loop.redaction import visible

_HAN, _KATAKANA, _HANGUL = "々\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff", "\u30a1-\u30fa\u30fc", "\uac00-\ud7a3"
_STACKED = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u104a\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
_RUNS = tuple((re.compile(f"[{of}]{{{n},}}"), n) for of, n in ((_HAN, 2), (_KATAKANA, 3), (_STACKED, 5)))
_SPACELESS = re.compile(f"[{_HAN}\u3041-\u3096{_KATAKANA}{_STACKED}]+")
_KEPT_RUNS = re.compile(unicodedata.normalize("NFKC", "|".join(KEPT_RUNS)))

# `\w` has the letters, but not the vowel signs and tone marks that go with them in half of the world's scripts.
_BLOCKS_WITH_MARKS = chain(range(0x300, 0x1E00), range(0xA800, 0xAC00))
_LETTER = "[\\w" + "".join(c for c in map(chr, _BLOCKS_WITH_MARKS) if unicodedata.category(c)[0] == "M") + "]"
_WORD = re.compile(rf"{_LETTER}+(?:'t(?!{_LETTER}))?")  # don't and can't are words
_STEM = re.compile(rf"([{_HANGUL}]{{1,2}}|{_LETTER}{{1,5}}){_LETTER}*")
# Most texts are ASCII, where the same is three times as quick.
_WORD_ASCII = re.compile(r"[A-Za-z0-9]+(?:'t(?![A-Za-z0-9]))?")
_TYPOGRAPHIC = "“”„‘–—•·"
_SIGNS = {i: " " for i in range(128) if not chr(i).isalnum()}
_KEPT = frozenset(_STEM.findall(" ".join(KEPT_WORDS)))
_SHORT_ASCII, _SHORT = 4, 2  # letters that a word of substance has at least; "for" and "the" are none


@dataclass(frozen=True)
class Subject:
    """What masks: the stems and the runs of the texts that say what an event is about."""

    stems: frozenset[str]
    runs: frozenset[str]


def plain(text: str, max_chars: int) -> str:
    """The start of a text in one spelling (Unicode NFKC), on one line, with nothing in it that does not show."""
    text = text[:max_chars]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
        for sign in _TYPOGRAPHIC:  # often all that is not ASCII
            text = text.replace(sign, " ")
    return visible(text.replace("_", " "))[:max_chars].rstrip()


def has_words(text: str) -> bool:
    """True where there is a letter or a digit, and not only signs or emoji."""
    return any(map(str.isalnum, text))


def subject_of(text: str) -> Subject:
    """What a `plain` text masks in others: all but complaint words and negations."""
    if text.isascii():
        return Subject(frozenset(word[:5] for word in text.lower().translate(_SIGNS).split()) - _KEPT, frozenset())
    text = text.casefold()
    if not _has_spaceless(text):
        return Subject(frozenset(_STEM.findall(text)) - _KEPT, frozenset())
    stems = frozenset(stem for stem in _STEM.findall(_apart(text)) if not _has_spaceless(stem))
    return Subject(stems - _KEPT, frozenset(text[i : i + n] for i, n in _runs(text)))


def mask(text: str, subject: Subject) -> str:
    """The words of a `plain` text that the subject does not have."""
    if _has_spaceless(text):
        text = _apart(_hide_runs(text, subject.runs))
    return " ".join([word for word in words_of(text) if stem_of(word) not in subject.stems])


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return (_WORD_ASCII if text.isascii() else _WORD).findall(text)


def says_something(masked: str) -> bool:
    """True where more is left than particles: a complaint word, or a word of some length."""
    return any(
        len(word) >= (_SHORT_ASCII if word.isascii() else _SHORT) or stem_of(word) in _KEPT for word in words_of(masked)
    )


def stem_of(word: str) -> str:
    """What two forms of a word have in common."""
    if word.isascii():
        return word[:5].lower()
    folded = word.casefold()
    return folded[: 2 if "\uac00" <= folded[0] <= "\ud7a3" else 5]


def _has_spaceless(text: str) -> bool:
    return not text.isascii() and _SPACELESS.search(text) is not None


def _apart(text: str) -> str:
    """Scripts without spaces apart from what they are written together with."""
    return _SPACELESS.sub(r" \g<0> ", text)


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Start and length of all runs that are compared."""
    for pattern, n in _RUNS:
        for found in pattern.finditer(text):
            for start in range(found.start(), found.end() - n + 1):
                yield start, n


def _hide_runs(text: str, runs: frozenset[str]) -> str:
    """The text with blanks for the runs, but for what is kept."""
    shown = list(text)
    for start, n in _runs(text):
        if text[start : start + n] in runs:
            shown[start : start + n] = " " * n
    for found in _KEPT_RUNS.finditer(text):
        shown[found.start() : found.end()] = found[0]
    return "".join(shown)
