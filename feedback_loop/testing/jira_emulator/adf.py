"""Whether a document is Atlassian Document Format as Jira Cloud takes it.

Belongs here: the content model, after the public ADF JSON schema (`@atlaskit/adf-schema`, full). Does not belong here:
what a document looks like (`adf_html.py`).

Left out of the schema: layouts, extensions, and marks of blocks (alignment, breakout); documents with those are
refused here though Jira would take them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

INLINE = ("text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status", "mediaInline")
_LISTS = ("bulletList", "orderedList")
_MEDIA = ("mediaSingle", "mediaGroup")
_CELL = ("paragraph", "panel", "blockquote", *_LISTS, "rule", "heading", "codeBlock", *_MEDIA, "taskList",
         "decisionList", "blockCard", "embedCard", "nestedExpand")  # fmt: skip
_CARDS = ("blockCard", "embedCard")
_TOP = ("paragraph", "heading", *_LISTS, "blockquote", "codeBlock", "rule", "panel", "table", "expand", *_MEDIA,
        "taskList", "decisionList", *_CARDS)  # fmt: skip

# node: what it may hold, and how much of it at least; None: no `content` at all
_CONTENT: Mapping[str, tuple[Sequence[str], int] | None] = {
    "doc": (_TOP, 0),
    "paragraph": (INLINE, 0),
    "heading": (INLINE, 0),
    "bulletList": (("listItem",), 1),
    "orderedList": (("listItem",), 1),
    "listItem": (("paragraph", *_LISTS, "mediaSingle", "codeBlock", "taskList"), 1),
    "blockquote": (("paragraph", *_LISTS, "codeBlock", *_MEDIA), 1),
    "codeBlock": (("text",), 0),
    "rule": None,
    "panel": (("paragraph", "heading", *_LISTS, "blockCard", *_MEDIA, "codeBlock", "taskList", "rule",
               "decisionList"), 1),
    "table": (("tableRow",), 1),
    "tableRow": (("tableCell", "tableHeader"), 0),
    "tableCell": (_CELL, 1),
    "tableHeader": (_CELL, 1),
    "expand": ((*_CELL, "table"), 1),
    "nestedExpand": (("paragraph", "heading", *_LISTS, *_MEDIA, "codeBlock", "panel", "rule", "blockquote",
                      "taskList", "decisionList"), 1),
    "mediaSingle": (("media",), 1),
    "mediaGroup": (("media",), 1),
    "taskList": (("taskItem",), 1),
    "taskItem": (INLINE, 0),
    "decisionList": (("decisionItem",), 1),
    "decisionItem": (INLINE, 0),
    **dict.fromkeys((*_CARDS, "media", *INLINE)),
}  # fmt: skip

_TEXT, _ANY_VALUE = (str,), (str, int, float, bool, dict, list)
# node or mark: attribute -> its types, or the values it may have; a name with `!` is required
_ATTRS: Mapping[str, Mapping[str, Any]] = {
    "paragraph": {"localId": _TEXT},
    "heading": {"level!": (1, 2, 3, 4, 5, 6), "localId": _TEXT},
    "bulletList": {"localId": _TEXT},
    "orderedList": {"order": (int,), "localId": _TEXT},
    "listItem": {"localId": _TEXT},
    "blockquote": {"localId": _TEXT},
    "codeBlock": {"language": _TEXT, "uniqueId": _TEXT, "localId": _TEXT},
    "rule": {"localId": _TEXT},
    "panel": {
        "panelType!": ("info", "note", "tip", "warning", "error", "success", "custom"),
        **dict.fromkeys(("panelIcon", "panelIconId", "panelIconText", "panelColor", "localId"), _TEXT),
    },
    "table": {
        "isNumberColumnEnabled": (bool,),
        "layout": ("default", "wide", "full-width", "center", "align-start", "align-end"),
        "width": (int, float),
        "localId": _TEXT,
        "displayMode": ("default", "fixed"),
    },
    "tableRow": {"localId": _TEXT},
    "tableCell": {"colspan": (int,), "rowspan": (int,), "colwidth": (list,), "background": _TEXT, "localId": _TEXT},
    "tableHeader": {"colspan": (int,), "rowspan": (int,), "colwidth": (list,), "background": _TEXT, "localId": _TEXT},
    "expand": {"title": _TEXT, "localId": _TEXT},
    "nestedExpand": {"title!": _TEXT, "localId": _TEXT},
    "mediaSingle": {
        "layout!": ("wrap-right", "center", "wrap-left", "wide", "full-width", "align-start", "align-end"),
        "width": (int, float),
        "widthType": ("percentage", "pixel"),
        "localId": _TEXT,
    },
    "media": {
        "type!": ("file", "link", "external"),
        **dict.fromkeys(("id", "collection", "url", "alt", "localId", "occurrenceKey"), _TEXT),
        **dict.fromkeys(("width", "height"), (int, float)),
    },
    "taskList": {"localId!": _TEXT},
    "taskItem": {"localId!": _TEXT, "state!": ("TODO", "DONE")},
    "decisionList": {"localId!": _TEXT},
    "decisionItem": {"localId!": _TEXT, "state!": _TEXT},
    "blockCard": {"url": _TEXT, "data": (dict,), "localId": _TEXT},
    "embedCard": {"url!": _TEXT, "layout!": _TEXT, "width": (int, float), "localId": _TEXT},
    "inlineCard": {"url": _TEXT, "data": (dict,), "localId": _TEXT},
    "hardBreak": {"text": ("\n",), "localId": _TEXT},
    "mention": {
        "id!": _TEXT,
        **dict.fromkeys(("text", "accessLevel", "localId"), _TEXT),
        "userType": ("DEFAULT", "SPECIAL", "APP"),
    },
    "emoji": {"shortName!": _TEXT, "id": _TEXT, "text": _TEXT, "localId": _TEXT},
    "date": {"timestamp!": _TEXT, "localId": _TEXT},
    "status": {
        "text!": _TEXT,
        "color!": ("neutral", "purple", "blue", "red", "yellow", "green"),
        "localId": _TEXT,
        "style": _TEXT,
    },
    "mediaInline": {"id!": _TEXT, "collection!": _TEXT, **dict.fromkeys(("type", "alt", "localId"), _TEXT)},
    # marks
    "link": {"href!": _TEXT, **dict.fromkeys(("title", "id", "collection", "occurrenceKey"), _TEXT)},
    "textColor": {"color!": re.compile(r"#[0-9a-fA-F]{6}")},
    "backgroundColor": {"color!": re.compile(r"#[0-9a-fA-F]{6}")},
    "subsup": {"type!": ("sub", "sup")},
}
_MAX_DEPTH = 60
_MARKS = ("strong", "em", "code", "link", "strike", "underline", "textColor", "backgroundColor", "subsup")
_WITH_CODE = {"code", "link"}


def adf_problem(document: Any) -> str | None:
    """Why it is no valid document, with the path to the place; None where it is one."""
    if not isinstance(document, dict) or document.get("type") != "doc":
        return "not a document: the root is of type doc"
    if type(document.get("version")) is not int or document["version"] != 1:
        return "doc: version is 1"
    if "content" not in document:
        return "doc: it has content"
    return _problem({name: value for name, value in document.items() if name != "version"}, "doc")


def _problem(node: Any, path: str) -> str | None:
    kind = node.get("type") if isinstance(node, dict) else None
    if path.count(".") > _MAX_DEPTH:
        return f"{path}: nested too deeply"
    if not isinstance(kind, str) or kind not in _CONTENT:
        return f"{path}: no node of type {kind!r}"
    allowed = {"type", "attrs", *(("text", "marks") if kind == "text" else ())}
    if _CONTENT[kind] is not None:
        allowed.add("content")
    if kind == "media":
        allowed.add("marks")
    if unknown := node.keys() - allowed:
        return f"{path}: {kind} has no {sorted(unknown)}"
    return _text_problem(node, path) or _attrs_problem(kind, node.get("attrs"), path) or _content_problem(node, path)


def _text_problem(node: Mapping[str, Any], path: str) -> str | None:
    if node["type"] != "text":
        return None
    if not isinstance(node.get("text"), str) or not node["text"]:
        return f"{path}: text is not empty"
    marks = node.get("marks", [])
    kinds = [mark.get("type") if isinstance(mark, dict) else None for mark in marks] if isinstance(marks, list) else [0]
    if any(kind not in _MARKS for kind in kinds) or len(set(kinds)) < len(kinds):
        return f"{path}: marks {kinds}"
    if "code" in kinds and not set(kinds) <= _WITH_CODE:
        return f"{path}: code goes with link only"
    for mark in marks:
        if mark.keys() - {"type", "attrs"}:
            return f"{path}: a mark has type and attrs"
        if problem := _attrs_problem(mark["type"], mark.get("attrs"), path):
            return problem
    return None


def _attrs_problem(kind: str, attrs: Any, path: str) -> str | None:
    if attrs is not None and not isinstance(attrs, dict):
        return f"{path}: attrs of {kind} is an object"
    given, known = attrs or {}, _ATTRS.get(kind, {})
    values = {name.rstrip("!"): allowed for name, allowed in known.items()}
    missing = [name for name in known if name.endswith("!") and name[:-1] not in given]
    if missing or given.keys() - values.keys():
        return f"{path}: {kind} needs {missing}, has no {sorted(given.keys() - values.keys())}"
    for name, value in given.items():
        if not _fits(value, values[name]):
            return f"{path}: {kind}.{name} is not {value!r}"
    if kind == "media":
        needed = ("url",) if given["type"] == "external" else ("id", "collection")
        return next((f"{path}: media needs {name}" for name in needed if name not in given), None)
    if kind in ("inlineCard", "blockCard") and len(given.keys() & {"url", "data"}) != 1:
        return f"{path}: {kind} has a url or data"
    return None


def _fits(value: Any, allowed: Any) -> bool:
    if isinstance(allowed, re.Pattern):
        return isinstance(value, str) and allowed.fullmatch(value) is not None
    if isinstance(allowed[0], type):
        return isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))
    return any(type(value) is type(one) and value == one for one in allowed)


def _content_problem(node: Mapping[str, Any], path: str) -> str | None:
    kind, model = node["type"], _CONTENT[node["type"]]
    if model is None:
        return None
    kinds, at_least = model
    content = node.get("content", [])
    if not isinstance(content, list) or len(content) < at_least:
        return f"{path}: {kind} holds at least {at_least}"
    for i, child in enumerate(content):
        inner = f"{path}.{kind}[{i}]"
        name = child.get("type") if isinstance(child, dict) else None
        if name not in kinds or (kind == "listItem" and i == 0 and name in (*_LISTS, "taskList")):
            return f"{inner}: {kind} does not hold {name!r} here"
        if kind == "codeBlock" and child.get("marks"):
            return f"{inner}: code has no marks"
        if problem := _problem(child, inner):
            return problem
    if kind == "mediaSingle" and len(content) > 1:
        return f"{path}: mediaSingle holds one"
    return None


def nodes(document: Any) -> list[dict[str, Any]]:
    """Every node of a document, in reading order."""
    if not isinstance(document, dict):
        return []
    return [document, *(found for child in document.get("content") or () for found in nodes(child))]


def plain_text(document: Mapping[str, Any]) -> str:
    """The words, a block a line: what v2 of the API says instead of the wiki markup that Jira would write."""
    blocks = ("paragraph", "heading", "codeBlock")
    lines = [
        "".join(
            "\n" if child["type"] == "hardBreak" else str(child.get("text", "")) for child in node.get("content", ())
        )
        for node in nodes(document)
        if node["type"] in blocks
    ]
    return "\n\n".join(lines)


def from_text(text: str) -> dict[str, Any]:
    """A document of paragraphs, for text that was given as wiki markup: the markup stays as it is."""
    lines = [line for line in text.split("\n") if line.strip()]
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines]
    return {"type": "doc", "version": 1, "content": paragraphs}
