"""Embedders: text in, unit vectors out.

Belongs here: every implementation of `llm.Embedder`. Does not belong here: what vectors are compared for (`cluster/`).
"""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from feedback_loop.llm import Vectors

# Words that carry no failure. Negations ("not", "never", "no") are not among them: they are the failure.
_WORDS = """
a an the this that these those it its is are was were be been being am i me my we our you your he she they them
their his her of to in on at for from with by as and or but so if then than there here have has had having do
does did will would can could should may might just very really please also too about into over out up again s t
re ve ll d m said says get got
"""
_STOP_WORDS = _WORDS.split()


class LexicalEmbedder:
    """Hashed words, word pairs and letter 4-grams; needs no model, no download and no fitting.

    Signed feature hashing into a fixed number of dimensions keeps inner products in expectation (Weinberger et al.,
    ICML 2009), with noise of about 1/sqrt(dimensions). Nothing is learnt from the texts, so a vector is the same in
    every week and on every machine.
    """

    def __init__(self, dimensions: int = 1024) -> None:
        self.dimensions = dimensions
        self.version = f"lexical-1-{dimensions}"
        self._words = HashingVectorizer(
            n_features=dimensions, ngram_range=(1, 2), stop_words=_STOP_WORDS, norm="l2", dtype=np.float32
        )
        self._letters = HashingVectorizer(
            n_features=dimensions, analyzer="char_wb", ngram_range=(4, 4), norm="l2", dtype=np.float32
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions), float32."""
        if not len(texts):
            return np.zeros((0, self.dimensions), dtype=np.float32)
        words = self._words.transform(texts).toarray()
        letters = self._letters.transform(texts).toarray()
        vectors: Vectors = np.sqrt(0.7) * words + np.sqrt(0.3) * letters
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors
