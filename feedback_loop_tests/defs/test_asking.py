"""Asking through cache, budget, ledger and client, over HTTP to the emulated API and into a real database."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from feedback_loop.defs.asking import open_analyst
from feedback_loop.environment import Environment, read_environment
from feedback_loop.errors import BudgetExceeded, ConfigurationError, ModelUnavailable
from feedback_loop.llm import OfflineAnalyst
from feedback_loop.prices import Price
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, FaultName
from feedback_loop.testing.anthropic_emulator.server import START
from feedback_loop_tests.llm.world import (
    APPLICATION,
    WEEK,
    billed_usd,
    candidate,
    ledger_usd,
    open_run,
    pattern,
    policy_of,
    reports,
    rows,
)

BATCHES = policy_of(batch_above=1)


@pytest.mark.parametrize("batch_above", [0, 1000], ids=["batches", "messages"])
def test_everything_is_asked_once_and_remembered(engine: Engine, batch_above: int) -> None:
    policy = policy_of(batch_above=batch_above)
    with AnthropicEmulator() as emulator:
        answers = []
        for _ in range(2):
            with open_run(engine, emulator, policy) as (analyst, asked):
                answers.append((analyst.describe(reports(10)), analyst.card([pattern()]), analyst.judge([candidate()])))
        n_billed = len(emulator.usage)
        assert asked.n_calls == 0
        assert asked.n_remembered == 12
        assert asked.spent_usd == 0
        assert emulator.paid_twice() == []
        assert ledger_usd(engine) == pytest.approx(billed_usd(emulator.usage))
    assert answers[0] == answers[1]
    assert n_billed == 5
    described, cards, judged = answers[0]
    assert described.counts() == {"found": 10}
    assert described.found["r3"].failure == "Answer 3 was in English although I asked in French."
    assert cards.found["links"].likely_cause == "product"
    assert set(cards.found["links"].evidence_ids) <= {"links-0", "links-1", "links-2"}
    assert judged.found["links"].judgement == "same"
    assert judged.found["links"].other_pattern_id == "K-1"


def test_new_events_do_not_pay_for_old_ones_again(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        with open_run(engine, emulator, policy_of()) as (analyst, _):
            analyst.describe(reports(6))
        first = len(emulator.usage)
        with open_run(engine, emulator, policy_of()) as (analyst, asked):
            new = [replace(report, report_id=f"new {report.report_id}") for report in reports(3, "Polish")]
            found = analyst.describe([*new, *reports(6)[::-1]])  # other order, other groups
        assert len(emulator.usage) == first + 1
        assert emulator.n_paid("although I asked in French") == first
    assert asked.n_remembered == 6
    assert found.counts() == {"found": 9}


def test_an_application_knows_nothing_of_another(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        for application in ("shop", "other"):
            with open_run(engine, emulator, policy_of(), application) as (analyst, asked):
                analyst.describe(reports(2))
            assert asked.n_calls == 1


def test_the_ledger_says_what_was_asked_and_what_it_cost(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        with open_run(engine, emulator, policy_of()) as (analyst, _):
            analyst.describe(reports(1))
        [billed] = emulator.usage
    [row] = rows(
        engine,
        "select application, week, purpose, model, prompt_version, outcome, input_tokens, output_tokens, stop_reason,"
        " message_id, error from llm_calls",
    )
    assert row == (
        *(APPLICATION, WEEK, "describe", "claude-haiku-5-5", "describe-1", "answered"),
        *(billed.input_tokens, billed.output_tokens, "end_turn", billed.message_id, None),
    )


def test_a_call_is_in_the_ledger_before_it_is_made(engine: Engine) -> None:
    seen: list[tuple[object, ...]] = []

    def look(_body: object) -> str:
        seen.extend(rows(engine, "select outcome, cost_usd from llm_calls"))
        return "{}"

    with AnthropicEmulator(look) as emulator, open_run(engine, emulator, policy_of()) as (analyst, _):
        analyst.describe(reports(1))
    [(outcome, reserved)] = seen
    assert outcome == "asked"
    assert isinstance(reserved, float)
    assert reserved > ledger_usd(engine) > 0


@pytest.mark.parametrize("fault", ["tier_spend_limit", "spend_limit", "authentication", "billing", "permission"])
def test_what_holds_for_every_request_stops_the_run(engine: Engine, fault: FaultName) -> None:
    with AnthropicEmulator() as emulator:
        emulator.fail(fault, count=None)
        with open_run(engine, emulator, policy_of()) as (analyst, asked):
            found = analyst.describe(reports(12))
            cards = analyst.card([pattern()])
        assert len(emulator.requests) == 1
    assert found.counts() == {"found": 0, "stopped": 12}
    assert cards.counts() == {"found": 0, "stopped": 1}
    assert asked.stopped
    assert ledger_usd(engine) == 0


def test_a_network_that_loses_everything_loses_little(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        emulator.fail("reset", count=None)
        with open_run(engine, emulator, policy_of()) as (analyst, _):
            found = analyst.describe(reports(40))
        emulator.reset()
        with open_run(engine, emulator, policy_of()) as (analyst, _):
            assert analyst.describe(reports(40)).counts() == {"found": 28, "lost": 12}
    assert found.counts() == {"found": 0, "lost": 12, "stopped": 28}


def test_three_failures_in_a_row_stop_the_run(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        emulator.fail("overloaded", count=None)
        with open_run(engine, emulator, policy_of()) as (analyst, asked):
            found = analyst.describe(reports(40))
        assert len(emulator.requests) == 3 * 4
    assert found.counts() == {"found": 0, "failed": 12, "stopped": 28}
    assert asked.stopped is not None
    assert "3 requests in a row" in asked.stopped


def test_a_spent_budget_stops_asking_with_the_numbers(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        policy = policy_of(budget_usd=0.0015)
        with open_run(engine, emulator, policy) as (analyst, _):
            found = analyst.describe(reports(40))
        assert 0 < len(found.found) < 40
        assert set(found.counts()) == {"found", "budget"}
        problem = next(iter(found.problems.values()))
        assert "of analyst.budget_usd = $0.0015 are left" in problem.detail
        with pytest.raises(BudgetExceeded, match=r"\d+ of 40 descriptions have no answer: the next request may cost"):
            found.require_all("descriptions")
        with open_run(engine, emulator, replace(policy, budget_usd=1.0)) as (analyst, asked):
            assert analyst.describe(reports(40)).counts() == {"found": 40}
        assert asked.n_remembered == len(found.found)
        assert emulator.paid_twice() == []


def test_an_earlier_run_of_the_week_counts_and_another_week_does_not(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        with open_run(engine, emulator, policy_of()) as (analyst, asked):
            analyst.describe(reports(4))
        spent = policy_of(budget_usd=asked.spent_usd)
        with open_run(engine, emulator, spent) as (analyst, _):
            assert analyst.describe(reports(4, "Polish")).counts() == {"found": 0, "budget": 4}
        with open_run(engine, emulator, policy_of(), week=WEEK.replace(day=23)) as (analyst, _):
            assert analyst.describe(reports(4, "Polish")).counts() == {"found": 4}


FAULTS: tuple[FaultName, ...] = (
    "lost_response",
    "max_tokens",
    "refusal",
    "prose",
    "missing_ref",
    "html_200",
    "overloaded",
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    budget=st.floats(0, 0.01),
    batch_above=st.sampled_from([0, 2, 1000]),
    n=st.integers(1, 30),
    faults=st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(1, 5)), max_size=4),
)
def test_the_budget_is_never_passed(
    engine: Engine, budget: float, batch_above: int, n: int, faults: list[tuple[FaultName, int]]
) -> None:
    engine.dispose()
    rows(engine, "with a as (delete from llm_calls returning 1), b as (delete from llm_batches returning 1),"
         " c as (delete from llm_replies returning 1) select 1")  # fmt: skip
    policy = policy_of(budget_usd=budget, batch_above=batch_above)
    with AnthropicEmulator() as emulator:
        for name, nth in faults:
            emulator.fail(name, "messages", nth=nth)
        for _ in range(2):
            with open_run(engine, emulator, policy) as (analyst, _asked):
                found = analyst.describe(reports(n))
                analyst.card([pattern()])
            assert len(found.found) + len(found.problems) == n
        assert billed_usd(emulator.usage) <= ledger_usd(engine) + 1e-12
        assert ledger_usd(engine) <= budget + 1e-12
        assert emulator.paid_twice() == []


def test_a_pinned_describer_asks_again_for_what_was_lost(engine: Engine) -> None:
    pinned = policy_of(describer="claude", max_describe_events=1)
    with AnthropicEmulator() as emulator:
        emulator.fail("lost_response", "messages")
        with open_run(engine, emulator, policy_of()) as (analyst, _):
            assert analyst.describe(reports(4)).counts() == {"found": 0, "lost": 4}
        with open_run(engine, emulator, policy_of()) as (analyst, asked):
            found = analyst.describe(reports(4))
        assert found.counts() == {"found": 0, "lost": 4}
        assert asked.n_calls == 0
        with pytest.raises(ModelUnavailable, match="4 of 4 events have no answer"):
            found.require_all("events")
        with open_run(engine, emulator, pinned) as (analyst, _):
            everything = analyst.describe(reports(4))
    assert everything.counts() == {"found": 4}
    everything.require_all("events")


def test_more_than_the_most_is_counted_and_not_asked(engine: Engine) -> None:
    with AnthropicEmulator() as emulator:
        policy = policy_of(max_describe_events=3)
        for known in (3, 6):  # what is remembered does not count
            with open_run(engine, emulator, policy) as (analyst, _):
                assert analyst.describe(reports(10)).counts() == {"found": known, "limit": 10 - known}


def test_offline_nobody_is_asked(engine: Engine, environment: Environment) -> None:
    policy = policy_of(analyst="offline")
    with open_analyst(
        environment, policy, engine.begin, APPLICATION, WEEK, now=lambda: START, sleep=lambda _: None
    ) as (analyst, asked):
        assert isinstance(analyst, OfflineAnalyst)
        assert analyst.describe(reports(2)).counts() == {"found": 0, "offline": 2}
        assert analyst.card([pattern()]).counts() == {"found": 0, "offline": 1}
        assert analyst.judge([candidate()]).counts() == {"found": 0, "offline": 1}
    assert asked.n_calls == 0


def test_claude_needs_a_key_and_prices(engine: Engine, environment: Environment) -> None:
    def run(environment: Environment, **changes: object) -> None:
        with AnthropicEmulator() as emulator:
            policy = policy_of(**changes)
            with open_analyst(
                environment, policy, engine.begin, "a", WEEK, now=lambda: emulator.now, sleep=emulator.advance
            ):
                pass

    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY"):
        run(environment)
    keyed = replace(environment, anthropic_api_key="sk-ant-test")
    with pytest.raises(ConfigurationError, match=r"'claude-new-9'; set analyst\.prices\.claude-new-9"):
        run(keyed, card_model="claude-new-9")
    run(keyed, card_model="claude-new-9", prices={"claude-new-9": Price(1, 2, 1, 1, 1)})


def test_the_key_comes_from_the_environment_and_is_not_shown() -> None:
    environment = read_environment({"ANTHROPIC_API_KEY": "sk-ant-test", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"})
    assert environment.anthropic_api_key == "sk-ant-test"
    assert environment.anthropic_base_url == "http://127.0.0.1:1"
    assert "sk-ant" not in repr(environment)
    assert read_environment({"ANTHROPIC_API_KEY": ""}).anthropic_api_key is None
