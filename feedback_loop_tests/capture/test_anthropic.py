"""The real SDK, sync and async, plain and streamed, against answers in the API's own form."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from feedback_loop.capture import Capture
from feedback_loop.intake.contract import parse
from feedback_loop_tests.capture.world import MemorySink, ask, make_capture

MODEL = "claude-haiku-5-5"
USAGE = {
    "input_tokens": 1_000,
    "output_tokens": 50,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
}
COST = (1_000 * 0.10 + 150 * 0.125 + 50 * 0.20 + 300 * 0.01 + 50 * 0.50) / 1e6
ASKED: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "system": "Be kind.",
    "messages": [{"role": "user", "content": "Where is my order?"}],
}
WORDS = ("It is ", "on its ", "way.")


def message(content: list[dict[str, Any]], usage: dict[str, Any], stop: str | None = "end_turn") -> dict[str, Any]:
    fields = {"stop_reason": stop, "stop_sequence": None, "content": content, "usage": usage}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, **fields}


def events() -> bytes:
    start = {"type": "text", "text": ""}
    parts: list[dict[str, Any]] = [
        {"type": "message_start", "message": message([], USAGE | {"output_tokens": 1}, None)},
        {"type": "content_block_start", "index": 0, "content_block": start},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in WORDS),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 50}},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {part['type']}\ndata: {json.dumps(part)}\n\n" for part in parts).encode()


def api(request: httpx2.Request) -> httpx2.Response:
    body = json.loads(request.content)
    if body["messages"][0]["content"] == "fail":
        return httpx2.Response(400, json={"type": "error", "error": {"type": "invalid_request_error", "message": "no"}})
    if body.get("stream"):
        return httpx2.Response(200, content=events(), headers={"content-type": "text/event-stream"})
    return httpx2.Response(200, json=message([{"type": "text", "text": "".join(WORDS)}], USAGE))


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def capture(sink: MemorySink) -> Iterator[Capture]:
    capture = make_capture(sink)
    yield capture
    capture.close()


@pytest.fixture
def client(capture: Capture) -> Iterator[Any]:
    http = httpx2.Client(transport=httpx2.MockTransport(api))
    with anthropic.Anthropic(api_key="sk-ant-test", max_retries=0, http_client=http) as client:
        yield capture.wrap_anthropic(client)


def run(capture: Capture, work: Callable[[Any], Any]) -> Any:
    async def with_client() -> Any:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(api))
        async with anthropic.AsyncAnthropic(api_key="sk-ant-test", max_retries=0, http_client=http) as client:
            return await work(capture.wrap_anthropic(client))

    return asyncio.run(with_client())


def check(capture: Capture, sink: MemorySink, *, has_first: bool) -> dict[str, Any]:
    assert capture.flush()
    (record,) = sink.records
    parse(sink.lines[0])
    assert (record["model"], record["user_input"], record["output"]) == (MODEL, "Where is my order?", "".join(WORDS))
    assert (record["input_tokens"], record["output_tokens"]) == (1_500, 50)
    assert record["cost_usd"] == pytest.approx(COST)
    assert record["model_parameters"] == {"max_tokens": 100}
    assert record["prompt_version"].startswith("sha256:")
    assert ("time_to_first_token_ms" in record) is has_first
    return record


class TestOneCall:
    def test_create(self, capture: Capture, client: Any, sink: MemorySink) -> None:
        reply = client.messages.create(**ASKED)
        assert isinstance(reply, anthropic.types.Message)
        assert isinstance(client, anthropic.Anthropic)
        check(capture, sink, has_first=False)

    def test_create_with_stream(self, capture: Capture, client: Any, sink: MemorySink) -> None:
        with client.messages.create(**ASKED, stream=True) as stream:
            assert [event.type for event in stream][-1] == "message_stop"
        check(capture, sink, has_first=True)

    @pytest.mark.parametrize("how", ["text", "events", "final"])
    def test_stream(self, capture: Capture, client: Any, sink: MemorySink, how: str) -> None:
        with client.messages.stream(**ASKED) as stream:
            if how == "text":
                assert list(stream.text_stream) == list(WORDS)
            elif how == "events":
                assert sum(event.type == "text" for event in stream) == 3
            else:
                assert stream.get_final_text() == "".join(WORDS)
        check(capture, sink, has_first=how != "final")

    def test_async(self, capture: Capture, sink: MemorySink) -> None:
        async def create(client: Any) -> Any:
            return await client.messages.create(**ASKED)

        assert run(capture, create).stop_reason == "end_turn"
        check(capture, sink, has_first=False)

    def test_async_create_with_stream(self, capture: Capture, sink: MemorySink) -> None:
        async def create(client: Any) -> int:
            return len([event async for event in await client.messages.create(**ASKED, stream=True)])

        assert run(capture, create) == 8
        check(capture, sink, has_first=True)

    def test_async_stream(self, capture: Capture, sink: MemorySink) -> None:
        async def stream(client: Any) -> list[str]:
            async with client.messages.stream(**ASKED) as stream:
                return [text async for text in stream.text_stream]

        assert run(capture, stream) == list(WORDS)
        check(capture, sink, has_first=True)

    def test_a_stream_that_is_left(self, capture: Capture, client: Any, sink: MemorySink) -> None:
        with client.messages.stream(**ASKED) as stream:
            for text in stream.text_stream:
                assert text == WORDS[0]
                break
        assert capture.flush()
        (record,) = sink.records
        assert (record["output"], record["metadata"]) == (WORDS[0], {"stopped_early": True})

    def test_an_error_of_the_api_passes_unchanged(self, capture: Capture, client: Any, sink: MemorySink) -> None:
        with pytest.raises(anthropic.BadRequestError):
            client.messages.create(**ASKED | {"messages": [{"role": "user", "content": "fail"}]})
        assert capture.flush()
        assert sink.records[0]["error"].startswith("BadRequestError")

    def test_copies_of_the_client_are_watched_too(self, capture: Capture, client: Any, sink: MemorySink) -> None:
        client.with_options(timeout=3).messages.create(**ASKED)
        check(capture, sink, has_first=False)


def test_calls_of_one_interaction_add_up(capture: Capture, client: Any, sink: MemorySink) -> None:
    with capture.interaction(user_input="Where?", prompt_version="v3") as one:
        client.messages.create(**ASKED)
        client.messages.create(**ASKED)
        one.output = "Near."
    assert capture.flush()
    (record,) = sink.records
    assert (record["user_input"], record["output"], record["prompt_version"]) == ("Where?", "Near.", "v3")
    assert (record["input_tokens"], record["cost_usd"]) == (3_000, pytest.approx(2 * COST))


def test_a_request_whose_only_word_is_a_models_call_is_an_interaction(
    capture: Capture, client: Any, sink: MemorySink
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        client.messages.create(**ASKED)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent = asyncio.run(ask(capture.middleware(app)))
    record = check(capture, sink, has_first=False)
    assert dict(sent[0]["headers"])[b"x-interaction-id"] == record["interaction_id"].encode()


@pytest.mark.parametrize("odd", [object(), None, "text", [1, 2]])
def test_whatever_a_client_returns_comes_back(capture: Capture, odd: object) -> None:
    class Messages:
        def create(self, **kwargs: Any) -> Any:
            return odd

    class Client:
        messages = Messages()

    found: Any = capture.wrap_anthropic(Client()).messages.create(model=3, messages="?", system=4, tools=5)
    assert found is odd
