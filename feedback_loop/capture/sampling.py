"""Which records are sent, and what each of them stands for. Pure: time is an argument, chance is a hash.

Belongs here: the policy, the draw of a session, the reserve in which an interaction waits for its feedback. Does not
belong here: threads and sinks (`writer.py`) and what is in a record (`preparing.py`).

One rule keeps every rate downstream unbiased. A session draws one number, a hash of its id. Each interaction has a
`sample_rate` that does not depend on the draw, and is sent exactly if the draw is below it. So of whatever part of a
session somebody counts, the interaction with the highest rate is there whenever any is, and one over that rate, which
is how `store/` weighs a session, is one over the chance that the part is seen (Horvitz and Thompson, 1952).

An interaction with an error, of a new user, or with explicit feedback has rate 1: it is always sent. Feedback comes
later; so *every* other interaction waits, also one that the draw has picked already. Were the picked ones sent at once,
those that get feedback would count 1/rate where they were picked and 1 where they were not: too much.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

EXPLICIT_SIGNALS = frozenset({"thumbs_up", "thumbs_down", "rating", "comment", "report", "correction", "preference"})


class _Policy(NamedTuple):
    rate: float
    n_first_of_user: int
    signals: frozenset[str]
    window_s: float
    max_waiting: int
    max_waiting_bytes: int
    max_users: int


class SamplingPolicy(_Policy):
    """How much of the traffic is kept.

    Attributes:
        rate: share of the sessions of which everything is kept, above 0 to 1. 1 keeps all and lets nothing wait.
        n_first_of_user: so many first interactions of a user who is new to this process are kept.
        signals: feedback that keeps its interaction.
        window_s: for so long an interaction waits for feedback.
        max_waiting, max_waiting_bytes: beyond this the oldest stops waiting early, picked or not.
        max_users: that are remembered; one who was forgotten is new again.
    """

    __slots__ = ()

    def __new__(
        cls,
        rate: float = 0.2,
        n_first_of_user: int = 10,
        signals: frozenset[str] = EXPLICIT_SIGNALS,
        window_s: float = 900.0,
        max_waiting: int = 20_000,
        max_waiting_bytes: int = 64 << 20,
        max_users: int = 100_000,
    ) -> "SamplingPolicy":
        """Check the bounds.

        Raises:
            ValueError: one is outside.
        """
        if not 0 < rate <= 1:
            raise ValueError(f"rate must be above 0 to 1, got {rate}")
        new = super().__new__(cls, rate, n_first_of_user, signals, window_s, max_waiting, max_waiting_bytes, max_users)
        for name in ("n_first_of_user", "window_s", "max_waiting", "max_waiting_bytes", "max_users"):
            if not getattr(new, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(new, name)}")
        return new


class Candidate(NamedTuple):
    """An interaction that may be sent.

    Attributes:
        interaction_id: its id.
        unit: what draws: the session, else the interaction.
        user: who asked, hashed; None where nobody knows.
        has_error: it failed.
        line: the record as JSON, an object, without `sample_rate`.
    """

    interaction_id: str
    unit: str
    user: str | None
    has_error: bool
    line: bytes


def draw(unit: str, salt: bytes) -> float:
    """The number of a session, uniform on [0, 1); the same in every process that has the salt (at most 64 bytes)."""
    from hashlib import blake2b  # loaded in the background thread

    digest = blake2b(unit.encode("utf-8", "replace"), digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") / 2**64


class Sampler:
    """Takes interactions, hears of feedback, and says which lines are to be sent. For one thread.

    Attributes:
        n_left_out: interactions that were not picked.
        n_cut_short: interactions that waited for less than the window, for want of room.
    """

    def __init__(self, policy: SamplingPolicy, salt: bytes) -> None:
        self.policy = policy
        self.n_left_out = self.n_cut_short = 0
        self._salt = salt
        self._waiting: OrderedDict[str, tuple[float, Candidate]] = OrderedDict()
        self._waiting_bytes = 0
        self._heard: OrderedDict[str, float] = OrderedDict()
        self._users: OrderedDict[str, int] = OrderedDict()

    @property
    def n_waiting(self) -> int:
        """Interactions in reserve."""
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the interactions in reserve."""
        return self._waiting_bytes

    def take(self, one: Candidate, now: float) -> list[bytes]:
        """Lines to send because of an interaction that ended; `now` in seconds, of any clock that does not go back."""
        is_first = self._is_first_of_user(one.user)
        if self.policy.rate >= 1 or is_first or one.has_error or one.interaction_id in self._heard:
            return [one.line]
        if one.interaction_id in self._waiting:  # an id that was used twice: the sink says so
            return [one.line]
        self._waiting[one.interaction_id] = (now + self.policy.window_s, one)
        self._waiting_bytes += len(one.line)
        return [*self._make_room(), *self.due(now)]

    def heeds(self, signal: str | None) -> bool:
        """Whether feedback keeps its interaction; None is explicit feedback of which no more is known."""
        return self.policy.rate < 1 and (signal is None or signal in self.policy.signals)

    def hear(self, interaction_id: str, signal: str | None, now: float) -> list[bytes]:
        """Lines to send because of feedback on an interaction, which may not have ended yet, or not be of this process.

        Hearing of the same feedback again changes nothing.
        """
        if not self.heeds(signal):
            return []
        self._heard[interaction_id] = now + self.policy.window_s
        self._heard.move_to_end(interaction_id)
        while len(self._heard) > self.policy.max_waiting:
            self._heard.popitem(last=False)
        found = self._waiting.pop(interaction_id, None)
        if found is None:
            return []
        self._waiting_bytes -= len(found[1].line)
        return [found[1].line]

    def due(self, now: float) -> list[bytes]:
        """Lines to send because their window is over."""
        lines = []
        while self._waiting and next(iter(self._waiting.values()))[0] <= now:
            lines += self._settle_oldest()
        while self._heard and next(iter(self._heard.values())) <= now:
            self._heard.popitem(last=False)
        return lines

    def settle(self) -> list[bytes]:
        """Lines to send because the process ends."""
        lines = []
        while self._waiting:
            lines += self._settle_oldest()
        return lines

    def _make_room(self) -> Iterator[bytes]:
        while len(self._waiting) > self.policy.max_waiting or self._waiting_bytes > self.policy.max_waiting_bytes:
            self.n_cut_short += 1
            yield from self._settle_oldest()

    def _settle_oldest(self) -> list[bytes]:
        _, (_, one) = self._waiting.popitem(last=False)
        self._waiting_bytes -= len(one.line)
        if draw(one.unit, self._salt) < self.policy.rate:
            return [one.line[:-1] + b',"sample_rate":%s}' % repr(float(self.policy.rate)).encode()]
        self.n_left_out += 1
        return []

    def _is_first_of_user(self, user: str | None) -> bool:
        if user is None or not self.policy.n_first_of_user:
            return False
        n = self._users.get(user, 0)
        self._users[user] = min(n + 1, self.policy.n_first_of_user)
        self._users.move_to_end(user)
        while len(self._users) > self.policy.max_users:
            self._users.popitem(last=False)
        return n < self.policy.n_first_of_user
