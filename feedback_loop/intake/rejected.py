"""A rejected line as the row that is kept of it: enough to find and mend it, nothing personal.

Belongs here: the excerpt and the names by which people find the record. Does not belong here: the reasons
(`reasons.py`).
"""

import hashlib
import os
import re
from typing import Any

import msgspec

from feedback_loop.intake.reading import Line
from feedback_loop.intake.reasons import MAX_REASON
from feedback_loop.redaction import protect_id, protect_user
from feedback_loop.redaction.deep import PATTERNS, Redactor

MAX_EXCERPT = 4_000  # characters
MAX_SOURCE = 500  # characters; part of a key, and an index entry has its limit
_LONGEST_EMAIL = 320  # characters (RFC 5321)
_KEY_FIELDS = {"feedback": "feedback_id", "deployment": "deployment_id"}
_USER = re.compile(r'("user_id"\s*:\s*)("(?:[^"\\]|\\.)*+"?|[^,}\s]++)')


def make_rejected(
    line: Line, reason: str, hash_key: bytes, redactor: Redactor = PATTERNS, known_kind: str | None = None
) -> dict[str, Any]:
    """A row of `rejected_records`.

    Args:
        line: the line as it was read.
        reason: why it was rejected.
        hash_key: of user ids and of the record's hash; 32 bytes.
        known_kind: what the line is where it does not say so itself.
        redactor: takes personal data and secrets out of what is kept.
    """
    fields = _read_fields(line)
    kind = fields.get("type", known_kind)
    key = fields.get(_KEY_FIELDS.get(kind if isinstance(kind, str) else "", "interaction_id"))
    key = key or fields.get("interaction_id")
    digest = hashlib.blake2b(line.data, digest_size=16, key=hash_key, salt=line.n_bytes.to_bytes(8, "big"))
    return {
        "source": _storable(os.fsencode(line.source).decode("utf-8", "replace"))[-MAX_SOURCE:],
        "line_number": line.number,
        "record_hash": digest.hexdigest(),
        "record_type": _storable(redactor.text(kind))[:100] if isinstance(kind, str) else None,
        "record_key": _storable(protect_id(key, hash_key))[:512] if isinstance(key, str) else None,
        "reason": _storable(redactor.text(reason))[:MAX_REASON],
        "record": _storable(_excerpt(line, fields, hash_key, redactor)),
        "n_bytes": line.n_bytes,
    }


def make_refused(line: Line, reason: str, hash_key: bytes) -> dict[str, Any]:
    """A row of `rejected_records` that keeps nothing of the record but where it stood."""
    nothing = Line(line.source, line.number, b"", 0)
    kept = make_rejected(nothing, reason, hash_key)
    return kept | {"record_hash": make_rejected(line, reason, hash_key)["record_hash"], "n_bytes": line.n_bytes}


def _read_fields(line: Line) -> dict[str, Any]:
    """The record's fields where the line is JSON at all; else none, and the text is all there is."""
    try:
        value = msgspec.json.decode(line.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _excerpt(line: Line, fields: dict[str, Any], hash_key: bytes, redactor: Redactor) -> str:
    if fields and not line.is_cut:
        try:
            if fields.get("user_id") is not None:
                fields["user_id"] = protect_user(str(fields["user_id"]), hash_key)
            return msgspec.json.encode(redactor.json(fields)).decode()[:MAX_EXCERPT]
        except (OverflowError, RecursionError):
            pass  # fall back on the text
    text = line.data[: 4 * MAX_EXCERPT].decode("utf-8", "replace").replace("\\u0040", "@")
    clean = redactor.text(_USER.sub(lambda found: f'{found[1]}"{protect_user(found[2], hash_key)}"', text))
    if len(line.data) > 4 * MAX_EXCERPT or line.is_cut:
        clean = clean[:-_LONGEST_EMAIL]  # the cut may have split something that is then not recognised
    return clean[:MAX_EXCERPT]


def _storable(text: str) -> str:
    return text.replace("\0", "\\u0000").encode("utf-8", "replace").decode()
