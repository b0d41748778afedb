"""Vectors of a costly model, kept in the database between runs.

Belongs here: an embedder that looks before it computes. Does not belong here: models (`clients/`), SQL
(`store/vectors.py`). Knows no Dagster.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
from sqlalchemy import Connection

from feedback_loop.llm import Embedder, Vectors
from feedback_loop.store.vectors import as_stored, load_vectors, save_vectors, text_hash


class StoredEmbedder:
    """Another embedder whose vectors are kept by (text hash, version), and never computed twice.

    Args:
        embedder: does the work, and gives the version.
        begin: opens a transaction; what was computed is kept also where the run fails later.
    """

    is_cheap = True

    def __init__(self, embedder: Embedder, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self.version = embedder.version
        self._embedder, self._begin = embedder, begin

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions), float32, rounded as they are stored."""
        if not len(texts):
            return self._embedder.encode([])
        by_hash = {text_hash(text): text for text in texts}
        with self._begin() as conn:
            known = load_vectors(conn, self.version, list(by_hash))
        missing = sorted(by_hash.keys() - known.keys())
        if missing:
            vectors = self._embedder.encode([by_hash[key] for key in missing])
            with self._begin() as conn:
                save_vectors(conn, self.version, missing, vectors)
            known.update(zip(missing, as_stored(vectors), strict=True))
        return np.stack([known[text_hash(text)] for text in texts])
