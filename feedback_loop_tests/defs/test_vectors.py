"""A costly model is asked once per text, whatever run asks."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Engine

from feedback_loop.clients.embeddings import LexicalEmbedder
from feedback_loop.defs.vectors import StoredEmbedder
from feedback_loop.llm import Vectors


class Counting(LexicalEmbedder):
    """Counts the texts it has encoded."""

    def __init__(self, version: str = "costly-1") -> None:
        super().__init__()
        self.version, self.seen = version, list[str]()

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        return super().encode(texts)


def test_a_text_is_encoded_once_for_all_runs_and_its_vector_does_not_change(engine: Engine) -> None:
    texts = ["the link is dead", "in English again", "the link is dead", ""]
    model = Counting()
    first = StoredEmbedder(model, engine.begin).encode(texts)
    assert sorted(model.seen) == ["", "in English again", "the link is dead"]
    again = StoredEmbedder(model, engine.begin).encode([*reversed(texts), "a new one"])
    assert model.seen[3:] == ["a new one"]
    assert (again[:4] == first[::-1]).all()
    np.testing.assert_allclose(first, LexicalEmbedder().encode(texts), atol=2**-12)


def test_another_model_computes_its_own(engine: Engine) -> None:
    other = Counting("costly-2")
    StoredEmbedder(Counting(), engine.begin).encode(["the link is dead"])
    StoredEmbedder(other, engine.begin).encode(["the link is dead"])
    assert other.seen == ["the link is dead"]


def test_nothing_to_encode_asks_nobody(engine: Engine) -> None:
    assert StoredEmbedder(Counting(), engine.begin).encode([]).shape == (0, 512)
