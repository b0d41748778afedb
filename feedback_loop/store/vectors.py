"""Vectors of texts, kept; and which embedding model this database is filled with.

Belongs here: the cache in `text_vectors` and the pinned version. Does not belong here: how a vector is made
(`clients/embeddings.py`) and re-encoding what patterns remember (they keep texts, so the week's run does it).

Vectors are kept as float16, little endian: a component is off by 2**-12 of its size at most, a cosine of unit vectors
by about 1e-4. A caller that must get the same numbers from the cache as from the model rounds the model's with
`as_stored`.
"""

import hashlib
import struct
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.errors import ConfigurationError
from feedback_loop.llm import Vectors
from feedback_loop.store.engine import copy_in
from feedback_loop.store.tables import SCHEMA, installation, text_vectors

_PINNED = "embedding_version"
_STORED = np.dtype("<f2")
_BLOCK = 5_000  # rows per query and per COPY: bounds what is needed beside the vectors
# PostgreSQL, "COPY", binary format: signature, flags and length of the extension; a row starts with its number of
# fields, a field with its length; -1 fields end it.
_COPY_HEAD, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), struct.pack("!h", -1)


def text_hash(text: str) -> bytes:
    """What a text is found by: the first 16 bytes of its SHA-256. A lone surrogate, no Unicode text, hashes too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def as_stored(vectors: Vectors) -> Vectors:
    """The vectors as they will be read back: rounded to float16, in float32."""
    rounded: Vectors = vectors.astype(_STORED).astype(np.float32)
    return rounded


def load_vectors(conn: Connection, version: str, hashes: Sequence[bytes]) -> dict[bytes, Vectors]:
    """The vectors that are kept of these texts.

    Args:
        conn: any connection of the store.
        version: of the embedder; vectors of another one are not seen.
        hashes: from `text_hash`; may repeat.

    Returns:
        Hash -> vector of shape (d,), float32; hashes that nothing is kept for are absent.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    distinct = list(dict.fromkeys(hashes))
    columns = sa.select(text_vectors.c.text_hash, text_vectors.c.vector)
    of_version = columns.where(text_vectors.c.embedding_version == version)
    found: dict[bytes, Vectors] = {}
    for start in range(0, len(distinct), _BLOCK):
        wanted = sa.func.unnest(sa.literal(distinct[start : start + _BLOCK], sa.ARRAY(sa.LargeBinary)))
        for key, vector in conn.execute(of_version.where(text_vectors.c.text_hash.in_(sa.select(wanted)))):
            found[bytes(key)] = np.frombuffer(vector, dtype=_STORED).astype(np.float32)
    return found


def save_vectors(conn: Connection, version: str, hashes: Sequence[bytes], vectors: Vectors) -> int:
    """Keep vectors, by `COPY` into a table of the transaction; what is kept already stays as it is.

    Two writers may save the same texts at once: rows go in by the order of their hashes, so that they wait for one
    another and never in a circle.

    Args:
        conn: in a transaction.
        version: of the embedder that made them.
        hashes: of the texts, from `text_hash`; may repeat.
        vectors: shape (n, d), one row per hash.

    Returns:
        Number of vectors that were not kept before.

    Raises:
        ValueError: the numbers of hashes and rows differ, or a vector is not finite.
        DatabaseUnavailable: the connection was lost.
    """
    if len(hashes) != len(vectors):
        raise ValueError(f"{len(hashes)} hashes for {len(vectors)} vectors")
    if not np.isfinite(vectors).all():
        raise ValueError(f"a vector of embedding {version} is not finite")
    positions = {key: position for position, key in enumerate(hashes)}
    ordered, n_new = sorted(positions), 0
    staged = "staged_text_vectors"
    for start in range(0, len(ordered), _BLOCK):
        block = ordered[start : start + _BLOCK]
        rows = vectors[[positions[key] for key in block]].astype(_STORED)
        conn.exec_driver_sql(f"CREATE TEMP TABLE {staged} (text_hash bytea, vector bytea) ON COMMIT DROP")
        copy_in(conn, f"COPY {staged} FROM STDIN (FORMAT binary)", BytesIO(_as_copy(block, rows)))
        n_new += conn.execute(
            sa.text(
                f"INSERT INTO {SCHEMA}.text_vectors (embedding_version, text_hash, vector) "  # noqa: S608
                f"SELECT :version, text_hash, vector FROM {staged} ORDER BY text_hash ON CONFLICT DO NOTHING"
            ),
            {"version": version},
        ).rowcount
        conn.exec_driver_sql(f"DROP TABLE {staged}")
    return n_new


def pinned_embedding(conn: Connection) -> str | None:
    """The version of the embedding that this database is filled with; None before the first run."""
    return conn.scalar(sa.select(installation.c.value).where(installation.c.name == _PINNED))


def pin_embedding(conn: Connection, version: str) -> None:
    """From now on this database is filled with this embedding. Vectors of others stay until they are deleted."""
    statement = insert(installation).values(name=_PINNED, value=version)
    conn.execute(
        statement.on_conflict_do_update(index_elements=[installation.c.name], set_={"value": statement.excluded.value})
    )


def check_embedding(conn: Connection, version: str, accept_change: bool) -> bool:
    """Pin the embedding at first use; afterwards let another one in only where the settings accept the change.

    Patterns remember texts, so after an accepted change the same run encodes its whole memory anew and no two vectors
    of different models meet. Detectors that tickets froze stay with the model they were frozen with.

    Args:
        conn: in a transaction.
        version: of the embedder that is about to be used.
        accept_change: the setting `embedding.accept_change`.

    Returns:
        Whether the model was changed.

    Raises:
        ConfigurationError: the model is another one and the change was not accepted.
    """
    conn.execute(insert(installation).values(name=_PINNED, value=version).on_conflict_do_nothing())
    pinned = pinned_embedding(conn)
    if pinned == version:
        return False
    if not accept_change:
        raise ConfigurationError(
            f"embedding.model gives {version}, but the patterns of this database were made with {pinned}: with"
            " `embedding.accept_change: true` the next run encodes all that patterns remember anew and goes on with"
            f" {version}; verdicts still open on tickets that were frozen with {pinned} then stay pending. Otherwise"
            " set embedding.model back"
        )
    pin_embedding(conn, version)
    return True


def _as_copy(hashes: Sequence[bytes], rows: NDArray[np.float16]) -> bytes:
    """Two columns of bytes in the binary format of COPY."""
    width = rows.itemsize * rows.shape[1]
    vector_length = struct.pack("!i", width)
    lines = [
        b"\0\2" + struct.pack("!i", len(key)) + key + vector_length + row.tobytes()
        for key, row in zip(hashes, rows, strict=True)
    ]
    return _COPY_HEAD + b"".join(lines) + _COPY_END
