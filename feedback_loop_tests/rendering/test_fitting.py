"""Documents and titles that fit into a tracker."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.documents import Document, Heading, Paragraph, Quote, Text
from feedback_loop.rendering import MAX_CHARS, fit, title
from feedback_loop.rendering.fitting import longest
from feedback_loop.rendering.safety import inert
from feedback_loop_tests.rendering.hostile import BREAK_OUTS, LONG, TEXTS, document_of


def quotes(document: Document) -> list[Quote]:
    return [block for block in document if isinstance(block, Quote)]


@pytest.mark.parametrize("text", BREAK_OUTS + LONG)
def test_any_ticket_fits(text: str) -> None:
    assert longest(fit(document_of(text) * 3)) <= MAX_CHARS


def test_what_fits_stays_as_it_is() -> None:
    document = document_of("short")
    assert fit(document) is document


def test_quotes_are_cut_before_anything_else() -> None:
    document: Document = (Heading("Said"), *(Quote("{" * 300) for _ in range(60)), Paragraph((Text("y" * 5_000),)))
    assert longest(document) > MAX_CHARS
    cut = fit(document)
    assert (cut[0], cut[-1]) == (document[0], document[-1])
    assert {len(quote.text) for quote in quotes(cut)} == {150}


def test_the_end_is_cut_last_and_it_says_so() -> None:
    cut = fit(tuple(Paragraph((Text(f"{n} " + "z" * 90),)) for n in range(2_000)), 5_000)
    assert longest(cut) <= 5_000
    assert "was cut" in cut[-1].inlines[0].text  # type: ignore[union-attr]
    assert len(cut) > 15


@settings(max_examples=30)
@given(TEXTS, st.integers(1_000, 9_000), st.integers(1, 8))
def test_it_fits_whatever_the_size(text: str, size: int, times: int) -> None:
    cut = fit(document_of(text) * times, size)
    assert cut
    assert longest(cut) <= size


def test_a_size_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="1,000 characters"):
        fit((), 999)


@given(TEXTS)
def test_a_title_is_one_short_line_that_says_something(text: str) -> None:
    line = title(text)
    assert 0 < len(line) <= 80
    assert line.splitlines() == [line]
    assert any(char.isalnum() for char in line)
    assert inert(line) == line
    line.encode()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Links in answers are broken", "Links in answers are broken"),
        ("", "Unnamed failure pattern"),
        ("“…” !?", "Unnamed failure pattern"),
        ("x" * 100, "x" * 78 + "…"),
        (
            "Wrong format: “The export to the archive keeps failing whenever I try to use it in my browser.”",
            "Wrong format: “The export to the archive keeps failing whenever I try to use…”",
        ),
        ("@everyone see https://evil.example", "@ everyone see https[:]//evil[.]example"),
    ],
)
def test_titles(text: str, line: str) -> None:
    assert title(text) == line
