"""Texts on their way into a prompt and out of a reply: what a reader sees, no more, and not too long.

Belongs here: the one function both ways share. Does not belong here: personal data (`redaction.py`, before anything is
stored) and escaping for a place where a text is shown.
"""

import re

# Printable to Python but not to an eye: joiners, Hangul and Khmer fillers, variation selectors (they can carry a
# message of their own: one byte each).
_HIDDEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def plain(text: str, max_chars: int) -> str:
    """One line without control, zero-width, bidirectional, private and other unseen characters, cut with a mark.

    Joiners go too: a text may look slightly different, but a model reads what a person would.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    shown = " ".join(_HIDDEN.sub("", text).split())
    return shown if len(shown) <= max_chars else shown[: max_chars - 1].rstrip() + "…"
