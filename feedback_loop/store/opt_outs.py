"""Opt-outs: people whose records are not taken from now on.

Belongs here: SQL of `opt_outs`. Does not belong here: what becomes of such a record (`intake/storing.py`), and deleting
what is stored already (`forgetting.py`).
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.store.tables import opt_outs


def opt_out(conn: Connection, user_hash: str, at: datetime) -> bool:
    """Take no record of this person from now on. Returns whether that is new."""
    row = insert(opt_outs).values(user_hash=user_hash, opted_out_at=at)
    return conn.execute(row.on_conflict_do_nothing()).rowcount > 0


def opt_in(conn: Connection, user_hash: str) -> bool:
    """Take this person's records again. Returns whether they were refused before."""
    return conn.execute(opt_outs.delete().where(opt_outs.c.user_hash == user_hash)).rowcount > 0


def opted_out(conn: Connection, user_hashes: Iterable[str | None]) -> frozenset[str]:
    """Those of these people who have opted out."""
    if not conn.scalar(sa.select(sa.exists(sa.select(opt_outs.c.user_hash)))):
        return frozenset()
    asked = sorted({name for name in user_hashes if name is not None})
    query = sa.text("select user_hash from feedback_loop.opt_outs where user_hash = any(:asked)")
    return frozenset(conn.execute(query, {"asked": asked}).scalars())


def clear_others(conn: Connection, user_hashes: Iterable[str]) -> int:
    """Forget opt-outs of all but these people: of no use once the key is another. Returns how many."""
    kept = sorted(user_hashes)
    query = sa.text("delete from feedback_loop.opt_outs where user_hash <> all(:kept)")
    return conn.execute(query, {"kept": kept}).rowcount
