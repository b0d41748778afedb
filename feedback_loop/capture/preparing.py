"""In the background: what an application handed over as a line of the import contract.

Belongs here: cleaning, redaction, hashing of user ids, prompt version, tokens and cost. Does not belong here: anything
that runs while somebody waits (`snapshot.py`, `interaction.py`) and whether a line is sent (`sampling.py`). Imported in
the background thread only.
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from feedback_loop.capture.interaction import Raw, Usage
from feedback_loop.capture.sampling import Candidate
from feedback_loop.errors import ConfigurationError
from feedback_loop.prices import Price, cost_usd, price_of
from feedback_loop.records import SIGNAL_NAMES
from feedback_loop.redaction import HASHED, INVISIBLE, hash_user, is_clean, protect_id, redact, redact_json, visible

UNVERSIONED = "unversioned"
MAX_RECORD_BYTES = 2 << 20
_MAX_ID, _MAX_NAME = 512, 200
_UNSHOWN = re.compile(f"[\t\n\u2028\u2029{INVISIBLE}]")
_DATED = re.compile(r"-\d{8}$")
_SAFETY = ("low", "medium", "high")
_NAMES = ("prompt_name", "model", "experiment", "variant")
_COUNTS = ("turn", "input_tokens", "output_tokens")
_AMOUNTS = ("time_to_first_token_ms", "latency_ms", "cost_usd")
_REMEMBERED = 64  # system prompts, which come again and again


class Unfit(Exception):  # noqa: N818
    """A record that no sink would take; the message is the reason that is counted."""


class Preparer:
    """Makes lines of raw records.

    Args:
        application: of every record.
        hash_key: of user ids; 32 bytes.
        prices: by model, in place of those of `prices.py`.
        note: called with what was left out of a record, and why.
    """

    def __init__(
        self, application: str, hash_key: bytes, prices: Mapping[str, Price], note: Callable[[str, str], None]
    ) -> None:
        self.hash_key = hash_key
        self._application, self._prices, self._note = application, prices, note
        self._prompts: OrderedDict[str, str] = OrderedDict()

    def interaction(self, raw: Raw) -> Candidate:
        """An interaction, ready to be sampled.

        Raises:
            Unfit: it has no usable id or is too large.
        """
        interaction_id = self._id(raw["interaction_id"])
        session, user = (self._optional(raw.get(name)) for name in ("session_id", "user_id"))
        user = None if user is None else hash_user(user, self.hash_key)
        record: Raw = {
            "type": "interaction",
            "interaction_id": interaction_id,
            "occurred_at": _time(raw["occurred_at"]),
            "application": self._application,
            "session_id": None if session is None else protect_id(session, self.hash_key),
            "user_id": None if user is None else HASHED + user,
            "prompt_version": self._version(raw),
            "system_prompt": self._prompt(raw.get("system_prompt")),
            "user_input": _text(raw.get("user_input")) or "",
            "output": _text(raw.get("output")) or "",
            "error": _text(raw.get("error")),
            "cohort": _name(_text(raw.get("cohort"))),
            "safety_level": raw.get("safety_level") if raw.get("safety_level") in _SAFETY else None,
            "retrieved_documents": _documents(raw.get("retrieved_documents")),
            "model_parameters": _json(raw.get("model_parameters"), dict),
            "tools": _json(raw.get("tools"), list),
            "metadata": _json(_metadata(raw), dict),
            **{name: _name(raw.get(name)) for name in _NAMES},
            **self._numbers(raw),
        }
        unit = f"{self._application}\0{record['session_id'] or interaction_id}"
        return Candidate(interaction_id, unit, user, record["error"] is not None, _encode(record))

    def feedback(self, raw: Raw) -> tuple[str, str, bytes]:
        """A feedback record: the interaction's id, the signal, the line.

        Raises:
            Unfit: it has no usable id, or the contract knows no such signal or value.
        """
        signal, value = raw["signal"], raw.get("value")
        if signal not in SIGNAL_NAMES:
            raise Unfit("unknown_signal")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (signal == "rating" and not (is_number and 1 <= value <= 5)) or (signal == "dwell" and not is_number):  # type: ignore[operator]
            raise Unfit("invalid_value")
        interaction_id, user = self._id(raw["interaction_id"]), self._optional(raw.get("user_id"))
        record = {
            "type": "feedback",
            "feedback_id": self._id(raw["feedback_id"]),
            "interaction_id": interaction_id,
            "occurred_at": _time(raw["occurred_at"]),
            "user_id": None if user is None else HASHED + hash_user(user, self.hash_key),
            "signal": signal,
            "value": value if is_number or isinstance(value, bool) else None,
            **{name: _text(raw.get(name)) for name in ("reason", "comment", "edited_output", "preferred_output")},
        }
        return interaction_id, signal, _encode(record)

    def heard(self, raw: Raw) -> str:
        """The id of an interaction on which there is feedback elsewhere, as `interaction` writes it.

        Raises:
            Unfit: it is no usable id.
        """
        return self._id(raw["interaction_id"])

    def _id(self, value: Any) -> str:
        found = self._optional(value)
        if found is None:
            raise Unfit("no_interaction_id")
        return protect_id(found, self.hash_key)

    def _optional(self, value: Any) -> str | None:
        """An id as text; one that no store takes is replaced by its hash, the same everywhere."""
        if value is None or value == "":
            return None
        text = _clean(value if isinstance(value, str) else str(value))
        return hash_user(text, self.hash_key) if len(text) > _MAX_ID or _UNSHOWN.search(text) else text

    def _version(self, raw: Raw) -> str:
        given = _name(raw.get("prompt_version"))
        if given is not None:
            return given
        content = raw.get("prompt_template") or raw.get("system_prompt")
        return content_version(content) if isinstance(content, str) and content else UNVERSIONED

    def _prompt(self, text: Any) -> str | None:
        if not isinstance(text, str):
            return None
        known = self._prompts.get(text)
        if known is None:
            known = self._prompts[text] = _text(text) or ""
            if len(self._prompts) > _REMEMBERED:
                self._prompts.popitem(last=False)
        return known

    def _numbers(self, raw: Raw) -> Raw:
        usage: Sequence[Usage] = raw.get("usage") or ()
        found = {name: raw.get(name) for name in (*_COUNTS, *_AMOUNTS)}
        if usage:
            n_input = sum(u.input_tokens + sum(u[3:6]) for u in usage)
            measured = (
                ("input_tokens", n_input),
                ("output_tokens", sum(u.output_tokens for u in usage)),
                ("cost_usd", self._cost(usage, raw["occurred_at"])),
            )
            found |= {name: value for name, value in measured if found[name] is None}
        for name, value in found.items():
            if value is not None and not _is_amount(value, whole=name in _COUNTS):
                self._note("capture left out a field that is no such number", name)
                found[name] = None
        return found

    def _cost(self, usage: Sequence[Usage], occurred_at: float) -> float | None:
        day = datetime.fromtimestamp(occurred_at, UTC).date()
        total = 0.0
        for used in usage:
            try:
                total += cost_usd(self._price(used.model, day), used)
            except ConfigurationError:
                self._note("capture knows no price of a model; give Capture(prices=...)", used.model[:_MAX_NAME])
                return None
        return total

    def _price(self, model: str, day: Any) -> Price:
        try:
            return price_of(model, day, self._prices)
        except ConfigurationError:
            return price_of(_DATED.sub("", model), day, self._prices)


def content_version(content: str) -> str:
    """The version of a prompt that has none: a hash of its text, so that other text is another version."""
    return f"sha256:{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _clean(text: str) -> str:
    """Text that can be stored: no half of a surrogate pair, no NUL."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return redact(_clean(value if isinstance(value, str) else _dump(value)))


def _name(value: Any) -> str | None:
    return (
        None if value is None else visible(_clean(value if isinstance(value, str) else str(value)), _MAX_NAME) or None
    )


def _is_amount(value: Any, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return False
    return bool(0 <= value < (2**31 if whole else float("inf")))


def _metadata(raw: Raw) -> Any:
    given = raw.get("metadata")
    found = given if isinstance(given, dict) or given is None else {"value": given}
    return {**(found or {}), "stopped_early": True} if raw.get("stopped_early") else found


def _documents(given: Any) -> list[Raw] | None:
    if not isinstance(given, list):
        return None
    found = [one if isinstance(one, dict) else {"id": one} for one in given]
    return [{name: _text(one.get(name)) for name in ("id", "title")} for one in found]


def _json(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        return None
    text = _dump(value)
    if "\\u0000" in text or not text.isascii():
        value = _clean_json(value)
    return value if is_clean(text) else redact_json(value)


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(key): _clean_json(item) for key, item in value.items()}
    return [_clean_json(item) for item in value] if isinstance(value, list) else value


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _encode(record: Raw) -> bytes:
    line = _dump({name: value for name, value in record.items() if value is not None}).encode()
    if len(line) > MAX_RECORD_BYTES:
        raise Unfit("too_large")
    return line
