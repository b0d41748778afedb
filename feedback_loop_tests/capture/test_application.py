"""What an application sees of capture: ids, its own results and errors, and never ours."""

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from feedback_loop.capture import Capture
from feedback_loop.intake.contract import parse
from feedback_loop.redaction import hash_user
from feedback_loop_tests.capture.world import KEY, MemorySink, ask, make_capture


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def capture(sink: MemorySink) -> Iterator[Capture]:
    capture = make_capture(sink)
    yield capture
    capture.close()


def web_app(capture: Capture, endpoint: Callable[[Request], Any]) -> Any:
    return capture.middleware(Starlette(routes=[Route("/chat", endpoint, methods=["POST"])]))


def header(sent: list[dict[str, Any]], name: bytes = b"x-interaction-id") -> bytes | None:
    return dict(sent[0]["headers"]).get(name)


class TestMiddleware:
    def test_the_answer_carries_the_id_of_what_is_stored(self, capture: Capture, sink: MemorySink) -> None:
        async def chat(request: Request) -> JSONResponse:
            with capture.interaction(user_input="Where?", user_id="ann", prompt_version="v7") as one:
                one.output = "There."
            return JSONResponse({"id": request.state.interaction_id, "same": capture.interaction_id()})

        sent = asyncio.run(ask(web_app(capture, chat), [(b"x-session-id", b"s-1")]))
        assert capture.flush()
        (record,) = sink.records
        body = json.loads(sent[1]["body"])
        assert header(sent) == record["interaction_id"].encode()
        assert body == {"id": record["interaction_id"], "same": record["interaction_id"]}
        assert (record["session_id"], record["prompt_version"], record["output"]) == ("s-1", "v7", "There.")
        assert record["user_id"] == f"hmac:{hash_user('ann', KEY)}"
        parse(sink.lines[0])

    def test_requests_at_once_do_not_mix(self, capture: Capture, sink: MemorySink) -> None:
        async def chat(request: Request) -> JSONResponse:
            name = request.headers["x-session-id"]
            capture.identify(user_id=name)
            async with capture.interaction(user_input=name) as one:
                await asyncio.sleep(0.01)
                one.output = name
            return JSONResponse(one.interaction_id)

        async def many() -> None:
            app = web_app(capture, chat)
            await asyncio.gather(*(ask(app, [(b"x-session-id", f"s{n}".encode())]) for n in range(50)))

        asyncio.run(many())
        assert capture.flush()
        assert {(r["session_id"], r["user_input"], r["output"]) for r in sink.records} == {
            (f"s{n}", f"s{n}", f"s{n}") for n in range(50)
        }
        assert all(r["user_id"] == f"hmac:{hash_user(r['session_id'], KEY)}" for r in sink.records)

    def test_a_streamed_answer_is_whole_and_has_a_time_to_the_first_token(
        self, capture: Capture, sink: MemorySink
    ) -> None:
        @capture.interaction(prompt_version="v1")
        async def tell(question: str) -> AsyncIterator[str]:
            for word in question.split():
                await asyncio.sleep(0.01)
                yield word

        async def chat(request: Request) -> StreamingResponse:
            return StreamingResponse(tell("one two three"))

        sent = asyncio.run(ask(web_app(capture, chat)))
        assert capture.flush()
        (record,) = sink.records
        assert record["output"] == "onetwothree"
        assert header(sent) == record["interaction_id"].encode()
        assert 5 < record["time_to_first_token_ms"] < record["latency_ms"]

    def test_an_error_of_the_application_passes_unchanged_and_is_recorded(
        self, capture: Capture, sink: MemorySink
    ) -> None:
        broken = ValueError("no documents for jo@mail.example")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            capture.identify(user_id="ann")
            with capture.interaction(user_input="Why?"):
                raise broken

        with pytest.raises(ValueError, match="no documents") as caught:
            asyncio.run(ask(capture.middleware(app)))
        assert caught.value is broken
        assert capture.flush()
        assert [r["error"] for r in sink.records] == ["ValueError: no documents for <email>"]

    def test_a_request_that_says_nothing_is_no_interaction(self, capture: Capture, sink: MemorySink) -> None:
        async def health(request: Request) -> JSONResponse:
            return JSONResponse("up")

        assert header(asyncio.run(ask(web_app(capture, health))))
        assert capture.flush()
        assert sink.records == []

    @pytest.mark.parametrize("value", [b"ok-1", b"\xff\xfe", b"a" * 200, b"<script>", b""])
    def test_ids_from_outside_are_taken_only_where_they_are_trusted_and_clean(
        self, capture: Capture, value: bytes
    ) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        middleware = capture.middleware(app)
        assert header(asyncio.run(ask(middleware, [(b"x-interaction-id", value)]))) != value
        capture.trust_ids = True
        assert (header(asyncio.run(ask(middleware, [(b"x-interaction-id", value)]))) == value) is (value == b"ok-1")

    def test_other_scopes_pass_untouched(self, capture: Capture) -> None:
        seen = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append((scope["type"], send))

        async def send(message: Any) -> None: ...

        asyncio.run(capture.middleware(app)({"type": "lifespan"}, send, send))  # type: ignore[arg-type]
        assert seen == [("lifespan", send)]


class TestCalls:
    def test_functions_and_coroutines(self, capture: Capture, sink: MemorySink) -> None:
        @capture.interaction(prompt_name="p")
        def answer(n: int, question: str) -> str:
            return question * n

        @capture.interaction(read=lambda reply: str(reply["text"]))
        async def answer_later(question: str) -> dict[str, str]:
            return {"text": question.upper()}

        assert answer(2, "ab") == "abab"
        assert asyncio.run(answer_later(question="ab")) == {"text": "AB"}
        assert capture.flush()
        assert [(r["user_input"], r["output"]) for r in sink.records] == [("ab", "abab"), ("ab", "AB")]

    def test_a_stream_that_is_left_counts_as_far_as_it_was_taken(self, capture: Capture, sink: MemorySink) -> None:
        closed = []

        @capture.interaction()
        def count() -> Iterator[str]:
            try:
                for n in itertools.count():
                    yield str(n)
            finally:
                closed.append(True)

        stream = count()
        assert list(itertools.islice(stream, 3)) == ["0", "1", "2"]
        stream.close()  # type: ignore[attr-defined]
        assert closed == [True]
        assert capture.flush()
        (record,) = sink.records
        assert (record["output"], record["metadata"], record.get("error")) == ("012", {"stopped_early": True}, None)

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_stream_that_breaks(self, capture: Capture, sink: MemorySink, *, is_async: bool) -> None:
        @capture.interaction()
        def broken() -> Iterator[str]:
            yield "a"
            raise KeyError("x")

        @capture.interaction()
        async def broken_later() -> AsyncIterator[str]:
            yield "a"
            raise KeyError("x")

        async def take() -> list[str]:
            return [piece async for piece in broken_later()]

        with pytest.raises(KeyError):
            asyncio.run(take()) if is_async else list(broken())
        assert capture.flush()
        assert [(r["output"], r["error"]) for r in sink.records] == [("a", "KeyError: 'x'")]

    def test_a_cancelled_call_is_no_error(self, capture: Capture, sink: MemorySink) -> None:
        async def run() -> None:
            async with capture.interaction(user_input="a"):
                await asyncio.sleep(10)

        async def cancel() -> None:
            task = asyncio.create_task(run())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        assert capture.flush()
        assert sink.records[0]["metadata"] == {"stopped_early": True}

    def test_calls_within_calls_are_interactions_of_their_own(self, capture: Capture, sink: MemorySink) -> None:
        with capture.interaction(user_input="outer") as outer:
            with capture.interaction(user_input="inner"):
                assert capture.interaction_id() != outer.interaction_id
            assert capture.interaction_id() == outer.interaction_id
        assert capture.interaction_id() is None
        assert capture.flush()
        assert [r["user_input"] for r in sink.records] == ["inner", "outer"]


class Colour(StrEnum):
    RED = "red"


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


class TestBadInput:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"user_input": "half \ud83d of it"}, {"user_input": "half \ufffd of it"}),
            ({"user_input": "nul\0"}, {"user_input": "nul\ufffd"}),
            ({"user_input": 12}, {"user_input": "12"}),
            ({"metadata": {"o": object(), "s": {1}, "c": Colour.RED, "n": 2**80, "f": float("inf")}},
             {"metadata": {"o": "<object>", "s": [1], "c": "red", "n": "a number of more than 64 bits", "f": "inf"}}),
            ({"metadata": {"bad \ud800": ["\0", {"mail": "jo@mail.example"}]}},
             {"metadata": {"bad \ufffd": ["\ufffd", {"mail": "<email>"}]}}),
            ({"metadata": Hostile()}, {"metadata": {"value": "<Hostile>"}}),
            ({"latency": 1}, {}),
            ({"turn": -1, "input_tokens": "many", "cost_usd": float("nan")}, {}),
            ({"safety_level": "sky-high", "tools": "none", "model": "m\u202e\x07"}, {"model": "m"}),
            ({"retrieved_documents": ["d1", {"id": 2, "title": "T", "score": 1}]},
             {"retrieved_documents": [{"id": "d1"}, {"id": "2", "title": "T"}]}),
            ({"session_id": "call +41 44 668 18 00"}, {"session_id": hash_user("call +41 44 668 18 00", KEY)}),
        ],
    )  # fmt: skip
    def test_whatever_an_application_hands_over_is_made_a_record_that_is_taken(
        self, capture: Capture, sink: MemorySink, fields: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        with capture.interaction(**fields):
            pass
        assert capture.flush()
        (record,) = sink.records
        assert {name: without_none(record.get(name)) for name in expected} == expected
        parse(sink.lines[0])

    def test_huge_texts_are_cut_and_deep_ones_end(self, capture: Capture, sink: MemorySink) -> None:
        deep: list[Any] = []
        for _ in range(5_000):
            deep = [deep]
        wide = {str(n): "x" * 50 for n in range(50_000)}
        with capture.interaction(user_input="\x01" * 10_000_000, output="é" * 300_000, metadata={"d": deep, "w": wide}):
            pass
        assert capture.flush()
        assert "[cut, 10,000,000 characters]" in sink.records[0]["user_input"]
        assert len(sink.lines[0]) < 2_000_000
        parse(sink.lines[0])

    def test_what_changes_after_the_call_is_recorded_as_it_was(self, capture: Capture, sink: MemorySink) -> None:
        metadata = {"tags": ["a"]}
        with capture.interaction(metadata=metadata):
            pass
        metadata["tags"].append("b")
        assert capture.flush()
        assert sink.records[0]["metadata"] == {"tags": ["a"]}

    def test_feedback_that_cannot_be_is_counted(self, capture: Capture, sink: MemorySink) -> None:
        capture.record_feedback("i", "thumbs_sideways")
        capture.record_feedback("i", "rating", value=7)
        capture.record_feedback("", "thumbs_up")
        capture.record_feedback(None, "thumbs_up")  # type: ignore[arg-type]
        capture.record_feedback("i", "rating", value=2, comment="call 416-555-0142", user_id="ann")
        assert capture.flush()
        assert capture.losses.as_dict() == {"unknown_signal": 1, "invalid_value": 1, "no_interaction_id": 2}
        (record,) = sink.records
        assert (record["value"], record["comment"]) == (2, "call <phone>")
        assert record["user_id"] == f"hmac:{hash_user('ann', KEY)}"
        parse(sink.lines[0])

    def test_without_a_key_nothing_is_stored_and_it_says_so(
        self, sink: MemorySink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("FEEDBACK_LOOP_HASH_KEY", "short")
        capture = make_capture(sink, hash_key=None)
        with caplog.at_level(logging.WARNING):
            for _ in range(100):
                capture.record_feedback("i", "thumbs_up")
            capture.close()
        assert (sink.lines, capture.counts["dropped:no_hash_key"]) == ([], 100)
        assert len(caplog.records) < 5

    def test_wrong_defaults_are_an_error_at_start(self, sink: MemorySink) -> None:
        with pytest.raises(ValueError, match="prompt_vresion"):
            make_capture(sink, defaults={"prompt_vresion": "v1"})


def without_none(value: Any) -> Any:
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
