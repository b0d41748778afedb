"""Describe: one short sentence per negative interaction, about what went wrong and not what it was about.

Belongs here: the offline describer, which uses what people said, chose or changed. Does not belong here: fetching
texts (`store/negatives.py`), vectors (`clients/embeddings.py`) and grouping (`cluster/`).

In the loop: extract -> **describe** -> cluster.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import pandas as pd

from feedback_loop.records import DESCRIPTIONS, TEXTS, check_between
from feedback_loop.redaction import visible

DESCRIBER_VERSION = "offline-1"

_WORD = re.compile(r"\w+", re.UNICODE)


@dataclass(frozen=True)
class DescribePolicy:
    """How long a description may be.

    Attributes:
        max_chars: of the whole description.
        max_edit_words: words shown of what an edit removed, and of what it added.
    """

    max_chars: int = 400
    max_edit_words: int = 12

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "max_chars", "max_edit_words")


def describe_failures(texts: pd.DataFrame, policy: DescribePolicy) -> pd.DataFrame:
    """The failure sentence of every negative interaction.

    Args:
        texts: frame `records.TEXTS`.
        policy: lengths.

    Returns:
        Frame `records.DESCRIPTIONS`, one row per row of `texts`, in its order. Where nobody said what went wrong the
        description quotes the question and `is_inferred` is True: such a row never founds a pattern.
    """
    texts = TEXTS.check(texts)
    columns = (texts[name] for name in ("comments", "reasons", "output", "edited_output", "user_input"))
    described = [_describe(row, policy) for row in zip(*columns, strict=True)]
    frame = texts[["application", "interaction_id"]].copy()
    frame["description"] = [d[0] for d in described]
    frame["failure_text"], frame["subject_text"] = frame["description"], texts["user_input"]
    frame["evidence"] = [d[1] for d in described]
    frame["is_inferred"] = [d[1] == "input" for d in described]
    return DESCRIPTIONS.check(frame)


_Row = tuple[Sequence[str], Sequence[str], str, str | None, str]


def _describe(row: _Row, policy: DescribePolicy) -> tuple[str, str]:
    """Description and evidence of one interaction."""
    comments, reasons, output, edited, user_input = row
    said = visible(" ".join(comments))
    chosen = ", ".join(dict.fromkeys(r.replace("_", " ").strip().lower() for r in reasons))
    if said:
        return visible(f"{chosen}: {said}" if chosen else said, policy.max_chars), "comment"
    if chosen:
        return visible(chosen, policy.max_chars), "reason"
    if edited:
        change = _describe_edit(output, edited, policy.max_edit_words)
        if change:
            return visible(change, policy.max_chars), "edit"
    return visible(f"not said, on: {user_input}", policy.max_chars), "input"


def _describe_edit(output: str, edited: str, max_words: int) -> str:
    before, after = _WORD.findall(visible(output)), _WORD.findall(visible(edited))
    removed = list(dict.fromkeys(w for w in before if w not in set(after)))[:max_words]
    added = list(dict.fromkeys(w for w in after if w not in set(before)))[:max_words]
    parts = [f"removed {' '.join(removed)}" if removed else "", f"added {' '.join(added)}" if added else ""]
    return "; ".join(part for part in parts if part)
