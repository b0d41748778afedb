"""Sentence models as embedders: better vectors than the shipped ones, for a hundred times the time.

Belongs here: the only use of sentence-transformers (extra `feedback-loop[embeddings]`). Does not belong here: the
embedders that need no extra, and the choice between them (`embeddings.py`).
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feedback_loop.errors import ConfigurationError
from feedback_loop.llm import Vectors

_BATCH = 64
_MAX_CHARS_PER_TOKEN = 16  # what the model cuts off anyway need not be split into tokens first


class SentenceEmbedder:
    """A sentence-transformers model on the CPU.

    With a directory nothing is downloaded. With a name the library takes the model from its own cache or, where it is
    not there, from the Hugging Face hub; `HF_HUB_OFFLINE=1` forbids that.

    Args:
        name_or_path: a directory with a saved model, or the model's name on the hub.

    Attributes:
        is_cheap: no; vectors are worth keeping.

    Raises:
        ConfigurationError: the extra is not installed, or there is no such model.
    """

    is_cheap = False

    def __init__(self, name_or_path: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ConfigurationError(
                f"embedding.model {name_or_path} is a sentence model, which needs an extra:"
                " pip install 'feedback-loop[embeddings]'"
            ) from error
        try:
            self._model: Any = SentenceTransformer(name_or_path, device="cpu", trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"embedding.model {name_or_path} cannot be loaded: {error}") from error
        self._max_chars = _MAX_CHARS_PER_TOKEN * int(self._model.max_seq_length or 512)
        self.dimensions = int(self._model.get_embedding_dimension())
        self.version = _weights_version(Path(name_or_path).name, self._model)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions), float32; zero where a text is empty.

        Texts that share a batch are padded to one length, which moves a vector by less than 1e-5.
        """
        vectors: Vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        spoken = [position for position, text in enumerate(texts) if text.strip()]
        if spoken:
            said = [texts[position][: self._max_chars] for position in spoken]
            vectors[spoken] = self._model.encode(
                said, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        return vectors


def _weights_version(name: str, model: Any) -> str:
    """`name` and a hash of the weights as loaded: the same from a directory, a cache or the hub."""
    import torch

    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return f"{name}-{digest.hexdigest()[:12]}"
