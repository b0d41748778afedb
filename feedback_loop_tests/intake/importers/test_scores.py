"""What a score is to us, by its name and value; the settings have the first word."""

from datetime import UTC, datetime
from typing import Any

import pytest

from feedback_loop.intake.importers.policy import ScoreRule, SourcePolicy
from feedback_loop.intake.importers.scores import Score, to_record
from feedback_loop.intake.importers.values import NotTaken
from feedback_loop.intake.reasons import Rejection

AT = datetime(2026, 1, 5, tzinfo=UTC)


def say(name: str, value: Any = None, rules: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    score = Score(score_id="s", number=1, name=name, occurred_at=AT, trace_id="t", value=value, **fields)
    return to_record(score, SourcePolicy(name="a", tool="langfuse", scores=rules or {}))


@pytest.mark.parametrize(
    ("name", "fields", "signal"),
    [
        ("user-feedback", {"value": 1}, "thumbs_up"),
        ("User Feedback", {"value": 0}, "thumbs_down"),
        ("user.feedback", {"value": -1}, "thumbs_down"),
        ("user_score", {"value": True}, "thumbs_up"),
        ("thumbs", {"label": "Thumbs Down"}, "thumbs_down"),
        ("feedback", {"label": "👍"}, "thumbs_up"),
        ("feedback", {"comment": "meh"}, "comment"),
        ("thumbs_down", {"value": 1}, "thumbs_down"),
        ("thumbs_down", {}, "thumbs_down"),
        ("escalated", {"value": True}, "escalated"),
        ("rating", {"value": 2}, "rating"),
        ("report", {"label": "unsafe"}, "report"),
        ("output", {"correction": "better"}, "correction"),
    ],
)
def test_names_that_tools_use_for_what_people_said(name: str, fields: dict[str, Any], signal: str) -> None:
    assert say(name, **fields)["signal"] == signal


def test_what_a_signal_carries() -> None:
    assert say("rating", 2)["value"] == 2
    assert say("report", label="unsafe")["reason"] == "unsafe"
    assert say("output", correction="better")["edited_output"] == "better"
    assert "value" not in say("user_feedback", 0)


def test_anything_else_is_an_evaluation_between_0_and_1() -> None:
    record = say("Faithfulness v2", 0.25, comment="so", label="low", evaluator_version="c1")
    assert record["type"] == "evaluation"
    assert (record["evaluator"], record["score"], record["label"]) == ("Faithfulness v2", 0.25, "low")
    assert (record["explanation"], record["evaluator_version"]) == ("so", "c1")


def test_the_settings_have_the_first_word() -> None:
    stars = {"stars": ScoreRule(becomes="evaluation", min=1, max=5)}
    assert say("stars", 4, stars)["score"] == 0.75
    assert say("stars", 2, {"stars": "rating"})["signal"] == "rating"
    assert say("user_feedback", 1, {"user_feedback": "evaluation"})["type"] == "evaluation"
    assert say("csat", 0, {"csat": "thumbs"})["signal"] == "thumbs_down"
    assert say("tone", None, {"tone": ScoreRule(labels={"warm": 1.0})}, label="warm")["score"] == 1.0
    assert say("broken", 1, {"broken": "task_failed"})["signal"] == "task_failed"


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("user_feedback", {"value": 4}, "is no thumb"),
        ("user_feedback", {"label": "so-so"}, "neither up nor down: 'so-so'"),
        ("user_feedback", {}, "no value, no label and no comment"),
        ("accuracy", {"value": 80}, "outside 0 to 1"),
        ("accuracy", {}, "has no value"),
        ("tone", {"label": "warm"}, "only the label 'warm'"),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_to_set(name: str, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejection, match=reason):
        say(name, **fields)


def test_what_did_not_happen_is_left_out() -> None:
    for name in ("escalated", "thumbs_down", "copied"):
        with pytest.raises(NotTaken, match="did not happen"):
            say(name, 0)
    with pytest.raises(NotTaken, match="ignored by the settings"):
        say("noise", 1, {"noise": "ignore"})
    with pytest.raises(NotTaken, match="feedback-loop wrote"):
        say("feedback_loop_verdict", label="effective")


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="not 'thumb'"):
        SourcePolicy(name="a", tool="langfuse", scores={"x": "thumb"})
    with pytest.raises(ValueError, match="min 1 must be below max 1"):
        ScoreRule(min=1, max=1)
