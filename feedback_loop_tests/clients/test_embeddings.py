"""Vectors that are the same in every week and on every machine."""

import numpy as np
import pytest

from feedback_loop.clients.embeddings import LexicalEmbedder, RememberingEmbedder
from feedback_loop.llm import Embedder, Vectors
from feedback_loop_tests.factories import said

TEXTS = [said(kind, n) for kind in ("language", "link", "sum") for n in range(10)]


class Counting:
    """The real embedder, with a count of the texts it was asked for."""

    def __init__(self) -> None:
        self.embedder, self.n_texts = LexicalEmbedder(), 0
        self.version = self.embedder.version

    def encode(self, texts: list[str]) -> Vectors:
        self.n_texts += len(texts)
        return self.embedder.encode(texts)


@pytest.fixture(
    params=[LexicalEmbedder, lambda: RememberingEmbedder(LexicalEmbedder())], ids=["lexical", "remembering"]
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.param()
    return made


def test_rows_are_unit_vectors_in_order_and_zero_where_nothing_was_said(embedder: Embedder) -> None:
    vectors = embedder.encode([*TEXTS, "", "!"])
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors[: len(TEXTS)], axis=1) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(vectors[-2]) == 0
    assert np.allclose(vectors[3], embedder.encode([TEXTS[3]])[0])
    assert embedder.encode([]).shape == (0, 512)


def test_the_same_failure_is_nearer_than_another(embedder: Embedder) -> None:
    vectors = embedder.encode(TEXTS)
    cosines = vectors @ vectors.T
    within = np.mean([cosines[k : k + 10, k : k + 10].mean() for k in (0, 10, 20)])
    across = np.mean([cosines[:10, 10:].mean(), cosines[10:20, 20:].mean()])
    assert within > 3 * across


def test_a_negation_is_not_dropped(embedder: Embedder) -> None:
    yes, no = embedder.encode(["it did answer", "it did not answer"])
    assert yes @ no < 0.95


def test_a_text_that_is_known_is_not_encoded_again() -> None:
    inner = Counting()
    remembering = RememberingEmbedder(inner)  # type: ignore[arg-type]  # counts what it passes on
    first = remembering.encode(TEXTS + TEXTS)
    assert inner.n_texts == len(TEXTS)
    assert np.array_equal(remembering.encode(TEXTS), first[: len(TEXTS)])
    assert inner.n_texts == len(TEXTS)


def test_forgetting_changes_no_vector() -> None:
    small = RememberingEmbedder(LexicalEmbedder(), max_texts=12)
    expected = LexicalEmbedder().encode(TEXTS)
    for part in (slice(0, 10), slice(5, 15), slice(0, 30), slice(20, 30)):
        assert np.array_equal(small.encode(TEXTS[part]), expected[part])
