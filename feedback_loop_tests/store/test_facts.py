"""COPY carries any text, and the business key decides what is stored."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from feedback_loop.errors import ConfigurationError
from feedback_loop.store import facts, tables
from feedback_loop.store.installation import check_hash_key

TIME = datetime(2026, 1, 5, 9, 30, 0, 123456, tzinfo=UTC)
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def deployment(key: str, content: bytes = b"a", *, fixes: list[str] | None = None, rationale: str | None = None) -> str:
    return facts.encode_row((key, "default", TIME, None, "v1", 0.5, fixes or [], rationale, content))


def merge(engine: Engine, rows: list[str]) -> facts.Merged:
    with engine.begin() as conn:
        facts.prepare_staging(conn)
        return facts.merge(conn, "deployment", rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rationale=st.none() | STORABLE, fixes=st.lists(STORABLE), content=st.binary())
def test_any_text_comes_back_as_it_was(engine: Engine, rationale: str | None, fixes: list[str], content: bytes) -> None:
    with engine.connect() as conn, conn.begin() as transaction:
        facts.prepare_staging(conn)
        facts.merge(conn, "deployment", [deployment("d", content, fixes=fixes, rationale=rationale)])
        stored = conn.execute(select(tables.deployments)).one()
        transaction.rollback()
    assert (stored.rationale, stored.fixes, bytes(stored.content_hash)) == (rationale, fixes, content)
    assert (stored.deployed_at, stored.rollout_share, stored.prompt_name) == (TIME, 0.5, None)


@pytest.mark.parametrize("text", [r"\.", r"\N", "a\tb\\tc\r\n\\", '{"a\\"}', "NULL", ""])
def test_text_that_means_something_to_copy_is_only_text(engine: Engine, text: str) -> None:
    assert merge(engine, [deployment(f"d{text}", fixes=[text], rationale=text)]).n_new == 1
    with engine.connect() as conn:
        row = conn.execute(select(tables.deployments)).one()
    assert (row.deployment_id, row.fixes, row.rationale) == (f"d{text}", [text], text)


def test_first_content_of_a_key_counts_also_within_a_batch(engine: Engine) -> None:
    rows = [deployment("d1"), deployment("d2"), deployment("d1", b"b"), deployment("d1")]
    assert merge(engine, rows) == facts.Merged(n_new=2, n_duplicate=1, conflicts=(2,))
    again = [deployment("d2", b"b"), deployment("d3"), deployment("d1")]
    assert merge(engine, again) == facts.Merged(n_new=1, n_duplicate=1, conflicts=(0,))


def test_a_second_hash_key_is_refused(engine: Engine) -> None:
    with engine.begin() as conn:
        check_hash_key(conn, b"k" * 32)
        check_hash_key(conn, b"k" * 32)
        with pytest.raises(ConfigurationError, match="FEEDBACK_LOOP_HASH_KEY"):
            check_hash_key(conn, b"l" * 32)
