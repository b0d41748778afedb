"""Markdown, for the files of the local tracker and for metadata in Dagster."""

import re
from collections.abc import Sequence

from feedback_loop.documents import Block, Bullets, Document, Heading, Inline, Link, Quote, Text
from feedback_loop.redaction import visible

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#|!~&])")
_BLOCK_START = re.compile(r"^(\d*)([-+=.)])")
_SCHEME = re.compile(r"(?<![a-z])(https?|ftp|javascript|data|mailto):", re.IGNORECASE)  # also after a digit or _
_WWW = re.compile(r"(?<![a-z])(www)\.", re.IGNORECASE)
_MARKS = {"": "", "strong": "**", "em": "*", "code": ""}


def render(document: Document) -> str:
    """The document, blocks parted by empty lines."""
    return "\n\n".join(_block(block) for block in document)


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"## {escape(block.text)}"
    if isinstance(block, Quote):
        return f"> {escape(block.text)}"
    if isinstance(block, Bullets):
        return "\n".join(f"- {_inlines(item)}" for item in block.items)
    return _inlines(block.inlines)


def _inlines(inlines: Sequence[Inline]) -> str:
    return "".join(_inline(inline) for inline in inlines)


def _inline(inline: Inline) -> str:
    if isinstance(inline, Link):
        return f"[{escape(inline.text)}](<{inline.url}>)"
    return _marked(inline)


def _marked(text: Text) -> str:
    mark = _MARKS[text.style]
    return f"{mark}{escape(text.text)}{mark}"


def escape(text: str) -> str:
    """User text as one line of Markdown that shows the text and does nothing: no links, HTML, lists or mentions."""
    one_line = _WWW.sub(r"\1[.]", _SCHEME.sub(r"\1[:]", visible(text)))
    escaped = _BLOCK_START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", one_line))
    return escaped.replace("@", "@\u2060")
