"""Why a line was rejected, in plain words.

Belongs here: wording. msgspec's messages are exact but speak of JSON paths and Python types; people who export data
read these. Does not belong here: the rules themselves (`contract.py`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MAX_REASON = 500  # characters


class Rejection(Exception):  # noqa: N818 - an outcome of one line, not a failure of the program
    """One line cannot be taken; the message says why. Never leaves `intake`."""


_WHERE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`\Z")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_CHOICE = re.compile(r"Invalid (?:enum )?value (.*)", re.DOTALL)
_LENGTH = re.compile(r"Expected `str` of length (>=|<=) (\d+)")
_BOUND = re.compile(r"Expected `(?:int|float)` (>=|<=|>|<) (\S+)")
_TYPE = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")

_TYPE_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
    "datetime": "a time as text",
}
_BOUND_WORDS = {">=": "at least", "<=": "at most", ">": "greater than", "<": "less than"}
_TIME_EXAMPLE = "RFC 3339, such as 2026-01-05T09:30:00Z"
_RECORD_TYPES = "interaction, feedback, evaluation or deployment"


def explain(error: Exception, line: bytes, choices: Mapping[str, Sequence[str]], kind: str | None = None) -> str:
    """Word a decoding error.

    Args:
        error: what msgspec raised on the line.
        line: the line, to recognise common slips in it.
        choices: the allowed values of every field that has a fixed set.
        kind: the one type that a record may be of; None: any.
    """
    if isinstance(error, RecursionError):
        return "lists or objects are nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8: {error.reason} at byte {error.start} of a text"
    if isinstance(error, msgspec.ValidationError):
        return _explain_field(str(error), choices, kind or _RECORD_TYPES)
    return _explain_syntax(str(error), line)


def nul_path(value: Any, path: str = "") -> str | None:
    """Where in a JSON value a NUL character stands, as `metadata.note`; None if nowhere."""
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        pairs = [(f"{path}.{key}".lstrip("."), item) for key, item in value.items()]
        found = (name if "\0" in name else nul_path(item, name) for name, item in pairs)
    elif isinstance(value, list):
        found = (nul_path(item, path) for item in value)
    else:
        return None
    return next((name for name in found if name is not None), None)


def _explain_syntax(message: str, line: bytes) -> str:
    if not line.strip(b"\0"):
        return "the line holds NUL bytes only"
    if b"\0" in line:
        return f"the line holds a NUL byte (byte {line.index(0)})"
    if re.search(rb"[:\[,]\s*-?(NaN|Infinity)", line):
        return "not valid JSON: NaN and Infinity are no numbers in JSON; use null"
    if "surrogate" in message or re.search(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])", line):
        return "not valid JSON: half of a surrogate pair (\\ud800 to \\udfff) stands alone"
    if "truncated" in message:
        return "not valid JSON: the line ends in the middle of the record"
    return f"not valid JSON: {message.removeprefix('JSON is malformed: ')}"


def _explain_field(message: str, choices: Mapping[str, Sequence[str]], types: str) -> str:
    where = _WHERE.search(message)
    path, text = (where[1], message[: where.start()]) if where else ("", message)
    field = f"field '{path.replace('[...]', '')}'" if path else "the line"
    if found := _MISSING.fullmatch(text):
        return f"field '{found[1]}' is missing"
    if found := _UNKNOWN.fullmatch(text):
        return f"unknown field '{found[1]}'{f' in {field}' if path else ''} (facts of your own go under 'metadata')"
    if path == "type":
        return f"{field} must be {types}{f', got {found[1]}' if (found := _CHOICE.fullmatch(text)) else ''}"
    if found := _CHOICE.fullmatch(text):
        return f"{field}: unknown value {found[1]} (expected one of {', '.join(choices.get(path, ()))})"
    return f"{field} {_explain_value(text)}"


def _explain_value(text: str) -> str:
    if found := _LENGTH.fullmatch(text):
        is_empty = found[1] == ">="
        return "is empty; leave it out if there is none" if is_empty else f"is longer than {found[2]} characters"
    if text.startswith("Expected `str` matching regex"):
        return "holds a control, zero-width or bidirectional character, which ids and names may not"
    if found := _BOUND.fullmatch(text):
        return f"must be {_BOUND_WORDS[found[1]]} {float(found[2]):,.16g}"
    if found := _TYPE.fullmatch(text):
        expected = " or ".join(_TYPE_WORDS.get(word.strip(), word.strip()) for word in found[1].split("|"))
        return f"must be {expected}, got {_TYPE_WORDS.get(found[2], found[2])}"
    if "timezone" in text:
        return f"has no time zone (expected {_TIME_EXAMPLE})"
    if "RFC3339" in text:
        return f"is no time (expected {_TIME_EXAMPLE})"
    return f"cannot be taken: {text[:1].lower()}{text[1:]}"
