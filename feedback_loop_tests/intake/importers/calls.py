"""Three calls of an assistant, of which every tool's export tells in its own way, and what is to be stored of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXPORTS = Path(__file__).parent / "exports"
START = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
SYSTEM = "You answer questions about orders."
MODEL, PROMPT = "claude-sonnet-4-5", "orders"


@dataclass(frozen=True)
class Call:
    """A request and its answer; seconds since START."""

    number: int
    question: str
    answer: str
    version: str
    input_tokens: int
    output_tokens: int
    is_up: bool | None
    comment: str | None
    correctness: float

    @property
    def trace_id(self) -> str:
        return f"{self.number:x}" * 32

    @property
    def root_id(self) -> str:
        return f"{self.number:x}a" * 8

    @property
    def model_call_id(self) -> str:
        return f"{self.number:x}b" * 8

    @property
    def user(self) -> str:
        return f"user-{self.number}"

    @property
    def started_at(self) -> datetime:
        return START + timedelta(hours=self.number)

    @property
    def model_at(self) -> datetime:
        return self.started_at + timedelta(milliseconds=200)

    @property
    def first_token_at(self) -> datetime:
        return self.started_at + timedelta(milliseconds=700)

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(milliseconds=1500)

    @property
    def judged_at(self) -> datetime:
        return self.started_at + timedelta(minutes=5)


CALLS = (
    Call(1, "Where is my order?", "Restart the app.", "3", 120, 9, False, "that is no answer", 0.25),
    Call(2, "Can I return socks?", "Within 30 days.", "3", 130, 8, True, None, 1.0),
    Call(3, "Do you ship to Chile?", "Yes, in ten days.", "4", 140, 11, None, None, 0.75),
)
