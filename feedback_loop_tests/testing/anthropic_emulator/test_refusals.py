"""What the emulated API refuses, one test per reason, asked with plain HTTP where the SDK would refuse first."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.testing.anthropic_emulator import AnthropicEmulator
from feedback_loop.testing.anthropic_emulator.checks import MAX_BATCH_BODY, check_message, check_size
from feedback_loop.testing.anthropic_emulator.refusals import RefusedError
from feedback_loop.testing.anthropic_emulator.schemas import check_schema
from feedback_loop_tests.testing.anthropic_emulator.conftest import connect
from feedback_loop_tests.testing.anthropic_emulator.requests import (
    CARD,
    HAIKU,
    SONNET,
    ask,
    batch,
    items_schema,
    without,
)

HEADERS = {"authorization": "Bearer sk-ant-test", "anthropic-version": "2026-10-21"}
OLD, OLDEST = "claude-sonnet-4-6", "claude-haiku-4-5"
TOOLS = [{"name": "record", "description": "d", "input_schema": {"type": "object", "properties": {}}}]
FORCED = {"type": "tool", "name": "record"}
MARK = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
MARK_1H = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
PREFILL = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "{"}]


def said(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no model": (without(ask(), "model"), 400, "model: Field required"),
    "no messages": (without(ask(), "messages"), 400, "messages: Field required"),
    "no max_tokens": (without(ask(), "max_tokens"), 400, "max_tokens: Field required"),
    "max_tokens no number": (ask(max_tokens="many"), 400, "max_tokens: Input should be a valid integer"),
    "max_tokens negative": (ask(max_tokens=-1), 400, "max_tokens: must be greater"),
    "max_tokens over the limit": (ask(max_tokens=128_001), 400, "max_tokens: 128001 > 128000, which is the maximum"),
    "temperature": (ask(temperature=0), 400, "temperature: Extra inputs are not permitted"),
    "top_p": (ask(top_p=0.5), 400, "top_p: Extra inputs are not permitted"),
    "top_k": (ask(top_k=1), 400, "top_k: Extra inputs are not permitted"),
    "output_format": (ask(output_format={}), 400, "output_format: Extra inputs are not permitted"),
    "stream no flag": (ask(stream="yes"), 400, "stream: Input should be a valid boolean"),
    "unknown model": (ask(model="claude-nonsense-9"), 404, "model: claude-nonsense-9"),
    "no message at all": (ask(messages=[]), 400, "messages: at least one message is required"),
    "empty message": (ask(messages=said("")), 400, "messages.0: user messages must have non-empty content"),
    "empty message before": (ask(messages=said("") + said("x")), 400, "messages.0: all messages must have non-empty"),
    "unknown role": (ask(messages=[{"role": "bot", "content": "x"}]), 400, "messages.0.role: Input should be 'user'"),
    "message without content": (ask(messages=[{"role": "user"}]), 400, "messages.0.content: Field required"),
    "block without text": (ask(messages=said([{"type": "text"}])), 400, "messages.0.content.0.text: Field required"),
    "unknown ttl": (
        ask(messages=said([MARK | {"cache_control": {"type": "ephemeral", "ttl": "2h"}}])), 400, "ephemeral.ttl: Inp"),
    "unknown effort": (ask(output_config={"effort": "huge"}), 400, "output_config.effort: Input should be 'low'"),
    "format without schema": (
        ask(output_config={"format": {"type": "json_schema"}}), 400, "output_config.format.schema: Field required"),
    "prefill": (ask(messages=PREFILL), 400, "does not support assistant message prefill"),
    "prefill on 4.6": (ask(model=OLD, messages=PREFILL), 400, "does not support assistant message prefill"),
    "thinking disabled on Sonnet 5.5": (ask(model=SONNET), 400, '"thinking.type.disabled" is not supported'),
    "thinking enabled on Haiku 5.5": (
        ask(thinking={"type": "enabled", "budget_tokens": 1024}), 400, '"thinking.type.enabled" is not supported'),
    "thinking of an unknown type": (ask(thinking={"type": "hard"}), 400, "thinking.type: Input should be"),
    "thinking budget too small": (
        ask(model=OLD, thinking={"type": "enabled", "budget_tokens": 10}), 400, "budget_tokens: must be at least 1024"),
    "thinking disabled at high effort": (ask(output_config={"effort": "max"}), 400, "not supported with output_config"),
    "forced tool on Sonnet 5.5": (
        ask(model=SONNET, thinking={"type": "between_tools"}, tools=TOOLS, tool_choice=FORCED), 400, "tool_choice: "),
    "forced tool while thinking": (
        without(ask(tools=TOOLS, tool_choice=FORCED), "thinking"), 400, "Thinking may not be enabled when tool_choice"),
    "tool_choice without tools": (ask(tool_choice={"type": "auto"}), 400, "may only be specified while"),
    "unknown tool": (ask(tools=TOOLS, tool_choice=FORCED | {"name": "x"}), 400, "Tool 'x' not found"),
    "five breakpoints": (ask(system=[MARK] * 5), 400, "A maximum of 4 blocks with cache_control"),
    "1h after 5m": (ask(system=[MARK, MARK_1H]), 400, "a ttl='1h' cache_control block must not come after"),
    "prompt too long": (
        ask(model=OLDEST, messages=said("word " * 150_000)), 400, "tokens > 200000 maximum"),
}  # fmt: skip


def post(emulator: AnthropicEmulator, body: Any, path: str = "/v1/messages", **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{emulator.base_url}{path}", content=content, headers=HEADERS | headers)


def check_refusal(response: httpx2.Response, status: int, kind: str, message: str) -> None:
    error = response.json()
    assert response.status_code == status
    assert error["type"] == "error"
    assert error["error"]["type"] == kind
    assert message in error["error"]["message"]
    assert error["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize(("body", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(emulator: AnthropicEmulator, body: dict[str, Any], status: int, message: str) -> None:
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    check_refusal(post(emulator, body), status, kind, message)
    assert emulator.usage == []


@pytest.mark.parametrize(
    "body",
    [
        ask(max_tokens=128_000),
        ask(model=OLDEST, messages=PREFILL),
        ask(model=SONNET, thinking={"type": "between_tools"}),
        ask(model=OLD, thinking={"type": "enabled", "budget_tokens": 1024}),
        without(ask(tools=TOOLS, tool_choice=FORCED), "output_config"),
        ask(system=[MARK_1H, MARK_1H, MARK, MARK]),
        ask(cache_control={"type": "ephemeral"}, system=[MARK_1H]),
        ask(max_tokens=0),
        ask(messages=[*PREFILL, {"role": "user", "content": "x"}]),
    ],
)
def test_what_stands_beside_a_refusal_is_taken(body: dict[str, Any]) -> None:
    check_message(body)


class TestHeaders:
    def ask(self, emulator: AnthropicEmulator, **headers: str) -> httpx2.Response:
        return httpx2.post(f"{emulator.base_url}/v1/messages", json=ask(), headers=headers)

    def test_no_key(self, emulator: AnthropicEmulator) -> None:
        response = self.ask(emulator, **{"anthropic-version": "2026-10-21"})
        check_refusal(response, 401, "authentication_error", "x-api-key header is required")

    @pytest.mark.parametrize(
        ("header", "value", "message"),
        [("authorization", "Bearer no", "Invalid bearer token"), ("x-api-key", "no", "invalid x-api-key")],
    )
    def test_wrong_key(self, emulator: AnthropicEmulator, header: str, value: str, message: str) -> None:
        response = self.ask(emulator, **{header: value, "anthropic-version": "2026-10-21"})
        check_refusal(response, 401, "authentication_error", message)

    def test_no_version(self, emulator: AnthropicEmulator) -> None:
        response = self.ask(emulator, authorization="Bearer sk-ant-test")
        check_refusal(response, 400, "invalid_request_error", "anthropic-version: header is required")

    def test_the_other_key_header_is_taken(self, emulator: AnthropicEmulator) -> None:
        assert self.ask(emulator, **{"x-api-key": "sk-ant-test", "anthropic-version": "1"}).status_code == 200

    def test_the_sdk_says_what_it_is(self, emulator: AnthropicEmulator) -> None:
        with connect(emulator, api_key="sk-ant-wrong") as client, pytest.raises(anthropic.AuthenticationError):
            client.messages.create(**ask())


class TestBodies:
    @pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"text"'])
    def test_no_json_object(self, emulator: AnthropicEmulator, body: bytes) -> None:
        check_refusal(post(emulator, body), 400, "invalid_request_error", "not valid JSON")

    def test_over_32_mb(self, emulator: AnthropicEmulator) -> None:
        with connect(emulator, timeout=30) as client, pytest.raises(anthropic.ContentTooLargeError):
            client.messages.create(**ask(messages=said("x" * 2**25)))

    def test_a_batch_may_have_256_mb(self) -> None:
        check_size(MAX_BATCH_BODY, MAX_BATCH_BODY)
        with pytest.raises(RefusedError, match="exceeds the maximum size"):
            check_size(MAX_BATCH_BODY + 1, MAX_BATCH_BODY)

    def test_an_unknown_address(self, emulator: AnthropicEmulator) -> None:
        assert post(emulator, {}, "/v1/v1/messages").json()["error"]["type"] == "not_found_error"

    def test_count_tokens_needs_no_max_tokens_but_the_rest(self, emulator: AnthropicEmulator) -> None:
        path = "/v1/messages/count_tokens"
        assert post(emulator, without(ask(), "max_tokens"), path).json().keys() == {"input_tokens"}
        check_refusal(post(emulator, ask(), path), 400, "invalid_request_error", "max_tokens: Extra inputs")
        check_refusal(post(emulator, {"model": HAIKU}, path), 400, "invalid_request_error", "messages: Field required")


class TestBatches:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({}, "requests: Field required"),
            ({"requests": "all"}, "requests: Input should be a valid list"),
            ({"requests": []}, "requests: List should have 1 to 100000 items, not 0"),
            ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
            (batch("a", ""), "requests.1.custom_id: String should match pattern"),
            (batch("a b"), "requests.0.custom_id: String should match pattern"),
            (batch("ä"), "requests.0.custom_id: String should match pattern"),
            (batch("a" * 65), "requests.0.custom_id: String should match pattern"),
            (batch("a", "b", "a"), "custom_id must be unique, 'a' is used 2 times"),
        ],
    )
    def test_refused_at_once(self, emulator: AnthropicEmulator, body: dict[str, Any], message: str) -> None:
        check_refusal(post(emulator, body, "/v1/messages/batches"), 400, "invalid_request_error", message)
        assert httpx2.get(f"{emulator.base_url}/v1/messages/batches", headers=HEADERS).json()["data"] == []

    def test_more_than_100_000_requests(self, emulator: AnthropicEmulator) -> None:
        body = {"requests": [{"custom_id": str(i), "params": {}} for i in range(100_001)]}
        check_refusal(post(emulator, body, "/v1/messages/batches"), 400, "invalid_request_error", "not 100001")

    @pytest.mark.parametrize(
        ("params", "kind", "message"),
        [
            ({"model": "claude-nonsense-9"}, "not_found_error", "model: claude-nonsense-9"),
            ({"temperature": 0}, "invalid_request_error", "temperature: Extra inputs are not permitted"),
            ({"max_tokens": 0}, "invalid_request_error", "max_tokens"),
            ({"stream": False}, "invalid_request_error", "stream"),
        ],
    )
    def test_bad_parameters_show_only_in_the_results(
        self, client: Anthropic, emulator: AnthropicEmulator, params: dict[str, Any], kind: str, message: str
    ) -> None:
        body = {"requests": batch("good")["requests"] + batch("bad", **params)["requests"]}
        created = client.messages.batches.create(**body)
        emulator.advance(60)
        results = {row.custom_id: row.result for row in client.messages.batches.results(created.id)}
        assert results["good"].type == "succeeded"
        assert results["bad"].type == "errored"
        assert results["bad"].error.error.type == kind
        assert message in results["bad"].error.error.message
        assert [billed.custom_id for billed in emulator.usage] == ["good"]

    @pytest.mark.parametrize("verb", ["retrieve", "results", "cancel", "delete"])
    def test_an_unknown_batch(self, client: Anthropic, verb: str) -> None:
        with pytest.raises(anthropic.NotFoundError):
            getattr(client.messages.batches, verb)("msgbatch_none")

    def test_neither_deleted_before_its_end_nor_canceled_after(
        self, client: Anthropic, emulator: AnthropicEmulator
    ) -> None:
        created = client.messages.batches.create(**batch("a"))
        with pytest.raises(anthropic.BadRequestError, match="still being processed"):
            client.messages.batches.delete(created.id)
        results = httpx2.get(f"{emulator.base_url}/v1/messages/batches/{created.id}/results", headers=HEADERS)
        check_refusal(results, 404, "not_found_error", "no available results")
        emulator.advance(60)
        with pytest.raises(anthropic.BadRequestError, match="already ended"):
            client.messages.batches.cancel(created.id)

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after_id=msgbatch_none"])
    def test_pages_that_cannot_be(self, emulator: AnthropicEmulator, query: str) -> None:
        response = httpx2.get(f"{emulator.base_url}/v1/messages/batches?{query}", headers=HEADERS)
        assert response.json()["error"]["type"] == "invalid_request_error"


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


RECURSIVE = closed(child={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})
SCHEMAS: dict[str, tuple[dict[str, Any], str]] = {
    "open object": (without(CARD, "additionalProperties"), "'additionalProperties' must be explicitly set to false"),
    "open object inside": (closed(a={"type": "object"}), "'additionalProperties' must be explicitly set to false"),
    "open in items": (items_schema(x={"type": "object", "additionalProperties": True}), "explicitly set to false"),
    "minimum": (closed(n={"type": "integer", "minimum": 1}), "For 'integer' type, property 'minimum' is not supported"),
    "two bounds": (
        closed(n={"type": "integer", "minimum": 1, "maximum": 4}),
        "For 'integer' type, properties minimum, maximum are not supported",
    ),
    "maxLength": (closed(s={"type": "string", "maxLength": 9}), "property 'maxLength' is not supported"),
    "maxItems": (closed(a={"type": "array", "items": {}, "maxItems": 9}), "property 'maxItems' is not supported"),
    "minItems": (closed(a={"type": "array", "items": {}, "minItems": 2}), "'minItems' values other than 0 or 1"),
    "in $defs": (closed() | {"$defs": {"x": {"type": "object"}}}, "explicitly set to false"),
    "25 optional": (closed(**{f"f{i}": {} for i in range(25)}) | {"required": []}, "too many optional parameters (25"),
    "17 unions": (closed(**{f"f{i}": {"type": ["string", "null"]} for i in range(17)}), "union types (17 > 16)"),
    "recursion": (RECURSIVE | {"$defs": {"node": RECURSIVE}}, "Recursive schemas are not supported"),
    "recursion to itself": (closed(child={"$ref": "#"}), "Recursive schemas are not supported"),
    "nowhere": (closed(child={"$ref": "#/$defs/none"}), "Cannot resolve reference '#/$defs/none'"),
}  # fmt: skip


class TestSchemas:
    @pytest.mark.parametrize(("schema", "message"), SCHEMAS.values(), ids=SCHEMAS)
    def test_refused(self, emulator: AnthropicEmulator, schema: dict[str, Any], message: str) -> None:
        check_refusal(post(emulator, ask(schema=schema)), 400, "invalid_request_error", message)

    def test_what_the_limits_allow_is_taken(self) -> None:
        check_schema(closed(**{f"f{i}": {} for i in range(24)}) | {"required": []})
        check_schema(closed(**{f"f{i}": {"type": ["string", "null"]} for i in range(16)}))
        shared = {"$ref": "#/$defs/leaf"}
        check_schema(closed(a=shared, b=shared, c={"type": "array", "items": shared}) | {"$defs": {"leaf": closed()}})

    def test_what_the_sdk_makes_of_a_pydantic_model_is_taken(self) -> None:
        schema = anthropic.transform_schema(
            {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
        )
        check_schema(schema)

    @given(st.sampled_from(["minimum", "multipleOf", "maxLength", "maxItems"]), st.integers(0, 5))
    def test_a_constraint_is_found_at_any_depth(self, name: str, depth: int) -> None:
        node: dict[str, Any] = {"type": "string", name: 3}
        for _ in range(depth):
            node = closed(child={"type": "array", "items": node})
        with pytest.raises(RefusedError, match=f"property '{name}' is not supported"):
            check_schema(closed(root=node))
