"""How much comes from whom: token buckets, and the bytes that wait.

Belongs here: counting in memory, of one process, bounded. Does not belong here: the numbers (`policy.py`).
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from types import TracebackType

from feedback_loop.intake.service.answers import Refused
from feedback_loop.intake.service.policy import Limit


class Buckets:
    """A token bucket for each of many; a request may take more than is there, and the next one waits for it.

    Args:
        limit: of each.
        max_tracked: most that are remembered. The one longest unheard is forgotten first, and begins anew when it comes
            again: a flood of made-up names costs no memory, and only ever loosens the limit.
    """

    def __init__(self, limit: Limit, max_tracked: int) -> None:
        self._limit = limit
        self._max_tracked = max_tracked
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # tokens, and when that was so
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, who: Hashable, now_s: float) -> float:
        """Seconds until something is there again; 0 where it is now."""
        with self._lock:
            tokens = self._tokens(who, now_s)
        return 0.0 if tokens >= 1 else (1 - tokens) / self._limit.per_s

    def take(self, who: Hashable, n: int, now_s: float) -> None:
        """Take n, which may leave less than nothing."""
        with self._lock:
            self._buckets[who] = (self._tokens(who, now_s) - n, now_s)
            self._buckets.move_to_end(who)
            if len(self._buckets) > self._max_tracked:
                self._buckets.popitem(last=False)

    def _tokens(self, who: Hashable, now_s: float) -> float:
        tokens, since = self._buckets.get(who, (self._limit.burst, now_s))
        return min(self._limit.burst, tokens + (now_s - since) * self._limit.per_s)


class Memory:
    """Bytes of bodies that are held at once, by all requests."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._lock = threading.Lock()

    def add(self, n_bytes: int) -> None:
        """Hold more, or fewer where negative.

        Raises:
            Refused: it would be too much; try again.
        """
        with self._lock:
            if n_bytes > 0 and self._n_bytes + n_bytes > self._max_bytes:
                raise Refused(503, "too much is waiting to be stored; send it again", retry_after_s=1, closes=True)
            self._n_bytes += n_bytes


class Held:
    """What one request holds, let go when it is answered."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._n_bytes = 0

    def add(self, n_bytes: int) -> None:
        """Hold more.

        Raises:
            Refused: it would be too much; try again.
        """
        self._memory.add(n_bytes)
        self._n_bytes += n_bytes

    def __enter__(self) -> "Held":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._memory.add(-self._n_bytes)
