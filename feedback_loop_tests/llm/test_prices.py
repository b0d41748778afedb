"""Prices and budget: dated, tiered, halved in batches, and never less reserved than spent."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.config import Settings
from feedback_loop.errors import ConfigurationError
from feedback_loop.llm.budget import Budget
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.llm.prices import most_usd
from feedback_loop.llm.prompts import FailureReport, render, report_item
from feedback_loop.llm.requests import Usage
from feedback_loop.prices import PRICES, Price, cost_usd, price_of

TODAY = date(2026, 11, 20)
HAIKU = price_of("claude-haiku-5-5", TODAY)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(1_000_000 // 10, 0), 0.01),  # up to 100,000 tokens at 0.10
        (Usage(100_001, 0), 0.0500005),  # above, everything costs five times as much
        (Usage(90_000, 1000, cache_read_tokens=10_001), (90_000 * 0.5 + 1000 * 2.5 + 10_001 * 0.05) / 1e6),
        (Usage(0, 1_000_000), 0.50),
        (Usage(0, 1_000_000, is_batch=True), 0.25),
        (Usage(0, 0, cache_write_5m_tokens=1000, cache_write_1h_tokens=1000), (125 + 200) / 1e6),
    ],
)
def test_the_price_of_a_call(usage: Usage, usd: float) -> None:
    assert cost_usd(HAIKU, usage) == pytest.approx(usd, rel=1e-12)


def test_prices_are_those_of_the_day() -> None:
    assert price_of("claude-sonnet-5-5", date(2026, 10, 6)).cache_read == 0.20
    assert price_of("claude-sonnet-5-5", date(2026, 10, 7)).cache_read == 0.10
    assert price_of("claude-sonnet-5-5", date(2020, 1, 1)).cache_read == 0.20
    mine = Price(1, 2, 3, 4, 5)
    assert price_of("claude-sonnet-5-5", TODAY, {"claude-sonnet-5-5": mine}) == mine


def test_nothing_is_asked_at_an_unknown_price() -> None:
    with pytest.raises(ConfigurationError, match=r"analyst\.prices\.claude-x"):
        price_of("claude-x", TODAY)
    with pytest.raises(ValueError, match="price input must be at least 0, got nan"):
        Price(float("nan"), 1, 1, 1, 1)


@given(
    st.sampled_from(sorted(PRICES)),
    st.lists(st.text(max_size=400), min_size=1, max_size=50),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.booleans(),
)
def test_no_call_costs_more_than_is_reserved(
    model: str, texts: list[str], shares: tuple[float, ...], is_batch: bool
) -> None:
    """Whatever of the bytes is tokens, wherever they are booked, and however much is answered."""
    request = render("describe", model, [report_item(FailureReport("", text), model) for text in texts])
    n_input = int(request.n_bytes * shares[0])
    n_cached = int(n_input * shares[1])
    usage = Usage(
        n_input - n_cached,
        int(request.max_tokens * shares[2]),
        cache_write_5m_tokens=n_cached // 2,
        cache_write_1h_tokens=n_cached - n_cached // 2,
        is_batch=is_batch,
    )
    price = price_of(model, TODAY)
    assert cost_usd(price, usage) <= most_usd(price, request, is_batch=is_batch)


@given(
    st.floats(0, 10),
    st.lists(st.tuples(st.floats(0, 3) | st.just(float("nan")), st.floats(0, 1), st.booleans()), max_size=30),
)
def test_a_budget_is_never_passed(limit: float, calls: list[tuple[float, float, bool]]) -> None:
    budget = Budget(limit)
    open_calls: list[tuple[float, float]] = []
    for reserved, share, settle_now in calls:
        if budget.reserve(reserved):
            open_calls.append((reserved, share))
        if settle_now and open_calls:
            usd, part = open_calls.pop(0)
            budget.settle(usd, usd * part)
        assert budget.spent_usd + budget.reserved_usd <= limit + 1e-9
    assert not budget.reserve(budget.left_usd + 1e-6)


def test_money_that_is_not_there_is_not_set_aside() -> None:
    budget = Budget(1.0, spent_usd=0.5, reserved_usd=0.4)
    assert not budget.reserve(0.11)
    assert not budget.reserve(float("nan"))
    assert not budget.reserve(-1.0)
    assert budget.reserve(0.0999)
    budget.settle(0.0999, 0.01)
    assert budget.left_usd == pytest.approx(0.09)
    assert Budget(1.0, spent_usd=2.0).left_usd == 0


def test_prices_can_be_set_in_the_settings_and_are_checked() -> None:
    mine = {"input": 1, "output": 2, "cache_write_5m": 1, "cache_write_1h": 1, "cache_read": 0.1}
    settings = Settings.model_validate({"analyst": {"prices": {"claude-x": mine}}})
    assert price_of("claude-x", TODAY, settings.analyst.prices) == Price(1, 2, 1, 1, 0.1)
    with pytest.raises(ValueError, match="price output must be at least 0, got -1"):
        Settings.model_validate({"analyst": {"prices": {"claude-x": {**mine, "output": -1}}}})
    with pytest.raises(ValueError, match="outptu"):
        Settings.model_validate({"analyst": {"prices": {"claude-x": {**mine, "outptu": 1}}}})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"describer": "claude"}, "describer claude needs analyst claude"),
        ({"budget_usd": -1}, "budget_usd must be from 0"),
        ({"budget_usd": float("nan")}, "budget_usd"),
        ({"items_per_request": 0}, "items_per_request must be from 1 to 50"),
        ({"items_per_request": 51}, "items_per_request"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"batch_above": -1}, "batch_above"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AnalystPolicy(**settings)  # type: ignore[arg-type]
