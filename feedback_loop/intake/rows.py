"""A checked record as the row that is stored: ids derived, personal data out, content hashed.

Belongs here: which field is redacted and how a record without an id gets one. Does not belong here: validation
(`contract.py`) and SQL (`store/facts.py`).

Free text and JSON are redacted. Names of the product's own things (versions, models, evaluators) are kept as they are.
Ids are join keys, so an id that holds an e-mail address or an international phone number is replaced by its keyed hash,
the same everywhere. A user id that was hashed inside the application (`hmac:` and 32 hexadecimal characters) is stored
as those characters: the same person under the same key, whichever way the record came.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from feedback_loop.intake.contract import Deployment, Evaluation, Feedback, Interaction, Record
from feedback_loop.intake.reasons import Rejection
from feedback_loop.redaction import protect_id, protect_user
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.store.facts import FactKind, encode_row

_encode_json = msgspec.json.Encoder(order="sorted").encode
_ID_BYTES = 16
_REMEMBERED = 1_024  # JSON fields


@dataclass(frozen=True, slots=True)
class Row:
    """One fact, ready to be stored.

    Attributes:
        kind: which fact table.
        key: its business key, as stored.
        text: the row in COPY's text format.
        user_hash: of the person who is its user; None where nobody is named.
    """

    kind: FactKind
    key: str
    text: str
    user_hash: str | None = None


def make_row(record: Record, hash_key: bytes, redactor: Redactor = PATTERNS) -> Row:
    """The row that is stored of a record.

    Args:
        record: from `contract.parse` or `contract.check`.
        hash_key: of user ids, derived ids and content hashes; 32 bytes.
        redactor: takes personal data and secrets out of every text.

    Raises:
        Rejection: a number inside a JSON field cannot be written.
    """
    try:
        content = hashlib.blake2b(_encode_json(record), digest_size=_ID_BYTES, key=hash_key).digest()
    except OverflowError:
        raise Rejection("a whole number in a JSON field is outside 64 bits") from None
    if isinstance(record, Interaction):
        kind: FactKind = "interaction"
        values = _interaction(record, hash_key, redactor)
    elif isinstance(record, Feedback):
        kind, values = "feedback", _feedback(record, hash_key, redactor)
    elif isinstance(record, Evaluation):
        kind, values = "evaluation", _evaluation(record, hash_key, redactor)
    else:
        kind, values = "deployment", _deployment(record, hash_key, redactor)
    user = _user(record.user_id, hash_key) if isinstance(record, Interaction | Feedback) else None
    return Row(kind, values[0], encode_row((*values, content)), user)


def _interaction(record: Interaction, key: bytes, redactor: Redactor) -> tuple[Any, ...]:
    documents = record.retrieved_documents
    return (
        protect_id(record.interaction_id, key),
        record.application,
        record.occurred_at,
        _optional_id(record.session_id, key),
        record.turn,
        _user(record.user_id, key),
        _text(redactor, record.cohort),
        record.prompt_name,
        record.prompt_version,
        record.model,
        _json(redactor, record.model_parameters),
        _json(redactor, record.tools),
        _text(redactor, record.system_prompt),
        redactor.text(record.user_input),
        redactor.text(record.output),
        None if documents is None else _json(redactor, msgspec.to_builtins(documents)),
        record.input_tokens,
        record.output_tokens,
        record.time_to_first_token_ms,
        record.latency_ms,
        record.cost_usd,
        _text(redactor, record.error),
        record.safety_level,
        record.experiment,
        record.variant,
        record.sample_rate,
        _json(redactor, record.metadata),
    )


def _feedback(record: Feedback, key: bytes, redactor: Redactor) -> tuple[Any, ...]:
    business_key = (record.interaction_id, record.user_id, record.signal, record.occurred_at)
    return (
        protect_id(record.feedback_id, key) if record.feedback_id else _derive_id("f", business_key, key),
        protect_id(record.interaction_id, key),
        record.occurred_at,
        _user(record.user_id, key),
        record.signal,
        None if record.value is None else float(record.value),
        _text(redactor, record.reason),
        _text(redactor, record.comment),
        _text(redactor, record.edited_output),
        _text(redactor, record.preferred_output),
    )


def _evaluation(record: Evaluation, key: bytes, redactor: Redactor) -> tuple[Any, ...]:
    business_key = (record.interaction_id, record.evaluator, record.evaluator_version, record.occurred_at)
    return (
        _derive_id("e", business_key, key),
        protect_id(record.interaction_id, key),
        record.evaluator,
        record.evaluator_version,
        record.score,
        _text(redactor, record.label),
        _text(redactor, record.explanation),
        record.occurred_at,
    )


def _deployment(record: Deployment, key: bytes, redactor: Redactor) -> tuple[Any, ...]:
    business_key = (
        record.application,
        record.prompt_name,
        record.prompt_version,
        record.deployed_at,
        record.rollout_share,
    )
    return (
        record.deployment_id or _derive_id("d", business_key, key),
        record.application,
        record.deployed_at,
        record.prompt_name,
        record.prompt_version,
        record.rollout_share,
        record.fixes,
        _text(redactor, record.rationale),
    )


def _derive_id(prefix: str, business_key: tuple[str | float | datetime | None, ...], key: bytes) -> str:
    """An id that is the same whenever the business key is; keyed, because a user id is part of some."""
    digest = hashlib.blake2b(_encode_json(business_key), digest_size=_ID_BYTES, key=key, person=b"derived id")
    return f"{prefix}-{digest.hexdigest()}"


def _user(user_id: str | None, key: bytes) -> str | None:
    return None if user_id is None else protect_user(user_id, key)


def _optional_id(value: str | None, key: bytes) -> str | None:
    return None if value is None else protect_id(value, key)


def _text(redactor: Redactor, value: str | None) -> str | None:
    return None if value is None else redactor.text(value)


def _json(redactor: Redactor, value: Any) -> str | None:
    return None if value is None else _clean_json(redactor, _encode_json(value))


@lru_cache(maxsize=_REMEMBERED)
def _clean_json(redactor: Redactor, encoded: bytes) -> str:
    """JSON without personal data; the same parameters, tools and documents come again and again."""
    value = msgspec.json.decode(encoded)
    clean = redactor.json(value)
    return (encoded if clean == value else _encode_json(clean)).decode()
