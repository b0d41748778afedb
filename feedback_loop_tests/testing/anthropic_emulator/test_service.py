"""The emulated API as the real SDK sees it: every route, the bill, the prompt cache, the clock, the control plane.

The oracle is the SDK: its strict mode refuses a response that is not of the API's shape, and its types check requests.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, RecordedRequest
from feedback_loop.testing.anthropic_emulator.models import MODELS
from feedback_loop.testing.anthropic_emulator.prompt_cache import PromptCache, count_tokens, estimate_tokens
from feedback_loop_tests.testing.anthropic_emulator.conftest import connect
from feedback_loop_tests.testing.anthropic_emulator.requests import CARD, HAIKU, ITEMS, SONNET, ask, batch, without

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RULES = "You describe what went wrong in one sentence. " * 60  # some 1,000 tokens


def said(message: anthropic.types.Message) -> Any:
    return json.loads(next(block.text for block in message.content if block.type == "text"))


class TestRoutes:
    """One strict call of the real SDK per route."""

    def test_message(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        message = client.messages.create(**ask())
        assert [item["ref"] for item in said(message)["items"]] == ["r001", "r002", "r003"]
        assert (message.stop_reason, message.model, message.usage.service_tier) == ("end_turn", HAIKU, "standard")
        assert message._request_id is not None
        assert message._request_id.startswith("req_")

    def test_stream_says_the_same(self, client: Anthropic) -> None:
        whole = client.messages.create(**ask(thinking={"type": "adaptive"}))
        with client.messages.stream(**ask(thinking={"type": "adaptive"})) as stream:
            names = [event.type for event in stream]
            streamed = stream.get_final_message()
        assert said(streamed) == said(whole)
        assert [block.type for block in streamed.content] == ["thinking", "text"]
        assert (streamed.stop_reason, streamed.usage.output_tokens) == ("end_turn", whole.usage.output_tokens)
        assert names[0] == "message_start"
        assert names[-1] == "message_stop"

    def test_count_tokens_is_the_bill_to_come(self, client: Anthropic) -> None:
        counted = client.messages.count_tokens(**without(ask(), "max_tokens"))
        assert counted.input_tokens == client.messages.create(**ask()).usage.input_tokens > 50

    def test_batch(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        created = client.messages.batches.create(**batch("a"))
        assert (created.processing_status, created.request_counts.processing) == ("in_progress", 1)
        with pytest.raises(anthropic.AnthropicError, match="Has it finished"):
            client.messages.batches.results(created.id)
        emulator.advance(60)
        assert client.messages.batches.retrieve(created.id).request_counts.succeeded == 1
        (row,) = client.messages.batches.results(created.id)
        assert row.result.type == "succeeded"
        assert row.result.message.usage.service_tier == "batch"
        assert [batch.id for batch in client.messages.batches.list(limit=5)] == [created.id]
        assert client.messages.batches.delete(created.id).type == "message_batch_deleted"

    def test_batch_cancel(self, client: Anthropic) -> None:
        created = client.messages.batches.create(**batch("a"))
        assert client.messages.batches.cancel(created.id).processing_status == "canceling"
        assert client.messages.batches.retrieve(created.id).request_counts.canceled == 1

    def test_models(self, client: Anthropic) -> None:
        listed = {model.id: model for model in client.models.list()}
        assert {HAIKU, SONNET, "claude-sonnet-4-6"} <= listed.keys()
        assert client.models.retrieve(HAIKU) == listed[HAIKU]
        assert client.models.retrieve("claude-haiku-4-5").id == "claude-haiku-4-5-20251001"

    def test_forced_tool(self, client: Anthropic) -> None:
        schema = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
        tools = [{"name": "record", "description": "d", "input_schema": schema}]
        body = without(ask(tools=tools, tool_choice={"type": "tool", "name": "record"}), "output_config")
        message = client.messages.create(**body)
        assert message.stop_reason == "tool_use"
        assert message.content[0].type == "tool_use"
        assert message.content[0].input == {"score": 1}


class TestRequests:
    def test_what_came_in_is_recorded_and_of_the_sdk_s_own_types(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        client.messages.create(**ask())
        (request,) = emulator.requests
        assert (request.method, request.path, request.at) == ("POST", "/v1/messages", NOW)
        assert request.headers["authorization"] == "Bearer sk-ant-test"
        assert request.headers["anthropic-version"] == "2026-10-21"
        assert request.body == ask()
        TypeAdapter(MessageCreateParamsNonStreaming).validate_python(request.body)

    def test_the_key_is_not_in_its_repr(self) -> None:
        request = RecordedRequest("GET", "/v1/models", {}, {"authorization": "Bearer sk-ant-secret"}, NOW)
        assert "secret" not in repr(request)

    def test_the_query_is_part_of_the_path(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        client.messages.batches.list(limit=5)
        assert emulator.requests[0].path == "/v1/messages/batches?limit=5"


class TestBill:
    def test_each_message_is_billed_once_with_what_it_reports(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        message = client.messages.create(**ask())
        (billed,) = emulator.usage
        assert billed.message_id == message.id
        assert (billed.input_tokens, billed.output_tokens) == (message.usage.input_tokens, message.usage.output_tokens)
        assert (billed.is_batch, billed.custom_id) == (False, None)
        assert (emulator.n_paid(), emulator.n_paid(contains="the refund amount"), emulator.n_paid(contains="x9")) == (
            1, 1, 0,
        )  # fmt: skip
        assert emulator.paid_twice() == []

    def test_counting_tokens_and_reading_models_is_free(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        client.messages.count_tokens(**without(ask(), "max_tokens"))
        client.models.list()
        assert emulator.usage == []

    def test_the_same_parameters_again_are_paid_twice_also_as_a_stream_or_in_a_batch(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        client.messages.create(**ask())
        with client.messages.stream(**ask()) as stream:
            stream.get_final_message()
        client.messages.batches.create(**batch("a"))
        assert len(emulator.paid_twice()) == 1  # the batch has not ended
        emulator.advance(60)
        assert [billed.is_batch for billed in emulator.paid_twice()] == [False, True]
        assert emulator.n_paid(is_batch=True) == emulator.n_paid(custom_id="a") == 1

    def test_an_answer_that_does_not_fit_is_cut_and_paid(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        message = client.messages.create(**ask(max_tokens=20))
        assert message.stop_reason == "max_tokens"
        assert emulator.usage[0].output_tokens == message.usage.output_tokens <= 20
        with pytest.raises(json.JSONDecodeError):
            said(message)

    def test_thinking_is_billed_within_max_tokens(self, client: Anthropic) -> None:
        plain = client.messages.create(**ask()).usage
        thinking = client.messages.create(**without(ask(), "thinking"))
        details = thinking.usage.output_tokens_details
        assert thinking.content[0].type == "thinking"
        assert details is not None
        assert thinking.usage.output_tokens == plain.output_tokens + details.thinking_tokens > plain.output_tokens
        cut = client.messages.create(**without(ask(max_tokens=plain.output_tokens), "thinking"))
        assert cut.stop_reason == "max_tokens"
        assert cut.usage.output_tokens <= plain.output_tokens

    @given(st.text(), st.text())
    def test_tokens_grow_with_the_text(self, a: str, b: str) -> None:
        model = MODELS[HAIKU]
        tokens_a, tokens_b, both = (estimate_tokens(text, model) for text in (a, b, a + b))
        assert max(tokens_a, tokens_b) <= both <= tokens_a + tokens_b

    def test_an_older_model_makes_fewer_tokens_of_the_same_text(self) -> None:
        text = "The refund amount is wrong, it forgot the tax of the second item. " * 20
        new, old = (estimate_tokens(text, MODELS[name]) for name in (HAIKU, "claude-sonnet-4-6"))
        assert 1.25 <= new / old <= 1.35  # "about 30 % more tokens for the same text"
        assert len(text) / old == pytest.approx(3.5, rel=0.01)


class TestPromptCache:
    """The bill of a stable system prompt: written once, read at a fraction, forgotten in time."""

    def call(self, client: Anthropic, **more: Any) -> tuple[int, int]:
        system = [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        usage = client.messages.create(**ask(**{"system": system, **more})).usage
        return usage.cache_creation_input_tokens or 0, usage.cache_read_input_tokens or 0

    def test_written_once_then_read(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        written, read = self.call(client)
        assert written > 512
        assert read == 0
        other = [{"role": "user", "content": "Items: []"}]
        assert self.call(client, messages=other) == (0, written)
        assert [(b.cache_creation_1h_tokens, b.cache_read_tokens) for b in emulator.usage] == [
            (written, 0),
            (0, written),
        ]

    def test_forgotten_an_hour_after_its_last_use(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        written, _ = self.call(client)
        for _ in range(2):
            emulator.advance(3599)
            assert self.call(client) == (0, written)
        emulator.advance(3600)
        assert self.call(client) == (written, 0)

    @pytest.mark.parametrize(
        "more",
        [
            {"model": SONNET, "thinking": {"type": "between_tools"}},
            {"output_config": {"format": {"type": "json_schema", "schema": CARD}}},
            {"tools": [{"name": "t", "description": "d", "input_schema": {"type": "object"}}]},
        ],
        ids=["model", "format", "tools"],
    )
    def test_another_prefix_is_not_read(self, client: Anthropic, more: dict[str, Any]) -> None:
        self.call(client)
        assert self.call(client, **more)[1] == 0

    def test_below_the_minimum_nothing_is_cached(self, client: Anthropic) -> None:
        short = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
        assert self.call(client, system=short) == self.call(client, system=short) == (0, 0)

    @given(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4), st.sampled_from(["5m", "1h"]))
    def test_the_parts_of_the_bill_are_the_whole_prompt(self, words: list[str], ttl: str) -> None:
        cache, model = PromptCache(), MODELS[HAIKU]
        blocks = [{"type": "text", "text": w * 3000, "cache_control": {"type": "ephemeral", "ttl": ttl}} for w in words]
        body = {"model": HAIKU, "messages": [{"role": "user", "content": blocks}]}
        first, again = cache.charge(body, model, NOW), cache.charge(body, model, NOW + timedelta(seconds=1))
        assert first.total == again.total == count_tokens(body, model)
        assert (first.uncached, again.uncached) == (0, 0)
        assert again.cache_read == again.total


class TestControls:
    def test_other_processes_control_it_over_http(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        def control(verb: str, **arguments: Any) -> Any:
            return httpx2.post(f"{emulator.base_url}/__emu/{verb}", json=arguments).json()

        control("script", contains="refund", reply={"items": []})
        assert said(client.messages.create(**ask())) == {"items": []}
        control("faults", name="overloaded", route="messages")
        with pytest.raises(anthropic.APIStatusError, match="529"):
            client.messages.create(**ask())
        assert control("clock", advance=90) == {"now": "2026-11-20T00:01:30+00:00"}
        assert [request["path"] for request in control("requests")] == ["/v1/messages"] * 2
        assert "sk-ant-test" not in json.dumps(control("requests"))
        assert [billed["model"] for billed in control("usage")] == [HAIKU]
        control("reset")
        assert (emulator.requests, emulator.usage, emulator.now) == ([], [], NOW)
        assert "there is no fault" in control("faults", name="nonsense")["error"]
        assert "there is no 'dance'" in control("dance")["error"]

    def test_a_script_answers_the_prompts_with_its_marker(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.script("refund", "just prose")
        assert client.messages.create(**ask()).content[0].to_dict()["text"] == "just prose"
        assert len(said(client.messages.create(**ask([ITEMS[0]])))["items"]) == 1

    def test_ids_never_come_twice_but_follow_from_the_run(self) -> None:
        runs = []
        for _ in range(2):
            with AnthropicEmulator() as emulator, connect(emulator) as client:
                before = client.messages.create(**ask()).id
                emulator.reset()
                runs.append((before, client.messages.create(**ask()).id))
        assert runs[0] == runs[1]
        assert len(set(runs[0])) == 2

    def test_a_failure_of_the_emulator_itself_is_not_hidden(self) -> None:
        def broken(body: object) -> str:
            raise ZeroDivisionError

        with (
            pytest.raises(RuntimeError, match="the emulator itself failed 1 times, first: ZeroDivisionError"),
            AnthropicEmulator(broken) as emulator,
            connect(emulator) as client,
            pytest.raises(anthropic.InternalServerError),
        ):
            client.messages.create(**ask())

    def test_it_stops_while_somebody_still_waits(self) -> None:
        with AnthropicEmulator() as emulator, connect(emulator, timeout=0.1) as client:
            emulator.fail("slow_header", delay=60)
            with pytest.raises(anthropic.APITimeoutError):
                client.messages.create(**ask())
