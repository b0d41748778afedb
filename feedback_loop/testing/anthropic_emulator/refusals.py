"""What the emulator says when it refuses: the error body of the real API, for every status.

Belongs here: statuses, their types and the exception that carries one through the emulator. Does not belong here:
the reasons (`checks.py`) and the failures a test orders (`faults.py`).
"""

from typing import Any

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class RefusedError(Exception):
    """The emulated API refuses a request; never leaves the emulator but as a response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def error_body(status: int, message: str, request_id: str | None, error_code: str | None = None) -> dict[str, Any]:
    """The JSON of an error, `{"type":"error","error":{"type","message"[,"details"]},"request_id"}`."""
    error: dict[str, Any] = {"type": ERROR_TYPES[status], "message": message}
    if error_code is not None:
        error["details"] = {"error_code": error_code}
    return {"type": "error", "error": error, "request_id": request_id}
