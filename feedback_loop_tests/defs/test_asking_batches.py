"""Batches that outlive the run that asked: killed at every moment, collected later, adopted by mistake, given up."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from feedback_loop.clients.anthropic import ClaudeClient
from feedback_loop.defs.asking_batches import BatchDesk
from feedback_loop.llm.prompts import render, report_item
from feedback_loop.store import models
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, FaultName
from feedback_loop_tests.llm.world import (
    APPLICATION,
    KEY,
    WEEK,
    billed_usd,
    ledger_usd,
    open_run,
    policy_of,
    reports,
    rows,
)

POLICY = policy_of(batch_above=1)
N, N_REQUESTS = 12, 3


class KilledError(BaseException):
    """The process ends here: no handler runs, and what is not committed is gone."""


def kill(*_: object, **__: object) -> None:
    raise KilledError


def n_created(emulator: AnthropicEmulator) -> int:
    return len(emulator._state.batches)


def status_of(engine: Engine) -> list[object]:
    return [status for (status,) in rows(engine, "select status from llm_batches order by planned_at, batch_key")]


@pytest.mark.parametrize(
    ("owner", "step", "left", "created"),
    [
        (ClaudeClient, "create_batch", "planned", 0),
        (models, "name_batch", "planned", 1),
        (ClaudeClient, "fetch_batch", "submitted", 1),
        (ClaudeClient, "read_results", "submitted", 1),
        (models, "add_calls", "submitted", 1),
        (models, "close_batch", "submitted", 1),
        (BatchDesk, "_settle", "ended", 1),
    ],
    ids=["planned, not created", "created, not recorded", "recorded", "ended", "read", "half booked", "collected"],
)
def test_a_killed_run_loses_and_pays_nothing_twice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, left: str, created: int
) -> None:
    with AnthropicEmulator() as emulator:
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, kill)
            with pytest.raises(KilledError), open_run(engine, emulator, POLICY) as (analyst, _):
                analyst.describe(reports(N))
        assert status_of(engine) == [left]
        assert n_created(emulator) == created
        more = reports(N + 5)  # the next run has more to ask
        with open_run(engine, emulator, POLICY) as (analyst, asked):
            found = analyst.describe(more)
        assert found.counts() == {"found": N + 5}
        assert emulator.paid_twice() == []
        assert emulator.n_paid("Answer 3 was") == 1
        assert ledger_usd(engine) == pytest.approx(billed_usd(emulator.usage))
        assert asked.stopped is None
    assert set(status_of(engine)) == ({"failed", "ended"} if created == 0 else {"ended"})


def test_a_batch_that_takes_too_long_is_collected_by_another_weeks_run(engine: Engine) -> None:
    with AnthropicEmulator(batch_seconds=3600) as emulator:
        with open_run(engine, emulator, policy_of(batch_above=1, max_batch_wait_s=60)) as (analyst, _):
            first = analyst.describe(reports(N))
        assert first.counts() == {"found": 0, "pending": N}
        assert "given up after" in first.problems["r0"].detail
        next_week = WEEK + timedelta(weeks=1)
        with open_run(engine, emulator, policy_of(max_batch_wait_s=0), week=next_week) as (analyst, asked):
            again = analyst.describe(reports(N))  # not over yet, and not asked again
        assert again.counts() == {"found": 0, "pending": N}
        assert asked.n_calls == 0
        emulator.advance(3600)
        with open_run(engine, emulator, POLICY, week=next_week) as (analyst, asked):
            assert analyst.describe(reports(N)).counts() == {"found": N}
        assert asked.n_calls == 0
        assert asked.spent_usd == 0
        assert emulator.paid_twice() == []
        bill = billed_usd(emulator.usage)
    [(week, spent)] = rows(engine, "select week, sum(cost_usd) from llm_calls group by week")
    assert week == WEEK  # the money of the week that asked
    assert spent == pytest.approx(bill)


def test_an_open_batch_keeps_its_money_reserved(engine: Engine) -> None:
    with AnthropicEmulator(batch_seconds=3600) as emulator:
        with open_run(engine, emulator, policy_of(batch_above=1, max_batch_wait_s=0)) as (analyst, _):
            analyst.describe(reports(N))
        [(reserved,)] = rows(engine, "select reserved_usd from llm_batches")
        tight = policy_of(budget_usd=reserved, max_batch_wait_s=0)
        with open_run(engine, emulator, tight) as (analyst, _):
            new = [report.__class__("new", "It refused to answer.") for report in reports(1)]
            assert analyst.describe(new).counts() == {"found": 0, "budget": 1}
        emulator.advance(3600)
        with open_run(engine, emulator, tight) as (analyst, _):
            assert analyst.describe([*new, *reports(N)]).counts() == {"found": N + 1}


def test_somebody_elses_batch_is_let_go_when_its_results_come(engine: Engine) -> None:
    """Ours was never made, which we cannot know; another program made one as large at that time."""
    with AnthropicEmulator() as emulator:
        other = ClaudeClient(KEY, emulator.base_url, now=lambda: emulator.now, sleep=emulator.advance)
        items = [report_item(report, "claude-haiku-5-5") for report in reports(N_REQUESTS, "Danish")]
        with other:
            other.create_batch(
                {f"theirs-{i}": render("describe", "claude-haiku-5-5", [item]) for i, item in enumerate(items)}
            )
        emulator.fail("reset", "batches.create")
        with open_run(engine, emulator, POLICY) as (analyst, _):
            first = analyst.describe(reports(N))
        assert first.counts() == {"found": 0, "failed": N}
        assert first.problems["r0"].detail == "the batch was never created"
        with open_run(engine, emulator, POLICY) as (analyst, _):
            assert analyst.describe(reports(N)).counts() == {"found": N}
        assert emulator.paid_twice() == []
    assert sorted(map(str, status_of(engine))) == ["ended", "failed"]
    assert rows(engine, "select count(*) from llm_replies") == [(N,)]  # nothing of theirs


def test_a_creation_in_doubt_is_adopted_and_not_repeated(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        emulator.fail("lost_response", "batches.create")
        with open_run(engine, emulator, POLICY) as (analyst, _):
            assert analyst.describe(reports(N)).counts() == {"found": N}
        assert n_created(emulator) == 1


def test_a_creation_that_failed_is_repeated_after_looking(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        emulator.fail("reset", "batches.create")
        with open_run(engine, emulator, POLICY) as (analyst, _):
            assert analyst.describe(reports(N)).counts() == {"found": N}
        assert n_created(emulator) == 1
        assert sum("limit=" in request.path for request in emulator.requests) == 3


def test_a_batch_whose_results_are_gone_is_written_off(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        with open_run(engine, emulator, policy_of(batch_above=1, max_batch_wait_s=0)) as (analyst, _):
            analyst.describe(reports(N))
        emulator._state.batches.clear()
        with open_run(engine, emulator, POLICY) as (analyst, _):
            assert analyst.describe(reports(N)).counts() == {"found": 0, "pending": N}  # perhaps another key
        emulator.advance(2 * 86400 + 1)
        with open_run(engine, emulator, POLICY) as (analyst, asked):
            assert analyst.describe(reports(N)).counts() == {"found": 0, "lost": N}
    [(reserved,)] = rows(engine, "select reserved_usd from llm_batches")
    assert status_of(engine) == ["failed"]
    assert ledger_usd(engine) == pytest.approx(float(str(reserved)))
    assert asked.spent_usd == pytest.approx(float(str(reserved)))


@pytest.mark.parametrize("fault", ["cut_jsonl", "empty_200", "wrong_shape", "missing_custom_id", "truncated_body"])
def test_results_that_do_not_come_whole_are_read_again(engine: Engine, fault: FaultName) -> None:
    with AnthropicEmulator() as emulator:
        emulator.fail(fault, "batches.results", count=2)
        with open_run(engine, emulator, POLICY) as (analyst, _):
            assert analyst.describe(reports(N)).counts() == {"found": N}
        assert n_created(emulator) == 1


def test_only_what_is_affordable_is_in_the_batch(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        with open_run(engine, emulator, policy_of(batch_above=1, budget_usd=0.0011)) as (analyst, _):
            found = analyst.describe(reports(N))
        assert found.counts() == {"found": 8, "budget": 4}
        assert billed_usd(emulator.usage) <= 0.0011
    assert rows(engine, "select application, n_requests from llm_batches") == [(APPLICATION, 2)]
