"""The full pass: personal data and secrets out of a text before it is stored.

Belongs here: the order of the passes, hidden spellings, and repeating until nothing changes. Does not belong here: what
personal data looks like (`light.py`, `secrets.py`, `names.py`, `announced.py`, `recognisers.py`, `ner.py`) and which
fields are redacted (`intake/rows.py`).

Most texts hold nothing: they are taken apart into words once, and a pass is tried only where the text has a word, sign
or digit that it needs. Texts that come again and again, such as system prompts, are remembered.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from feedback_loop.redaction.announced import redact_announced, redact_spelled
from feedback_loop.redaction.light import redact_contacts
from feedback_loop.redaction.names import CUE_WORDS, redact_names
from feedback_loop.redaction.recognisers import redact_recognised
from feedback_loop.redaction.secrets import redact_secrets
from feedback_loop.redaction.showing import INVISIBLE

_MAX_PASSES = 8
_SHORTEST = 4  # characters of the shortest that is replaced
_REMEMBERED, _LONGEST_REMEMBERED = 2_048, 4_000
_SIGNS = {i: " " for i in range(128) if not chr(i).isalnum()}  # as in "Regards,", "name:" and "api_key"
_DIGIT = re.compile(r"\d")
# What hides a text from patterns: characters that show nothing, and other forms of ASCII characters.
_HIDING = re.compile(f"[{INVISIBLE}\u00ad\u034f\u115f\u1160\u3164\ufe00-\ufe0f\uff01-\uff5e\U0001d400-\U0001d7ff]")
_SHOWS_NOTHING = re.compile(f"[{INVISIBLE}\u00ad\u034f\u115f\u1160\u3164\ufe00-\ufe0f]")


@dataclass(frozen=True)
class Redactor:
    """What is taken out of texts.

    Attributes:
        find_names: replaces what a language model takes for names and places; None: cues alone give names away.
    """

    find_names: Callable[[str], str] | None = None

    def text(self, text: str) -> str:
        """The text with placeholders such as `<email>` for what is personal or secret; twice is as once.

        Args:
            text: of any length and content; the time is linear in its length.
        """
        if len(text) < _SHORTEST:
            return text
        if len(text) <= _LONGEST_REMEMBERED:
            return _remembered(self, text)
        return _redact(self, text)

    def json(self, value: Any) -> Any:
        """Redact every string inside a JSON value, keys included; numbers, booleans and null stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return value


PATTERNS = Redactor()
"""Patterns and cues, without a language model: what every way into the store applies unless told otherwise."""


def _redact(redactor: Redactor, text: str) -> str:
    clean = _until_stable(redactor, text)
    if clean.isascii() or _HIDING.search(clean) is None:
        return clean
    bare = unicodedata.normalize("NFKC", _SHOWS_NOTHING.sub("", clean))
    found = _until_stable(redactor, bare)
    return clean if found == bare else found


_remembered = lru_cache(maxsize=_REMEMBERED)(_redact)


def _until_stable(redactor: Redactor, text: str) -> str:
    """Pass by pass: what is replaced may set free what was glued to it."""
    for _ in range(_MAX_PASSES):
        cleaner = _redact_once(redactor, text)
        if cleaner == text:
            break
        text = cleaner
    return text


def _redact_once(redactor: Redactor, text: str) -> str:
    lowered = text.lower()
    words = frozenset(lowered.translate(_SIGNS).split())
    text = redact_secrets(text, lowered)
    if _DIGIT.search(text) is not None:
        text = redact_announced(redact_contacts(redact_recognised(text)), words)
    elif "@" in text:
        text = redact_contacts(text)
    text = redact_spelled(text, words)
    if not words.isdisjoint(CUE_WORDS):
        text = redact_names(text, words)
    return text if redactor.find_names is None else redactor.find_names(text)
