"""What was not captured, counted by reason and said now and then.

Belongs here: the counts and the one place that logs. Does not belong here: deciding what is dropped.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable

_LOGGER = "feedback_loop.capture"
_QUIET_S = 60.0


class Losses:
    """Counts by reason; each reason is logged at most once a minute. For any thread; never raises."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._said: dict[str, float] = {}

    def add(self, reason: str, n: int = 1, detail: str = "") -> None:
        """Count `n` records that were dropped; `detail` holds no text of a user."""
        if n <= 0:
            return
        with self._lock:
            self._counts[reason] += n
            total, now = self._counts[reason], self._now()
            if now - self._said.get(reason, -_QUIET_S) < _QUIET_S:
                return
            self._said[reason] = now
        self.say("capture dropped records: %s, %d so far%s", reason, total, f" ({detail})" if detail else "")

    def warn(self, what: str, detail: str) -> None:
        """Log trouble by which nothing was lost yet, at most once a minute for each `what`."""
        with self._lock:
            now = self._now()
            if now - self._said.get(what, -_QUIET_S) < _QUIET_S:
                return
            self._said[what] = now
        self.say("%s: %s", what, detail)

    def say(self, message: str, *values: object) -> None:
        """Log a warning; an application's broken log handler is not ours to fall over."""
        with contextlib.suppress(Exception):
            import logging  # loaded when there is something to say

            logging.getLogger(_LOGGER).warning(message, *values)

    def as_dict(self) -> dict[str, int]:
        """Dropped records by reason."""
        with self._lock:
            return dict(self._counts)
