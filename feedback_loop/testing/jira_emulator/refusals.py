"""What the emulator says when it refuses: the error bodies of the real API.

Belongs here: the exception that carries a refusal through the emulator, and the bodies. Does not belong here: the
reasons (`checks.py`), the failures a test orders (`faults.py`).
"""

from collections.abc import Mapping
from typing import Any


class RefusedError(Exception):
    """The emulated API refuses a request; never leaves the emulator but as a response."""

    def __init__(
        self, status: int, body: Any, media_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.media_type, self.headers = status, body, media_type, headers or {}


def refuse(status: int, *messages: str, **errors: str) -> RefusedError:
    """Messages of the request, errors by field."""
    return RefusedError(status, {"errorMessages": list(messages), "errors": errors})


def refuse_fields(errors: Mapping[str, str]) -> RefusedError:
    """400 for what is wrong with fields."""
    return RefusedError(400, {"errorMessages": [], "errors": dict(errors)})


def refuse_jql(message: str) -> RefusedError:
    """400 for a query."""
    return RefusedError(400, {"errorMessages": [message], "warningMessages": []})


def not_found() -> RefusedError:
    """404 for an issue: deleted, hidden or never there; the API does not tell which."""
    return refuse(404, "Issue does not exist or you do not have permission to see it.")


def no_such_route(path: str) -> RefusedError:
    """404 for an address that the service does not have."""
    return RefusedError(404, {"message": f"null for uri: {path}", "status-code": 404})
