"""The settings of the analyst: which models are asked, for how much money, and how long an answer is waited for.

Belongs here: what a team decides. Does not belong here: keys (`environment.py`), prices (`prices.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from feedback_loop.prices import Price
from feedback_loop.records import check_between

Teller = Literal["offline", "claude"]


@dataclass(frozen=True)
class AnalystPolicy:
    """Who describes, judges and names, and what that may cost.

    Attributes:
        analyst: `claude` asks models (needs `ANTHROPIC_API_KEY`); `offline` asks nobody.
        describer: `claude` pins the application: every event is described by the model, or the week stops.
        describe_model, judge_model, card_model: ids of models. A larger one costs about twenty times as much per card.
        budget_usd: dollars per application and week, over all runs of that week; asking stops before it is passed.
        max_describe_events: descriptions asked for in one run; the rest stays offline (not where pinned).
        items_per_request: failure reports that share one request.
        batch_above: with more requests than this due at once they go as a batch, at half the price.
        max_batch_wait_s: how long a run waits for a batch; a later run collects it.
        timeout_s: of one request.
        max_retry_after_s: an API that asks for a longer pause is not asked again in this run.
        prices: model -> price, in place of the built-in one.
    """

    analyst: Teller = "offline"
    describer: Teller = "offline"
    describe_model: str = "claude-haiku-5-5"
    judge_model: str = "claude-haiku-5-5"
    card_model: str = "claude-haiku-5-5"
    budget_usd: float = 1.0
    max_describe_events: int = 5000
    items_per_request: int = 32
    batch_above: int = 20
    max_batch_wait_s: float = 7200.0
    timeout_s: float = 120.0
    max_retry_after_s: float = 120.0
    prices: Mapping[str, Price] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_between(self, 0, 1e6, "budget_usd")
        check_between(self, 0, inf, "max_describe_events", "batch_above", "max_batch_wait_s", "max_retry_after_s")
        check_between(self, 1, 50, "items_per_request")  # a prompt stays far below 100,000 tokens
        check_between(self, 1, 600, "timeout_s")
        if self.describer == "claude" and self.analyst != "claude":
            raise ValueError("describer claude needs analyst claude, which is offline")

    @property
    def is_pinned(self) -> bool:
        """Whether every event must be described by the model."""
        return self.describer == "claude"
