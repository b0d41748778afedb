"""The Anthropic client over HTTP: each odd outcome is one error, pauses are bounded, the key stays where it belongs."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pydantic
import pytest

from feedback_loop.clients.anthropic import ClaudeClient, message_parameters
from feedback_loop.errors import (
    AskingStopped,
    FeedbackLoopError,
    ModelUnavailable,
    NotFoundError,
    ReplyLost,
    RequestRefused,
)
from feedback_loop.llm.prompts import FailureReport, render, report_item
from feedback_loop.llm.requests import Request
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, FaultName

KEY = "sk-ant-test"


def request_of(model: str = "claude-haiku-5-5", n: int = 2) -> Request:
    items = [report_item(FailureReport("", f"Answer {i} was in English."), model) for i in range(n)]
    return render("describe", model, items)


class World:
    def __init__(self, emulator: AnthropicEmulator, **settings: float) -> None:
        self.emulator, self.slept = emulator, list[float]()
        self.client = ClaudeClient(
            KEY, emulator.base_url, now=lambda: emulator.now, sleep=self.slept.append, jitter=lambda: 0.0, **settings
        )

    @property
    def n_requests(self) -> int:
        return len(self.emulator.requests)


@contextmanager
def open_world(**settings: float) -> Iterator[World]:
    with AnthropicEmulator() as emulator:
        world = World(emulator, **settings)
        with world.client:
            yield world


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as opened:
        yield opened


@pytest.mark.parametrize(
    "model", ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-5-5"]
)
def test_every_model_is_asked_by_its_manners(world: World, model: str) -> None:
    reply = world.client.ask(request_of(model))
    assert reply.stop_reason == "end_turn"
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert reply.message_id is not None
    assert reply.request_id is not None
    body = dict(world.emulator.requests[0].body)
    adapter = pydantic.TypeAdapter(anthropic.types.message_create_params.MessageCreateParamsNonStreaming)
    adapter.validate_python(body)
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert world.emulator.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_models_that_can_are_kept_from_thinking() -> None:
    assert message_parameters(request_of())["thinking"] == {"type": "disabled"}
    assert message_parameters(request_of("claude-sonnet-5-5"))["thinking"] == {"type": "between_tools"}
    assert "thinking" not in message_parameters(request_of("claude-opus-5-5"))
    assert "effort" not in message_parameters(request_of("claude-haiku-4-5"))["output_config"]


def test_only_a_long_system_prompt_is_marked_for_the_cache(world: World) -> None:
    short = request_of()
    assert "cache_control" not in message_parameters(short)["system"][0]
    rules = {**vars(short), "system": "A rule that is repeated. " * 200}
    long = Request(**{name: rules[name] for name in Request.__dataclass_fields__})
    assert message_parameters(long, "1h")["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    first, second = world.client.ask(long), world.client.ask(long)
    assert first.usage.cache_write_5m_tokens == second.usage.cache_read_tokens > 512
    assert second.usage.cache_write_5m_tokens == 0


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("bad_request", RequestRefused, "HTTP 400 invalid_request_error: messages.0"),
        ("too_large", RequestRefused, "HTTP 413"),
        ("unprocessable", RequestRefused, "HTTP 422"),
        ("authentication", AskingStopped, "because of the key: HTTP 401"),
        ("billing", AskingStopped, "because of billing: HTTP 402"),
        ("permission", AskingStopped, "because of permission: HTTP 403"),
        ("not_found", AskingStopped, "an unknown model or address: HTTP 404"),
        ("tier_spend_limit", AskingStopped, "a spend limit .* HTTP 429 enforced_spend_limit_reached"),
        ("spend_limit", AskingStopped, "a spend limit .* HTTP 400"),
        ("reset", ReplyLost, "no reply arrived"),
        ("lost_response", ReplyLost, "no reply arrived"),
        ("truncated_body", ReplyLost, "no reply arrived"),
        ("malformed_json", ReplyLost, r"cannot be read \(JSONDecodeError\)"),
        ("html_200", ModelUnavailable, r"is not the Anthropic API: it sent no message \(str\)"),
        ("empty_200", ModelUnavailable, r"no message \(str\)"),
        ("wrong_shape", ModelUnavailable, r"no message \(Message\)"),
    ],
)
def test_what_cannot_be_helped_is_tried_once(
    world: World, fault: FaultName, error: type[FeedbackLoopError], words: str
) -> None:
    world.emulator.fail(fault, count=None)
    with pytest.raises(error, match=words):
        world.client.ask(request_of())
    assert world.n_requests == 1
    assert world.slept == []


@pytest.mark.parametrize(
    "fault",
    ["rate_limit", "overloaded", "server_error", "unavailable", "gateway_timeout", "request_timeout", "conflict"],
)
def test_what_passes_is_tried_four_times(world: World, fault: FaultName) -> None:
    world.emulator.fail(fault, count=None)
    with pytest.raises(ModelUnavailable, match="busy or broken: HTTP"):
        world.client.ask(request_of())
    assert world.n_requests == 4
    assert world.slept == [0.5, 1.0, 2.0]
    assert world.emulator.usage == []


def test_a_proxys_page_with_a_status_is_only_busy(world: World) -> None:
    world.emulator.fail("unavailable", is_html=True)
    assert world.client.ask(request_of()).stop_reason == "end_turn"
    assert world.n_requests == 2


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with AnthropicEmulator() as emulator:
        address = emulator.base_url
    world = World(emulator)
    world.client = ClaudeClient(KEY, address, now=lambda: emulator.now, sleep=world.slept.append)
    with world.client, pytest.raises(ModelUnavailable, match=r"cannot be reached \(ConnectError\)"):
        world.client.ask(request_of())
    assert len(world.slept) == 3


def test_a_slow_answer_is_lost_and_not_asked_again() -> None:
    with open_world(timeout_s=0.2) as world:
        world.emulator.fail("slow_header", delay=1.0)
        with pytest.raises(ReplyLost, match=r"no reply arrived from the Anthropic API \(ReadTimeout\)"):
            world.client.ask(request_of())
        assert world.n_requests == 1


@pytest.mark.parametrize(
    ("how", "slept"),
    [
        ({"retry_after": "7"}, [7.0]),
        ({"retry_after_ms": "50"}, [0.05]),
        ({"retry_after": "0"}, [0.5]),
        ({"retry_after": "-3"}, [0.5]),
        ({"retry_after": "nan"}, [0.5]),
        ({"retry_after": "soon"}, [0.5]),
        ({"retry_after": "Fri, 20 Nov 2026 00:00:30 GMT"}, [30.0]),
        ({"retry_after": "Thu, 19 Nov 2026 00:00:00 GMT"}, [0.5]),
    ],
)
def test_a_pause_that_is_asked_for_is_made(world: World, how: dict[str, Any], slept: list[float]) -> None:
    world.emulator.fail("rate_limit", **how)
    world.client.ask(request_of())
    assert world.slept == slept


@pytest.mark.parametrize("retry_after", ["3600", "inf", "Fri, 20 Nov 2026 01:00:00 GMT"])
def test_a_pause_that_is_too_long_stops_asking(world: World, retry_after: str) -> None:
    world.emulator.fail("rate_limit", retry_after=retry_after)
    with pytest.raises(AskingStopped, match=r"asks to wait (3600|inf) s, more than analyst.max_retry_after_s = 120"):
        world.client.ask(request_of())
    assert world.slept == []


def test_an_api_that_says_so_is_not_asked_again(world: World) -> None:
    world.emulator.fail("overloaded", should_retry=False)
    with pytest.raises(ModelUnavailable):
        world.client.ask(request_of())
    assert world.n_requests == 1


@pytest.mark.parametrize(
    ("fault", "stop_reason", "text"),
    [
        ("max_tokens", "max_tokens", '{"items"'),
        ("context_window", "model_context_window_exceeded", '{"items"'),
        ("refusal", "refusal", ""),
        ("refusal_prose", "refusal", "I can't"),
        ("prose", "end_turn", "Sure!"),
        ("unknown_stop_reason", "brand_new", '{"items"'),
        ("unknown_block", "end_turn", '{"items"'),
        ("thinking_first", "end_turn", '{"items"'),
        ("none_content", "end_turn", ""),
    ],
)
def test_whatever_a_message_says_its_usage_is_known(
    world: World, fault: FaultName, stop_reason: str, text: str
) -> None:
    world.emulator.fail(fault)
    reply = world.client.ask(request_of())
    [billed] = world.emulator.usage
    assert reply.stop_reason == stop_reason
    assert reply.text.startswith(text)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (billed.input_tokens, billed.output_tokens)


def test_a_batch_from_beginning_to_end(world: World) -> None:
    requests = {"fl-a": request_of(), "fl-b": request_of(n=3), "fl-c": request_of(n=4)}
    world.emulator.fail("batch_errored", nth=2)
    batch = world.client.create_batch(requests)
    assert world.client.list_batches() == [batch]
    assert (batch.n_requests, batch.has_ended) == (3, False)
    world.emulator.advance(60)
    assert world.client.fetch_batch(batch.batch_id).has_ended
    results = {result.custom_id: result for result in world.client.read_results(batch.batch_id)}
    assert set(results) == set(requests)
    assert results["fl-b"].problem == "errored in the batch: Internal server error"
    assert results["fl-b"].reply is None
    assert results["fl-a"].reply is not None
    assert results["fl-a"].reply.usage.is_batch


@pytest.mark.parametrize("fault", ["lost_response", "truncated_body", "malformed_json", "server_error", "html_200"])
def test_a_batch_whose_creation_is_in_doubt_is_not_created_again(world: World, fault: FaultName) -> None:
    world.emulator.fail(fault, "batches.create", count=None)
    with pytest.raises(ReplyLost):
        world.client.create_batch({"fl-a": request_of()})
    assert world.n_requests == 1


@pytest.mark.parametrize("fault", ["reset", "truncated_body", "malformed_json", "cut_jsonl", "overloaded"])
def test_reading_results_is_free_and_done_again(world: World, fault: FaultName) -> None:
    batch = world.client.create_batch({"fl-a": request_of(), "fl-b": request_of(n=3)})
    world.emulator.advance(60)
    world.emulator.fail(fault, "batches.results")
    assert len(world.client.read_results(batch.batch_id)) == 2
    assert world.slept == [0.5]
    world.emulator.fail(fault, "batches.results", count=None)
    with pytest.raises(ModelUnavailable):
        world.client.read_results(batch.batch_id)


def test_the_key_goes_to_no_other_host(world: World) -> None:
    """Not even to one that listens: a second emulator would see the request."""
    batch = world.client.create_batch({"fl-a": request_of()})
    world.emulator.advance(60)
    with AnthropicEmulator() as foreign:
        url = f"{foreign.base_url}/v1/messages/batches/{batch.batch_id}/results"
        world.emulator.fail("foreign_results_url", url=url)
        with pytest.raises(RequestRefused, match="points to another host"):
            world.client.read_results(batch.batch_id)
        assert foreign.requests == []


def test_what_is_gone_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match="msgbatch_none"):
        world.client.fetch_batch("msgbatch_none")
    world.emulator.fail("html_200", "batches.list", count=None)
    with pytest.raises(ModelUnavailable):
        world.client.list_batches()


@pytest.mark.parametrize(
    "fault", ["authentication", "bad_request", "overloaded", "reset", "malformed_json", "html_200"]
)
def test_no_error_and_no_log_shows_the_key(world: World, fault: FaultName, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.emulator.fail(fault, count=None)
    with pytest.raises(FeedbackLoopError) as caught:
        world.client.ask(request_of())
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None  # the SDK's own error holds the key in its request
    assert KEY not in "".join(traceback.format_exception(error))
    assert KEY not in caplog.text
