"""Markdown, for the files of the local tracker and for metadata in Dagster.

Belongs here: CommonMark's escapes. Does not belong here: what is harmless in every markup (`safety`).
"""

import re
from collections.abc import Sequence

from feedback_loop.documents import Block, Bullets, Document, Heading, Inline, Link, Note, Quote, Text
from feedback_loop.rendering.safety import MAX_QUOTE, address, inert, inert_run

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|!~&$^])")
_BLOCK_START = re.compile(r"^(\s*\d*)([-+=.):])")
_BACKTICKS = re.compile(r"`+")
_MARKS = {"": "", "strong": "**", "em": "*"}


def render(document: Document) -> str:
    """The document, blocks parted by empty lines."""
    return "\n\n".join(_block(block) for block in document)


def escape(text: str) -> str:
    """User text as one line of Markdown that shows the text and does nothing: no links, HTML, lists or mentions."""
    return _escape(inert(text))


def _escape(shown: str) -> str:
    return _BLOCK_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", shown))


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"## {escape(block.text)}"
    if isinstance(block, Quote):
        return f"> {_escape(inert(block.text, MAX_QUOTE))}"
    if isinstance(block, Bullets):
        return "\n".join(f"- {_inlines(item)}" for item in block.items)
    if isinstance(block, Note):
        return f"**Note:** {_inlines(block.inlines)}"
    return _inlines(block.inlines)


def _inlines(inlines: Sequence[Inline]) -> str:
    return "".join(_inline(inline) for inline in inlines).strip()


def _inline(inline: Inline) -> str:
    shown = inert_run(inline.text)
    if isinstance(inline, Link):
        url = address(inline.url)
        target = (url or "").replace("&", "&amp;")  # in an address, too, Markdown reads entities
        return f"[{_escape(shown)}](<{target}>)" if url else _escape(shown)
    if not shown.strip():
        return shown
    return _code(shown) if inline.style == "code" else _marked(shown, inline)


def _marked(shown: str, text: Text) -> str:
    """Marks stand next to a character that is not blank, or they are shown instead of meant."""
    mark, core = _MARKS[text.style], shown.strip()
    before, _, after = shown.partition(core)
    return f"{before}{mark}{_escape(core)}{mark}{after}" if mark else _escape(shown)


def _code(shown: str) -> str:
    """A code span whose fence is longer than any in it (CommonMark 0.31, 6.1): nothing inside is read as markup."""
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(shown)), default=0))
    pad = " " if "`" in shown else ""
    before, _, after = shown.partition(shown.strip())
    return f"{before}{fence}{pad}{shown.strip()}{pad}{fence}{after}"
