"""Which key a request carries, and what that key may do.

Belongs here: recognising keys, and the rules for server and widget keys. Does not belong here: making keys
(`store/write_keys.py`) and rules for single records (`reading.py`).
"""

import asyncio
import hmac
from collections.abc import Callable, Mapping

from anyio import to_thread

from feedback_loop.errors import TransientError
from feedback_loop.intake.service.answers import Refused
from feedback_loop.store.facts import FactKind
from feedback_loop.store.write_keys import PREFIXES, TOKEN, WriteKey, hash_secret

MAX_AGE_S = 5.0
"""Seconds that keys are remembered: a revoked key counts for so long."""

_NOBODY = hash_secret("")


class KeyRing:
    """The keys that count, read from the database every few seconds, so that asking for unknown ones costs nothing.

    Args:
        load: reads them.
        tick: seconds of a clock that never goes back.
    """

    def __init__(self, load: Callable[[], Mapping[str, WriteKey]], tick: Callable[[], float]) -> None:
        self._load = load
        self._tick = tick
        self._keys: Mapping[str, WriteKey] | None = None
        self._loaded_at = 0.0
        self._lock = asyncio.Lock()
        self.origins: frozenset[str] = frozenset()
        """Of all widget keys."""

    async def refresh(self) -> Mapping[str, WriteKey]:
        """The keys, at most five seconds old; older where the database is away, which can store nothing then.

        Raises:
            TransientError: the database is away, and never was there.
        """
        keys = self._keys
        if keys is not None and self._tick() - self._loaded_at < MAX_AGE_S:
            return keys
        async with self._lock:
            if self._keys is None or self._tick() - self._loaded_at >= MAX_AGE_S:
                try:
                    self._keys = await to_thread.run_sync(self._load)
                except TransientError:
                    if self._keys is None:
                        raise
                self._loaded_at = self._tick()
                self.origins = frozenset[str]().union(*(key.origins for key in self._keys.values()))
            return self._keys

    async def find(self, authorization: str | None) -> WriteKey:
        """The key in an `Authorization` header.

        Raises:
            Refused: 401, there is none that counts.
            TransientError: the database is away.
        """
        scheme, _, token = (authorization or "").partition(" ")
        found = TOKEN.fullmatch(token.strip()) if scheme.lower() == "bearer" else None
        key = (await self.refresh()).get(found[2]) if found else None
        sent = hash_secret(found[3] if found else "-")
        is_right = hmac.compare_digest(sent, key.secret_hash if key else _NOBODY)
        if not (found and key and is_right and PREFIXES[key.kind] == found[1]):
            raise Refused(
                401,
                "no key, or one that does not count: send 'Authorization: Bearer KEY' with a key from"
                " 'feedback-loop keys create'",
                headers={"WWW-Authenticate": "Bearer"},
                closes=True,
            )
        return key


def check_may_send(key: WriteKey, kind: FactKind, origin: str | None) -> None:
    """Check that a key may send such records from there.

    Args:
        key: that the request carries.
        kind: of its records.
        origin: of the page that sends it, as its browser says.

    Raises:
        Refused: 403.
    """
    if key.kind == "server":
        return
    if kind != "feedback":
        raise Refused(403, "a widget key may send feedback only; use a server key", closes=True)
    if origin is None or origin.lower() not in key.origins:
        raise Refused(
            403,
            "this widget key may not be used from this page: its origin must be one of those given to"
            " 'feedback-loop keys create --widget --origin'",
            closes=True,
        )


def check_may_read(key: WriteKey) -> None:
    """Check that a key may read feedback.

    Raises:
        Refused: 403.
    """
    if key.kind != "server":
        raise Refused(403, "a widget key may not read; use a server key")
