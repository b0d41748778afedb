"""What is sent back: JSON, and every refusal with what to do about it.

Belongs here: the form of answers. Does not belong here: when one is refused (`access.py`, `limits.py`, `bodies.py`).
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response


class Refused(Exception):  # noqa: N818 - an outcome of one request, not a failure of the program
    """A request is not taken as it is; becomes an answer `{"error": ...}`.

    Args:
        status: of HTTP.
        message: what is wrong and what to do; holds nothing of the request's content.
        retry_after_s: when the same request may be taken.
        headers: more of the answer's headers.
        closes: the rest of the body is not read.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
        if closes:
            self.headers["Connection"] = "close"


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that nobody may keep."""
    return Response(
        msgspec.json.encode(content),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def refuse(refused: Refused) -> Response:
    """The answer to a request that is not taken."""
    return answer({"error": str(refused)}, refused.status, refused.headers)
