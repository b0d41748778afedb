"""Atlassian Document Format, for Jira Cloud (REST v3). A text node is shown and never read as markup.

Source: the schema that Atlassian publishes as `@atlaskit/adf-schema` (full.json, version 1). Text nodes are never
empty, a list has at least one item, `code` stands alone or with a link, and a panel or quote holds paragraphs.

Belongs here: nodes and marks. Does not belong here: what is harmless in every markup (`safety`).
"""

from collections.abc import Sequence
from typing import Any

from feedback_loop.documents import Block, Bullets, Document, Heading, Inline, Link, Note, Quote
from feedback_loop.rendering.safety import MAX_QUOTE, address, inert, inert_run

_HEADING_LEVEL = 3  # the page has its own first two
Node = dict[str, Any]


def render(document: Document) -> Node:
    """The document as the JSON value of a description or comment."""
    blocks = [_block(block) for block in document if not (isinstance(block, Bullets) and not block.items)]
    return {"version": 1, "type": "doc", "content": blocks or [_paragraph([])]}


def _block(block: Block) -> Node:
    if isinstance(block, Heading):
        return {"type": "heading", "attrs": {"level": _HEADING_LEVEL}, "content": _texts(inert(block.text))}
    if isinstance(block, Quote):
        return {"type": "blockquote", "content": [_paragraph(_texts(inert(block.text, MAX_QUOTE)))]}
    if isinstance(block, Bullets):
        items = [{"type": "listItem", "content": [_paragraph(_inlines(item))]} for item in block.items]
        return {"type": "bulletList", "content": items}
    if isinstance(block, Note):
        return {"type": "panel", "attrs": {"panelType": "info"}, "content": [_paragraph(_inlines(block.inlines))]}
    return _paragraph(_inlines(block.inlines))


def _paragraph(content: list[Node]) -> Node:
    return {"type": "paragraph", "content": content}


def _inlines(inlines: Sequence[Inline]) -> list[Node]:
    return [node for inline in inlines for node in _texts(inert_run(inline.text), _marks(inline))]


def _marks(inline: Inline) -> list[Node]:
    if isinstance(inline, Link):
        url = address(inline.url)
        return [{"type": "link", "attrs": {"href": url}}] if url else []
    return [{"type": inline.style}] if inline.style else []


def _texts(text: str, marks: Sequence[Node] = ()) -> list[Node]:
    if not text:
        return []
    return [{"type": "text", "text": text} | ({"marks": list(marks)} if marks else {})]
