"""What the analyst costs per 1,000 negative events, with the default models and the emulator's token counts.

    python -m feedback_loop_tests.benchmarks.analyst_cost

Descriptions are of the badly rated answers in `../shared/data/real_feedback.jsonl.gz` (questions, answers and comments
of real people), else of made-up complaints; cards and judgements of 10, 20 and 40 patterns that are new among 1,000
events, with 8 quotes each, as many as are ever shown. Tokens are estimated from bytes (see the emulator's models.py),
and the emulated model's answers are about as long as the quotes; prices are those of `prices.py`.
"""

import gzip
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine

from feedback_loop.environment import Environment
from feedback_loop.llm import AnalystPolicy, Candidate, FailureReport, KnownPattern, Quote, QuotedPattern
from feedback_loop.store.engine import open_database
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator
from feedback_loop_tests.factories import said
from feedback_loop_tests.llm.world import billed_usd, open_run, policy_of

REAL = Path(__file__).parents[3] / "shared" / "data" / "real_feedback.jsonl.gz"
N_EVENTS, N_QUOTES = 1000, 8
DEFAULTS = AnalystPolicy(analyst="claude", budget_usd=100.0)


def read_reports(n: int) -> list[FailureReport]:
    """Distinct negative events with their words."""
    if not REAL.exists():
        kinds = ("language", "link", "sum")
        return [
            FailureReport(str(i), f"{said(kinds[i % 3], i // 3)} ({i})", "A question?", "An answer.") for i in range(n)
        ]
    interactions, found = {}, list[FailureReport]()
    with gzip.open(REAL, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["type"] == "interaction":
                interactions[record["interaction_id"]] = record
            elif record.get("value") == 1 and record.get("comment"):
                about = interactions[record["interaction_id"]]
                text = (record["comment"], about["user_input"], about["output"])
                found.append(FailureReport(record["interaction_id"], *text))
    return found[:n]


def patterns_of(reports: list[FailureReport], n: int) -> list[QuotedPattern]:
    """As many patterns, made of the first events in turn."""
    rest = iter(reports)
    return [
        QuotedPattern(f"p{i}", tuple(Quote(r.report_id, r.comment) for r in islice(rest, N_QUOTES))) for i in range(n)
    ]


@contextmanager
def open_engine() -> Iterator[Engine]:
    """An embedded database that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fl-") as home, open_database(Environment(home=Path(home))) as engine:
        yield engine


def describe(engine: Engine, policy: AnalystPolicy, reports: list[FailureReport], application: str) -> str:
    """One row: dollars per 1,000 events with descriptions."""
    with AnthropicEmulator() as emulator:
        with open_run(engine, emulator, policy, application) as (analyst, _):
            found = analyst.describe(reports)
        billed = emulator.usage
    thousand = 1000 / len(reports)
    tokens = [sum(getattr(b, name) for b in billed) for name in ("input_tokens", "output_tokens")]
    return (
        f"| descriptions, {application} | {len(found.found)} of {len(reports)} | {len(billed)} |"
        f" {tokens[0] * thousand:,.0f} | {tokens[1] * thousand:,.0f} | {billed_usd(billed) * thousand:.4f} |"
    )


def name(engine: Engine, policy: AnalystPolicy, reports: list[FailureReport], n: int, title: str) -> str:
    """One row: dollars for the cards and judgements of n new patterns."""
    patterns = patterns_of(reports, n)
    known = tuple(
        KnownPattern(f"k{i}", "A name of some words", "A description of some fifteen words or so, as cards have them.",
                     tuple(quote.text for quote in patterns[i % n].quotes[:2]))
        for i in range(5)
    )  # fmt: skip
    with AnthropicEmulator() as emulator:
        with open_run(engine, emulator, policy, f"{title}-{n}") as (analyst, _):
            judged = analyst.judge([Candidate(pattern, known) for pattern in patterns])
            cards = analyst.card(patterns)
        billed = emulator.usage
    tokens = [sum(getattr(b, name) for b in billed) for name in ("input_tokens", "output_tokens")]
    return (
        f"| {n} new patterns judged and named, {title} | {len(judged.found)} and {len(cards.found)} of {n} |"
        f" {len(billed)} | {tokens[0]:,.0f} | {tokens[1]:,.0f} | {billed_usd(billed):.4f} |"
    )


def main() -> None:
    """Print the table."""
    reports = read_reports(N_EVENTS)
    print(f"{len(reports)} events from {REAL.name if REAL.exists() else 'the factories'}\n")
    print("| what | answered | requests | input tokens | output tokens | dollars per 1,000 events |")
    print("|---|---|---|---|---|---|")
    with open_engine() as engine:
        print(describe(engine, DEFAULTS, reports, "as a batch (default)"))
        messages = policy_of(items_per_request=DEFAULTS.items_per_request, budget_usd=100.0)
        print(describe(engine, messages, reports, "one by one"))
        for n in (10, 20, 40):
            print(name(engine, DEFAULTS, reports, n, "default models"))
        sonnet = AnalystPolicy(analyst="claude", budget_usd=100.0, card_model="claude-sonnet-5-5")
        print(name(engine, sonnet, reports, 10, "cards by claude-sonnet-5-5"))


if __name__ == "__main__":
    main()
