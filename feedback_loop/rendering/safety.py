"""What makes a text of users harmless before any markup is written: shown, but neither link nor mention.

Belongs here: the rules that every markup shares. Does not belong here: the escapes of one markup.

Addresses are written so that no program takes them for one, in the way that people know from security reports:
`https[:]//evil[.]example`, `www[.]evil`. That holds also for bare domains with an ending of two letters, with one of
the common endings or with a path or port, because Markdown viewers make links of them. `app.py` reads `app[.]py` then:
a little ugly, never a click. Emoji and right-to-left letters stay as they are.
"""

import re
from urllib.parse import quote as percent_encode

from feedback_loop.redaction import visible

MAX_QUOTE = 300
"""Characters of a user's words in a ticket, before escaping."""

_BROKEN = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")  # no character at all: no UTF-8, no JSON, no XML
_BLANK = re.compile("[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a]")
_SCHEME = re.compile(r":(?=[/\\]{2})|(?<=mailto):|(?<=javascript):|(?<=(?<!\w)data):(?=\w)", re.IGNORECASE)
_ENDINGS = (
    "com|net|org|edu|gov|mil|int|info|biz|pro|name|museum|aero|asia|coop|app|dev|web|xyz|xxx|top|click|link|zip|mov|"
    "site|online|store|shop|live|page|cloud|tech|club|example|test|invalid|localhost|local|onion"
)
_DOMAIN = re.compile(
    r"(?<=[^\W_])[.\u3002\uff0e\uff61]"
    rf"(?=(?:[^\W\d_]{{2}}|{_ENDINGS}|xn--[a-z0-9-]+)(?![\w-])|[^\W\d_][\w-]+(?:[/?#]\w|:\d))",
    re.IGNORECASE,
)
_WWW = re.compile(r"(?<=www)\.", re.IGNORECASE)
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=\w)")  # `support@v12` names no person


def inert(text: str, max_chars: int | None = None) -> str:
    """One line that shows what was written: nothing invisible, no live address, no mention.

    Applying it twice changes nothing more.

    Args:
        text: anything.
        max_chars: cut with an ellipsis where it is longer, before addresses and mentions are treated.
    """
    shown = visible(_BLANK.sub(" ", _BROKEN.sub("\ufffd", text)), max_chars)
    shown = _WWW.sub("[.]", _SCHEME.sub("[:]", shown))
    return _MENTION.sub("@ ", _DOMAIN.sub("[.]", shown))


def inert_run(text: str) -> str:
    """As `inert`, with one space where the text begins or ends with some: a run has neighbours."""
    shown = inert(text)
    if not shown:
        return " " if text[:1].isspace() else ""
    return f"{' ' if text[0].isspace() else ''}{shown}{' ' if text[-1].isspace() else ''}"


def address(url: str) -> str | None:
    """A link's address as every markup may hold it, or None where it is none that a ticket should open."""
    if not re.match(r"https?://[^/\s]", url) or _BROKEN.search(url):
        return None
    return percent_encode(visible(url), safe="%/:?#&=+,;@._~$-")
