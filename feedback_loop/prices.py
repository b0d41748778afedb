"""What a call costs: prices by model and date, and the price of what was used. Standard library only.

Belongs here: the table and its arithmetic, for the loop's own calls and for those that `capture/` sees. Does not belong
here: what a request can cost at most (`llm/prices.py`) and the money of a run (`llm/budget.py`). Prices are those of
the documentation of November 2026; `analyst.prices` in the settings replaces them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from feedback_loop.errors import ConfigurationError

_MILLION = 1e6


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

    def factor(self, n_input: int, *, is_batch: bool) -> float:
        """What everything is multiplied by in a call with so many tokens in its prompt."""
        long = self.long_factor if self.long_above is not None and n_input > self.long_above else 1.0
        return long * (self.batch_factor if is_batch else 1.0)


class Used(Protocol):
    """Tokens of one call; `input_tokens` are those that were neither read from nor written to the prompt cache."""

    @property
    def input_tokens(self) -> int: ...  # noqa: D102 (fields)
    @property
    def output_tokens(self) -> int: ...  # noqa: D102
    @property
    def cache_write_5m_tokens(self) -> int: ...  # noqa: D102
    @property
    def cache_write_1h_tokens(self) -> int: ...  # noqa: D102
    @property
    def cache_read_tokens(self) -> int: ...  # noqa: D102
    @property
    def is_batch(self) -> bool: ...  # noqa: D102


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


def cost_usd(price: Price, usage: Used) -> float:
    """Dollars for what a call used."""
    tokens = usage.input_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens + usage.cache_read_tokens
    dollars = (
        usage.input_tokens * price.input
        + usage.cache_write_5m_tokens * price.cache_write_5m
        + usage.cache_write_1h_tokens * price.cache_write_1h
        + usage.cache_read_tokens * price.cache_read
        + usage.output_tokens * price.output
    )
    return dollars / _MILLION * price.factor(tokens, is_batch=usage.is_batch)
