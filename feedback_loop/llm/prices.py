"""What a call costs: prices by model and date, the price of what was used, and the most a request can cost.

Belongs here: the table and its arithmetic. Does not belong here: the money of a run (`budget.py`). Prices are those of
the documentation of November 2026; `analyst.prices` in the settings replaces them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from feedback_loop.errors import ConfigurationError
from feedback_loop.llm.requests import Request, Usage

_MILLION = 1e6
_HIDDEN_TOKENS = 2000  # what the API adds on its own: frames of messages, the instructions that hold the schema


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens.

    Attributes:
        cache_write_5m, cache_write_1h, cache_read: of tokens that are written to or read from the prompt cache.
        long_above: prompts of more tokens (cached ones count) cost `long_factor` times as much, output too.
        batch_factor: of everything that is asked in a batch.
    """

    input: float
    output: float
    cache_write_5m: float
    cache_write_1h: float
    cache_read: float
    long_above: int | None = None
    long_factor: float = 1.0
    batch_factor: float = 0.5

    def __post_init__(self) -> None:
        amounts = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read", "long_factor", "batch_factor")
        for name in amounts:
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"price {name} must be at least 0, got {getattr(self, name)}")


PRICES: Mapping[str, tuple[tuple[date, Price], ...]] = {
    "claude-haiku-5-5": ((date(2026, 10, 7), Price(0.10, 0.50, 0.125, 0.20, 0.01, 100_000, 5.0)),),
    "claude-sonnet-5-5": (
        (date(2026, 9, 1), Price(2, 10, 2.50, 4, 0.20)),
        (date(2026, 10, 7), Price(2, 10, 2.50, 4, 0.10)),
    ),
    "claude-opus-5-5": ((date(2026, 9, 22), Price(4, 20, 5, 8, 0.20)),),
    "claude-fable-5-1": ((date(2026, 9, 22), Price(10, 50, 12.50, 20, 0.25)),),
    "claude-sonnet-4-6": ((date(2026, 2, 17), Price(3, 15, 3.75, 6, 0.30)),),
    "claude-haiku-4-5": ((date(2025, 10, 1), Price(1, 5, 1.25, 2, 0.10)),),
}
"""Model -> (valid from, price), oldest first."""


def price_of(model: str, day: date, overrides: Mapping[str, Price] | None = None) -> Price:
    """The price of a model on a day; before its first one, the first.

    Raises:
        ConfigurationError: none is known. Nothing is asked at an unknown price.
    """
    if overrides and model in overrides:
        return overrides[model]
    dated = PRICES.get(model)
    if dated is None:
        raise ConfigurationError(f"no price is known for model {model!r}; set analyst.prices.{model}")
    return next((price for since, price in reversed(dated) if since <= day), dated[0][1])


def cost_usd(price: Price, usage: Usage) -> float:
    """Dollars for what a call used."""
    tokens = usage.input_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens + usage.cache_read_tokens
    dollars = (
        usage.input_tokens * price.input
        + usage.cache_write_5m_tokens * price.cache_write_5m
        + usage.cache_write_1h_tokens * price.cache_write_1h
        + usage.cache_read_tokens * price.cache_read
        + usage.output_tokens * price.output
    )
    return dollars / _MILLION * _factor(price, tokens, is_batch=usage.is_batch)


def most_usd(price: Price, request: Request, *, is_batch: bool = False) -> float:
    """Dollars that a request cannot pass: a token is at least one byte, and the answer has at most `max_tokens`.

    Real texts take about a third of that; what was reserved in vain is free again as soon as the bill is known.
    """
    tokens = request.n_bytes + _HIDDEN_TOKENS
    dearest = max(price.input, price.cache_write_5m, price.cache_write_1h, price.cache_read)
    dollars = (tokens * dearest + request.max_tokens * price.output) / _MILLION
    return dollars * _factor(price, tokens, is_batch=is_batch)


def _factor(price: Price, n_input: int, *, is_batch: bool) -> float:
    long = price.long_factor if price.long_above is not None and n_input > price.long_above else 1.0
    return long * (price.batch_factor if is_batch else 1.0)
