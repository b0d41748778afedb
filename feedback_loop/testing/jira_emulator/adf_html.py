"""An ADF document as HTML.

Belongs here: how each node looks. Does not belong here: whether it is valid (`adf.py`), escaping (`markup.py`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from feedback_loop.testing.jira_emulator.markup import Canvas, element, text

_BLOCKS = {"paragraph": "p", "bulletList": "ul", "orderedList": "ol", "listItem": "li", "blockquote": "blockquote",
           "table": "table", "tableRow": "tr", "tableCell": "td", "tableHeader": "th", "taskList": "ul",
           "decisionList": "ul", "taskItem": "li", "decisionItem": "li", "codeBlock": "pre",
           "mediaSingle": "div", "mediaGroup": "div"}  # fmt: skip
_MARKS = {"strong": "strong", "em": "em", "code": "code", "strike": "del", "underline": "u"}


def adf_html(canvas: Canvas, node: Mapping[str, Any]) -> str:
    """Render a document or a node; what it makes active is noted on the canvas."""
    kind, attrs = node["type"], node.get("attrs") or {}
    if kind == "text":
        return _text(canvas, node)
    inner = "".join(adf_html(canvas, child) for child in node.get("content") or ())
    if kind in _BLOCKS:
        return element(_BLOCKS[kind], inner)
    match kind:
        case "doc":
            return inner
        case "heading":
            return element(f"h{attrs['level']}", inner)
        case "panel":
            return element("div", inner, kind="panel")
        case "expand" | "nestedExpand":
            return element("details", element("summary", text(attrs.get("title", ""))) + inner, open="open")
        case "rule":
            return "<hr>"
        case _:
            return _inline(canvas, kind, attrs)


def _inline(canvas: Canvas, kind: str, attrs: Mapping[str, Any]) -> str:
    match kind:
        case "hardBreak":
            return "<br>"
        case "mention":
            return canvas.mention(str(attrs["id"]))
        case "emoji":
            return text(attrs.get("text", attrs["shortName"]))
        case "status":
            return element("span", text(attrs["text"]), kind="lozenge")
        case "date":
            return text(_day(str(attrs["timestamp"])))
        case "inlineCard" | "blockCard" | "embedCard":
            address = str(attrs.get("url", "(embedded data)"))
            return canvas.link(address, text(address))
        case "media" if attrs["type"] == "external":
            return canvas.remote_image(str(attrs["url"]))
        case _:  # media, mediaInline
            known = next((each for each in canvas.attachments if each.media_id == attrs["id"]), None)
            return canvas.file(known, str(attrs.get("alt", attrs["id"])))


def _day(timestamp: str) -> str:
    """Of milliseconds since 1970; what is no such number is shown as it is."""
    try:
        return f"{datetime.fromtimestamp(int(timestamp) / 1000, UTC):%d %b %Y}"
    except (ValueError, OverflowError, OSError):
        return timestamp


def _text(canvas: Canvas, node: Mapping[str, Any]) -> str:
    drawn = text(node["text"])
    for mark in node.get("marks") or ():
        if mark["type"] == "link":
            drawn = canvas.link(str(mark["attrs"]["href"]), drawn)
        elif mark["type"] == "subsup":
            drawn = element(mark["attrs"]["type"], drawn)
        elif mark["type"] in _MARKS:
            drawn = element(_MARKS[mark["type"]], drawn)
    return drawn
