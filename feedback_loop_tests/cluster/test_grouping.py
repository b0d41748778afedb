"""Groups of texts: what belongs together, near-copies, and what must not depend on order or chance."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.clients.embeddings import StaticEmbedder
from feedback_loop.cluster.discovery import discover
from feedback_loop.cluster.exact import encode_exactly
from feedback_loop.cluster.grouping import group_texts
from feedback_loop.cluster.novelty import Past
from feedback_loop.cluster.texts import near_copies, normal_form, once_per_user, words_of
from feedback_loop_tests.factories import said

EMBEDDER = StaticEmbedder()
KINDS = ("language", "link", "sum")
TEXTS = list(dict.fromkeys(said(kind, n) for kind in KINDS for n in range(60)))
KIND = np.array([next(k for k in KINDS if text in {said(k, n) for n in range(60)}) for text in TEXTS])


def test_groups_hold_texts_of_one_kind() -> None:
    labels = group_texts(EMBEDDER.encode(TEXTS), seed=0)
    assert all(len(set(KIND[labels == label])) == 1 for label in np.unique(labels))
    assert labels.min() == 0
    assert set(labels) == set(range(labels.max() + 1))


def test_the_same_seed_gives_the_same_groups_twice() -> None:
    vectors = EMBEDDER.encode(TEXTS)
    assert (group_texts(vectors, 3) == group_texts(vectors, 3)).all()


def test_few_texts_are_no_problem() -> None:
    for n in range(8):
        assert len(group_texts(EMBEDDER.encode(TEXTS[:n]), 0)) == n


def test_letters_with_other_names_in_them_are_near_copies() -> None:
    letters = [f"the price of the {what} is out of date, please fix it" for what in ("lamp", "desk", "chair")]
    assert near_copies([*letters, "no answer at all", letters[0] + " now"]).tolist() == [0, 0, 0, 3, 0]


def test_texts_without_words_are_copies_of_nothing() -> None:
    assert near_copies(["…", "!!", "?"]).tolist() == [0, 1, 2]


@given(st.lists(st.text(max_size=40), max_size=20))
def test_a_near_copy_shares_most_words_with_an_original(texts: list[str]) -> None:
    leader = near_copies(texts)
    for row, first in enumerate(leader):
        assert leader[first] == first <= row
        if first != row:
            one, other = set(words_of(texts[row])), set(words_of(texts[first]))
            assert len(one & other) >= 0.5 * len(one | other)


def test_what_a_user_says_again_in_nearly_the_same_words_is_heard_once() -> None:
    copies_of = np.array([0, 0, 2, 0, 0, 2])
    assert once_per_user(copies_of, ["a", "a", "a", "b", None, None]).tolist() == [0, 2, 3, 4, 5]


@given(st.text(max_size=40))
def test_the_normal_form_is_its_own(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100), st.integers(0, 3))
def test_every_text_is_in_one_group(seed: int, n_known: int) -> None:
    vectors = encode_exactly(EMBEDDER, TEXTS)
    known = [encode_exactly(EMBEDDER, [said(kind, n) for n in range(100, 112)]) for kind in KINDS[:n_known]]
    groups = discover(
        vectors,
        near_copies(TEXTS),
        known,
        Past(vectors[:0], np.zeros(0, dtype=np.int64)),
        seen=vectors,
        seen_exemplars=known,
        least=5,
        most_remembered=6000,
        seed=seed,
    )
    rows = np.concatenate([group.rows for group in groups])
    assert sorted(rows) == list(range(len(TEXTS)))
    assert all(group.pattern is None or 0 <= group.pattern < n_known for group in groups)
