"""The failure sentence: what it is taken from, and that nothing invisible gets through."""

from typing import Any

import pandas as pd
import pytest

from feedback_loop.describe import DescribePolicy, describe_failures
from feedback_loop.records import TEXTS

POLICY = DescribePolicy()


def text(**fields: Any) -> dict[str, Any]:
    return {
        "application": "shop",
        "interaction_id": "i1",
        "user_input": "Where is my order?",
        "output": "Restart the app now.",
        "comments": [],
        "reasons": [],
        "edited_output": None,
        "has_error": False,
        "n_documents": float("nan"),
    } | fields


def describe(*texts: dict[str, Any], policy: DescribePolicy = POLICY) -> pd.DataFrame:
    return describe_failures(pd.DataFrame(list(texts), columns=list(TEXTS.columns)), policy)


@pytest.mark.parametrize(
    ("fields", "description", "evidence"),
    [
        ({"comments": ["wrong order", "still wrong"]}, "wrong order still wrong", "comment"),
        ({"comments": ["wrong order"], "reasons": ["off_topic"]}, "off topic: wrong order", "comment"),
        ({"reasons": ["Off_Topic", "off_topic", "too_long"]}, "off topic, too long", "reason"),
        ({"reasons": ["bug"], "edited_output": "Other"}, "bug", "reason"),
        ({"edited_output": "Restart the phone now."}, "removed app; added phone", "edit"),
        ({"edited_output": "Restart the app now. Twice."}, "added Twice", "edit"),
        ({"edited_output": "the app Restart now."}, "not said, on: Where is my order?", "input"),
        ({}, "not said, on: Where is my order?", "input"),
        ({"comments": ["\u200b \n"]}, "not said, on: Where is my order?", "input"),
    ],
)
def test_evidence_in_order_of_what_it_says(fields: dict[str, Any], description: str, evidence: str) -> None:
    found = describe(text(**fields)).iloc[0]
    assert (found["description"], found["evidence"]) == (description, evidence)
    assert found["is_inferred"] == (evidence == "input")


def test_one_row_per_row_in_its_order() -> None:
    found = describe(text(interaction_id="b"), text(interaction_id="a"), text(interaction_id="c", application="x"))
    assert found[["application", "interaction_id"]].to_numpy().tolist() == [["shop", "b"], ["shop", "a"], ["x", "c"]]


def test_nothing_to_describe() -> None:
    assert describe().empty


def test_long_texts_are_cut_with_a_mark() -> None:
    found = describe(text(comments=["word " * 200]), policy=DescribePolicy(max_chars=50))["description"].iloc[0]
    assert len(found) <= 50
    assert found.endswith("word…")


def test_an_edit_shows_a_bounded_number_of_words() -> None:
    edited = " ".join(f"w{n}" for n in range(100))
    found = describe(text(output="gone", edited_output=edited))["description"].iloc[0]
    assert found == "removed gone; added " + " ".join(f"w{n}" for n in range(POLICY.max_edit_words))


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\u2066", "\ufeff", "\x00", "\x1b", "\u0085", "\r"])
def test_invisible_characters_are_gone(hidden: str) -> None:
    assert hidden not in describe(text(comments=[f"pay{hidden}pal"]))["description"].iloc[0]
    assert hidden not in describe(text(reasons=[f"pay{hidden}pal"]))["description"].iloc[0]
    assert hidden not in describe(text(comments=["x"], reasons=[f"pay{hidden}pal"]))["description"].iloc[0]
    assert hidden not in describe(text(edited_output=f"pay{hidden}pal"))["description"].iloc[0]
