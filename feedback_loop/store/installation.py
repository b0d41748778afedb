"""What is true of the whole installation: a few names and values.

Belongs here: facts that every process must agree on, such as which key hashes user ids. Does not belong here: settings
(see `config.py`) and anything per application.
"""

import hmac
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.errors import ConfigurationError
from feedback_loop.store.tables import installation

_HASH_KEY = "user_hash_key_fingerprint"
_HASHED = ("interactions", "feedback", "feedback_exclusions", "negative_feedback", "opt_outs")
"""Tables with `user_hash`."""


def check_hash_key(conn: Connection, key: bytes) -> None:
    """Remember the key that hashes user ids at first use; refuse another one later.

    Raises:
        ConfigurationError: what is stored was hashed with another key, so the same person would become two.
    """
    fingerprint = _fingerprint(key)
    conn.execute(insert(installation).values(name=_HASH_KEY, value=fingerprint).on_conflict_do_nothing())
    stored = conn.scalar(sa.select(installation.c.value).where(installation.c.name == _HASH_KEY))
    if stored != fingerprint:
        raise ConfigurationError(
            "FEEDBACK_LOOP_HASH_KEY (or the file user_hash.key in the data directory) is not the key that this"
            f" database was filled with (its fingerprint is {stored}, this one's {fingerprint}): every user would"
            " become two people"
        )


def change_hash_key(conn: Connection, old: bytes, new: bytes) -> None:
    """From now on user ids are hashed with another key; `rehash_users` keeps people together whose ids are known.

    Raises:
        ConfigurationError: what is stored was not hashed with the old key.
    """
    check_hash_key(conn, old)
    row = installation.update().where(installation.c.name == _HASH_KEY)
    conn.execute(row.values(value=_fingerprint(new)))


def rehash_users(conn: Connection, hashes: Mapping[str, str]) -> int:
    """Give people their new hash in every table, old hash -> new one. Returns the number of rows changed."""
    names = {"old": list(hashes), "new": list(hashes.values())}
    changed = 0
    for table in _HASHED:
        statement = f"""
            update feedback_loop.{table} t set user_hash = pairs.new_hash
            from (select unnest(cast(:old as text[])) as old_hash, unnest(cast(:new as text[])) as new_hash) pairs
            where t.user_hash = pairs.old_hash
        """  # noqa: S608 (names of our own tables)
        changed += conn.execute(sa.text(statement), names).rowcount
    return changed


def _fingerprint(key: bytes) -> str:
    return hmac.digest(key, _HASH_KEY.encode(), "sha256").hex()[:16]
