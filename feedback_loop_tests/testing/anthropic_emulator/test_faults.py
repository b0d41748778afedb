"""Every failure that can be ordered, as the real SDK meets it on the wire (the table in the SDK's measured behaviour).

`before` failures cost nothing; all others are failures of an answer that was made and paid for.
"""

import json
import time
from collections.abc import Callable
from typing import Any, get_args

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types import Message

from feedback_loop.testing.anthropic_emulator import FAULT_NAMES, AnthropicEmulator, FaultName
from feedback_loop.testing.anthropic_emulator.faults import STATUSES
from feedback_loop_tests.testing.anthropic_emulator.conftest import connect
from feedback_loop_tests.testing.anthropic_emulator.requests import CARD, JUDGE, ask, batch

STATUS_ERRORS: dict[FaultName, type[anthropic.APIStatusError]] = {
    "rate_limit": anthropic.RateLimitError,
    "tier_spend_limit": anthropic.RateLimitError,
    "spend_limit": anthropic.BadRequestError,
    "bad_request": anthropic.BadRequestError,
    "authentication": anthropic.AuthenticationError,
    "billing": anthropic.APIStatusError,
    "permission": anthropic.PermissionDeniedError,
    "not_found": anthropic.NotFoundError,
    "request_timeout": anthropic.APIStatusError,
    "conflict": anthropic.ConflictError,
    "too_large": anthropic.APIStatusError,
    "unprocessable": anthropic.UnprocessableEntityError,
    "server_error": anthropic.InternalServerError,
    "unavailable": anthropic.InternalServerError,
    "gateway_timeout": anthropic.InternalServerError,
    "overloaded": anthropic.InternalServerError,
}
RETRIED = {"rate_limit", "tier_spend_limit", "request_timeout", "conflict", "server_error", "unavailable",
           "gateway_timeout", "overloaded"}  # fmt: skip


@pytest.fixture
def loose(emulator: AnthropicEmulator) -> Any:
    """The SDK as it is outside tests: it takes what has the wrong shape."""
    with connect(emulator) as client:
        yield client


def text_of(message: Message) -> str:
    return next(block.text for block in message.content if block.type == "text")


def items_of(message: Message) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(text_of(message))["items"]
    return items


class TestStatuses:
    def test_each_is_covered(self) -> None:
        assert STATUS_ERRORS.keys() == STATUSES.keys()

    @pytest.mark.parametrize("name", STATUSES)
    def test_error_and_body(self, client: Anthropic, emulator: AnthropicEmulator, name: FaultName) -> None:
        emulator.fail(name)
        with pytest.raises(STATUS_ERRORS[name]) as caught:
            client.messages.create(**ask())
        error = caught.value
        status, message = STATUSES[name]
        assert (error.status_code, error.message.endswith(str(error.body))) == (status, True)
        assert isinstance(error.body, dict)
        assert error.body["error"]["message"] == message
        assert error.body["request_id"] == error.request_id == error.response.headers["request-id"]
        assert emulator.usage == []
        client.messages.create(**ask())  # once only

    @pytest.mark.parametrize("name", STATUSES)
    def test_the_sdk_retries_what_the_table_says(self, emulator: AnthropicEmulator, name: FaultName) -> None:
        emulator.fail(name, count=None, retry_after_ms="1")
        with connect(emulator, max_retries=2) as client, pytest.raises(anthropic.APIStatusError):
            client.messages.create(**ask())
        assert len(emulator.requests) == (3 if name in RETRIED else 1)

    @pytest.mark.parametrize("name", ["too_large", "server_error", "unavailable", "gateway_timeout", "overloaded"])
    def test_a_proxy_s_page(self, client: Anthropic, emulator: AnthropicEmulator, name: FaultName) -> None:
        emulator.fail(name, is_html=True)
        with pytest.raises(anthropic.APIStatusError, match="<html>") as caught:
            client.messages.create(**ask())
        assert caught.value.status_code == STATUSES[name][0]
        assert caught.value.type is None

    def test_spend_limits_are_told_apart_by_their_code_and_have_no_retry_after(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        emulator.fail("tier_spend_limit")
        with pytest.raises(anthropic.RateLimitError) as tier:
            client.messages.create(**ask())
        assert type(tier.value).__name__ == "EnforcedSpendLimitReachedError"
        assert "retry-after" not in tier.value.response.headers
        emulator.fail("spend_limit")
        with pytest.raises(anthropic.BadRequestError, match="reached your specified API usage limits"):
            client.messages.create(**ask())
        emulator.fail("rate_limit", error_code="ramp_limit_exceeded")
        with pytest.raises(anthropic.RateLimitError) as ramp:
            client.messages.create(**ask())
        assert type(ramp.value).__name__ == "RampLimitExceededError"

    @pytest.mark.parametrize("value", ["0", "1", "3600", "Fri, 20 Nov 2026 01:00:00 GMT"])
    def test_retry_after(self, client: Anthropic, emulator: AnthropicEmulator, value: str) -> None:
        emulator.fail("rate_limit", retry_after=value)
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.messages.create(**ask())
        headers = caught.value.response.headers
        assert headers["retry-after"] == value
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert headers["anthropic-ratelimit-tokens-reset"] == "2026-11-20T00:00:00Z"

    def test_retry_after_is_obeyed(self, emulator: AnthropicEmulator) -> None:
        emulator.fail("rate_limit", retry_after="1")
        with connect(emulator, max_retries=1) as client:
            began = time.monotonic()
            client.messages.create(**ask())
        assert time.monotonic() - began >= 1.0

    def test_should_retry_overrides(self, emulator: AnthropicEmulator) -> None:
        emulator.fail("overloaded", should_retry=False)
        with connect(emulator, max_retries=2) as client, pytest.raises(anthropic.InternalServerError):
            client.messages.create(**ask())
        emulator.fail("bad_request", should_retry=True, retry_after_ms="1")
        with connect(emulator, max_retries=2) as client:
            client.messages.create(**ask())
        assert len(emulator.requests) == 3


class TestWire:
    """Faults of the connection, and of what stands between."""

    @pytest.mark.parametrize(("name", "n_paid"), [("reset", 0), ("lost_response", 1), ("truncated_body", 1)])
    def test_connection_breaks(
        self, client: Anthropic, emulator: AnthropicEmulator, name: FaultName, n_paid: int
    ) -> None:
        emulator.fail(name)
        with pytest.raises(anthropic.APIConnectionError) as caught:
            client.messages.create(**ask())
        assert not isinstance(caught.value, anthropic.APITimeoutError)
        cause = httpx2.RemoteProtocolError if name == "truncated_body" else httpx2.ReadError
        assert isinstance(caught.value.__cause__, cause)
        assert emulator.n_paid() == n_paid
        client.messages.create(**ask())  # the server lives on

    @pytest.mark.parametrize("name", ["reset", "lost_response", "truncated_body"])
    def test_the_sdk_tries_again(self, emulator: AnthropicEmulator, name: FaultName) -> None:
        emulator.fail(name)
        with connect(emulator, max_retries=1) as client:
            client.messages.create(**ask())
        assert [request.headers["x-stainless-retry-count"] for request in emulator.requests] == ["0", "1"]
        assert len(emulator.paid_twice()) == (name != "reset")

    @pytest.mark.parametrize("name", ["slow_header", "slow_body"])
    def test_slow_ones_time_out_after_the_work_is_paid(self, emulator: AnthropicEmulator, name: FaultName) -> None:
        emulator.fail(name, delay=0.5)
        with connect(emulator, timeout=0.2) as client, pytest.raises(anthropic.APITimeoutError):
            client.messages.create(**ask())
        assert emulator.n_paid() == 1

    @pytest.mark.parametrize("name", ["slow_header", "slow_body"])
    def test_slow_ones_arrive_for_who_waits(
        self, client: Anthropic, emulator: AnthropicEmulator, name: FaultName
    ) -> None:
        emulator.fail(name, delay=0.3)
        began = time.monotonic()
        assert len(items_of(client.messages.create(**ask()))) == 3
        assert time.monotonic() - began >= 0.3

    def test_malformed_json(self, loose: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("malformed_json")
        with pytest.raises(json.JSONDecodeError):
            loose.messages.create(**ask())
        assert emulator.n_paid() == 1

    @pytest.mark.parametrize(("name", "start"), [("html_200", "<html>"), ("empty_200", "")])
    def test_text_with_status_200_is_returned_as_text(
        self, loose: Anthropic, emulator: AnthropicEmulator, name: FaultName, start: str
    ) -> None:
        emulator.fail(name)
        answer: Any = loose.messages.create(**ask())
        assert isinstance(answer, str)
        assert answer.startswith(start)
        assert bool(answer) == bool(start)
        assert emulator.usage == []

    def test_wrong_shape(self, loose: Anthropic, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("wrong_shape", count=2)
        answer: Any = loose.messages.create(**ask())
        assert (answer.id, answer.content, answer.usage) == (None, None, None)
        with pytest.raises(anthropic.APIResponseValidationError):
            client.messages.create(**ask())


class TestStreams:
    def test_cut(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("stream_cut")
        with pytest.raises(httpx2.RemoteProtocolError), client.messages.stream(**ask()) as stream:
            stream.get_final_message()
        assert emulator.n_paid() == 1

    def test_early_end_looks_like_success(self, loose: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("stream_early_end")
        with loose.messages.stream(**ask()) as stream:
            message = stream.get_final_message()
        assert message.stop_reason is None
        assert emulator.n_paid() == 1

    def test_error_event(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("stream_error")
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"), client.messages.stream(**ask()) as stream:
            stream.get_final_message()
        assert emulator.n_paid() == 1

    def test_they_pass_over_what_is_not_streamed(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("stream_cut")
        assert client.messages.create(**ask()).stop_reason == "end_turn"

    def test_an_unknown_block_and_no_content_in_a_stream(self, loose: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("unknown_stop_reason")
        with loose.messages.stream(**ask()) as stream:
            brand_new(stream.get_final_message())
        emulator.fail("none_content")
        with loose.messages.stream(**ask()) as stream:
            assert stream.get_final_message().content == []


def cut(message: Message) -> None:
    assert message.stop_reason == "max_tokens"
    with pytest.raises(json.JSONDecodeError):
        json.loads(text_of(message))


def out_of_window(message: Message) -> None:
    assert message.stop_reason == "model_context_window_exceeded"


def refused(message: Message) -> None:
    assert (message.stop_reason, message.content, message.stop_details) == ("refusal", [], None)


def refused_in_words(message: Message) -> None:
    assert (message.stop_reason, text_of(message)) == ("refusal", "I can't help with this request.")


def refused_in_detail(message: Message) -> None:
    assert message.stop_details is not None
    assert (message.stop_reason, message.stop_details.category) == ("refusal", "general_harms")


def prose(message: Message) -> None:
    assert message.stop_reason == "end_turn"
    assert text_of(message).startswith("Sure!")


def against_schema(message: Message) -> None:
    first, *rest = items_of(message)
    assert first.keys() == rest[0].keys() - {"injection_suspected"}


def invented(message: Message) -> None:
    assert [item["ref"] for item in items_of(message)] == ["r001", "r002", "r003", "r999999"]


def duplicate(message: Message) -> None:
    assert [item["ref"] for item in items_of(message)] == ["r001", "r002", "r003", "r001"]


def missing(message: Message) -> None:
    assert [item["ref"] for item in items_of(message)] == ["r001", "r002"]


def thinking(message: Message) -> None:
    assert [block.type for block in message.content] == ["thinking", "text"]


def hologram(message: Message) -> None:
    assert [str(block.type) for block in message.content] == ["hologram", "text"]


def brand_new(message: Message) -> None:
    assert str(message.stop_reason) == "brand_new"


def nothing(message: Any) -> None:
    assert message.content is None


ANSWERS: dict[FaultName, Callable[[Message], None]] = {
    "max_tokens": cut,
    "context_window": out_of_window,
    "refusal": refused,
    "refusal_prose": refused_in_words,
    "refusal_details": refused_in_detail,
    "prose": prose,
    "schema_violation": against_schema,
    "invented_ref": invented,
    "duplicate_ref": duplicate,
    "missing_ref": missing,
    "thinking_first": thinking,
    "unknown_block": hologram,
    "unknown_stop_reason": brand_new,
    "none_content": nothing,
}


class TestAnswers:
    """A model that breaks the contract: the same failure alone and inside a batch, paid both times."""

    @pytest.mark.parametrize("name", ANSWERS)
    def test_alone(self, loose: Anthropic, emulator: AnthropicEmulator, name: FaultName) -> None:
        emulator.fail(name, route="messages")
        ANSWERS[name](loose.messages.create(**ask()))
        assert emulator.n_paid() == 1
        assert len(items_of(loose.messages.create(**ask()))) == 3  # once only

    @pytest.mark.parametrize("name", ANSWERS)
    def test_in_a_batch(self, loose: Anthropic, emulator: AnthropicEmulator, name: FaultName) -> None:
        emulator.fail(name, route="batches", nth=2)
        created = loose.messages.batches.create(**batch(*"abc"))
        emulator.advance(60)
        results: dict[str, Any] = {row.custom_id: row.result for row in loose.messages.batches.results(created.id)}
        ANSWERS[name](results["b"].message)
        assert len(items_of(results["a"].message)) == len(items_of(results["c"].message)) == 3
        assert emulator.n_paid(is_batch=True) == 3

    @pytest.mark.parametrize(("schema", "field"), [(CARD, "likely_cause"), (JUDGE, "judgement")])
    def test_wrong_enum_case(
        self, client: Anthropic, emulator: AnthropicEmulator, schema: dict[str, Any], field: str
    ) -> None:
        allowed = schema["properties"]["items"]["items"]["properties"][field]["enum"]
        emulator.fail("wrong_enum_case")
        for item in items_of(client.messages.create(**ask(schema=schema))):
            assert item[field] not in allowed
            assert item[field].lower() in allowed
            assert item["ref"].startswith("r00")

    def test_what_cannot_happen_is_said_so(self) -> None:
        emulator = AnthropicEmulator(lambda body: "prose")
        emulator.fail("missing_ref")
        with (
            pytest.raises(RuntimeError, match="'missing_ref' does not go with the answer 'prose'"),
            emulator,
            connect(emulator) as client,
            pytest.raises(anthropic.InternalServerError),
        ):
            client.messages.create(**ask())


def test_every_failure_has_a_test() -> None:
    elsewhere = {"batch_errored", "batch_expired", "batch_canceled", "missing_custom_id", "duplicate_custom_id",
                 "unknown_custom_id", "cut_jsonl", "foreign_results_url"}  # fmt: skip
    here = {"reset", "lost_response", "truncated_body", "slow_header", "slow_body", "malformed_json", "html_200",
            "empty_200", "wrong_shape", "stream_cut", "stream_early_end", "stream_error", "wrong_enum_case",
    }  # fmt: skip
    assert set(FAULT_NAMES) == set(get_args(FaultName)) == STATUSES.keys() | ANSWERS.keys() | here | elsewhere
