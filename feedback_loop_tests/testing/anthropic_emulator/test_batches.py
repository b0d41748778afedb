"""Batches on the virtual clock: their life, their results, and what can go wrong with either."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, FaultName, Responder
from feedback_loop.testing.anthropic_emulator.batches import Batch, create_batch, settle_batches
from feedback_loop.testing.anthropic_emulator.state import State
from feedback_loop_tests.testing.anthropic_emulator.conftest import connect
from feedback_loop_tests.testing.anthropic_emulator.requests import ask, batch

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAY = 86_400


def results_of(client: Anthropic, batch_id: str) -> dict[str, str]:
    return {row.custom_id: row.result.type for row in client.messages.batches.results(batch_id)}


def settled(n: int, seconds: float, *, after: float, canceled_after: float | None = None) -> tuple[State, Batch]:
    """A batch without a server, as it is `after` seconds."""
    state = State(Responder(), "key", NOW, timedelta(seconds=seconds))
    made = create_batch(state, batch(*(str(i) for i in range(n))))
    if canceled_after is not None:
        made.cancel_initiated_at = NOW + timedelta(seconds=canceled_after)
    state.now += timedelta(seconds=after)
    settle_batches(state)
    return state, made


class TestLife:
    def test_it_ends_when_its_time_has_come(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        created = client.messages.batches.create(**batch("a", "b"))
        emulator.advance(59)
        before = client.messages.batches.retrieve(created.id)
        assert (before.processing_status, before.ended_at, before.results_url) == ("in_progress", None, None)
        assert emulator.n_paid() == 0
        emulator.advance(1)
        ended = client.messages.batches.retrieve(created.id)
        assert (ended.processing_status, ended.request_counts.succeeded) == ("ended", 2)
        assert ended.ended_at == NOW + timedelta(seconds=60)
        assert ended.results_url == f"{emulator.base_url}/v1/messages/batches/{created.id}/results"
        assert emulator.n_paid(is_batch=True) == 2

    def test_reading_results_again_costs_and_changes_nothing(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        created = client.messages.batches.create(**batch(*"abcdef"))
        emulator.advance(60)
        first, again = (list(client.messages.batches.results(created.id)) for _ in range(2))
        assert first == again
        assert emulator.n_paid() == 6

    def test_results_are_in_another_order(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        for ids in ("ab", "abc", "abcdefgh"):
            created = client.messages.batches.create(**batch(*ids))
            emulator.advance(60)
            found = list(results_of(client, created.id))
            assert sorted(found) == list(ids)
            assert found != list(ids)

    def test_without_a_duration_it_has_ended_at_the_first_look(self) -> None:
        with AnthropicEmulator(batch_seconds=0) as emulator, connect(emulator) as client:
            created = client.messages.batches.create(**batch("a"))
            assert created.processing_status == "in_progress"
            assert client.messages.batches.retrieve(created.id).processing_status == "ended"

    def test_what_is_not_done_after_24_hours_expires_and_is_not_billed(self) -> None:
        with AnthropicEmulator(batch_seconds=2 * DAY) as emulator, connect(emulator) as client:
            created = client.messages.batches.create(**batch(*"abcd"))
            emulator.advance(DAY)
            assert results_of(client, created.id) == {
                "a": "succeeded",
                "b": "succeeded",
                "c": "expired",
                "d": "expired",
            }
            assert client.messages.batches.retrieve(created.id).ended_at == created.expires_at
            assert emulator.n_paid() == 2

    def test_what_is_done_when_it_is_canceled_is_billed(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        created = client.messages.batches.create(**batch(*"abcd"))
        emulator.advance(45)
        assert client.messages.batches.cancel(created.id).processing_status == "canceling"
        counts = client.messages.batches.retrieve(created.id).request_counts
        assert (counts.succeeded, counts.canceled, counts.processing) == (3, 1, 0)
        assert emulator.n_paid() == 3

    def test_results_are_kept_for_29_days(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        created = client.messages.batches.create(**batch("a"))
        emulator.advance(29 * DAY - 1)
        assert results_of(client, created.id) == {"a": "succeeded"}
        emulator.advance(1)
        archived = client.messages.batches.retrieve(created.id)
        assert (archived.results_url, archived.archived_at) == (None, NOW + timedelta(days=29))
        with pytest.raises(anthropic.AnthropicError, match="No `results_url`"):
            client.messages.batches.results(created.id)

    def test_pages_newest_first(self, client: Anthropic) -> None:
        ids = [client.messages.batches.create(**batch("a")).id for _ in range(5)]
        assert [found.id for found in client.messages.batches.list(limit=2)] == ids[::-1]  # through all pages
        page = client.messages.batches.list(limit=2, before_id=ids[0])
        assert [found.id for found in page.data] == [ids[2], ids[1]]

    def test_a_system_prompt_is_cached_across_its_requests(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        rules = [{"type": "text", "text": "Be brief. " * 300, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        client.messages.batches.create(**batch(*"abc", system=rules))
        emulator.advance(60)
        written = [billed.cache_creation_1h_tokens for billed in emulator.usage]
        assert written[0] > 512
        assert written[1:] == [0, 0]
        assert [billed.cache_read_tokens for billed in emulator.usage] == [0, written[0], written[0]]

    @given(st.integers(1, 9), st.floats(0, 2 * DAY), st.floats(0, 2 * DAY), st.none() | st.floats(0, DAY))
    def test_every_request_has_one_result_and_only_those_done_are_billed(
        self, n: int, seconds: float, after: float, canceled_after: float | None
    ) -> None:
        state, made = settled(n, seconds, after=after, canceled_after=canceled_after)
        counts = made.counts()
        assert sum(counts.values()) == n
        assert len(state.usage) == counts["succeeded"]
        if made.results is None:
            assert counts["processing"] == n
            assert state.now < made.due_at
        else:
            assert sorted(row["custom_id"] for row in made.results) == sorted(str(i) for i in range(n))


class TestFaults:
    @pytest.mark.parametrize("fate", ["errored", "expired", "canceled"])
    def test_one_request_fails_and_is_not_billed(
        self, client: Anthropic, emulator: AnthropicEmulator, fate: str
    ) -> None:
        name: Any = f"batch_{fate}"
        emulator.fail(name, nth=2)
        created = client.messages.batches.create(**batch(*"abc"))
        emulator.advance(60)
        assert results_of(client, created.id) == {"a": "succeeded", "b": fate, "c": "succeeded"}
        assert sorted(str(billed.custom_id) for billed in emulator.usage) == ["a", "c"]

    def test_all_expire(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("batch_expired", count=None)
        created = client.messages.batches.create(**batch(*"abc"))
        emulator.advance(60)
        assert client.messages.batches.retrieve(created.id).request_counts.expired == 3
        assert emulator.usage == []

    @pytest.mark.parametrize(
        ("name", "n_rows", "n_ids"),
        [("missing_custom_id", 2, 2), ("duplicate_custom_id", 4, 3), ("unknown_custom_id", 4, 4)],
    )
    def test_rows_that_do_not_match(
        self, client: Anthropic, emulator: AnthropicEmulator, name: FaultName, n_rows: int, n_ids: int
    ) -> None:
        emulator.fail(name)
        created = client.messages.batches.create(**batch(*"abc"))
        emulator.advance(60)
        ids = [row.custom_id for row in client.messages.batches.results(created.id)]
        assert (len(ids), len(set(ids))) == (n_rows, n_ids)
        assert ("never-sent" in ids) == (name == "unknown_custom_id")
        assert sorted(results_of(client, created.id)) == ["a", "b", "c"]  # once only

    def test_a_line_that_is_cut_fails_after_the_rows_before_it(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        emulator.fail("cut_jsonl")
        created = client.messages.batches.create(**batch(*"abc"))
        emulator.advance(60)
        rows: list[str] = []
        with pytest.raises(json.JSONDecodeError):
            rows.extend(row.custom_id for row in client.messages.batches.results(created.id))
        assert len(rows) == 2

    def test_a_connection_that_is_cut_fails_in_the_middle(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("truncated_body", route="batches.results")
        created = client.messages.batches.create(**batch(*"abcd"))
        emulator.advance(60)
        rows: list[str] = []
        with pytest.raises(httpx2.RemoteProtocolError):
            rows.extend(row.custom_id for row in client.messages.batches.results(created.id))
        assert 0 < len(rows) < 4

    def test_results_elsewhere_are_asked_for_with_the_key(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        """Why a client must look at `results_url` before it follows it."""
        with AnthropicEmulator() as foreign:
            url = f"{foreign.base_url}/v1/messages/batches/stolen/results"
            emulator.fail("foreign_results_url", url=url)
            created = client.messages.batches.create(**batch("a"))
            emulator.advance(60)
            with pytest.raises(anthropic.NotFoundError):
                client.messages.batches.results(created.id)
            assert [request.headers["authorization"] for request in foreign.requests] == ["Bearer sk-ant-test"]
        assert results_of(client, created.id) == {"a": "succeeded"}  # once only

    def test_a_creation_whose_outcome_is_unknown_can_be_found_again(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        emulator.fail("lost_response", route="batches.create")
        with pytest.raises(anthropic.APIConnectionError):
            client.messages.batches.create(**batch("a", "b"))
        (found,) = client.messages.batches.list()
        assert (found.created_at, found.request_counts.processing) == (NOW, 2)
        emulator.fail("reset", route="batches.create")
        with pytest.raises(anthropic.APIConnectionError):
            client.messages.batches.create(**batch("a", "b"))
        assert len(client.messages.batches.list().data) == 1

    def test_a_retried_creation_makes_two(self, emulator: AnthropicEmulator) -> None:
        """There is no idempotency key: the SDK's own retry pays twice."""
        emulator.fail("lost_response", route="batches.create")
        with connect(emulator, max_retries=1) as client:
            client.messages.batches.create(**batch("a"))
            assert len(client.messages.batches.list().data) == 2
        emulator.advance(60)
        assert [billed.custom_id for billed in emulator.paid_twice()] == ["a"]

    def test_the_outcome_of_a_slow_creation_is_unknown_too(self, emulator: AnthropicEmulator) -> None:
        emulator.fail("slow_header", route="batches.create", delay=0.5)
        with connect(emulator, timeout=0.2) as client:
            with pytest.raises(anthropic.APITimeoutError):
                client.messages.batches.create(**batch("a"))
            assert len(client.messages.batches.list().data) == 1


def test_the_params_are_those_of_a_message() -> None:
    assert batch("a")["requests"][0]["params"] == ask()
