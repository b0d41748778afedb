"""The records of the import format and the rules they keep.

Belongs here: the fields, their types and limits, and `parse`, which turns the bytes of one line into a record or
says in plain words why not (`reasons.py` words it). Does not belong here: files (`reading.py`) and what is stored of a
record (`rows.py`).

msgspec validates while it decodes; `docs/benchmarks.md` has the measurement against pydantic.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from feedback_loop.intake.reasons import Rejection, explain, nul_path
from feedback_loop.records import SIGNAL_NAMES, Signal
from feedback_loop.redaction import INVISIBLE

SafetyLevel = Literal["low", "medium", "high"]
CHOICES = {"signal": SIGNAL_NAMES, "safety_level": get_args(SafetyLevel)}

# An index entry of PostgreSQL holds 2,704 bytes: one id, or three names together, of 4-byte characters must fit.
# Ids and names are shown in terminals, tickets and the UI, where one must not look like another.
_SHOWN = rf"\A[^\t\n\u2028\u2029{INVISIBLE}]*\Z"
Id = Annotated[str, Meta(min_length=1, max_length=512, pattern=_SHOWN)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_SHOWN)]
Time = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0, le=1)]

FIRST_YEAR, LAST_YEAR = 2000, 2100
DEFAULT_APPLICATION = "default"


class _Record(Struct, tag_field="type", forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Absent and null mean the same in every optional field.

    Every default is None, also where `check` fills in a value: msgspec leaves out what is identical to the default, and
    the hash of the content must not depend on whether a value was given or filled in.
    """


class Document(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A document that the application retrieved."""

    id: str | None = None
    title: str | None = None


class Interaction(_Record, tag="interaction"):
    """One request and response of the application."""

    interaction_id: Id
    occurred_at: Time
    user_input: str
    output: str
    prompt_version: Name
    application: Name | None = None
    session_id: Id | None = None
    turn: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    user_id: Id | None = None
    cohort: Name | None = None
    prompt_name: Name | None = None
    model: Name | None = None
    model_parameters: dict[str, Any] | None = None
    tools: list[Any] | None = None
    system_prompt: str | None = None
    retrieved_documents: list[Document] | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    time_to_first_token_ms: Amount | None = None
    latency_ms: Amount | None = None
    cost_usd: Amount | None = None
    error: str | None = None
    safety_level: SafetyLevel | None = None
    experiment: Name | None = None
    variant: Name | None = None
    sample_rate: Share | None = None
    metadata: dict[str, Any] | None = None


class Feedback(_Record, tag="feedback"):
    """A signal on an interaction."""

    interaction_id: Id
    occurred_at: Time
    signal: Signal
    feedback_id: Id | None = None
    user_id: Id | None = None
    value: float | bool | None = None
    reason: str | None = None
    comment: str | None = None
    edited_output: str | None = None
    preferred_output: str | None = None


class Evaluation(_Record, tag="evaluation"):
    """An evaluator's number on an output."""

    interaction_id: Id
    evaluator: Name
    score: Annotated[float, Meta(ge=0, le=1)]
    evaluator_version: Name | None = None
    label: str | None = None
    explanation: str | None = None
    occurred_at: Time | None = None


class Deployment(_Record, tag="deployment"):
    """A change that went live."""

    deployed_at: Time
    deployment_id: Id | None = None
    application: Name | None = None
    prompt_name: Name | None = None
    prompt_version: Name | None = None
    rollout_share: Share | None = None
    fixes: list[Id] | None = None
    rationale: str | None = None


Record = Interaction | Feedback | Evaluation | Deployment

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    kind.__struct_config__.tag: msgspec.json.Decoder(kind) for kind in get_args(Record)
}


def parse(line: bytes, kind: str | None = None, application: str = DEFAULT_APPLICATION) -> Record:
    """One line of an import file as a checked record, in normal form (UTC times, defaults filled in).

    Args:
        line: JSON.
        kind: the one type that it may be of, and need not name; None: any, and it names its own.
        application: of a record that names none.

    Raises:
        Rejection: the line is no record of the contract; its message says which field and why.
    """
    try:
        record = (_decoder if kind is None else _decoders[kind]).decode(line)
        if b"\\u0000" in line and (path := nul_path(msgspec.to_builtins(record))):
            raise Rejection(f"field '{path}' holds a NUL character, which cannot be stored")
        return check(record, application)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejection(explain(error, line, CHOICES, kind)) from None


def check(record: Record, application: str = DEFAULT_APPLICATION) -> Record:
    """What the types cannot say; brings the record into normal form in place.

    Args:
        record: as decoded.
        application: of a record that names none.

    Raises:
        Rejection: a rule is broken.
    """
    if isinstance(record, Interaction):
        record.occurred_at = _utc("occurred_at", record.occurred_at)
        record.application = record.application or application
        record.sample_rate = record.sample_rate or 1.0
    elif isinstance(record, Feedback):
        record.occurred_at = _utc("occurred_at", record.occurred_at)
        _check_value(record)
    elif isinstance(record, Evaluation):
        if record.occurred_at is not None:
            record.occurred_at = _utc("occurred_at", record.occurred_at)
    else:
        record.deployed_at = _utc("deployed_at", record.deployed_at)
        record.application = record.application or application
        record.rollout_share = record.rollout_share or 1.0
        if record.prompt_version is None and record.fixes is None:
            raise Rejection("a deployment needs 'prompt_version' or 'fixes'")
        record.fixes = record.fixes or []
    return record


def _utc(field: str, time: datetime) -> datetime:
    if not FIRST_YEAR <= time.year < LAST_YEAR:
        raise Rejection(f"field '{field}' is outside the years {FIRST_YEAR} to {LAST_YEAR}: {time.isoformat()}")
    return time.astimezone(UTC)


def _check_value(record: Feedback) -> None:
    value = record.value
    if record.signal == "rating" and (value is None or isinstance(value, bool) or not 1 <= value <= 5):
        raise Rejection(
            f"field 'value' of a rating must be a number from 1 to 5, got {msgspec.json.encode(value).decode()}"
        )
    if record.signal == "dwell" and (value is None or isinstance(value, bool) or value < 0):
        raise Rejection(
            f"field 'value' of a dwell must be milliseconds, 0 or more, got {msgspec.json.encode(value).decode()}"
        )
