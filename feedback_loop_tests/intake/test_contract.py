"""Every rule of the import format, and the words that a broken one is explained with."""

from typing import Any

import pytest

from feedback_loop.intake.contract import Interaction, parse
from feedback_loop.intake.reasons import Rejection
from feedback_loop_tests.intake.records import deployment, evaluation, feedback, interaction, line

DEEP = b'{"type":"interaction","metadata":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"

RAW_FAULTS = [
    (b"{bad", "not valid JSON"),
    (b'{"type": "interaction", "inter', "ends in the middle"),
    (b"[1]", "must be an object, got a list"),
    (b"{}", "'type' is missing"),
    (b'{"type": "trace"}', "interaction, feedback, evaluation or deployment, got 'trace'"),
    (b'{"type": "interaction"}', "'interaction_id' is missing"),
    (b'{"type": "interaction", "interaction_id": "\xff"}', "not valid UTF-8"),
    (b'{"type": "inter\0action"}', "NUL byte"),
    (line(interaction()).replace(b"order", b"\\u0000"), "'user_input' holds a NUL"),
    (line(interaction()).replace(b"order", b"\\ud800"), "surrogate"),
    (line(interaction()).replace(b"order", b"\\udc00"), "surrogate"),
    (line(interaction()).replace(b'"v1"', b'"v1", "cost_usd": NaN'), "NaN and Infinity"),
    (line(interaction()).replace(b'"v1"', b'"v1", "cost_usd": -Infinity'), "NaN and Infinity"),
    (
        line(interaction()).replace(b'"v1"', b'"v1", "cost_usd": 1e999'),
        "'cost_usd' cannot be taken: number out",
    ),
    (DEEP, "nested too deeply"),
]
HIDDEN = "holds a control, zero-width or bidirectional character"
FIELD_FAULTS: list[tuple[dict[str, Any], str]] = [
    (interaction(interaction_id=""), "'interaction_id' is empty"),
    (interaction(interaction_id=7), "'interaction_id' must be text, got a whole number"),
    (interaction(interaction_id="x" * 513), "'interaction_id' is longer than 512 characters"),
    (interaction(interaction_id="i\x1b[31m1"), f"'interaction_id' {HIDDEN}"),
    (interaction(application="shop\n"), f"'application' {HIDDEN}"),
    (interaction(prompt_name="a\tb"), f"'prompt_name' {HIDDEN}"),
    (interaction(prompt_version="v\u200b1"), f"'prompt_version' {HIDDEN}"),
    (interaction(model="\u202eledom"), f"'model' {HIDDEN}"),
    (interaction(cohort="pro\ufeff"), f"'cohort' {HIDDEN}"),
    (interaction(session_id="s\x7f"), f"'session_id' {HIDDEN}"),
    (interaction(user_id="u\0"), f"'user_id' {HIDDEN}"),
    (feedback(feedback_id="f\u2066"), f"'feedback_id' {HIDDEN}"),
    (evaluation(evaluator="judge\u2028"), f"'evaluator' {HIDDEN}"),
    (deployment(fixes=["FL-1", "FL-\u200e2"]), f"'fixes[1]' {HIDDEN}"),
    (interaction(prompt_version=""), "'prompt_version' is empty"),
    (interaction(output=None), "'output' must be text, got null"),
    (interaction(occurred_at="2026-01-05T09:30:00"), "'occurred_at' has no time zone"),
    (interaction(occurred_at="yesterday"), "'occurred_at' is no time"),
    (interaction(occurred_at="1970-01-01T00:00:00Z"), "outside the years 2000 to 2100"),
    (interaction(occurred_at="2100-01-01T00:00:00Z"), "outside the years 2000 to 2100"),
    (interaction(sample_rate=0), "'sample_rate' must be greater than 0"),
    (interaction(sample_rate=1.5), "'sample_rate' must be at most 1"),
    (interaction(safety_level="mid"), "'safety_level': unknown value 'mid' (expected one of low, medium, high)"),
    (interaction(input_tokens=2**63), "'input_tokens' must be at most"),
    (interaction(turn=2**31), "'turn' must be at most 2,147,483,647"),
    (interaction(latency_ms=-1), "'latency_ms' must be at least 0"),
    (interaction(colour="red"), "unknown field 'colour'"),
    (interaction(metadata={"a": ["x\0"]}), "'metadata.a' holds a NUL"),
    (interaction(metadata={"a\0": 1}), "holds a NUL"),
    (
        interaction(retrieved_documents=[{"id": "d", "text": "x"}]),
        "unknown field 'text' in field 'retrieved_doc",
    ),
    (feedback(signal="like"), "'signal': unknown value 'like' (expected one of thumbs_up, thumbs_down"),
    (feedback(signal="rating"), "'value' of a rating must be a number from 1 to 5, got null"),
    (feedback(signal="rating", value=6), "'value' of a rating must be a number from 1 to 5, got 6"),
    (feedback(signal="rating", value=True), "'value' of a rating must be a number from 1 to 5, got true"),
    (feedback(signal="dwell", value=-1), "'value' of a dwell must be milliseconds"),
    (feedback(signal="shown", value="yes"), "'value' must be true or false or a number or null, got text"),
    (evaluation(score=1.01), "'score' must be at most 1"),
    (evaluation(evaluator=""), "'evaluator' is empty"),
    (deployment(prompt_version=None), "needs 'prompt_version' or 'fixes'"),
    (deployment(rollout_share=0), "'rollout_share' must be greater than 0"),
]


@pytest.mark.parametrize(
    ("data", "reason"),
    RAW_FAULTS + [(line(record), reason) for record, reason in FIELD_FAULTS],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_is_named_in_plain_words(data: bytes, reason: str) -> None:
    with pytest.raises(Rejection) as rejection:
        parse(data)
    assert reason in str(rejection.value)


@pytest.mark.parametrize(
    "record",
    [
        interaction(user_input="", output=""),
        interaction(metadata={"anything": [1, None, {"goes": True}]}, tools=[{"name": "search"}]),
        interaction(user_input="a\x1b[31m\u202e\n", output="\u200b\t", cohort="Größe M – 日本 שלום"),
        feedback(comment="\x1b]8;;x\x07 \u200b", reason="other\n"),
        interaction(user_input="an escaped \\u0000 is only text"),
        feedback(signal="rating", value=4.5),
        feedback(signal="edited", edited_output="x", value=None),
        feedback(signal="accepted", value=True),
        evaluation(score=1),
        deployment(prompt_version=None, fixes=["UNKNOWN-1"]),
        deployment(fixes=[]),
        deployment(prompt_version=None, fixes=[]),
    ],
    ids=str,
)
def test_what_the_contract_allows_is_taken(record: dict[str, Any]) -> None:
    parse(line(record))


def test_defaults_and_utc_are_the_normal_form() -> None:
    record = parse(line(interaction(application=None, sample_rate=None, occurred_at="2026-01-05T10:30:00+01:00")))
    assert record == parse(line(interaction()))
    assert isinstance(record, Interaction)
    assert (record.application, record.sample_rate, record.occurred_at.isoformat()) == (
        "default",
        1.0,
        "2026-01-05T09:30:00+00:00",
    )
