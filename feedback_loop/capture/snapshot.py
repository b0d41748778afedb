"""What an application hands over, copied and measured at once: it may change the object in the next line.

Belongs here: the copy as plain JSON values, its size, and limits. Does not belong here: redaction and the contract's
rules (`preparing.py`); this runs while somebody waits for an answer, so it looks at nothing twice.
"""

from sys import getsizeof
from typing import Any

MAX_TEXT_CHARS = 100_000
MAX_NODES = 5_000
MAX_DEPTH = 12
_CONTAINER_BYTES = 64
_SHOWN_AS_TEXT = ("datetime", "date", "time", "timedelta", "UUID", "Decimal", "PosixPath", "WindowsPath")


def cut(text: str) -> str:
    """The text, or its beginning with a note of how long it was."""
    if len(text) <= MAX_TEXT_CHARS:
        return text
    return f"{text[:MAX_TEXT_CHARS]}… [cut, {len(text):,} characters]"


def snapshot(value: Any) -> tuple[Any, int]:
    """A copy that holds nothing but dict, list, str, int, float, bool and None, and its size in bytes, roughly.

    Other objects become their type's name in angle brackets, but for times, UUIDs, decimals and paths, which become
    text. What is nested deeper than 12, or comes after 5,000 values, becomes `…`.
    """
    budget = [MAX_NODES, 0]
    copy = _copy(value, budget, 0)
    return copy, budget[1]


def _copy(value: Any, budget: list[int], depth: int) -> Any:
    budget[0] -= 1
    kind = type(value)
    if value is None or kind is bool:
        return value
    if budget[0] < 0 or depth > MAX_DEPTH:
        return "…"
    if kind is str:
        text = cut(value)
        budget[1] += getsizeof(text)
        return text
    budget[1] += _CONTAINER_BYTES
    if kind is int:
        return value if -(2**63) <= value < 2**63 else "a number of more than 64 bits"
    if kind is float:
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, dict):
        return {_key(k): _copy(v, budget, depth + 1) for k, v in list(value.items())[: budget[0] + 1]}
    if isinstance(value, list | tuple | set | frozenset):
        return [_copy(item, budget, depth + 1) for item in list(value)[: budget[0] + 1]]
    return _shown(value, budget)


def _shown(value: Any, budget: list[int]) -> Any:
    if isinstance(value, str):  # an enumeration's member, a marked-up text
        text = cut(str.__str__(value))
    elif isinstance(value, bool | int | float):
        return _copy(float(value) if isinstance(value, float) else int(value), budget, MAX_DEPTH)
    elif type(value).__name__ in _SHOWN_AS_TEXT:
        text = cut(str(value))
    else:
        text = f"<{type(value).__name__}>"
    budget[1] += getsizeof(text)
    return text


def _key(key: Any) -> str:
    return str.__str__(key)[:200] if isinstance(key, str) else _shown(key, [1, 0]).__str__()[:200]
