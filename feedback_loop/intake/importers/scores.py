"""What a score is to us: a person's feedback or an evaluator's number. By name; the settings have the first word.

Belongs here: the rule. Does not belong here: field names of a tool (its own module).

    1  the settings (`scores: {name: ...}`) say it: a signal, `thumbs`, `evaluation` or `ignore`
    2  the name is a signal's (`thumbs_down`, `rating`, `escalated`, ...): that signal; false or 0 of an event that is
       true or false means that it did not happen, and is left out
    3  the name is one that tools use for a person's verdict (`user_feedback`, `user_score`, `thumbs`, ...): a thumb,
       up or down by the value; with a comment alone, a comment
    4  a correction's text: the signal `correction`
    5  anything else: an evaluation, whose value must lie between 0 and 1 (or between `min` and `max` of the settings)

Names are compared in lower case, with `_` for spaces, hyphens and dots.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feedback_loop.intake.importers.policy import ScoreRule, SourcePolicy
from feedback_loop.intake.importers.values import NotTaken, is_none
from feedback_loop.intake.reasons import Rejection
from feedback_loop.records import SIGNAL_NAMES

OWN_PREFIX = "feedback_loop_"
"""Names of the scores that we write back; they are never read."""

_THUMB_NAMES = """
user_feedback feedback user_score thumbs thumb user_thumbs thumbs_up_down like liked helpful is_helpful
user_satisfaction satisfaction human_feedback end_user_feedback
"""
_UP = "true 1 1.0 up thumbs_up thumb_up positive pos good like liked yes helpful correct + 👍 pass"
_DOWN = """
false 0 0.0 -1 -1.0 down thumbs_down thumb_down negative neg bad dislike disliked no not_helpful unhelpful incorrect
- 👎 fail
"""
THUMB_NAMES, UP, DOWN = frozenset(_THUMB_NAMES.split()), frozenset(_UP.split()), frozenset(_DOWN.split())
_WITH_VALUE = ("rating", "dwell")
_WITH_TEXT = ("comment", "correction", "edited", "report", "preference")
_UNNAMED = re.compile(r"[\s\-.]+")
_NEUTRAL = 0.5


@dataclass(frozen=True, slots=True)
class Score:
    """A score as a tool keeps it.

    Attributes:
        score_id: the tool's; None where it gives none.
        number: of its record in the source.
        name: of what was scored.
        occurred_at: with a time zone.
        trace_id: of what it is about; None: `observation_id` must tell it.
        observation_id: the step it is about.
        value: number or true/false.
        label: text, of a category.
        comment: of the person or evaluator.
        correction: a better answer.
        evaluator_version: of an evaluator.
        user_id: who said it, where the tool knows the application's user.
    """

    score_id: str | None
    number: int
    name: str
    occurred_at: datetime
    trace_id: str | None = None
    observation_id: str | None = None
    value: float | bool | None = None
    label: str | None = None
    comment: str | None = None
    correction: str | None = None
    evaluator_version: str | None = None
    user_id: str | None = None


def to_record(score: Score, policy: SourcePolicy) -> dict[str, Any]:
    """The record of a score.

    Args:
        score: with its trace.
        policy: of the source.

    Raises:
        NotTaken: the settings ignore its name, it is one that we wrote, or it says that something did not happen.
        Rejection: it cannot be said what it means; the message says what to set.
    """
    name = _UNNAMED.sub("_", score.name.strip()).lower()
    if name.startswith(OWN_PREFIX):
        raise NotTaken("a score that feedback-loop wrote")
    rule = policy.rule_of(score.name) or ScoreRule(becomes=_meaning(name, score))
    if rule.becomes == "ignore":
        raise NotTaken(f"scores named '{score.name}' are ignored by the settings")
    if rule.becomes == "evaluation":
        return _evaluation(score, rule)
    signal = _thumb(score) if rule.becomes == "thumbs" else rule.becomes
    return _feedback(score, signal, is_by_thumb=rule.becomes == "thumbs")


def _meaning(name: str, score: Score) -> str:
    if name in SIGNAL_NAMES:
        return name
    if name in THUMB_NAMES:
        return "thumbs"
    if score.correction is not None and score.value is None:
        return "correction"
    return "evaluation"


def _thumb(score: Score) -> str:
    """Up or down: by the label, else by the value (from 0.5 on it is up)."""
    label = _UNNAMED.sub("_", score.label.strip()).lower() if score.label else ""
    if score.label and label not in UP | DOWN and score.value is None:
        raise Rejection(
            f"score '{score.name}' is neither up nor down: {score.label[:50]!r}; say under `scores` what it is"
        )
    if label in UP | DOWN:
        return "thumbs_up" if label in UP else "thumbs_down"
    if score.value is not None:
        if not -1 <= score.value <= 1:
            raise Rejection(
                f"score '{score.name}' has the value {score.value:g}, which is no thumb; say under `scores` what it is"
                " (`rating`, or `evaluation` with min and max)"
            )
        return "thumbs_up" if score.value >= _NEUTRAL else "thumbs_down"
    if score.correction is not None:
        return "correction"
    if score.comment:
        return "comment"
    raise Rejection(f"score '{score.name}' has no value, no label and no comment")


def _feedback(score: Score, signal: str, *, is_by_thumb: bool) -> dict[str, Any]:
    is_event = not is_by_thumb and signal not in (*_WITH_VALUE, *_WITH_TEXT)
    if is_event and score.value is not None and not score.value:
        raise NotTaken(f"'{signal}' that did not happen")
    record = {
        "type": "feedback",
        "feedback_id": score.score_id,
        "interaction_id": score.trace_id,
        "occurred_at": score.occurred_at,
        "user_id": score.user_id,
        "signal": signal,
        "value": score.value if signal in _WITH_VALUE else None,
        "reason": score.label if is_event or signal == "report" else None,
        "comment": score.comment or (score.label if signal == "comment" else None),
        "edited_output": score.correction if signal in ("correction", "edited") else None,
    }
    return {name: value for name, value in record.items() if not is_none(value)}


def _evaluation(score: Score, rule: ScoreRule) -> dict[str, Any]:
    value = score.value
    if score.label is not None and score.label in rule.labels:
        value = rule.labels[score.label]
    if value is None:
        had = f"only the label {score.label[:50]!r}" if score.label else "no value"
        raise Rejection(f"score '{score.name}' has {had}; give its labels values under `scores`, or ignore it")
    scaled = (float(value) - rule.min) / (rule.max - rule.min)
    if not 0 <= scaled <= 1:
        raise Rejection(
            f"score '{score.name}' has the value {float(value):g}, outside {rule.min:g} to {rule.max:g};"
            " give `min` and `max` under `scores`"
        )
    record = {
        "type": "evaluation",
        "interaction_id": score.trace_id,
        "evaluator": score.name,
        "evaluator_version": score.evaluator_version,
        "score": scaled,
        "label": score.label,
        "explanation": score.comment,
        "occurred_at": score.occurred_at,
    }
    return {name: value for name, value in record.items() if value is not None}
