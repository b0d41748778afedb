"""The failures a test can order, and when each of them is due.

Belongs here: their names, where in a request each one strikes, and the counting of calls. Does not belong here: what
they do to a response (`wire.py`), to a message (`mangling.py`) or to a batch (`batches.py`).

Where a failure strikes decides whether the work was done and paid for:

| Place | Strikes | Paid |
|---|---|---|
| `before` | instead of the answer | no |
| `after` | on the response, when the work is done (a batch exists, a message is billed) | yes |
| `stream` | inside a stream of events | yes |
| `answer` | on one message, asked for alone or in a batch | yes |
| `item` | on one request of a batch | no |
| `results` | on the file of results | yes |
| `batch` | on a batch object | - |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Place = Literal["before", "after", "stream", "answer", "item", "results", "batch"]
Route = Literal[
    "messages",
    "count_tokens",
    "models",
    "batches.create",
    "batches.retrieve",
    "batches.list",
    "batches.results",
    "batches.cancel",
    "batches.delete",
    "batches.item",  # the message of one request of a batch
]
FaultName = Literal[
    # before: a status with the API's error body, or HTML with html=True
    "rate_limit",
    "tier_spend_limit",
    "spend_limit",
    "bad_request",
    "authentication",
    "billing",
    "permission",
    "not_found",
    "request_timeout",
    "conflict",
    "too_large",
    "unprocessable",
    "server_error",
    "unavailable",
    "gateway_timeout",
    "overloaded",
    # before: not even that
    "reset",
    "html_200",
    "empty_200",
    "wrong_shape",
    # after
    "lost_response",
    "truncated_body",
    "malformed_json",
    "slow_header",
    "slow_body",
    # stream
    "stream_cut",
    "stream_early_end",
    "stream_error",
    # answer
    "max_tokens",
    "context_window",
    "refusal",
    "refusal_prose",
    "refusal_details",
    "prose",
    "schema_violation",
    "wrong_enum_case",
    "invented_ref",
    "duplicate_ref",
    "missing_ref",
    "thinking_first",
    "unknown_block",
    "unknown_stop_reason",
    "none_content",
    # item
    "batch_errored",
    "batch_expired",
    "batch_canceled",
    # results
    "missing_custom_id",
    "duplicate_custom_id",
    "unknown_custom_id",
    "cut_jsonl",
    # batch
    "foreign_results_url",
]
FAULT_NAMES: tuple[FaultName, ...] = get_args(FaultName)

STATUSES: Mapping[FaultName, tuple[int, str]] = {
    "rate_limit": (429, "This request would exceed your account's rate limit. Please try again later."),
    "tier_spend_limit": (429, "This request would exceed the monthly spend limit of your usage tier."),
    "spend_limit": (
        400,
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
    ),
    "bad_request": (400, "messages.0: Input does not match the expected shape."),
    "authentication": (401, "Invalid bearer token"),
    "billing": (402, "Your account has a billing problem. Please check your payment method."),
    "permission": (403, "Your API key does not have permission to use the specified resource."),
    "not_found": (404, "Not found"),
    "request_timeout": (408, "Request timed out"),
    "conflict": (409, "Conflict with the present state of the resource"),
    "too_large": (413, "Request exceeds the maximum size"),
    "unprocessable": (422, "Unprocessable request"),
    "server_error": (500, "Internal server error"),
    "unavailable": (503, "Service unavailable"),
    "gateway_timeout": (504, "The request timed out at the gateway"),
    "overloaded": (529, "Overloaded"),
}

_PLACES: Mapping[Place, tuple[FaultName, ...]] = {
    "before": (*STATUSES, "reset", "html_200", "empty_200", "wrong_shape"),
    "after": ("lost_response", "truncated_body", "malformed_json", "slow_header", "slow_body"),
    "stream": ("stream_cut", "stream_early_end", "stream_error"),
    "item": ("batch_errored", "batch_expired", "batch_canceled"),
    "results": ("missing_custom_id", "duplicate_custom_id", "unknown_custom_id", "cut_jsonl"),
    "batch": ("foreign_results_url",),
}


@dataclass(frozen=True)
class Fault:
    """A failure that was ordered.

    Attributes:
        route: where it applies; `batches` means every route of batches, None every route.
        nth: the first matching call that fails, counted from the order on, from 1.
        count: how many calls fail from there on; None means all.
        retry_after: value of the header, seconds or an HTTP date.
        error_code: `error.details.error_code`.
        should_retry: value of the header `x-should-retry`.
        delay: seconds that `slow_header` waits, and `slow_body` between the halves of the body.
        is_html: the body of a status is a proxy's page instead of the API's JSON.
        url: what `foreign_results_url` names.
    """

    name: FaultName
    route: str | None = None
    nth: int = 1
    count: int | None = 1
    retry_after: str | None = None
    retry_after_ms: str | None = None
    error_code: str | None = None
    should_retry: bool | None = None
    delay: float = 1.0
    is_html: bool = False
    url: str = "https://results.invalid/v1/messages/batches/results"

    def __post_init__(self) -> None:
        if self.name not in FAULT_NAMES:
            raise ValueError(f"there is no fault {self.name!r}; there are {', '.join(FAULT_NAMES)}")
        routes = {None, "batches", *get_args(Route)}
        if self.route not in routes:
            raise ValueError(f"there is no route {self.route!r}; there are {sorted(str(route) for route in routes)}")
        if self.nth < 1 or (self.count is not None and self.count < 1):
            raise ValueError(f"fault {self.name!r}: nth and count start at 1, got nth={self.nth}, count={self.count}")

    @property
    def place(self) -> Place:
        """Where in a request it strikes."""
        return next((place for place, names in _PLACES.items() if self.name in names), "answer")

    def concerns(self, place: Place, route: Route) -> bool:
        """Whether a call of this route passes where it strikes."""
        same = self.route is None or route == self.route or route.startswith(f"{self.route}.")
        return same and place == self.place


class FaultPlan:
    """The ordered faults and how many matching calls each has seen."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self.faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Order one more."""
        self.faults.append(fault)

    def take(self, place: Place, route: Route) -> Fault | None:
        """Count this call for every fault it concerns, and return the first that is due."""
        due = None
        for i, fault in enumerate(self.faults):
            if not fault.concerns(place, route):
                continue
            self._seen[i] = seen = self._seen.get(i, 0) + 1
            if due is None and seen >= fault.nth and (fault.count is None or seen < fault.nth + fault.count):
                due = fault
        return due
