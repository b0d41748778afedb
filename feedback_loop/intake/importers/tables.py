"""Rows of a table as records, by a mapping that the user writes: CSV and Parquet files, and queries of a warehouse.

Belongs here: the mapping file and applying it. Does not belong here: reading rows (`files.py`, `warehouse.py`).

    records:
      - type: interaction
        fields: {interaction_id: id, occurred_at: created, user_input: question, output: answer, prompt_version: prompt}
        constants: {application: shop}
      - type: feedback
        fields: {interaction_id: id, occurred_at: rated_at, signal: thumb}
        values: {signal: {"1": thumbs_up, "0": thumbs_down}}
        only_if: thumb
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic
import yaml

from feedback_loop.errors import ConfigurationError
from feedback_loop.intake.importers import values
from feedback_loop.intake.importers.policy import RecordMapping
from feedback_loop.intake.reasons import Rejection

_TIMES = ("occurred_at", "deployed_at")
_COUNTS = ("turn", "input_tokens", "output_tokens")
_NUMBERS = (
    "time_to_first_token_ms", "latency_ms", "cost_usd", "sample_rate", "score", "rollout_share",
)  # fmt: skip
_JSON = ("model_parameters", "tools", "retrieved_documents", "metadata", "fixes")


def load_mapping(path: Path) -> tuple[RecordMapping, ...]:
    """The mappings of a file.

    Raises:
        ConfigurationError: it cannot be read, is no YAML, or a key is unknown or wrong; says which.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"mapping file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"mapping file {path} is no YAML: {error}") from error
    records = content.get("records") if isinstance(content, dict) else None
    if not isinstance(records, list) or not records or set(content) != {"records"}:
        raise ConfigurationError(f"mapping file {path} must have the one key `records`, a list of mappings")
    known = {one.name for one in dataclass_fields(RecordMapping)}
    for record in records:
        if isinstance(record, dict) and (unknown := sorted(map(str, set(record) - known))):
            raise ConfigurationError(f"mapping file {path}: unknown key {', '.join(unknown)}")
    try:
        return pydantic.TypeAdapter(tuple[RecordMapping, ...]).validate_python(records)
    except pydantic.ValidationError as error:
        problems = "; ".join(f"records.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"mapping file {path}: {problems}") from error


def map_row(row: Mapping[str, Any], records: Sequence[RecordMapping]) -> Iterator[dict[str, Any] | Rejection]:
    """The records of a row, in the mapping's order; one that cannot be made comes as its reason."""
    for mapping in records:
        if mapping.only_if is not None and values.is_none(row.get(mapping.only_if)):
            continue
        try:
            yield _record(row, mapping)
        except Rejection as rejection:
            yield rejection


def _record(row: Mapping[str, Any], mapping: RecordMapping) -> dict[str, Any]:
    missing = [column for column in mapping.fields.values() if column not in row]
    if missing:
        raise Rejection(f"the table has no column {', '.join(repr(one) for one in missing)}")
    record: dict[str, Any] = {"type": mapping.type} | mapping.constants
    for name, column in mapping.fields.items():
        value = row[column]
        if name in mapping.values:
            value = mapping.values[name].get(_key(value), value)
        if not values.is_none(value):
            record[name] = _typed(name, value, mapping)
    return record


def _typed(name: str, value: Any, mapping: RecordMapping) -> Any:
    """A value as its field wants it: a CSV holds texts only, a warehouse decimals and times."""
    if name in _TIMES:
        return values.time(value, name, _zone(mapping.time_zone))
    if name in _COUNTS:
        return values.count(value, name)
    if name in _NUMBERS:
        return values.number(value, name)
    if name == "value":
        return _number_or_truth(value)
    if name in _JSON:
        return values.parsed(value)
    if isinstance(value, int | float | Decimal | UUID | datetime):
        return _key(value)
    return value


def _number_or_truth(value: Any) -> float | bool | None:
    said = str(value).lower()
    return said == "true" if said in ("true", "false") else values.number(value, "value")


def _key(value: Any) -> str:
    """A value as text; whole numbers without a fraction (a column with gaps makes them 1.0)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal) and value == int(value):
        return str(int(value))
    return str(value)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Rejection(f"the mapping's time zone {name!r} is unknown") from None
