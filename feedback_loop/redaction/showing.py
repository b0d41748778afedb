"""What a reader cannot see, out of text before it is shown. Does not belong here: personal data (`light.py`)."""

import re

INVISIBLE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and newline
    "\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f"  # zero-width, bidi, tags
)
"""Characters, as the inside of a regular expression's class, that show nothing and can make text say something else."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")


def visible(text: str, max_chars: int | None = None) -> str:
    """Text on one line, without control, zero-width and bidirectional characters; cut with a mark where it is long."""
    shown = " ".join(_INVISIBLE.sub(" ", text).split())
    return shown if max_chars is None or len(shown) <= max_chars else shown[: max_chars - 1].rstrip() + "…"
