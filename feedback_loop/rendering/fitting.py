"""Documents and titles cut to what trackers take.

Belongs here: limits, and what is cut first. Does not belong here: markup, and which quotes a ticket shows (`route/`).
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace

from feedback_loop.documents import Block, Bullets, Document, Heading, Inline, Paragraph, Quote, Text
from feedback_loop.redaction import visible
from feedback_loop.rendering import adf, markdown, wiki
from feedback_loop.rendering.safety import MAX_QUOTE, inert

MAX_CHARS = 32_767
"""Characters that Jira takes of a description or comment."""
MAX_TITLE = 80
_UNNAMED = "Unnamed failure pattern"
_STEPS = ((MAX_QUOTE, 8_000), (150, 8_000), (75, 8_000), (75, 1_000), (75, 200))  # of a quote, of another text
_CUT = Paragraph((Text("The rest was too long for a ticket and was cut.", "em"),))


def fit(document: Document, size: int = MAX_CHARS) -> Document:
    """The document, short enough in every markup: first quotes are cut, then other texts, then blocks from the end.

    Args:
        document: of any length.
        size: characters of its Markdown, its wiki markup and its ADF as JSON; at least 1,000.

    Raises:
        ValueError: `size` is too small for a document that says anything.
    """
    if size < 1_000:
        raise ValueError(f"a document needs 1,000 characters to say anything, got {size}")
    if longest(document) <= size:
        return document
    shorter = document
    for shorter in _shorter(document):
        if longest(shorter) <= size:
            return shorter
    kept = bisect_right(range(len(shorter)), size, key=lambda n: longest((*shorter[:n], _CUT))) - 1
    return (*shorter[: max(0, kept)], _CUT)


def longest(document: Document) -> int:
    """Characters of the document in the markup that needs most, as Jira counts: an emoji is two (UTF-16 units)."""
    as_json = json.dumps(adf.render(document), ensure_ascii=False, separators=(",", ":"))
    return max(
        len(text.encode("utf-16-le")) // 2 for text in (as_json, wiki.render(document), markdown.render(document))
    )


def title(text: str) -> str:
    """One plain line of at most 80 characters, never empty, cut at a word; no address or mention in it is live."""
    line = inert(text)
    if len(line) > MAX_TITLE:
        head, blank, _ = line[: MAX_TITLE - 1].rpartition(" ")
        kept = head if blank and len(head) > MAX_TITLE // 2 else line[: MAX_TITLE - 2]
        line = f"{kept.rstrip(' ,;:.-–—')}…{'”' if kept.count('“') > kept.count('”') else ''}"
    return line if any(char.isalnum() for char in line) else _UNNAMED


def _shorter(document: Document) -> Iterator[Document]:
    for of_quote, of_text in _STEPS:
        yield tuple(_cut(block, of_quote, of_text) for block in document)


def _cut(block: Block, of_quote: int, of_text: int) -> Block:
    if isinstance(block, Quote):
        return Quote(visible(block.text, of_quote))
    if isinstance(block, Heading):
        return Heading(visible(block.text, of_text))
    if isinstance(block, Bullets):
        return Bullets(tuple(tuple(_cut_inline(inline, of_text) for inline in item) for item in block.items))
    return replace(block, inlines=tuple(_cut_inline(inline, of_text) for inline in block.inlines))


def _cut_inline(inline: Inline, of_text: int) -> Inline:
    return inline if len(inline.text) <= of_text else replace(inline, text=visible(inline.text, of_text))
