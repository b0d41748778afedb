"""Texts on their way into a prompt and out of a reply: what a reader sees, no more, and not too long.

Belongs here: cleaning, and the rules that see a text speak to the model or give orders. Does not belong here: personal
data (`redaction.py`, before anything is stored) and escaping for a place where a text is shown.
"""

import re

# Printable to Python but not to an eye: joiners, Hangul and Khmer fillers, variation selectors (they can carry a
# message of their own: one byte each).
_HIDDEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SPEAKS_TO_MODEL = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|stop following)\b.{0,60}?"
    r"\b(?:instructions?|prompts?|rules?|above|previous|everything)\b"
    r"|\b(?:system prompt|you are now|new instructions?|end of (?:data|reports?|input))\b"
    r"|\bmessage (?:to|for) (?:you|the (?:ai|model))\b"
    r"|(?:^|[\n.!?>\]]\s*|#+\s*)(?:system|assistant|human|user|developer)\s*:"
    r"|</?\w+>|```|<\||\[/?inst\]"
    r'|"(?:ref|items|failure|injection_suspected|likely_cause|severity|evidence|judgement)"\s*:',
    re.IGNORECASE | re.DOTALL,
)

_ORDER = re.compile(
    r"(?:^|[.!?:;>]\s+)[\"'“‘]?(?:please\s+|now\s+)?(?:"
    r"add|analy[sz]e|answer|apply|augment|call|can you|classify|compare|compose|convert|could you|create|describe|"
    r"determine|encode|encrypt|enhance|explain|express|find|generate|give|help|how|identify|"
    r"in your (?:answer|reply|response)|include|integrate|invert|is this|list|make|mark|modify|offer|output|print|"
    r"provide|rate|recommend|render|replace|reply|respond|return|reverse|say|set|share|shift|show|substitute|suggest|"
    r"summari[sz]e|tell|translate|turn|use|what|where|which|who|write)\b",
    re.IGNORECASE,
)


def plain(text: str, max_chars: int) -> str:
    """One line without control, zero-width, bidirectional, private and other unseen characters, cut with a mark.

    Joiners go too: a text may look slightly different, but a model reads what a person would.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    shown = " ".join(_HIDDEN.sub("", text).split())
    return shown if len(shown) <= max_chars else shown[: max_chars - 1].rstrip() + "…"


def speaks_to_model(text: str) -> bool:
    """Whether a text looks as if it were meant for the model: orders about its instructions, roles, fake markup, JSON.

    A rule of thumb that a model cannot be talked out of; what it misses is still only data to the schema.
    """
    return _SPEAKS_TO_MODEL.search(text) is not None


def gives_orders(text: str) -> bool:
    """Whether a sentence of a text asks for something, instead of reporting what went wrong; English only.

    Complaints do that too ("Answer in German!"): reason enough to prefer other quotes, not to suspect anybody.
    """
    return _ORDER.search(text) is not None
