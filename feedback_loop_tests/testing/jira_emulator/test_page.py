"""The page a person reads, and what a text would make active in a real Jira."""

import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop.testing.jira_emulator.markup import Canvas
from feedback_loop.testing.jira_emulator.wiki import wiki_html
from feedback_loop_tests.testing.jira_emulator.conftest import doc

TAGS = {"p", "br", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "ins", "sup", "sub", "cite", "code",
        "pre", "ul", "ol", "li", "blockquote", "div", "span", "a", "hr", "table", "tr", "td", "th"}  # fmt: skip


class Seen(HTMLParser):
    """The elements of a text, and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


def words_of(html: str) -> str:
    return " ".join(Seen(html).words.split())


def drawn(markup: str) -> str:
    return wiki_html(Canvas(hosts=["good.example"]), markup)


class TestPage:
    def test_it_reads_like_an_issue(self, jira: JiraEmulator) -> None:
        jira.people_create(
            "Refunds <b>wrong</b>",
            labels=["feedback-loop"],
            priority="High",
            components=["Chat"],
            description="Why & how",
        )
        jira.people_attach("FL-1", "trend.png", b"\x89PNG")
        jira.people_link(jira.people_create("Older").key, "Duplicate", "FL-1")
        jira.people_comment("FL-1", "Was 12, now 41.")
        jira.advance(3600)
        jira.people_transition("FL-1", "Done", "Won't Do")
        served = requests.get(f"{jira.base_url}/browse/FL-1", timeout=5)
        words = words_of(served.text)
        for expected in (
            "Refunds <b>wrong</b>", "Why & how", "trend.png", "is duplicated by FL-2 Older", "Was 12, now 41.",
            "A colleague 20 Nov 2026, 00:00 UTC", "status : To Do → Done A colleague, 20 Nov 2026, 01:00 UTC",
            "Status Done", "Resolution Won't Do", "Priority High", "Labels feedback-loop", "Components Chat",
        ):  # fmt: skip
            assert expected in words, expected
        assert "data:image/png;base64,iVBORw==" in served.text
        assert jira.page("FL-1") == served.text  # can be saved as it is

    def test_nothing_runs_or_loads(self, jira: JiraEmulator) -> None:
        jira.people_create(
            '<script>alert(1)</script>"', description='<img src=x onerror="alert(1)"> [x|javascript:alert(1)]'
        )
        response = requests.get(f"{jira.base_url}/browse/FL-1", timeout=5)
        policy = response.headers["Content-Security-Policy"]
        assert re.match(r"default-src 'none'; style-src 'sha256-[\w+/=]+'; img-src data:; ", policy)
        seen = Seen(response.text)
        assert not seen.tags & {"script", "iframe", "link", "object", "form"}
        assert not {name for name in seen.attributes if name.startswith("on")}
        assert not {value for value in seen.attributes.get("href", set()) if value.lower().startswith("javascript")}
        assert seen.attributes.get("src", set()) == set()

    def test_a_list_and_a_page_that_is_not_there(self, jira: JiraEmulator) -> None:
        jira.people_create("One")
        assert "FL-1 One" in words_of(requests.get(jira.base_url, timeout=5).text)
        assert requests.get(f"{jira.base_url}/browse/FL-9", timeout=5).status_code == 404
        with pytest.raises(ValueError, match="there is no issue 'FL-9'"):
            jira.page("FL-9")
        assert jira.requests == []  # people's reading is none of the bot's


class TestWiki:
    @pytest.mark.parametrize(
        ("markup", "html"),
        [
            ("h2. Title", "<h2>Title</h2>"),
            ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
            ("* a\n** b\n* c\n# d", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul><ol><li>d</li></ol>"),
            ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
            ("bq. said", "<blockquote>said</blockquote>"),
            ("{quote}a *b*{quote}", "<blockquote><p>a <strong>b</strong></p></blockquote>"),
            ("*b* _i_ -d- 2*3*4 snake_case", "<p><strong>b</strong> <em>i</em> <del>d</del> 2*3*4 snake_case</p>"),
            ("{noformat}[~a] {quote} <b>{noformat}", "<pre>[~a] {quote} &lt;b&gt;</pre>"),
            ("{code:java}x{code}", "<pre>x</pre>"),
            ("{quote}{code}a {quote} b{code}c{quote}", "<blockquote><pre>a {quote} b</pre><p>c</p></blockquote>"),
            ("{panel:title=T}x{panel}", '<div class="panel"><p><strong>T</strong></p><p>x</p></div>'),
            ("a\n----\nb", "<p>a</p><hr><p>b</p>"),
            (r"\[~a\] \*x\* \{quote\} \!a.png\!", "<p>[~a] *x* {quote} !a.png!</p>"),
            ("&#91;~a]", "<p>[~a]</p>"),
            ("{quote}never closed", "<p>{quote}never closed</p>"),
            ("[no link] wow! great!", "<p>[no link] wow! great!</p>"),
            ("||a||b||\n|1|2|", "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"),
        ],
    )  # fmt: skip
    def test_rendered(self, markup: str, html: str) -> None:
        assert drawn(markup) == html

    @pytest.mark.parametrize(
        "markup",
        ["[~admin]", "!http://evil.example/x.png!", "[ok|http://evil.example]", "http://evil.example/a",
         "[http://evil.example]",
         "{quote}{noformat}a{noformat}[~admin]{quote}", "*[~admin]*", "|[~admin]|", "* [~admin]", "[x|ftp://evil.example]",
         "[mailto:a@evil.example]", "[x|javascript:alert(1)]"],
    )  # fmt: skip
    def test_active_is_dangerous(self, markup: str) -> None:
        assert "danger" in drawn(markup)

    def test_a_link_to_a_trusted_host_is_a_link(self) -> None:
        assert 'class="link" href="https://good.example/x"' in drawn("[x|https://good.example/x]")
        assert "danger" in drawn("[x|https://good.example@evil.example/x]")

    @pytest.mark.parametrize(
        "piece",
        [
            "*a ",
            "*_",
            "[",
            "{quote}",
            "{code}",
            "{quote}{noformat}",
            "!a",
            "{{",
            "[~",
            "|",
            "* a\n",
            "*",
            "http://a ",
            "\\\\",
        ],
    )
    def test_a_long_hostile_text_is_drawn_soon(self, piece: str) -> None:
        began = time.monotonic()
        assert drawn((piece * 32_767)[:32_767])
        assert time.monotonic() - began < 5

    @given(st.text(alphabet=st.sampled_from("ab \n*_-[]{}!|~\\#&;:/<>\"'h1.quote"), max_size=80) | st.text())
    def test_any_text_is_drawn_with_known_elements_only(self, markup: str) -> None:
        seen = Seen(drawn(markup))
        assert seen.tags <= TAGS
        assert seen.attributes.keys() <= {"class", "href", "title", "rel", "src", "alt"}


class TestActiveContent:
    def test_in_wiki_markup(self, dc: JiraEmulator) -> None:
        dc.people_create(
            "x", description="[~admin] !https://e.example/x.png! [t|https://asset.example/a] {noformat}[~b]{noformat}"
        )
        dc.people_comment("FL-1", r"\[~c\] http://e.example")
        everything = [
            "mention: admin",
            "image: https://e.example/x.png",
            "link: https://asset.example/a",
            "link: http://e.example",
        ]
        assert dc.active_content("FL-1") == everything
        assert dc.active_content("FL-1", ["asset.example"]) == [*everything[:2], everything[3]]

    def test_in_documents_text_is_inert(self, cloud: JiraEmulator) -> None:
        hostile = "[~admin] !http://e.example/x.png! [t|http://e.example] {quote} @admin http://e.example"
        cloud.people_create("x", description=doc(hostile))
        assert cloud.active_content("FL-1") == []
        link: dict[str, Any] = {"type": "link", "attrs": {"href": "https://e.example"}}
        content: list[dict[str, Any]] = [
            {"type": "mention", "attrs": {"id": "123"}},
            {"type": "text", "text": "t", "marks": [link]},
            {"type": "inlineCard", "attrs": {"url": "https://asset.example"}},
        ]
        external = {"type": "media", "attrs": {"type": "external", "url": "http://e.example/x.png"}}
        single = {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [external]}
        cloud.people_comment("FL-1", {**doc(), "content": [{"type": "paragraph", "content": content}, single]})
        found = ["mention: 123", "link: https://e.example", "image: http://e.example/x.png"]
        assert cloud.active_content("FL-1", ["asset.example"]) == found
        assert cloud.page("FL-1").count('danger"') == 4
