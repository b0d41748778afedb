"""Which patterns earn a ticket, and what it says. User text does nothing in Markdown."""

import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich

from feedback_loop.records import Exemplar, PatternState
from feedback_loop.route import (
    RoutePolicy,
    TicketDraft,
    inert,
    plan_tickets,
)
from feedback_loop_tests.store.test_patterns import state

POLICY = RoutePolicy(max_new_tickets=3)
LOOKS = (14, 21, 28, 42)


def plan(*patterns: tuple[PatternState, dict[str, Any]], has_ticket: frozenset[str] = frozenset()) -> list[TicketDraft]:
    rows = [
        {"pattern_id": p.pattern_id, "n_occurrences": 20, "n_users": 9, "rate": 0.0123, "rank": n} | numbers
        for n, (p, numbers) in enumerate(patterns, start=1)
    ]
    return plan_tickets([p for p, _ in patterns], pd.DataFrame(rows), has_ticket, LOOKS, POLICY)


@pytest.mark.parametrize(
    ("numbers", "fields", "earns"),
    [
        ({}, {}, True),
        ({"n_occurrences": 10, "n_users": 3}, {}, True),
        ({"n_occurrences": 9}, {}, False),
        ({"n_users": 2}, {}, False),
        ({}, {"status": "candidate"}, False),
        ({}, {"status": "dormant"}, False),
    ],
)
def test_floors(numbers: dict[str, Any], fields: dict[str, Any], earns: bool) -> None:
    assert len(plan((state(**fields), numbers))) == earns


def test_the_first_by_rank_get_the_weeks_tickets() -> None:
    many = [(state(f"p{n}"), {"rank": 6 - n}) for n in range(1, 6)]
    assert [d.pattern_id for d in plan(*many)] == ["p5", "p4", "p3"]


def test_a_pattern_with_a_ticket_gets_no_second_and_takes_no_place() -> None:
    drafts = plan(*((state(f"p{n}"), {}) for n in range(1, 6)), has_ticket=frozenset({"p1", "p3"}))
    assert [d.pattern_id for d in drafts] == ["p2", "p4", "p5"]


@pytest.mark.parametrize(
    ("cause", "route"),
    [
        ("prompt", "prompt fix"),
        ("retrieval", "retrieval fix"),
        ("product", "product change"),
        ("model", "model limitation"),
        ("unknown", "triage"),
    ],
)
def test_the_cause_decides_where_it_goes(cause: str, route: str) -> None:
    assert plan((state(likely_cause=cause), {}))[0].route == route


def test_priority_follows_severity_and_the_first_three_are_one_step_higher() -> None:
    assert [plan((state(severity=s), {"rank": 9}))[0].priority for s in (1, 2, 3, 4)] == [4, 3, 2, 1]
    assert [plan((state(severity=s), {"rank": 3}))[0].priority for s in (1, 2, 3, 4)] == [3, 2, 1, 1]


def test_the_ticket_says_what_a_reader_needs() -> None:
    (draft,) = plan((state(), {}))
    for words in (
        "20 unhappy answers to 9 known users, 12.3 of 1,000 sessions. Severity 2 of 4.",
        "first seen in the week of 2026-01-05",
        "feedback-loop deployed VERSION --fixes",
        "14 days later",
        "after 21, 28, 42 days",
    ):
        assert words in draft.body


def test_a_rate_that_is_not_known_is_left_out() -> None:
    (draft,) = plan((state(), {"rate": float("nan")}))
    assert "of 1,000 sessions" not in draft.body
    assert "nan" not in draft.body


HOSTILE = [
    "[click](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "https://evil.example/login",
    "www.evil.example",
    "_WWW.evil.example 1https://evil.example",
    "red\x1b[31m \x1b]8;;https://evil.example\x07click",
    "pay\u202elap\u200b.example",
    "@everyone look",
    "# Heading",
    "```\ncode\n```",
    "`code`",
    "**bold** _it_ ~~no~~",
    "| a | b |",
    "---",
    "<!-- event deployed:x -->",
    "&lt;script&gt;",
    "- item",
    "1. item",
    "> quote",
    "[ref]: http://evil.example",
    "x\n\n# Heading in a later line",
    "x\n---\nstatus: done",
]


def rendered(text: str) -> str:
    return str(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_users_write_does_nothing_in_a_ticket(text: str) -> None:
    hostile = state(name=text, exemplars=(Exemplar("i", text),))
    plain = state(name="plain", exemplars=(Exemplar("i", "plain"),))
    (draft,), (harmless,) = plan((hostile, {})), plan((plain, {}))
    tags = r"<(/?[a-zA-Z!][^\s>]*)"
    page = rendered(f"# {draft.title}\n\n{draft.body}")
    assert re.findall(tags, page) == re.findall(tags, rendered(f"# {harmless.title}\n\n{harmless.body}")), page
    assert "@everyone" not in draft.body + draft.title
    assert "https://evil" not in draft.body + draft.title
    assert "www.evil" not in (draft.body + draft.title).lower()
    assert not set("\x1b\x07\u202e\u200b") & set(draft.body + draft.title)


def test_an_entity_is_shown_as_it_was_written() -> None:
    assert rendered(inert("&lt;b&gt; &#64; AT&T")) == "<p>&amp;lt;b&amp;gt; &amp;#64; AT&amp;T</p>\n"


@given(st.text(max_size=60))
def test_inert_text_keeps_every_word(text: str) -> None:
    shown = re.sub(r"\\(.)", r"\1", inert(text)).replace("\u2060", "")
    assert re.findall(r"[^\W_]+", shown) == re.findall(r"[^\W_]+", text)
