"""The seam to embeddings: what the loop asks of an embedder, whichever one answers.

Belongs here: the protocol. Does not belong here: models and vectors' use (`clients/embeddings.py`, `cluster/`).
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Shape (n, dimensions); every row has length 1, or 0 where the text said nothing."""


class Embedder(Protocol):
    """Text in, vectors out.

    Attributes:
        version: names model and settings; vectors of two versions are never compared.
        is_cheap: encoding a text again is faster than reading its vector back from a database.
    """

    version: str
    is_cheap: bool

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in order."""
        ...
