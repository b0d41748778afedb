"""Describe: what went wrong in every negative interaction, and, apart from it, what it was about.

Belongs here: the offline describer, which uses what people said, chose, changed and did next. Does not belong here:
fetching texts (`store/negatives.py`), vectors (`clients/embeddings.py`) and grouping (`cluster/`).

In the loop: extract -> **describe** -> cluster.

- `masking.py`: a text without the words of its subject
- `kept_words.py`: the words that are never masked
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Self

import pandas as pd

from feedback_loop.describe.masking import has_words, mask, plain, says_something, subject_of, words_of
from feedback_loop.records import DESCRIPTIONS, TEXTS, check_between
from feedback_loop.redaction import visible

DESCRIBER_VERSION = "offline-2"

OUTCOMES = {"task_failed": "task failed", "reopened": "reopened", "escalated": "escalated"}
"""Signals that say a little by themselves, where nobody said more. A thumb down or a low rating says nothing."""

_READ_CHARS = 4_000  # of a comment, a question or an answer: the rest is not looked at


@dataclass(frozen=True)
class DescribePolicy:
    """How long descriptions may be.

    Attributes:
        max_chars: of the whole description.
        max_view_chars: of the failure text and of the subject text.
        max_edit_words: words taken of what an edit removed, and of what it added.
    """

    max_chars: int = 400
    max_view_chars: int = 600
    max_edit_words: int = 12

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "max_chars", "max_view_chars", "max_edit_words")


def describe_failures(texts: pd.DataFrame, policy: DescribePolicy) -> pd.DataFrame:
    """Description, failure text and subject text of every negative interaction.

    The failure text is the reasons people chose, what they said without the words of their own question and answer,
    and what they changed; the outcome where there is none of these. Comments compared as they are group by subject, not
    by failure (ADR 9).

    Args:
        texts: frame `records.TEXTS`.
        policy: lengths.

    Returns:
        Frame `records.DESCRIPTIONS`, one row per row of `texts`, in its order. A row depends on its own texts only.
        Where nobody said what went wrong the description quotes the question, the failure text is empty and
        `is_inferred` is True: such a row never founds a pattern.
    """
    texts = TEXTS.check(texts)
    columns = (texts[name] for name in ("comments", "reasons", "signals", "output", "edited_output", "user_input"))
    described = [_describe(row, policy) for row in zip(*columns, strict=True)]
    frame = texts[["application", "interaction_id"]].copy()
    for i, name in enumerate(("description", "failure_text", "subject_text", "evidence")):
        frame[name] = [d[i] for d in described]
    frame.insert(3, "sentence", "")
    frame["is_inferred"] = [d[3] == "input" for d in described]
    return DESCRIPTIONS.check(frame)


_Row = tuple[Sequence[str], Sequence[str], Sequence[str], str, str | None, str]


def _describe(row: _Row, policy: DescribePolicy) -> tuple[str, str, str, str]:
    """Description, failure text, subject text and evidence of one interaction."""
    comments, reasons, signals, output, edited, user_input = row
    said, subject = _read(comments, " "), plain(user_input, _READ_CHARS)
    chosen = _read(dict.fromkeys(r.replace("_", " ").strip().lower() for r in reasons if has_words(r)), ", ")
    happened = ", ".join(words for signal, words in OUTCOMES.items() if signal in signals)
    change = _Change.of(output, edited) if edited else None
    failure = [chosen, _masked(said, subject, output), change.without(subject, policy.max_edit_words) if change else ""]
    on = f"{happened or 'not said'}, on: {user_input[:_READ_CHARS]}"
    if has_words(said):
        description, evidence = f"{chosen}: {said}" if chosen else said, "comment"
    elif chosen:
        description, evidence = chosen, "reason"
    elif change:
        description, evidence = change.text(policy.max_edit_words), "edit"
    else:
        description, evidence = f"{said} {on}" if said else on, "outcome" if happened else "input"
    return (
        visible(description, policy.max_chars),
        _cut("; ".join(part for part in failure if part) or happened, policy.max_view_chars),
        _cut(subject, policy.max_view_chars),
        evidence,
    )


def _read(parts: Iterable[str], separator: str) -> str:
    return visible(separator.join(parts)[:_READ_CHARS])


def _cut(text: str, max_chars: int) -> str:
    """The start of a text, whole words where there are any."""
    return text if len(text) <= max_chars else text[: max_chars + 1].rpartition(" ")[0] or text[:max_chars]


def _masked(said: str, subject: str, output: str) -> str:
    """What was said without the words of question and answer; as it was said where nothing else is left."""
    said = plain(said, _READ_CHARS)
    if not has_words(said):
        return ""
    masked = mask(said, subject_of(f"{subject} {plain(output, _READ_CHARS)}"))
    return masked if says_something(masked) else said


@dataclass(frozen=True)
class _Change:
    """The distinct words that a user took out of an answer and put into it, in order; false where there are none."""

    removed: list[str]
    added: list[str]

    @classmethod
    def of(cls, output: str, edited: str) -> Self:
        before, after = ({w.casefold(): w for w in words_of(plain(t, _READ_CHARS))} for t in (output, edited))
        return cls([w for f, w in before.items() if f not in after], [w for f, w in after.items() if f not in before])

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)

    def text(self, max_words: int) -> str:
        sides = (("removed", self.removed[:max_words]), ("added", self.added[:max_words]))
        return "; ".join(f"{name} {' '.join(words)}" for name, words in sides if words)

    def without(self, subject: str, max_words: int) -> str:
        """The change without the words of the question. The answer does not mask: it is what was changed."""
        asked = subject_of(subject)
        rest = _Change(*(words_of(mask(" ".join(words), asked)) for words in (self.removed, self.added)))
        return (rest or self).text(max_words)
