"""A run that asks the emulated API: reports, patterns, and the analyst of one application's week.

Belongs here: what several tests of asking share. Does not belong here: anything a test asserts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from sqlalchemy import Engine, text

from feedback_loop.defs.asking import open_analyst
from feedback_loop.defs.asking_ledger import Asked
from feedback_loop.environment import Environment
from feedback_loop.llm import Analyst, AnalystPolicy, Candidate, FailureReport, KnownPattern, Quote, QuotedPattern
from feedback_loop.llm.requests import Usage
from feedback_loop.prices import cost_usd, price_of
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, Billed

WEEK = date(2026, 11, 16)
KEY = "sk-ant-test"
APPLICATION = "shop"


def policy_of(**changes: object) -> AnalystPolicy:
    """Claude, in small requests and never in a batch, unless something else is said."""
    settings: dict[str, object] = {"analyst": "claude", "items_per_request": 4, "batch_above": 1000}
    return AnalystPolicy(**settings | changes)  # type: ignore[arg-type]


@contextmanager
def open_run(
    engine: Engine,
    emulator: AnthropicEmulator,
    policy: AnalystPolicy,
    application: str = APPLICATION,
    week: date = WEEK,
) -> Iterator[tuple[Analyst, Asked]]:
    """A run like the weekly one; to wait moves the emulator's clock."""
    environment = Environment(home=Path("unused"), anthropic_api_key=KEY, anthropic_base_url=emulator.base_url)
    with open_analyst(
        environment, policy, engine.begin, application, week, now=lambda: emulator.now, sleep=emulator.advance
    ) as run:
        yield run


def reports(n: int, word: str = "French") -> list[FailureReport]:
    """Distinct reports r0, r1, ..."""
    return [
        FailureReport(f"r{i}", f"Answer {i} was in English although I asked in {word}.", f"Question {i}?", f"No. {i}")
        for i in range(n)
    ]


def pattern(name: str = "links", n_quotes: int = 3, about: str = "link") -> QuotedPattern:
    """A pattern with quotes of interactions `<name>-0`, ..."""
    quotes = [
        Quote(f"{name}-{i}", f"The {about} number {i} leads to a broken page, error 404.") for i in range(n_quotes)
    ]
    return QuotedPattern(name, tuple(quotes))


def candidate(name: str = "links") -> Candidate:
    """A new pattern that is the same as the first of its known ones."""
    known = (
        KnownPattern("K-1", "Broken links", "The link leads to a broken page, error."),
        KnownPattern("K-2", "Invoices", "Amounts of invoices are added up incorrectly."),
    )
    return Candidate(pattern(name), known)


def rows(engine: Engine, query: str) -> Sequence[tuple[object, ...]]:
    """Rows of a query, in the schema of the product."""
    with engine.begin() as conn:
        conn.execute(text("set local search_path to feedback_loop"))
        return [tuple(row) for row in conn.execute(text(query))]


def ledger_usd(engine: Engine) -> float:
    """What the ledger says was spent."""
    return float(rows(engine, "select coalesce(sum(cost_usd), 0) from llm_calls")[0][0])  # type: ignore[arg-type]


def billed_usd(billed: Sequence[Billed]) -> float:
    """What the API really charged."""
    return sum(
        cost_usd(
            price_of(one.model, WEEK),
            Usage(
                one.input_tokens,
                one.output_tokens,
                one.cache_creation_5m_tokens,
                one.cache_creation_1h_tokens,
                one.cache_read_tokens,
                one.is_batch,
            ),
        )
        for one in billed
    )
