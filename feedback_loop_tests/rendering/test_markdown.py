"""Markdown, read by a CommonMark parser: only the document's own structure comes out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich

from feedback_loop.documents import Paragraph, Text
from feedback_loop.rendering.markdown import escape, render
from feedback_loop.rendering.safety import address, inert
from feedback_loop_tests.rendering.hostile import BREAK_OUTS, LONG, OUR_LINK, PLAIN, TEXTS, document_of

PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
OWN_BLOCKS = ["h2", "p", "blockquote", "p", "ul", "li", "li", "p", "p", "blockquote", "p"]


def structure(markdown: str) -> list[str]:
    """Tags of blocks, then whatever an inline token does that text does not."""
    tokens = PARSER.parse(markdown)
    blocks = [t.tag for t in tokens if t.nesting == 1 and not t.hidden]
    return blocks + [t.type for t in tokens if t.type in ("html_block", "fence", "code_block", "hr")]


def inlines(markdown: str) -> list[str]:
    children = [c for t in PARSER.parse(markdown) for c in t.children or ()]
    return [f"{c.type} {c.attrs}" for c in children if c.type not in ("text", "text_special") and c.nesting >= 0]


def check(text: str) -> None:
    page = render(document_of(text))
    blocks = OWN_BLOCKS if inert(text) else [tag for n, tag in enumerate(OWN_BLOCKS) if n != 3]  # nothing is quoted
    assert structure(page) == blocks, page
    seen = inlines(page)
    marks = {"strong_open {}", "em_open {}", "code_inline {}"}
    links = {f"link_open {{'href': '{url}'}}" for url in (address(OUR_LINK), address(text)) if url}
    assert set(seen) <= marks | links, page
    assert sum("link_open" in s for s in seen) <= 1 + (address(text) is not None)
    page.encode()


@pytest.mark.parametrize("text", [*BREAK_OUTS, *LONG[:1], "http://&#123;", "https://x.example/?a=1&b=2&amp;c"])
def test_a_break_out_is_shown(text: str) -> None:
    check(text)


@given(TEXTS)
def test_no_text_does_anything(text: str) -> None:
    check(text)


def test_the_documents_own_marks_come_out() -> None:
    page = render(document_of(PLAIN))
    assert [s.split()[0] for s in inlines(page)] == [
        "strong_open", "em_open", "code_inline", "strong_open", "link_open",
    ]  # fmt: skip
    assert "**Note:** plain words" in page
    assert f"[plain words](<{address(OUR_LINK)}>)" in page
    assert render((Paragraph((Text("Impact.", "strong"), Text(" In a week"))),)) == "**Impact.** In a week"


def test_an_entity_is_shown_as_it_was_written() -> None:
    assert PARSER.render(escape("&lt;b&gt; &#64; AT&T")) == "<p>&amp;lt;b&amp;gt; &amp;#64; AT&amp;T</p>\n"


@given(st.text(max_size=60))
def test_escaped_text_keeps_every_word(text: str) -> None:
    shown = re.sub(r"\\(.)", r"\1", escape(text))
    assert re.findall(r"[^\W_]+", shown) == re.findall(r"[^\W_]+", text)
