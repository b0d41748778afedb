"""Placement against remembered exemplars."""

import numpy as np
import pytest

from feedback_loop.clients.embeddings import StaticEmbedder
from feedback_loop.cluster.place import place
from feedback_loop.records import Exemplar
from feedback_loop_tests.factories import said
from feedback_loop_tests.store.test_patterns import state

EMBEDDER = StaticEmbedder()
LINKS = state("links", exemplars=tuple(Exemplar(str(n), said("link", n)) for n in range(8)), threshold=0.3)
SUMS = state("sums", exemplars=tuple(Exemplar(str(n), said("sum", n)) for n in range(5)), threshold=0.3)


def test_each_text_goes_to_the_nearest_pattern_and_strangers_to_none() -> None:
    texts = [said("link", 20), said("sum", 20), "my cat walked over the keyboard"]
    found = place(EMBEDDER.encode(texts), [LINKS, SUMS], EMBEDDER)
    assert found.pattern.tolist() == [0, 1, -1]
    assert (found.similarity[:2] >= 0.3).all()
    assert found.similarity[2] < 0.3
    assert found.nearest[2] in (0, 1)


def test_similarity_is_the_mean_cosine_to_the_three_nearest_exemplars() -> None:
    text = EMBEDDER.encode([said("link", 20)])
    cosines = sorted((text @ EMBEDDER.encode([e.text for e in LINKS.exemplars]).T)[0])[-3:]
    assert place(text, [LINKS], EMBEDDER).similarity[0] == pytest.approx(np.mean(cosines))


def test_blocks_make_no_difference() -> None:
    texts = [said("link", n) for n in range(5000)]
    found = place(EMBEDDER.encode(texts), [LINKS, SUMS], EMBEDDER)
    assert len(found.pattern) == 5000
    # Equal texts in different blocks are placed equally (42 texts repeat; a block holds 4,096).
    assert (found.pattern[:42] == found.pattern[4200:4242]).all()
    assert found.similarity[:42] == pytest.approx(found.similarity[4200:4242])


def test_without_patterns_or_texts() -> None:
    none = place(EMBEDDER.encode(["a text"]), [], EMBEDDER)
    assert (none.pattern.tolist(), none.nearest.tolist()) == ([-1], [-1])
    assert len(place(EMBEDDER.encode([]), [LINKS], EMBEDDER).pattern) == 0
