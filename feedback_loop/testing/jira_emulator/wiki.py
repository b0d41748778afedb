r"""Jira's wiki markup (Data Center, and v2 of Cloud) as HTML.

Belongs here: as much of the notation as a ticket or a hostile quote uses: headings, lists, tables, `bq.`, `{quote}`,
`{panel}`, `{noformat}`, `{code}`, `----`, phrases, links, mentions, images, bare addresses, backslash escapes and
numeric entities. Does not belong here: escaping (`markup.py`).

What is escaped by a backslash is one of `- # * _ + ? ^ ~ | % { } [ ] ( ) ! @`; two backslashes break the line. Pieces
within a line have a greatest length and depth, so that a hostile text of 32,767 characters is drawn in a second.
"""

import re
from html import unescape
from itertools import groupby

from feedback_loop.testing.jira_emulator.markup import Canvas, element, text

_MACRO = re.compile(r"(?<!\\)\{(noformat|code|quote|panel)(?::([^}\n]*))?\}")
_RAW = ("noformat", "code")
_MAX_DEPTH = 8  # of phrases within phrases
_HEADING, _RULE = re.compile(r"\s*h([1-6])\.\s+(.*)"), re.compile(r"\s*-{4,}\s*")
_ITEM, _ROW = re.compile(r"\s*([*#]{1,8}|-)\s+(.*)"), re.compile(r"\s*\|.*")
_INLINE = re.compile(
    r"""(?P<newline>\n)|(?P<line>\\\\)|\\(?P<escaped>[-#*_+?^~|%{}\[\]()!@])|(?P<entity>&\#(?:\d+|x[0-9a-fA-F]+);)"""
    r"""|\{\{(?P<mono>.{1,500}?)\}\}|(?P<colour>\{color(?::[^}\n]*)?\})"""
    r"""|\[~(?P<mention>[^\]\n|]{1,255})\]|\[(?P<link>(?:\\.|[^\]\n\\]){1,500})\]"""
    r"""|(?<!\w)!(?P<image>[^\s!|][^!\n]{0,500})!"""
    r"""|(?<![A-Za-z0-9])(?P<address>(?:https?|ftp|file|mailto):[^\s<>"'\]|}]+)"""
    r"""|(?<![\w\\])(?P<mark>[*_+^~-]|\?\?)(?=\S)(?P<inner>[^\n]{1,500}?)(?<![\s\\])(?P=mark)(?!\w)"""
)
_TARGET = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//|\\\\|#|\^|~|www\.).*")
_PHRASES = {"*": "strong", "_": "em", "-": "del", "+": "ins", "^": "sup", "~": "sub", "??": "cite"}


def wiki_html(canvas: Canvas, markup: str) -> str:
    """Render; what it makes active is noted on the canvas."""
    drawn, at, words_from = [], 0, 0
    while found := _MACRO.search(markup, at):
        end = _close(markup, found[1], found.end())
        at = found.end()
        if end is not None:
            drawn.append(_lines(canvas, markup[words_from : found.start()]))
            drawn.append(_macro(canvas, found[1], found[2] or "", markup[found.end() : end.start()]))
            at = words_from = end.end()
        # else it is never closed, and remains among the words
    return "".join([*drawn, _lines(canvas, markup[words_from:])])


def _close(markup: str, name: str, start: int) -> re.Match[str] | None:
    """Where a macro ends; those of raw text inside another hide what is in them."""
    for found in _MACRO.finditer(markup, start):
        if found.start() < start:
            continue
        if found[1] == name:
            return found
        if name not in _RAW and found[1] in _RAW:
            inner = _close(markup, found[1], found.end())
            start = inner.end() if inner else start
    return None


def _macro(canvas: Canvas, name: str, parameters: str, inner: str) -> str:
    if name in _RAW:
        return element("pre", text(inner.strip("\n")))
    if name == "quote":
        return element("blockquote", wiki_html(canvas, inner))
    given = dict(part.partition("=")[::2] for part in parameters.split("|"))
    title = element("p", element("strong", text(given["title"]))) if given.get("title") else ""
    return element("div", title + wiki_html(canvas, inner), kind="panel")


def _kind(line: str) -> str:
    for kind, pattern in (("heading", _HEADING), ("rule", _RULE), ("list", _ITEM), ("table", _ROW)):
        if pattern.fullmatch(line):
            return kind
    return "quote" if line.startswith("bq. ") else "text" if line.strip() else "blank"


def _lines(canvas: Canvas, markup: str) -> str:
    drawn = []
    for kind, group in groupby(re.split(r"\r?\n", markup), _kind):
        lines = list(group)
        if kind == "heading":
            parts = [_HEADING.fullmatch(line) for line in lines]
            drawn += [element(f"h{part[1]}", _inline(canvas, part[2])) for part in parts if part]
        elif kind == "rule":
            drawn.append("<hr>")
        elif kind == "quote":
            drawn += [element("blockquote", _inline(canvas, line[4:])) for line in lines]
        elif kind == "list":
            items = [part for line in lines if (part := _ITEM.fullmatch(line))]
            drawn.append(_list(canvas, [(part[1], part[2]) for part in items]))
        elif kind == "table":
            drawn.append(element("table", "".join(_row(canvas, line.strip()) for line in lines)))
        elif kind == "text":
            drawn.append(element("p", _inline(canvas, "\n".join(lines))))
    return "".join(drawn)


def _list(canvas: Canvas, items: list[tuple[str, str]]) -> str:
    """Nested lists; each item is its marker and its words, and another first character begins another list."""
    first = items[0][0][0]
    drawn, at = [], 0
    while at < len(items) and items[at][0][0] == first:
        end = at + 1
        while end < len(items) and len(items[end][0]) > 1:
            end += 1
        inner = [(marker[1:] or marker, words) for marker, words in items[at + 1 : end]]
        drawn.append(element("li", _inline(canvas, items[at][1]) + (_list(canvas, inner) if inner else "")))
        at = end
    whole = element("ol" if first == "#" else "ul", "".join(drawn))
    return whole + (_list(canvas, items[at:]) if at < len(items) else "")


def _row(canvas: Canvas, line: str) -> str:
    cell = "th" if line.startswith("||") else "td"
    parts = re.split(r"(?<!\\)\|\|?(?![^\[\n]*\])", line.strip("|"))
    return element("tr", "".join(element(cell, _inline(canvas, part.strip())) for part in parts))


def _inline(canvas: Canvas, words: str, depth: int = 0) -> str:
    drawn, at = [], 0
    while found := _INLINE.search(words, at):
        drawn.append(text(words[at : found.start()]))
        if found.lastgroup == "inner" and depth >= _MAX_DEPTH:
            drawn.append(text(found["mark"]))
            at = found.start("inner")
        else:
            drawn.append(_piece(canvas, found, depth + 1))
            at = found.end()
    return "".join(drawn) + text(words[at:])


def _piece(canvas: Canvas, found: re.Match[str], depth: int) -> str:
    match found.lastgroup:
        case "newline" | "line":
            return "<br>"
        case "escaped":
            return text(found["escaped"])
        case "entity":
            return text(unescape(found["entity"]))
        case "mono":
            return element("code", _inline(canvas, found["mono"], depth))
        case "colour":
            return ""
        case "mention":
            return canvas.mention(found["mention"])
        case "link":
            return _link(canvas, found["link"], depth)
        case "image":
            return _image(canvas, found["image"], depth)
        case "address":
            return canvas.link(found["address"], text(found["address"]))
        case _:
            return element(_PHRASES[found["mark"]], _inline(canvas, found["inner"], depth))


def _link(canvas: Canvas, inside: str, depth: int) -> str:
    label, _, target = inside.partition("|")
    target = (target.partition("|")[0] or label).strip()
    if _TARGET.fullmatch(target) is None:
        return "[" + _inline(canvas, inside, depth) + "]"
    if target.startswith("~"):
        return canvas.mention(target[1:])
    if target[0] in "#^":
        return text(label)
    return canvas.link(target, text(label))


def _image(canvas: Canvas, inside: str, depth: int) -> str:
    name = inside.partition("|")[0]
    if "://" in name or name.startswith("//"):
        return canvas.remote_image(name)
    known = next((each for each in canvas.attachments if each.filename == name), None)
    if known is None and re.fullmatch(r"\S+\.\w{2,4}", name) is None:
        return f"!{_inline(canvas, inside, depth)}!"
    return canvas.file(known, name)
