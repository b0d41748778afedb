"""Small valid records for the tests of this room."""

import json
from pathlib import Path
from typing import Any

KEY = b"k" * 32


def interaction(interaction_id: object = "i1", **fields: Any) -> dict[str, Any]:
    return {
        "type": "interaction",
        "interaction_id": interaction_id,
        "occurred_at": "2026-01-05T09:30:00Z",
        "user_input": "Where is my order?",
        "output": "Restart the app.",
        "prompt_version": "v1",
    } | fields


def feedback(interaction_id: object = "i1", **fields: Any) -> dict[str, Any]:
    return {
        "type": "feedback",
        "interaction_id": interaction_id,
        "occurred_at": "2026-01-05T09:31:00Z",
        "signal": "thumbs_down",
    } | fields


def evaluation(interaction_id: object = "i1", **fields: Any) -> dict[str, Any]:
    return {"type": "evaluation", "interaction_id": interaction_id, "evaluator": "judge", "score": 0.25} | fields


def deployment(**fields: Any) -> dict[str, Any]:
    return {"type": "deployment", "deployed_at": "2026-01-06T00:00:00Z", "prompt_version": "v2"} | fields


def line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def write(path: Path, *lines: dict[str, Any] | bytes) -> str:
    """A file with these records or raw lines; returns its name."""
    path.write_bytes(b"".join((one if isinstance(one, bytes) else line(one)) + b"\n" for one in lines))
    return str(path)
