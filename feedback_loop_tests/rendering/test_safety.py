"""What makes a text harmless in every markup."""

import re
import unicodedata

import pytest
from hypothesis import given

from feedback_loop.rendering.safety import address, inert, inert_run
from feedback_loop_tests.rendering.hostile import TEXTS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://evil.example/x", "https[:]//evil[.]example/x"),
        (r"https:/\evil https:\/evil https:\\evil", r"https[:]/\evil https[:]\/evil https[:]\\evil"),
        (r"c:\temp", None),
        ("see www.evil.example", "see www[.]evil[.]example"),
        ("evil.com", "evil[.]com"),
        ("bit.ly/x", "bit[.]ly/x"),
        ("evil.shop2door:80", "evil[.]shop2door:80"),
        ("evil。com", "evil[.]com"),
        ("mailto:a@evil.com", "mailto[:]a@evil[.]com"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("@everyone (@here) _@me é@me", "@ everyone (@ here) _@ me é@ me"),
        ("support@v12", "support@v12"),
        ("e.g. 3.5 of 1,000. No. It is v1.2.3, not the data: see above", None),
        ("ratio 3:4 at 10:30 // comment", None),
        ("😀 مرحبا بالعالم", None),
        ("a\u202eb\u200bc\x00d\ud800e\u00adf", "a b c d\ufffde f"),
        ("two\nlines\u2028and\x85more", "two lines and more"),
    ],
)
def test_what_is_shown(text: str, shown: str | None) -> None:
    assert inert(text) == (text if shown is None else shown)


@given(TEXTS)
def test_nothing_invisible_or_live_is_left_and_twice_is_once(text: str) -> None:
    shown = inert(text)
    assert inert(shown) == shown
    assert not re.search(r":[/\\]{2}|www\.|(?<![A-Za-z0-9])@\w|[^\W_]\.(?:com|example)\b", shown, re.IGNORECASE)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set("\u200b\u202e\ufeff\u2066") & set(shown)
    shown.encode()


@given(TEXTS)
def test_every_word_stays(text: str) -> None:
    words = r"[^\W_]+"
    assert re.findall(words, inert(text)) == re.findall(words, text)


def test_a_quote_is_capped_and_a_run_keeps_its_blanks() -> None:
    assert inert("x" * 40_000, 300) == "x" * 299 + "…"
    assert inert_run(" in the\nweek ") == " in the week "
    assert (inert_run("  "), inert_run(""), inert_run("\u200b")) == (" ", "", "")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "ftp://x", "http://", "x", "", "http:// x"])
def test_what_is_no_web_address_is_no_link(url: str) -> None:
    assert address(url) is None


def test_an_address_cannot_end_its_link() -> None:
    assert address("http://a.b/c?x=[1|2]>)}\"'\\ {") == "http://a.b/c?x=%5B1%7C2%5D%3E%29%7D%22%27%5C%20%7B"
    assert (
        address("http://127.0.0.1:3000/assets/a%20b?p=2026-01-05#x")
        == "http://127.0.0.1:3000/assets/a%20b?p=2026-01-05#x"
    )
