"""Where lines go: what a sink promises, and how long it is left alone after a failure.

Belongs here: the protocol, the receipt, pauses. Does not belong here: any one sink (`spool.py`, `http.py`,
`intake/direct.py`).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from feedback_loop.errors import TransientError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0


class SinkUnavailable(TransientError):  # noqa: N818 (says what is the case, as in errors.py)
    """Nothing of these lines may be counted as stored; the same call may succeed later.

    Attributes:
        retry_after_s: the pause that the sink asks for; None where it asks for none.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Receipt(NamedTuple):
    """What became of lines that a sink took. All that is in none of the other numbers is durably stored.

    Attributes:
        n_stored: new ones.
        n_duplicate: known before with the same content.
        rejected: position -> why the sink will never take this line.
        dropped: reason -> lines for which there was no room.
    """

    n_stored: int = 0
    n_duplicate: int = 0
    rejected: tuple[tuple[int, str], ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()


class Sink(Protocol):
    """Takes lines of the import contract (JSON, `type` included, no line end), from one thread at a time."""

    def send(self, lines: Sequence[bytes]) -> Receipt:
        """Store lines; what the receipt does not name as rejected or dropped is durably stored on return.

        Raises:
            SinkUnavailable: not now; send the same lines again.
        """
        ...

    def close(self) -> None:
        """Give connections and files back; a later `send` may open them again."""
        ...

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent, without a word to the other side."""
        ...


class Pause:
    """How long to leave a sink alone: twice as long after each failure, up to a minute, or as long as it asks."""

    def __init__(self) -> None:
        self._n_failures = 0
        self._until = 0.0

    def is_over(self, now: float) -> bool:
        """Whether to try again."""
        return now >= self._until

    def failed(self, now: float, asked_s: float | None, chance: float) -> None:
        """Note a failure; `chance` in [0, 1) keeps many processes from coming back at once."""
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._n_failures, 16)) * (1 - chance / 4)
        self._n_failures += 1
        self._until = now + max(pause, min(asked_s or 0.0, 10 * LONGEST_PAUSE_S))

    def succeeded(self) -> None:
        """Note a success."""
        self._n_failures, self._until = 0, 0.0
