"""Embedders: text in, unit vectors out.

Belongs here: every implementation of `llm.Embedder` that needs no extra, and which one the settings ask for. Does not
belong here: sentence models (`sentence_embedder.py`), the cache of vectors (`store/vectors.py`) and what vectors are
compared for (`cluster/`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from feedback_loop.errors import ConfigurationError
from feedback_loop.llm import Embedder, Vectors

STATIC_VECTORS = Path(__file__).parent / "static_vectors"
_STATIC_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_MAX_TOKENS = 512  # of a text that static vectors look at; what comes later says little new, and costs time

# Words that carry no failure. Negations ("not", "never", "no") are not among them: they are the failure.
_WORDS = """
a an the this that these those it its is are was were be been being am i me my we our you your he she they them
their his her of to in on at for from with by as and or but so if then than there here have has had having do
does did will would can could should may might just very really please also too about into over out up again s t
re ve ll d m said says get got
"""
_STOP_WORDS = _WORDS.split()
_BLOCK = 4096  # texts at a time: bounds what is needed beside the result


@dataclass(frozen=True)
class EmbeddingPolicy:
    """Which model turns texts into vectors.

    Attributes:
        model: `static` is what the package ships; else the directory or the hub's name of a sentence model, which
            needs `feedback-loop[embeddings]`.
        accept_change: let a database that was filled with another model go over to this one.
    """

    model: str = "static"
    accept_change: bool = False

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ValueError("model must be static, a directory or the name of a sentence model, got an empty text")


def create_embedder(policy: EmbeddingPolicy) -> Embedder:
    """The embedder that the settings ask for.

    Raises:
        ConfigurationError: the extra is not installed, or there is no such model.
    """
    if policy.model == "static":
        return StaticEmbedder()
    from feedback_loop.clients.sentence_embedder import SentenceEmbedder

    return SentenceEmbedder(policy.model)


class StaticEmbedder:
    """One vector per word piece, averaged: all-MiniLM-L6-v2 distilled into a table that ships with the package.

    A hundred times as fast as the model it comes from and nearer to it than to counting words; it does not see word
    order (`docs/adr/007-static-vectors.md` has the figures). Nothing is ever downloaded. The table holds whole
    numbers, so sums are exact and a vector depends neither on the machine nor on the texts beside it. The model was
    taught English; a text in letters that it does not know (Thai, Telugu, most of Chinese) has a zero row.

    Attributes:
        is_cheap: encoding is faster than reading vectors back from a database; do not cache them there.

    Raises:
        ConfigurationError: the package's own files are missing.
    """

    is_cheap = True

    def __init__(self) -> None:
        from model2vec import StaticModel  # here: costs 0.3 s that a listing need not pay

        missing = [name for name in _STATIC_FILES if not (STATIC_VECTORS / name).is_file()]
        if missing:
            raise ConfigurationError(f"this installation is incomplete: {STATIC_VECTORS} lacks {', '.join(missing)}")
        self.version = _files_version()
        self._model = StaticModel.from_pretrained(STATIC_VECTORS, normalize=True, max_length=_MAX_TOKENS)
        self.dimensions = self._model.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions), float32."""
        vectors: Vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            block = list(texts[start : start + _BLOCK])
            vectors[start : start + _BLOCK] = self._model.encode(block, use_multiprocessing=False)
        return vectors


def _files_version() -> str:
    digest = hashlib.sha256()
    for name in _STATIC_FILES:
        digest.update(hashlib.sha256((STATIC_VECTORS / name).read_bytes()).digest())
    return f"static-minilm-{digest.hexdigest()[:12]}"


class LexicalEmbedder:
    """Hashed words, word pairs and letter 4-grams; needs no model, no download and no fitting.

    Signed feature hashing into a fixed number of dimensions keeps inner products in expectation (Weinberger et al.,
    ICML 2009), with noise of about 1/sqrt(dimensions). Nothing is learnt from the texts, so a vector is the same in
    every week and on every machine.
    """

    is_cheap = True

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
        self.is_cheap = embedder.is_cheap
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
