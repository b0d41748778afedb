"""The models that the emulator knows, with the limits and manners that make the real API refuse a request.

Belongs here: one dated row per model. Does not belong here: prices (they are the product's configuration) and the
checks themselves (`checks.py`). Sources: the documentation and model table of October and November 2026; where no
minimum cacheable size is published for a model, that of its predecessor stands. Models whose manners are not documented
are left out, and get a 404.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN_DATE = "1970-01-01"  # as the API says it
OLD_TOKENIZER, NEW_TOKENIZER = 3.5, 2.7
"""UTF-8 bytes per token. English measures about 3.5 with the tokenizer of the 4.x models; that of the 5.x models makes
about 30 % more tokens of the same text, so 3.5 / 1.3. An estimate: the real figure varies with language and content."""


@dataclass(frozen=True)
class Model:
    """What the emulator must know of one model.

    Attributes:
        refused_thinking: values of `thinking.type` that are a 400.
        thinks_by_default: whether it thinks where the request says nothing about it.
        default_effort: `output_config.effort` where the request says nothing.
        min_cacheable: tokens below which a prefix is not cached.
    """

    id: str
    display_name: str
    created_at: str
    max_input_tokens: int = 1_000_000
    max_tokens: int = 128_000
    min_cacheable: int = 512
    bytes_per_token: float = NEW_TOKENIZER
    refused_thinking: frozenset[str] = frozenset({"disabled", "enabled", "between_tools"})
    thinks_by_default: bool = True
    default_effort: str = "high"
    takes_forced_tools: bool = False
    takes_prefill: bool = False

    def as_json(self) -> dict[str, Any]:
        """The object of `GET /v1/models/{id}`."""
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "created_at": f"{self.created_at}T00:00:00Z",
            "lifecycle": "active",
            "deprecated_at": None,
            "retires_at": None,
            "line": self.id.split("-")[1],
            "capabilities": None,
            "max_input_tokens": self.max_input_tokens,
            "max_tokens": self.max_tokens,
        }


_ROWS = (
    Model("claude-fable-5-2", "Claude Fable 5.2", UNKNOWN_DATE),
    Model(
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        "2026-10-07",
        refused_thinking=frozenset({"enabled"}),
        default_effort="medium",
        takes_forced_tools=True,
    ),
    Model(
        "claude-sonnet-5-5",
        "Claude Sonnet 5.5",
        UNKNOWN_DATE,
        min_cacheable=1024,
        refused_thinking=frozenset({"disabled", "enabled"}),
    ),
    Model("claude-fable-5-1", "Claude Fable 5.1", UNKNOWN_DATE),
    Model("claude-opus-5-5", "Claude Opus 5.5", "2026-09-22"),
    Model(
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        UNKNOWN_DATE,
        min_cacheable=1024,
        bytes_per_token=OLD_TOKENIZER,
        refused_thinking=frozenset(),
        thinks_by_default=False,
        takes_forced_tools=True,
    ),
    Model(
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        "2025-10-01",
        max_input_tokens=200_000,
        max_tokens=64_000,
        min_cacheable=4096,
        bytes_per_token=OLD_TOKENIZER,
        refused_thinking=frozenset({"adaptive", "between_tools"}),
        thinks_by_default=False,
        takes_forced_tools=True,
        takes_prefill=True,
    ),
)
ALIASES: Mapping[str, str] = {"claude-haiku-4-5": "claude-haiku-4-5-20251001"}
MODELS: Mapping[str, Model] = {model.id: model for model in _ROWS}
"""By id, newest first, as the API lists them."""


def find_model(name: object) -> Model | None:
    """The model of this id or alias; None where there is none."""
    return MODELS.get(ALIASES.get(str(name), str(name)))
