"""Documents: the ledger gives back what it was given, whatever users wrote."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from feedback_loop.documents import (
    Bullets,
    Document,
    Heading,
    Link,
    Note,
    Paragraph,
    Quote,
    Text,
    from_json,
    plain,
    to_json,
)
from feedback_loop.store import ticket_events
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import TicketEvent
from feedback_loop_tests.factories import APPLICATION
from feedback_loop_tests.store.test_tickets import ticket

ANYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
INLINES = st.lists(
    st.builds(Text, ANYTHING, st.sampled_from(["", "strong", "em", "code"])) | st.builds(Link, ANYTHING, ANYTHING),
    max_size=4,
).map(tuple)
BLOCKS = st.one_of(
    st.builds(Heading, ANYTHING),
    st.builds(Quote, ANYTHING),
    st.builds(Paragraph, INLINES),
    st.builds(Note, INLINES),
    st.builds(Bullets, st.lists(INLINES, max_size=3).map(tuple)),
)
DOCUMENTS = st.lists(BLOCKS, max_size=6).map(tuple)


@given(DOCUMENTS)
def test_a_document_comes_back_from_json_as_it_was(document: Document) -> None:
    assert from_json(json.loads(json.dumps(to_json(document)))) == document


@given(DOCUMENTS, DOCUMENTS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ledger_keeps_a_ticket_and_what_is_said_on_it_word_for_word(
    engine: Engine, body: Document, said: Document
) -> None:
    event = TicketEvent(APPLICATION, "p1", "e", "comment", said, datetime(2026, 1, 12, tzinfo=UTC))
    with engine.connect() as conn:
        assert ledger.add_ticket(conn, ticket(body=body), "jira").body == body
        ticket_events.plan_events(conn, [event])
        assert ticket_events.load_events(conn) == [event]
        conn.rollback()


def test_different_documents_have_different_json() -> None:
    documents: list[Document] = [
        (Heading("a"),),
        (Quote("a"),),
        plain("a"),
        plain("a", "a"),
        (Paragraph((Text("a", "em"),)),),
        (Note((Text("a"),)),),
        (Bullets(((Text("a"),),)),),
        (Paragraph((Link("a", ""),)),),
        (Paragraph((Link("a", "https://x.example"),)),),
    ]
    assert len({json.dumps(to_json(document)) for document in documents}) == len(documents)
    assert [from_json(to_json(document)) for document in documents] == documents


@pytest.mark.parametrize("broken", [[{"kind": "script", "text": "x"}], [{"text": "x"}], [{"kind": "quote"}], ["quote"]])
def test_what_is_no_document_is_an_error(broken: list[object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        from_json(broken)  # type: ignore[arg-type]  # that is the point
