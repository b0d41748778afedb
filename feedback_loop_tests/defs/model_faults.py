"""One failure of the model's API, a run that meets it, and a second run without it: what is lost, what is paid twice.

Belongs here: the matrix of failures and what is measured of each. Does not belong here: what must hold
(`test_model_faults.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Engine

from feedback_loop.llm import Description, Findings
from feedback_loop.testing.anthropic_emulator import FAULT_NAMES, AnthropicEmulator, Fault
from feedback_loop_tests.llm.world import billed_usd, ledger_usd, open_run, policy_of, reports, rows

Way = Literal["messages", "batches"]
N_REPORTS, PER_REQUEST = 12, 4
_IN_STREAMS_ONLY = ("stream_cut", "stream_early_end", "stream_error")  # nothing here is streamed
_IN_BATCHES_ONLY = ("item", "results", "batch")
_ROUTES = ("batches.create", "batches.retrieve", "batches.list", "batches.results")
_SLOW = {"delay": 1.5}
TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Case:
    """A failure and where it strikes; `count` calls in a row, None: all of them."""

    way: Way
    fault: str
    route: str
    count: int | None = 1
    how: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """For people."""
        how = "".join(f", {name.replace('_', '-')} {value}" for name, value in self.how.items() if name != "delay")
        return f"{self.fault}{how}{' every time' if self.count is None else ''}"


@dataclass(frozen=True)
class Outcome:
    """What became of the reports of the first run, of those of the second, and of the money."""

    counts: Mapping[str, int]
    counts_after: Mapping[str, int]
    n_paid_twice: int
    n_without_reason: int
    n_unrecorded: int
    overspent_usd: float
    first: Findings[Description]
    second: Findings[Description]


def all_cases() -> Iterator[Case]:
    """Every failure of the emulator, wherever it can strike, once and every time."""
    for name in FAULT_NAMES:
        if name in _IN_STREAMS_ONLY:
            continue
        place = Fault(name).place
        how: Mapping[str, Any] = _SLOW if name.startswith("slow") else {}
        for way, route in _places(name, place):
            yield Case(way, name, route, 1, how)
            yield Case(way, name, route, None, how)
    hows: tuple[Mapping[str, Any], ...] = (
        {"retry_after": "3600"},
        {"retry_after": "5"},
        {"should_retry": False},
        {"is_html": True},
    )
    for how in hows:
        for way, route in _places("rate_limit", "before"):
            yield Case(way, "rate_limit", route, 1, how)


def _places(name: str, place: str) -> Iterator[tuple[Way, str]]:
    if place == "answer":
        yield "messages", "messages"
        yield "batches", "batches.item"
    elif place == "item":
        yield "batches", "batches.item"
    elif place == "results":
        yield "batches", "batches.results"
    elif place == "batch":
        yield "batches", "batches.retrieve"
    else:
        yield "messages", "messages"
        for route in _ROUTES:
            yield "batches", route


def try_case(engine: Engine, case: Case) -> Outcome:
    """Two runs of the same week over the same reports; the failure is gone in the second."""
    policy = policy_of(
        items_per_request=PER_REQUEST,
        batch_above=1 if case.way == "batches" else 1000,
        timeout_s=TIMEOUT_S,
        max_batch_wait_s=60.0,
    )
    with AnthropicEmulator(batch_seconds=20.0) as emulator:
        if case.route == "batches.list":  # only looked at where a creation is in doubt
            emulator.fail("lost_response", "batches.create")
        emulator.fail(case.fault, case.route, count=case.count, **case.how)  # type: ignore[arg-type]
        with open_run(engine, emulator, policy) as (analyst, _):
            first = analyst.describe(reports(N_REPORTS))
        emulator._state.faults.faults.clear()
        with open_run(engine, emulator, policy) as (analyst, _):
            second = analyst.describe(reports(N_REPORTS))
        bills, n_twice = billed_usd(emulator.usage), len(emulator.paid_twice())
    [(n_open,)] = rows(engine, "select count(*) from llm_calls where outcome = 'asked'")
    return Outcome(
        counts=first.counts(),
        counts_after=second.counts(),
        n_paid_twice=n_twice,
        n_without_reason=sum(not problem.detail for problem in first.problems.values()),
        n_unrecorded=int(str(n_open)),
        overspent_usd=bills - ledger_usd(engine),
        first=first,
        second=second,
    )


def table(outcomes: Sequence[tuple[Case, Outcome]]) -> str:
    """As Markdown."""
    lines = [
        "| way | failure | strikes at | events kept | described, else why | after the next run | paid twice |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, out in outcomes:
        kept = sum(out.counts.values())
        lines.append(
            f"| {case.way} | {case.label} | {case.route} | {kept} of {N_REPORTS} | {_said(out.counts)} |"
            f" {_said(out.counts_after)} | {out.n_paid_twice} |"
        )
    return "\n".join(lines) + "\n"


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts.items() if n).replace("found", "described")
