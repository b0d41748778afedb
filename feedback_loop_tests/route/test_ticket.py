"""What a ticket says, section by section, and that user text does nothing in it."""

import re
from datetime import date, timedelta
from math import nan
from typing import Any

import pytest

from feedback_loop.documents import Bullets, Document, Heading, Link, Note, Paragraph, Quote, from_json, to_json
from feedback_loop.records import Exemplar
from feedback_loop.rendering import MAX_CHARS, adf, markdown, wiki
from feedback_loop.rendering.fitting import longest
from feedback_loop.route import RoutePolicy, SegmentFact, TicketFacts, TrendWeek
from feedback_loop.route.ticket import ticket_body
from feedback_loop_tests.rendering.hostile import BREAK_OUTS
from feedback_loop_tests.route.test_plan import ROW
from feedback_loop_tests.store.test_patterns import state

WEEK = date(2026, 11, 9)
LOOKS = {14: 0.99, 21: 0.99, 28: 0.99, 42: 0.95}
FACTS = TicketFacts(
    trend=(TrendWeek(WEEK - timedelta(weeks=1), 19, 17.0, 1500.0), TrendWeek(WEEK, 20, 18.0, 1463.0)),
    versions=(("support", "v12", 20),),
    n_versions=2,
    asset_url="https://dagster.example.org/assets/pattern_cards",
)


def body(
    facts: TicketFacts = FACTS, row: dict[str, Any] | None = None, is_decided: bool = False, **of: Any
) -> Document:
    fields: dict[str, Any] = {
        "last_seen_week": WEEK,
        "first_seen_week": date(2026, 10, 12),
        "name": "Links are broken",
    } | of
    return ticket_body(state(**fields), ROW | (row or {}), facts, LOOKS, RoutePolicy(), is_decided=is_decided)


def words(document: Document) -> str:
    """As people read it, without marks."""
    return re.sub(r"\\(.)", r"\1", markdown.render(document))


def changed(**fields: Any) -> TicketFacts:
    return TicketFacts(**(vars(FACTS) | fields))


def test_the_sections_come_in_the_order_in_which_they_are_read() -> None:
    kinds = [block.text if isinstance(block, Heading) else type(block) for block in body()]
    assert kinds == [
        Paragraph, Paragraph,
        "What users say", Paragraph, Quote,
        "Likely cause and suggested fix", Paragraph, Paragraph,
        "What is not known", Bullets,
        "How we will know it is fixed", Paragraph, Paragraph,
        Paragraph, Paragraph,
    ]  # fmt: skip


def test_the_impact_in_one_line() -> None:
    lines = words(body(changed(segments=(SegmentFact("cohort", "enterprise", 2.1, 9),)))).splitlines()
    assert lines[2] == (
        "**Impact.** In the week of 9 November 2026 it hit 20 answers and at least 9 people: 12.3 of every 1,000 "
        "sessions (95% range: 7.3 to 19.4). That is about as often as in the week before. It hits more people than "
        "expected for users in “enterprise” (2.1 times as many). All of it came with prompt version “v12” of “support”"
        ". Severity: 2 of 4 (moderate)."
    )


def test_the_interval_is_wider_where_each_session_stands_for_several() -> None:
    assert "(95% range: 7.3 to 19.4)" in words(body())
    assert "(95% range: 4.0 to 28.7)" in words(body(row={"n_sessions": 5, "affected": 18.0}))


def test_the_version_that_most_of_it_came_with_is_named_once() -> None:
    both = (("support", "v12", 16), ("support", "v11", 4))
    assert "All of it came with prompt version “v12” of “support”." in words(body())
    assert "80% of it came with prompt version “v12” of “support”." in words(body(changed(versions=both)))
    assert "came with" not in words(body(changed(versions=(both[0], ("support", "v11", 15)))))
    only = words(body(changed(n_versions=1)))
    assert "All of it came with prompt version “v12” of “support”, the only one in use. Severity" in only
    assert "Only one prompt version was in use. Another version may do better." in only
    assert only.count("came with") == 1
    segment = SegmentFact("prompt_version", "support@v12", 2.1, 20)
    assert "came with" not in words(body(changed(segments=(segment,))))


def test_without_exposures_there_is_no_rate_and_no_promise_of_a_verdict() -> None:
    said = words(body(TicketFacts(), {"rate": nan, "exposures": nan}))
    assert "nan" not in said
    assert "of every 1,000" not in said
    assert "How many sessions there were was not recorded, so there is no rate." in said
    assert "There is no verdict without the number of sessions" in said
    assert "days later" not in said


@pytest.mark.parametrize(
    ("source", "cause", "is_decided", "said"),
    [
        ("claude", "prompt", False, "A language model suggested this after reading some of the complaints."),
        ("offline", "prompt", False, "A simple rule suggested this from what was recorded. Nobody has checked it."),
        ("offline", "unknown", False, "not known. No rule found one in what was recorded."),
        ("claude", "unknown", False, "not known. A language model read some of the complaints and found none."),
        ("claude", "product", True, "A person decided this."),
    ],
)
def test_who_says_what_causes_it(source: str, cause: str, is_decided: bool, said: str) -> None:
    assert said in words(body(changed(card_source=source), likely_cause=cause, is_decided=is_decided))


def test_a_suggestion_is_marked_as_one() -> None:
    assert "(from the model, not tested): f." in words(body(changed(card_source="claude")))
    assert "(from the rule, not tested): f." in words(body())
    assert "none; the earlier one supposed another cause." in words(body(is_decided=True, suggested_fix=""))
    asked = changed(card_problem="budget: nothing is left")
    assert "A language model could not be asked: budget: nothing is left." in words(body(asked))


def test_a_models_description_is_the_problem_else_the_title_is() -> None:
    assert words(body(changed(card_source="claude"), description="Links lead nowhere.")).startswith(
        "Links lead nowhere.\n"
    )
    assert words(body()).startswith("Several users report the failure that the title names.\n")


def test_a_model_limitation_and_a_triage_say_so() -> None:
    (limit,) = [block for block in body(likely_cause="model") if isinstance(block, Note)]
    (triage,) = [block for block in body(likely_cause="unknown") if isinstance(block, Note)]
    assert limit.inlines[0].text.startswith("A change of the prompt is not expected to solve this.")
    assert "another model, a tool" in limit.inlines[0].text
    assert triage.inlines[0].text.startswith("This needs a decision first")
    assert triage.inlines[1].text == "feedback-loop patterns cause p1 CAUSE"
    assert triage.inlines[2].text == " (prompt, retrieval, product or model)."
    assert not [block for block in body(likely_cause="prompt") if isinstance(block, Note)]


@pytest.mark.parametrize(
    ("cause", "command"), [("prompt", "VERSION"), ("unknown", "VERSION"), ("retrieval", "-"), ("model", "-")]
)
def test_how_a_fix_is_recorded(cause: str, command: str) -> None:
    assert f"`feedback-loop deployed {command} --fixes KEY`" in words(body(likely_cause=cause))


def test_what_is_not_known_is_said() -> None:
    said = words(
        body(
            changed(contradictions=(("enterprise", "free"),), unassigned_share=0.2, response_rate=0.041),
            {"n_inferred": 7, "n_users": 4},
        )
    )
    for line in (
        "- Only 4.1% of sessions gave any feedback.",
        "- 7 more answers on the same subject were rejected without a reason.",
        "- Only 4 people are known to be behind it.",
        "- Users in “enterprise” dislike such answers, users in “free” like them.",
    ):
        assert line in said
    assert "20% of the week's complaints fit no known failure." in words(body(changed(unassigned_share=0.2)))
    little = words(body(row={"n_users": 40}))
    assert "Only people who gave feedback are counted." in little
    assert "0 more" not in little
    assert "known to be behind" not in little


def test_quotes_have_their_day_come_once_and_are_capped() -> None:
    said = (
        Exemplar("a", "t", quote="again"),
        Exemplar("b", "t", quote="again"),
        Exemplar("c", "x" * 40_000),
        Exemplar("d", ""),
    )
    of = [b.text for b in body(changed(said_on={"b": WEEK, "c": WEEK}), exemplars=said) if isinstance(b, Quote)]
    assert of[0] == "again"
    assert of[1].startswith("9 November 2026: xxx")
    assert len(of) == 2
    assert len(of[1]) <= 300
    many = tuple(Exemplar(f"{n}", f"quote {n}") for n in range(9))
    assert len([b for b in body(exemplars=many) if isinstance(b, Quote)]) == 5
    assert "What users say" not in words(body(exemplars=()))


def test_the_link_is_the_assets_and_only_where_it_is_known() -> None:
    links = [i for b in body() if isinstance(b, Paragraph) for i in b.inlines if isinstance(i, Link)]
    assert [link.url for link in links] == [FACTS.asset_url]
    assert "](" not in markdown.render(body(changed(asset_url=None)))


@pytest.mark.parametrize("cause", ["prompt", "retrieval", "product", "model", "unknown"])
def test_a_ticket_is_short_and_in_plain_words(cause: str) -> None:
    long = changed(
        segments=tuple(SegmentFact("cohort", f"c{n}", 2.0, 9) for n in range(5)),
        contradictions=(("a", "b"),),
        unassigned_share=0.3,
        response_rate=0.04,
    )
    document = body(long, {"n_inferred": 12, "n_users": 5}, likely_cause=cause)
    n_words = len(words(tuple(block for block in document if not isinstance(block, Quote))).split())
    assert n_words < 400  # with everything that can be said at once
    jargon = r"cluster|embedding|p-value|significan|confidence|exposure|membership|detector|baseline|power"
    assert not re.findall(jargon, words(document), re.IGNORECASE)


@pytest.mark.parametrize("text", [text for text in BREAK_OUTS if text.strip()])
def test_what_users_write_does_nothing_in_a_ticket(text: str) -> None:
    def made(said: str) -> Document:
        facts = changed(
            segments=tuple(SegmentFact(d, said, 2.0, 9) for d in ("cohort", "prompt_version", "document")),
            contradictions=((said, said),),
            card_problem=said or None,
        )
        exemplars = (Exemplar("i", said or "-"),)
        return body(facts, name=said, description=said, suggested_fix=said, exemplars=exemplars)

    document, plain = made(text), made("plain")
    assert from_json(to_json(document)) == document
    assert longest(document) <= MAX_CHARS
    heads = r"(?m)^(##? |> |- |\*\*)"
    assert len(re.findall(heads, markdown.render(document))) == len(re.findall(heads, markdown.render(plain)))
    assert markdown.render(document).count("](<") == wiki.render(document).count("|https://") == 1
    assert len(wiki.render(document).split("\n")) == len(wiki.render(plain).split("\n"))
    assert [node["type"] for node in adf.render(document)["content"]] == [
        n["type"] for n in adf.render(plain)["content"]
    ]
    for page in (markdown.render(document), wiki.render(document), str(adf.render(document))):
        assert "https://evil" not in page
        assert "www.evil" not in page.lower()
        assert "@everyone" not in page
        assert not set("\x1b\x07\u202e\u200b\x00\ud800") & set(page)


def test_a_pattern_without_facts_has_a_ticket_too() -> None:
    assert "Several users report the failure that the title names." in words(body(TicketFacts(), name="\u200b"))
