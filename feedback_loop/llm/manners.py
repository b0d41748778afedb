"""How each model wants to be asked: what it takes, what it refuses, and room for its thinking.

Belongs here: one row per model, from the documentation of November 2026. Does not belong here: prices (`prices.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Manners:
    """What a request to a model must look like.

    Attributes:
        thinking: value of `thinking.type` that keeps it from thinking; None: the field is left out.
        takes_effort: whether `output_config.effort` is sent.
        min_cacheable: tokens below which a system prompt is not worth a mark for the prompt cache.
        thinking_tokens: room in `max_tokens` for what it thinks all the same.
    """

    thinking: str | None = None
    takes_effort: bool = False
    min_cacheable: int = 4096
    thinking_tokens: int = 0


_MANNERS: Mapping[str, Manners] = {
    "claude-haiku-5-5": Manners("disabled", takes_effort=True, min_cacheable=512),
    "claude-sonnet-5-5": Manners("between_tools", takes_effort=True, min_cacheable=1024),
    "claude-sonnet-4-6": Manners(takes_effort=True, min_cacheable=1024),
    "claude-haiku-4-5": Manners(),
}
_THINKS = Manners(takes_effort=True, min_cacheable=1024, thinking_tokens=8000)
"""Newer and larger models think always."""


def manners_of(model: str) -> Manners:
    """The row of a model; of one that is not listed, what holds for models that always think."""
    return _MANNERS.get(model, _THINKS)
