"""Embedders: text in, unit vectors out.

Belongs here: every implementation of `llm.Embedder`. Does not belong here: what vectors are compared for (`cluster/`).
"""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from feedback_loop.llm import Embedder, Vectors

# Words that carry no failure. Negations ("not", "never", "no") are not among them: they are the failure.
_WORDS = """
a an the this that these those it its is are was were be been being am i me my we our you your he she they them
their his her of to in on at for from with by as and or but so if then than there here have has had having do
does did will would can could should may might just very really please also too about into over out up again s t
re ve ll d m said says get got
"""
_STOP_WORDS = _WORDS.split()
_BLOCK = 4096  # texts at a time: bounds what is needed beside the result


class LexicalEmbedder:
    """Hashed words, word pairs and letter 4-grams; needs no model, no download and no fitting.

    Signed feature hashing into a fixed number of dimensions keeps inner products in expectation (Weinberger et al.,
    ICML 2009), with noise of about 1/sqrt(dimensions). Nothing is learnt from the texts, so a vector is the same in
    every week and on every machine.
    """

    def __init__(self, dimensions: int = 512) -> None:
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
        vectors: Vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            vectors[start : start + _BLOCK] = self._encode(texts[start : start + _BLOCK])
        return vectors

    def _encode(self, texts: Sequence[str]) -> Vectors:
        words = self._words.transform(texts).toarray()
        letters = self._letters.transform(texts).toarray()
        vectors: Vectors = np.float32(np.sqrt(0.7)) * words + np.float32(np.sqrt(0.3)) * letters
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors


class RememberingEmbedder:
    """Another embedder that encodes a text once: the same text comes back in many weeks and windows.

    Args:
        embedder: does the work, and gives the version.
        max_texts: kept at most; past it everything is forgotten, which costs time and never changes a vector.
    """

    def __init__(self, embedder: Embedder, max_texts: int = 50_000) -> None:
        self.version = embedder.version
        self._embedder = embedder
        self._max_texts = max_texts
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions), float32."""
        if len(texts) > self._max_texts:
            return self._embedder.encode(texts)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(self._known) + len(new) > self._max_texts:
            self._known.clear()
            new = list(dict.fromkeys(texts))
        if new or not len(texts):
            vectors = self._embedder.encode(new)
            if not len(texts):
                return vectors
            self._known.update(zip(new, vectors, strict=True))
        return np.stack([self._known[text] for text in texts])
