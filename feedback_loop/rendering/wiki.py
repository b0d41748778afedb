"""Jira's wiki markup, for Jira Data Center (REST v2).

A backslash makes one of `- # * _ + ? ^ ~ | % { } [ ] ( ) ! @` an ordinary character, unless another backslash stands
before it; everything else that could mean something is written as a character reference, which Jira keeps (Atlassian's
renderer: BackslashEscapeRendererComponent, HtmlEscapeRendererComponent). A quote is `bq.`, which ends with its line:
unlike `{quote}`, no text on the line can close it.

Belongs here: those escapes. Does not belong here: what is harmless in every markup (`safety`).
"""

import re
from collections.abc import Sequence

from feedback_loop.documents import Block, Bullets, Document, Heading, Inline, Link, Note, Quote
from feedback_loop.rendering.safety import MAX_QUOTE, address, inert, inert_run

_ACTIVE = re.compile(
    r"""
    (?P<reference>
        \\                              # line break, or an escape
      | & (?= \#?\w+; )                 # a character reference
      | : (?= -?[DPp] )                 # a smiley
      | (?<= ^h[1-6] ) \. | (?<= ^bq ) \.
    )
  | [{}\[\]|!*^~\#%@]
  | (?<![A-Za-z0-9]) [-_+] | [-_+] (?![A-Za-z0-9])   # between letters they mark no phrase
  | (?<= [A-Z0-9] ) - (?= \d )          # KEY-123 becomes a link
  | \? (?=\?) | (?<=\?) \?              # a citation
  | [()] (?<= [:;\\][()] ) | [()] (?<= [:;\\]-[()] )     # a smiley
  | \( (?= [^\s()]{1,6} \) )            # (!), (x), (on), (c) are signs
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MARKS = {"": ("", ""), "strong": ("*", "*"), "em": ("_", "_"), "code": ("{{", "}}")}


def render(document: Document) -> str:
    """The document, blocks parted by empty lines."""
    return "\n\n".join(_block(block) for block in document)


def escape(text: str) -> str:
    """User text as one line of wiki markup that shows the text and does nothing."""
    return _escape(inert(text))


def _escape(shown: str) -> str:
    return _ACTIVE.sub(lambda found: f"&#{ord(found[0])};" if found["reference"] else f"\\{found[0]}", shown)


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"h3. {escape(block.text)}"
    if isinstance(block, Quote):
        return f"bq. {_escape(inert(block.text, MAX_QUOTE))}"
    if isinstance(block, Bullets):
        return "\n".join(f"* {_inlines(item)}" for item in block.items)
    if isinstance(block, Note):
        return f"{{panel}}\n{_inlines(block.inlines)}\n{{panel}}"
    return _inlines(block.inlines)


def _inlines(inlines: Sequence[Inline]) -> str:
    return "".join(_inline(inline) for inline in inlines).strip()


def _inline(inline: Inline) -> str:
    shown = inert_run(inline.text)
    core = shown.strip()
    if not core:
        return shown
    before, _, after = shown.partition(core)
    if isinstance(inline, Link):
        url = address(inline.url)
        return f"{before}[{_escape(core)}|{url}]{after}" if url else f"{before}{_escape(core)}{after}"
    opening, closing = _MARKS[inline.style]
    return f"{before}{opening}{_escape(core)}{closing}{after}"
