"""The most a request can cost, known before it is sent.

Belongs here: the bound that the budget reserves. Does not belong here: the table and what a call did cost
(`feedback_loop/prices.py`), the money of a run (`budget.py`).
"""

from feedback_loop.llm.requests import Request
from feedback_loop.prices import Price

_MILLION = 1e6
_HIDDEN_TOKENS = 2000  # what the API adds on its own: frames of messages, the instructions that hold the schema


def most_usd(price: Price, request: Request, *, is_batch: bool = False) -> float:
    """Dollars that a request cannot pass: a token is at least one byte, and the answer has at most `max_tokens`.

    Real texts take about a third of that; what was reserved in vain is free again as soon as the bill is known.
    """
    tokens = request.n_bytes + _HIDDEN_TOKENS
    dearest = max(price.input, price.cache_write_5m, price.cache_write_1h, price.cache_read)
    dollars = (tokens * dearest + request.max_tokens * price.output) / _MILLION
    return dollars * price.factor(tokens, is_batch=is_batch)
