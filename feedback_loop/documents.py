"""Documents: what a ticket or comment says, apart from how a tracker writes it. Standard library only.

Belongs here: the few kinds of block that tickets need, and their form in JSON, in which the ledger keeps them. Does
not belong here: markup (`rendering/`) and the words themselves (`route/`).

A text may hold anything that users wrote: no block gives it a meaning, and every renderer shows it as it is. Only
`Link.url` does something, so it is never made of user text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Style = Literal["", "strong", "em", "code"]


@dataclass(frozen=True)
class Text:
    """A run of characters; shown, never interpreted."""

    text: str
    style: Style = ""


@dataclass(frozen=True)
class Link:
    """A link that we made ourselves."""

    text: str
    url: str


Inline = Text | Link


@dataclass(frozen=True)
class Heading:
    """A section begins."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    inlines: tuple[Inline, ...]


@dataclass(frozen=True)
class Bullets:
    """A list of short statements."""

    items: tuple[tuple[Inline, ...], ...]


@dataclass(frozen=True)
class Quote:
    """What a user said, word for word: untrusted text, on a line of its own."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something set apart, so that it is not overread."""

    inlines: tuple[Inline, ...]


Block = Heading | Paragraph | Bullets | Quote | Note
Document = tuple[Block, ...]

_BLOCKS: Mapping[str, type[Block]] = {
    "heading": Heading,
    "paragraph": Paragraph,
    "bullets": Bullets,
    "quote": Quote,
    "note": Note,
}
_KINDS = {block: kind for kind, block in _BLOCKS.items()}


def plain(*sentences: str) -> Document:
    """A document of unmarked paragraphs."""
    return tuple(Paragraph((Text(sentence),)) for sentence in sentences)


def to_json(document: Document) -> list[dict[str, Any]]:
    """The document as JSON values; `from_json` reads it back."""
    return [{"kind": _KINDS[type(block)]} | _content(block) for block in document]


def from_json(blocks: Sequence[Mapping[str, Any]]) -> Document:
    """The document of `to_json`.

    Raises:
        KeyError, TypeError: it is not one.
    """
    return tuple(_block(block) for block in blocks)


def _content(block: Block) -> dict[str, Any]:
    if isinstance(block, Heading | Quote):
        return {"text": block.text}
    if isinstance(block, Bullets):
        return {"items": [[_inline_json(inline) for inline in item] for item in block.items]}
    return {"inlines": [_inline_json(inline) for inline in block.inlines]}


def _inline_json(inline: Inline) -> dict[str, str]:
    extra = {"url": inline.url} if isinstance(inline, Link) else {"style": inline.style} if inline.style else {}
    return {"text": inline.text, **extra}


def _block(content: Mapping[str, Any]) -> Block:
    kind = _BLOCKS[content["kind"]]
    if kind is Heading or kind is Quote:
        return kind(content["text"])
    if kind is Bullets:
        return Bullets(tuple(_inlines(item) for item in content["items"]))
    return Paragraph(_inlines(content["inlines"])) if kind is Paragraph else Note(_inlines(content["inlines"]))


def _inlines(values: Sequence[Mapping[str, Any]]) -> tuple[Inline, ...]:
    return tuple(Link(v["text"], v["url"]) if "url" in v else Text(v["text"], v.get("style", "")) for v in values)
