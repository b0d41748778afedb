"""New is what a larger share of people says than before, as far as chance can tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.clients.embeddings import StaticEmbedder
from feedback_loop.cluster.exact import ExactVectors, encode_exactly
from feedback_loop.cluster.novelty import Comparison, Past, Share
from feedback_loop_tests.factories import said

COUNTS = st.integers(0, 300)


@given(COUNTS, COUNTS, st.integers(1, 2000), st.integers(1, 20_000))
def test_the_p_value_is_a_probability_and_falls_with_every_text_of_this_week(
    n_now: int, n_before: int, n_week: int, n_past: int
) -> None:
    share = Share(n_now, n_week, n_before, n_past)
    assert 0 <= share.p_value <= 1
    assert Share(n_now + 1, n_week, n_before, n_past).p_value <= share.p_value + 1e-12
    assert Share(n_now, n_week, n_before + 1, n_past).p_value >= share.p_value - 1e-12


@pytest.mark.parametrize(
    ("n_now", "n_before", "is_new"),
    [(10, 0, True), (10, 10, True), (10, 60, False), (0, 0, False)],
)
def test_a_share_that_did_not_rise_is_not_new(n_now: int, n_before: int, is_new: bool) -> None:
    assert (Share(n_now, 100, n_before, 600).p_value <= 0.02) == is_new


def encoded(*kinds: str) -> list[ExactVectors]:
    embedder = StaticEmbedder()
    return [encode_exactly(embedder, [said(kind, n) for n in range(42)]) for kind in kinds]


def past(*weeks: ExactVectors) -> Past:
    """What was said one, two, ... weeks before."""
    ages = np.repeat(np.arange(1, len(weeks) + 1), [len(week) for week in weeks])
    return Past(np.concatenate(weeks), ages)


def test_who_says_what_a_group_says() -> None:
    language, links, sums = encoded("language", "link", "sum")
    compared = Comparison(np.concatenate([language, links]), past(np.concatenate([links, sums])), [language])
    of_links, of_sums = compared.share(links), compared.share(sums)
    assert (of_links.n_week, of_links.n_past) == (84, 84)
    assert of_links.n_now == of_links.n_before
    assert of_links.n_now >= 30
    assert of_sums.n_now == 0
    assert of_sums.n_before >= 30


def test_what_began_two_weeks_ago_began_lately() -> None:
    language, links = encoded("language", "link")
    before = past(np.concatenate([language, links[:4]]), np.concatenate([language, links[4:8]]), language, language)
    share = Comparison(np.concatenate([language, links[8:12]]), before, [language]).share(links[:12])
    assert (share.n_week, share.n_past) == (3 * 42 + 12, 2 * 42)  # this week and the two before against the rest
    assert share.was_hardly_said
    assert share.p_value < 0.05
    long_ago = past(language, language, np.concatenate([language, links[:12]]), language)
    back = Comparison(np.concatenate([language, links[:12]]), long_ago, [language]).share(links[:12])
    assert not back.was_hardly_said


def test_the_first_of_an_application_is_compared_with_nothing() -> None:
    language, links = encoded("language", "link")
    share = Comparison(language, Past(language[:0], np.zeros(0, dtype=np.int64)), [links]).share(language)
    assert share.p_value == 1
