"""A model's sentence is for people; it is compared only where an application pins the describer."""

import pandas as pd
import pytest

from feedback_loop.describe import DescribePolicy, describe_failures
from feedback_loop.describe.sentences import reports_of, with_sentences
from feedback_loop.llm.analyst import Description, Findings
from feedback_loop.llm.requests import Problem
from feedback_loop_tests.test_describe import text

TEXTS = pd.DataFrame(
    [
        text(interaction_id="i1", comments=["in English again"]),
        text(interaction_id="i2", reasons=["too_long"]),
        text(interaction_id="i3"),
        text(interaction_id="i4", comments=["still no answer"]),
    ]
)
FRAME = describe_failures(TEXTS, DescribePolicy())
FOUND = Findings(
    {"i1": Description("Answered in English.", False), "i4": Description("", False)}, {"i2": Problem("refused")}
)


@pytest.mark.parametrize(("is_pinned", "shown"), [(False, ["i1", "i4"]), (True, ["i1", "i2", "i4"])])
def test_the_analyst_sees_who_said_something_with_its_question_and_answer(is_pinned: bool, shown: list[str]) -> None:
    reports = reports_of(FRAME, TEXTS, is_pinned=is_pinned)
    assert [report.report_id for report in reports] == shown
    assert (reports[0].comment, reports[0].question) == ("in English again", "Where is my order?")
    assert reports[0].answer == "Restart the app now."


def test_a_sentence_changes_nothing_that_is_counted() -> None:
    told = with_sentences(FRAME, FOUND, is_pinned=False)
    assert told["description"].tolist() == ["Answered in English.", *FRAME["description"][1:]]
    assert told["sentence"].tolist() == ["Answered in English.", "", "", ""]
    changed = ["description", "sentence"]
    pd.testing.assert_frame_equal(told.drop(columns=changed), FRAME.drop(columns=changed))
    pd.testing.assert_frame_equal(with_sentences(FRAME, Findings(), is_pinned=False), FRAME)


def test_a_pinned_describer_is_never_mixed_with_another() -> None:
    told = with_sentences(FRAME, FOUND, is_pinned=True)
    assert told["failure_text"].tolist() == ["Answered in English.", "", "", ""]
    assert told["is_inferred"].tolist() == [False, True, True, True]
