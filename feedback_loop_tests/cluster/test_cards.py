"""Names and causes: from what was said and recorded, and nothing guessed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feedback_loop.cluster.cards import common_reason, distinctive_terms, likely_cause, pattern_name, typical_quote
from feedback_loop_tests.cluster.test_week import event


def texts(n: int, **fields: Any) -> pd.DataFrame:
    return pd.DataFrame([event(f"i{k}", "said", **fields) for k in range(n)])


def test_the_terms_set_a_group_apart() -> None:
    groups = [
        ["the invoice link is broken", "invoice link broken again"],
        ["the invoice total is wrong", "invoice total wrong again"],
    ]
    links, totals = distinctive_terms(groups, n_terms=2)
    assert set(links) == {"link", "broken"}
    assert set(totals) == {"total", "wrong"}


def test_a_word_that_says_nothing_is_no_quote() -> None:
    members = pd.DataFrame(
        [event("a", "first"), event("b", "hm"), event("c", "it talks to me like to a child"), event("d", "rude answer")]
    )
    assert typical_quote(members, np.ones((4, 2), np.float32)) == "it talks to me like to a child"


def test_of_a_reason_that_people_only_chose_the_reason_is_quoted() -> None:
    chosen = [event(f"i{n}", "wrong information", evidence="reason", comments=[]) for n in range(9)]
    members = pd.DataFrame([*chosen, event("c", "it talks to me like to a child")])
    assert typical_quote(members, np.ones((10, 2), np.float32)) == "wrong information"


def test_terms_of_nothing() -> None:
    assert distinctive_terms([]) == []
    assert distinctive_terms([["… !!"], ["12 34"]]) == [[], []]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("wrong_language", "prompt"),
        ("outdated", "retrieval"),
        ("bug", "product"),
        ("made_up", "model"),
        ("odd", "unknown"),
    ],
)
def test_reasons_that_most_chose_decide(reason: str, cause: str) -> None:
    assert likely_cause(texts(4, reasons=[reason]), has_retrieval=False) == cause


def test_two_reasons_are_too_few_and_a_split_vote_is_no_majority() -> None:
    assert likely_cause(pd.concat([texts(2, reasons=["bug"]), texts(20)]), has_retrieval=False) == "unknown"
    split = pd.concat([texts(3, reasons=["bug"]), texts(3, reasons=["made_up"])])
    assert likely_cause(split, has_retrieval=False) == "unknown"


def test_what_was_recorded_decides_where_nobody_chose_a_reason() -> None:
    assert likely_cause(texts(4, has_error=True), has_retrieval=False) == "product"
    assert likely_cause(texts(4, n_documents=0.0), has_retrieval=True) == "retrieval"
    assert likely_cause(texts(4, output="I'm sorry, I cannot help with that."), has_retrieval=False) == "model"


def test_no_documents_mean_nothing_where_retrieval_is_not_recorded() -> None:
    assert likely_cause(texts(4, n_documents=0.0), has_retrieval=False) == "unknown"
    assert likely_cause(texts(4, n_documents=np.nan), has_retrieval=True) == "unknown"


def test_nothing_is_known_of_nothing() -> None:
    assert likely_cause(texts(0), has_retrieval=True) == "unknown"


def test_what_users_send_is_short_and_hides_nothing_in_names_and_quotes() -> None:
    hostile = "\x1b[31mred \x1b]8;;https://evil.example\x07click \u202elap " + "word " * 20_000
    quote = typical_quote(texts(3, comments=[hostile]), np.ones((3, 2), np.float32))
    reason = common_reason([[f"bug\x1b[31m\u200b{'_long' * 1000}"]] * 3)
    assert quote.startswith("[31mred ]8;;https://evil.example click lap word")
    assert len(quote) <= 300
    assert reason is not None
    name = pattern_name(reason, quote)
    assert len(name) <= 60 + 80 + 4
    assert not set("\x1b\x07\u202e\u200b") & set(quote + name)
