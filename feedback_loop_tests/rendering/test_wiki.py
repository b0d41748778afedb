"""Wiki markup: a small reader of it finds only the document's own structure."""

import html
import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.documents import Bullets, Link, Note, Paragraph, Quote, Text
from feedback_loop.rendering.safety import address, inert
from feedback_loop.rendering.wiki import escape, render
from feedback_loop.testing.jira_emulator.markup import Canvas
from feedback_loop.testing.jira_emulator.wiki import wiki_html
from feedback_loop_tests.rendering.hostile import BREAK_OUTS, OUR_LINK, PLAIN, TEXTS, document_of

ESCAPED = re.compile(r"(?<!\\)\\([-#*_+?^~|%{}\[\]()!@])")  # what Atlassian's renderer takes for an escape
ENTITY = re.compile(r"&#\d+;")
ACTIVE = re.compile(
    r"[{}\[\]|]|\\|!\S[^!]*!|://|mailto:|www\.|[A-Z][A-Z0-9]+-\d"
    r"|(?<!\w)([*_^~+-]|\?\?)\S(?:.*?\S)?\1(?!\w)"
    r"|[:;]-?[()]|:-?[DPp]|\((?:[/x!?*yni+-]|on|off|flag|c|r|tm)\)|(?:^|\s)-{2,4}(?:\s|$)"
)
STARTS = re.compile(r"^\s*(?:h[1-6]\.|bq\.|[*#-]+\s|-{4}|\|)", re.IGNORECASE)
HIDDEN = "\x01"  # stands for a character that was escaped: it begins and ends nothing


def active(markup: str) -> str | None:
    """What would do something in one line of markup that holds only a text."""
    inert_line = ENTITY.sub(HIDDEN, ESCAPED.sub(HIDDEN, markup))
    found = STARTS.search(inert_line) or ACTIVE.search(inert_line)
    return found[0] if found else None


def shown(markup: str) -> str:
    """The text that a reader sees."""
    return ENTITY.sub(lambda entity: unescape(entity[0]), ESCAPED.sub(r"\1", markup))


@pytest.mark.parametrize("text", BREAK_OUTS)
def test_a_break_out_is_shown(text: str) -> None:
    assert active(escape(text)) is None, escape(text)


@given(TEXTS)
def test_no_text_does_anything_and_all_of_it_is_shown(text: str) -> None:
    markup = escape(text)
    assert active(markup) is None, markup
    assert shown(markup) == inert(text)
    assert "\n" not in markup
    markup.encode()


@pytest.mark.parametrize(
    "harmful",
    [
        *(
            "h1. x",
            "bq. x",
            "# x",
            "- x",
            "----",
            "|a|",
            "\\\\x",
            "KEY-1",
            "{code}",
            "[~admin]",
            "[a|http://b]",
            "!p.png!",
        ),
        *("*b*", "_i_", "-s-", "+u+", "??c??", "{{m}}", ":)", "(x)"),
    ],
)
def test_the_reader_of_these_tests_sees_what_is_active(harmful: str) -> None:
    assert active(harmful) is not None


@given(TEXTS)
def test_a_document_keeps_its_lines_whatever_is_in_it(text: str) -> None:
    lines = render(document_of(text)).split("\n")
    plain = render(document_of(PLAIN)).split("\n")
    assert len(lines) == len(plain)
    own = r"^(h3\. |bq\. |\* |\{panel\}$|$)?"
    assert [re.match(own, line)[0] for line in lines] == [re.match(own, line)[0] for line in plain]  # type: ignore[index]
    links = re.findall(r"(?<!\\)\[[^\]]*\|[^\]|]+\]", "\n".join(lines))
    assert len(links) <= 1 + (address(text) is not None)


def test_each_block_in_its_own_markup() -> None:
    document = (
        Paragraph(
            (Text("Impact.", "strong"), Text(" In a-week, "), Text("so", "em"), Text(" "), Text("a_b --x", "code"))
        ),
        Quote("said\nso"),
        Bullets(((Text("one"),), (Text("- two"),))),
        Note((Text("mind"),)),
        Paragraph((Link("see [1]", OUR_LINK), Text(", "), Link("bad", "javascript:x"))),
    )
    assert render(document) == (
        "*Impact.* In a-week, _so_ {{a_b \\-\\-x}}\n\nbq. said so\n\n* one\n* \\- two\n\n{panel}\nmind\n{panel}\n\n"
        "[see \\[1\\]|https://dagster.example.org/assets/patterns?x=%5B1%7C2%5D], bad"
    )


def test_a_quote_of_forty_thousand_characters_is_cut() -> None:
    assert len(render((Quote("{" * 40_000),))) == len("bq. ") + 2 * 299 + 1


@given(st.text(st.sampled_from("https:/\\\\ evil.com[]|!"), max_size=40))
def test_no_slash_whichever_way_it_leans_makes_an_address(text: str) -> None:
    canvas = Canvas()
    wiki_html(canvas, escape(f"https:/\\{text} {text}"))
    assert canvas.active == []


@given(TEXTS)
def test_the_emulated_jira_shows_the_text_and_makes_nothing_of_it(text: str) -> None:
    canvas, ours = Canvas(), {address(OUR_LINK), address(text)}
    wiki_html(canvas, render(document_of(text)))
    assert {(each.kind, each.target) for each in canvas.active} <= {("link", url) for url in ours}
    page = wiki_html(Canvas(), f"said: {escape(text)}.")
    assert page == f"<p>{html.escape(f'said: {inert(text)}.')}</p>"
