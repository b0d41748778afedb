"""What is true of the whole installation: a few names and values.

Belongs here: facts that every process must agree on, such as which key hashes user ids. Does not belong here: settings
(see `config.py`) and anything per application.
"""

import hmac

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.errors import ConfigurationError
from feedback_loop.store.tables import installation

_HASH_KEY = "user_hash_key_fingerprint"


def check_hash_key(conn: Connection, key: bytes) -> None:
    """Remember the key that hashes user ids at first use; refuse another one later.

    Raises:
        ConfigurationError: what is stored was hashed with another key, so the same person would become two.
    """
    fingerprint = hmac.digest(key, _HASH_KEY.encode(), "sha256").hex()[:16]
    conn.execute(insert(installation).values(name=_HASH_KEY, value=fingerprint).on_conflict_do_nothing())
    stored = conn.scalar(sa.select(installation.c.value).where(installation.c.name == _HASH_KEY))
    if stored != fingerprint:
        raise ConfigurationError(
            "FEEDBACK_LOOP_HASH_KEY (or the file user_hash.key in the data directory) is not the key that this"
            f" database was filled with (its fingerprint is {stored}, this one's {fingerprint}): every user would"
            " become two people"
        )
