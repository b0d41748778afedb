"""The service's own description, OpenAPI 3.1: records from the import contract, the rest written here.

Belongs here: what a machine can read of the service. Does not belong here: how people use it (`docs/how-to/serve.md`).
"""

from functools import cache
from typing import Any

import msgspec

import feedback_loop
from feedback_loop.intake.contract import Deployment, Feedback, Interaction

_REF = "#/components/schemas/"
_STATUSES = {
    "400": "The body cannot be read.",
    "401": "No key, or one that does not count.",
    "403": "The key may not do this.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "415": "The body is in another format.",
    "422": "The single record was rejected; `error` says why.",
    "429": "Too much at once; come back after `Retry-After` seconds.",
    "503": "Nothing was stored, or it is not known; send the same again after `Retry-After` seconds.",
}
_RECEIPT = {
    "type": "object",
    "required": ["n_new", "n_duplicate", "rejected"],
    "properties": {
        "n_new": {"type": "integer", "description": "Records that were stored."},
        "n_duplicate": {"type": "integer", "description": "Records that were known with the same content."},
        "rejected": {
            "type": "array",
            "description": "What was not taken; everything else is durably stored.",
            "items": {
                "type": "object",
                "required": ["index", "id", "reason"],
                "properties": {
                    "index": {"type": "integer", "description": "Position in the request, from 0."},
                    "id": {"type": ["string", "null"]},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong and what to do."},
        "server_time": {"type": "string", "format": "date-time"},
    },
}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_TEXT = {"type": ["string", "null"]}
_SUMMARY = {
    "type": "object",
    "properties": {
        "interaction_id": {"type": "string"},
        "application": {"type": "string"},
        "n_feedback": _COUNT,
        "first_at": _TIME,
        "last_at": _TIME,
        "thumbs": {"type": "object", "properties": {"up": _COUNT, "down": _COUNT}},
        "ratings": {"type": "object", "properties": {"n": _COUNT, "mean": {"type": ["number", "null"]}}},
        "said": {"type": "object", "additionalProperties": _COUNT},
        "n_comments": _COUNT,
        "comments": {
            "type": "array",
            "description": "The newest, at most 100.",
            "items": {
                "type": "object",
                "properties": {"signal": _TEXT, "occurred_at": _TIME, "reason": _TEXT, "comment": _TEXT},
            },
        },
        "reasons": {
            "type": "array",
            "items": {"type": "object", "properties": {"reason": {"type": "string"}, "n": _COUNT}},
        },
        "usage": {
            "type": "object",
            "description": "Counts of implicit signals, and `dwell` with `n` and `mean_ms`.",
        },
        "outcomes": {"type": "object", "additionalProperties": _COUNT},
    },
}


@cache
def describe() -> dict[str, Any]:
    """The document."""
    _, schemas = msgspec.json.schema_components((Interaction, Feedback, Deployment), ref_template=_REF + "{name}")
    for name in ("Interaction", "Feedback", "Deployment"):
        schemas[name]["required"] = [field for field in schemas[name]["required"] if field != "type"]
    schemas |= {"Receipt": _RECEIPT, "Error": _ERROR, "Summary": _SUMMARY}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "feedback-loop ingest service", "version": feedback_loop.__version__},
        "security": [{"key": []}],
        "paths": {
            "/v1/interactions": {"post": _post("Interaction", "Send interactions")},
            "/v1/feedback": {"post": _post("Feedback", "Send feedback; also with a widget key, from its pages")},
            "/v1/deployments": {"post": _post("Deployment", "Send deployments")},
            "/v1/interactions/{interaction_id}/feedback": {"get": _get_summary()},
            "/healthz": {"get": _get_health()},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    adapted: dict[str, Any] = _with_ecma_patterns(document)
    return adapted


def _post(name: str, summary: str) -> dict[str, Any]:
    one = {"$ref": _REF + name}
    many = {"type": "array", "items": one}
    return {
        "summary": summary,
        "description": "Idempotent: the same record again changes nothing, a known id with other content is rejected."
        " `application` is that of the key and may be left out.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"oneOf": [one, many]}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "One record a line."}},
            },
        },
        "responses": {"200": _response("Taken, but for what is in `rejected`.", "Receipt")}
        | {status: _response(words, "Error") for status, words in _STATUSES.items()},
    }


def _get_summary() -> dict[str, Any]:
    return {
        "summary": "The feedback on one interaction",
        "parameters": [
            {"name": "interaction_id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 512}}
        ],
        "responses": {"200": _response("Its summary.", "Summary")}
        | {"404": _response("The key's application has no such interaction.", "Error")}
        | {status: _response(_STATUSES[status], "Error") for status in ("401", "403", "429", "503")},
    }


def _get_health() -> dict[str, Any]:
    return {
        "summary": "Whether facts can be stored now",
        "security": [],
        "responses": {"200": {"description": "They can."}, "503": {"description": "`status` says why not."}},
    }


def _response(description: str, name: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": {"$ref": _REF + name}}}}


def _with_ecma_patterns(value: Any) -> Any:
    """Python's marks of a text's start and end, as JSON Schema knows them."""
    if isinstance(value, dict):
        return {key: _with_ecma_patterns(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_ecma_patterns(item) for item in value]
    if isinstance(value, str) and value.startswith("\\A"):
        return "^" + value.removeprefix("\\A").removesuffix("\\Z") + "$"
    return value
