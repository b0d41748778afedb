"""Foreign values as ours: times, numbers, names and nested JSON, whatever an export made of them.

Belongs here: reading one value. Does not belong here: which field is which (the tools' modules).

JSON, CSV and Parquet write the same value differently: empty text or null for "none", text or objects for JSON, times
with or without a zone (exports of the tools here are in UTC).
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from feedback_loop.intake.reasons import Rejection

_DROPPED = str.maketrans(dict.fromkeys("\t\n\r\u2028\u2029", " "))
_NANOS = 1e9


class NotTaken(Exception):  # noqa: N818 - an outcome of one record, by a rule that the documentation states
    """A record that the documented rules leave out; the message says which rule. Counted, not rejected."""


def is_none(value: Any) -> bool:
    """Null, empty text, NaN (how tables say null)."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def pick(raw: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that holds something; None where none does."""
    return next((raw[name] for name in names if name in raw and not is_none(raw[name])), None)


def text(value: Any) -> str | None:
    """A name or id as text; None for none."""
    return None if is_none(value) else str(value).translate(_DROPPED).strip() or None


def number(value: Any, field: str) -> float | None:
    """A number, also written as text.

    Raises:
        Rejection: it is none.
    """
    if is_none(value):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise Rejection(f"field '{field}' must be a number, got {str(value)[:50]!r}") from None
    if not math.isfinite(found):
        raise Rejection(f"field '{field}' must be a finite number")
    return found


def count(value: Any, field: str) -> int | None:
    """A whole number, also written as text.

    Raises:
        Rejection: it is no number.
    """
    found = number(value, field)
    return None if found is None else int(found)


def time(value: Any, field: str, zone: tzinfo = UTC) -> datetime | None:
    """A time: a datetime, ISO 8601 text (`T` or a space), or Unix nanoseconds as OTLP writes them.

    Args:
        value: as it came.
        field: its name, for the reason.
        zone: of times without one.

    Raises:
        Rejection: it is no time.
    """
    if is_none(value):
        return None
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            found = datetime.fromtimestamp(int(value) / _NANOS, UTC)
        else:
            found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise Rejection(f"field '{field}' is no time: {str(value)[:50]!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def needed_time(value: Any, field: str) -> datetime:
    """A time that must be there.

    Raises:
        Rejection: it is missing, or no time.
    """
    found = time(value, field)
    if found is None:
        raise Rejection(f"field '{field}' is missing")
    return found


def needed_id(value: Any, field: str) -> str:
    """An id that must be there.

    Raises:
        Rejection: it is missing.
    """
    found = text(value)
    if found is None:
        raise Rejection(f"field '{field}' is missing")
    return found


def parsed(value: Any) -> Any:
    """JSON that an export wrote as text, parsed; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def mapping(value: Any) -> dict[str, Any]:
    """An object, also written as JSON text or as Parquet's list of pairs; empty for anything else."""
    found = parsed(value)
    if isinstance(found, Mapping):
        return dict(found)
    if isinstance(found, list | tuple) and found and all(isinstance(p, list | tuple) and len(p) == 2 for p in found):
        return {str(key): item for key, item in found}
    return {}


def strings(value: Any) -> list[str]:
    """A list of names, also written as JSON text; empty for anything else."""
    found = parsed(value)
    return [str(item) for item in found] if isinstance(found, list | tuple) else []


def nested(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with dotted names as objects in objects, with lists where the names count (`messages.0.role`).

    A name that is also the beginning of others keeps its own value under the empty name.
    """
    tree: dict[str, Any] = {}
    for name, value in attributes.items():
        node = tree
        *path, last = name.split(".")
        for part in path:
            inner = node.get(part)
            node[part] = inner if isinstance(inner, dict) else ({} if inner is None else {"": inner})
            node = node[part]
        value = _nested_value(value)
        present = node.get(last)
        if isinstance(present, dict):
            node[last] = present | (value if isinstance(value, dict) else {"": value})
        else:
            node[last] = value
    return {name: _lists(value) for name, value in tree.items()}


def dig(tree: Mapping[str, Any], name: str) -> Any:
    """The value at a dotted name in what `nested` made; None where nothing is there."""
    node: Any = tree
    for part in name.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return None if is_none(node) else node


def _nested_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return nested(value)
    if isinstance(value, list | tuple):
        return [_nested_value(item) for item in value]
    return value


def _lists(value: Any) -> Any:
    """Objects whose names are all whole numbers as lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(item) for name, item in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
