"""Placement against remembered exemplars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.clients.embeddings import StaticEmbedder
from feedback_loop.cluster.exact import encode_exactly
from feedback_loop.cluster.place import place
from feedback_loop_tests.factories import said

EMBEDDER = StaticEmbedder()
LINKS = encode_exactly(EMBEDDER, [said("link", n) for n in range(8)])
SUMS = encode_exactly(EMBEDDER, [said("sum", n) for n in range(5)])


def test_each_text_goes_to_the_nearest_pattern_and_strangers_to_none() -> None:
    texts = [said("link", 20), said("sum", 20), "my cat walked over the keyboard", "…"]
    found = place(encode_exactly(EMBEDDER, texts), [LINKS, SUMS], [0.3, 0.3])
    assert found.pattern.tolist() == [0, 1, -1, -1]
    assert (found.similarity[:2] >= 0.3).all()
    assert (found.similarity[2:] < 0.3).all()


def test_a_text_that_says_nothing_is_of_no_pattern_whatever_the_threshold() -> None:
    assert place(encode_exactly(EMBEDDER, ["…"]), [LINKS], [0.0]).pattern.tolist() == [-1]


def test_similarity_is_the_mean_cosine_to_the_three_nearest_exemplars() -> None:
    text = encode_exactly(EMBEDDER, [said("link", 20)])
    cosines = sorted((text.astype(np.float64) @ LINKS.astype(np.float64).T)[0])[-3:]
    assert place(text, [LINKS], [0.0]).similarity[0] == pytest.approx(np.mean(cosines), abs=1e-12)


def test_blocks_make_no_difference() -> None:
    texts = [said("link", n) for n in range(5000)]
    found = place(encode_exactly(EMBEDDER, texts), [LINKS, SUMS], [0.3, 0.3])
    assert len(found.pattern) == 5000
    # Equal texts in different blocks are placed equally (42 texts repeat; a block holds 4,096).
    assert (found.pattern[:42] == found.pattern[4200:4242]).all()
    assert (found.similarity[:42] == found.similarity[4200:4242]).all()


def test_without_patterns_or_texts() -> None:
    assert place(encode_exactly(EMBEDDER, ["a text"]), [], []).pattern.tolist() == [-1]
    assert len(place(encode_exactly(EMBEDDER, []), [LINKS], [0.3]).pattern) == 0


@given(st.lists(st.text(max_size=30), min_size=2, max_size=12))
def test_products_of_exact_vectors_do_not_depend_on_the_order_of_sums(texts: list[str]) -> None:
    vectors = encode_exactly(EMBEDDER, texts).astype(np.float32)
    order = np.random.default_rng(0).permutation(vectors.shape[1])
    assert (vectors @ vectors.T == vectors[:, order] @ vectors[:, order].T).all()
