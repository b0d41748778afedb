"""The bounded buffer, and the one thread that empties it.

Belongs here: what happens between an application's call and a sink, and what is dropped when there is no room. Does not
belong here: what a line says (`preparing.py`), which are sent (`sampling.py`), files and connections (the sinks).

`put` is all that an application waits for: a lock, a comparison, an append. `step` does one round of the rest and takes
the time as an argument; the thread calls it. Between two records the thread rests for an instant: it would otherwise
keep the interpreter, and with it the application, for up to 5 ms at a time.
"""

import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from feedback_loop.capture.heard import Heard
from feedback_loop.capture.interaction import Raw
from feedback_loop.capture.losses import Losses
from feedback_loop.capture.sampling import Sampler, SamplingPolicy
from feedback_loop.capture.sinks import Pause, Receipt, Sink, SinkUnavailable
from feedback_loop.capture.spool import BATCH_BYTES, BATCH_LINES, JsonlSpool, Spooled

if TYPE_CHECKING:
    from feedback_loop.capture.preparing import Preparer

_REST_S = 50e-6
_ROUND_S = 1.0  # of shipping, before the buffer is looked after again
_MAX_ODD_FAILURES = 10
_NO_KEY_S = 60.0


class Writer:
    """Takes raw records from any thread and brings them to a sink.

    Args:
        make_preparer: called in the thread at the first record.
        sink: where lines go.
        policy: of sampling.
        losses: where drops are counted.
        max_records, max_bytes: of what is buffered, in all; what comes when it is full is dropped.
        interval_s: how often the thread looks.
        now, wall, sleep, chance: a clock that does not go back, the one that processes share, the instants of rest,
            and what spreads pauses.
    """

    def __init__(
        self,
        make_preparer: "Callable[[], Preparer]",
        sink: Sink,
        policy: SamplingPolicy,
        losses: Losses,
        *,
        max_records: int,
        max_bytes: int,
        interval_s: float,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._make_preparer, self.sink, self._policy, self.losses = make_preparer, sink, policy, losses
        self._max_records, self._max_bytes, self._interval_s = max_records, max_bytes, interval_s
        self._now, self._wall, self._sleep, self._chance = now, wall, sleep, chance or _chance
        self._begin()
        _WRITERS.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._wake, self._idle = threading.Event(), threading.Event()
        self._buffer: deque[tuple[Raw, int]] = deque()
        self._outbox: deque[bytes] = deque()
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._preparer: Preparer | None = None
        self._sampler: Sampler | None = None
        self._heard = _shared(self.sink, self._policy)
        self._without_key_until = 0.0
        self._pause, self._ship_pause = Pause(), Pause()
        self._n_odd = 0
        self._is_closing = self._is_hurried = self._has_closed = False

    @property
    def n_buffered(self) -> int:
        """Records between the application and the sink, without those that wait for feedback."""
        return len(self._buffer) + len(self._outbox)

    @property
    def buffered_bytes(self) -> int:
        """Their size, roughly."""
        return self._bytes

    def gauges(self) -> dict[str, int]:
        """What is where at the moment, and what sampling left out."""
        sampler = self._sampler
        found = {"buffered": self.n_buffered}
        if sampler is not None:
            found |= {"waiting": sampler.n_waiting, "left_out": sampler.n_left_out, "cut_short": sampler.n_cut_short}
        return found

    def put(self, raw: Raw, n_bytes: int) -> None:
        """Take a record, or drop and count it."""
        size = n_bytes + 1_000  # of the dict and its numbers
        with self._lock:
            is_full = self.n_buffered >= self._max_records or self._bytes + size > self._max_bytes
            if not is_full and not self._is_closing:
                self._buffer.append((raw, size))
                self._bytes += size
                self.counts["captured"] += raw.get("type") != "heard"
            if self._thread is None and not self._is_closing:
                self._start()
        if self._is_closing:
            self.losses.add("closed")
        elif is_full:
            self.losses.add("buffer_full")

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that is decided has been taken by the sink; False if that took too long."""
        with self._lock:
            if self._thread is None and not self._is_closing:
                self._start()
        return self._wait(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Settle what waits for feedback, send everything, and stop; what is left after the time is counted."""
        with self._lock:
            thread, self._is_closing = self._thread, True
        if thread is None or self._has_closed:
            return True
        is_done = self._wait(timeout_s)
        thread.join(timeout_s if is_done else 0.1)
        self._has_closed = True
        self.losses.add("unsent_at_exit", self.n_buffered)
        return is_done

    def step(self, now: float) -> bool:
        """One round: prepare, sample, send, ship. True if nothing is left to do at once."""
        self._listen(now)  # first: what others heard may keep what would be left out below
        self._drain(now)
        if self._sampler is not None:
            self._emit(self._sampler.settle() if self._is_closing else self._sampler.due(now))
        has_sent = self._send(now)
        has_shipped = self._ship(now) if has_sent and isinstance(self.sink, Spooled) else has_sent
        with self._lock:
            is_idle = has_shipped and not self._buffer and not self._outbox
            if is_idle:
                self._idle.set()
        return is_idle

    def after_fork(self) -> None:
        """In a forked child: start empty; what is buffered is the parent's to send."""
        self._begin()
        self.counts.clear()
        try:
            self.sink.forget()
        except Exception as error:
            self.losses.warn("capture could not let go of a sink", repr(error))

    def _start(self) -> None:
        try:
            self._thread = threading.Thread(target=self._run, name="feedback-loop-capture", daemon=True)
            self._thread.start()
        except RuntimeError:  # no more threads, or the interpreter ends
            self._thread = None

    def _run(self) -> None:
        while True:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            try:
                is_idle = self.step(self._now())
            except Exception as error:
                self.losses.warn("capture stumbled", repr(error))
                is_idle = False
            if self._is_closing and (is_idle or self._has_closed):
                break
        try:
            self.sink.close()
        except Exception as error:
            self.losses.warn("capture could not close a sink", repr(error))

    def _wait(self, timeout_s: float) -> bool:
        with self._lock:
            self._idle.clear()
            self._is_hurried = True
        self._wake.set()
        is_done = self._idle.wait(timeout_s)
        self._is_hurried = False
        return is_done

    def _listen(self, now: float) -> None:
        """Keep interactions on which other processes got feedback."""
        if self._heard is None or self._sampler is None:
            return
        try:
            for some in self._heard.news(self._wall()):
                for interaction_id, age in some:
                    self._emit(self._sampler.hear(interaction_id, None, now - age))
                if not self._is_hurried:
                    self._sleep(_REST_S)
        except OSError as error:
            self.losses.warn("capture cannot read of which feedback other processes heard", str(error))

    def _hear(self, sampler: Sampler, interaction_id: str, signal: str | None, now: float) -> list[bytes]:
        """Keep an interaction because of feedback on it, here or in whatever process has it."""
        lines = sampler.hear(interaction_id, signal, now)
        if self._heard is not None and not lines and sampler.heeds(signal):
            try:
                self._heard.tell(interaction_id, self._wall())
            except OSError as error:
                self.counts["untold"] += 1
                self.losses.warn("capture could not tell other processes of feedback", str(error))
        return lines

    def _drain(self, now: float) -> None:
        while self._buffer:
            with self._lock:
                raw, size = self._buffer.popleft()
                self._bytes -= size
            self._prepare(raw, now)
            if not self._is_hurried and len(self._buffer) < self._max_records // 2:
                self._sleep(_REST_S)

    def _prepare(self, raw: Raw, now: float) -> None:
        preparer, sampler = self._tools(now)
        if preparer is None or sampler is None:
            self.losses.add("no_hash_key")
            return
        try:
            if raw["type"] == "interaction":
                lines = sampler.take(preparer.interaction(raw), now)
            elif raw["type"] == "heard":
                lines = self._hear(sampler, preparer.heard(raw), None, now)
            else:
                interaction_id, signal, line = preparer.feedback(raw)
                lines = [*self._hear(sampler, interaction_id, signal, now), line]
        except Exception as error:
            unfit = type(error).__name__ == "Unfit"
            self.losses.add(str(error) if unfit else "unreadable", detail="" if unfit else type(error).__name__)
            return
        self._emit(lines)

    def _tools(self, now: float) -> "tuple[Preparer | None, Sampler | None]":
        if self._preparer is None and now >= self._without_key_until:
            try:
                self._preparer = self._make_preparer()
                self._sampler = Sampler(self._policy, self._preparer.hash_key)
            except Exception as error:
                self._without_key_until = now + _NO_KEY_S
                self.losses.warn("capture has no key to hash user ids with", str(error))
        return self._preparer, self._sampler

    def _emit(self, lines: list[bytes]) -> None:
        for line in lines:
            with self._lock:
                if self._bytes + len(line) <= self._max_bytes:
                    self._outbox.append(line)
                    self._bytes += len(line)
                    continue
            self.losses.add("buffer_full")

    def _send(self, now: float) -> bool:
        """Give the outbox to the sink; True if it is empty."""
        while self._outbox and self._pause.is_over(now):
            batch = self._batch()
            try:
                receipt = self.sink.send(batch)
            except SinkUnavailable as error:
                self._pause.failed(now, error.retry_after_s, self._chance())
                self.losses.warn("capture waits for its sink", str(error))
                return False
            except Exception as error:
                self._pause.failed(now, None, self._chance())
                self.losses.warn("capture's sink failed", repr(error))
                self._n_odd += 1
                if self._n_odd >= _MAX_ODD_FAILURES:
                    self._n_odd = 0
                    self._forget(len(batch))
                    self.losses.add("sink_error", len(batch), type(error).__name__)
                return False
            self._n_odd = 0
            self._pause.succeeded()
            self._forget(len(batch))
            self._count(receipt, "spooled" if isinstance(self.sink, Spooled) else "stored")
        return not self._outbox

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        n_bytes = 0
        for line in self._outbox:
            n_bytes += len(line)
            if batch and (len(batch) >= BATCH_LINES or n_bytes > BATCH_BYTES):
                break
            batch.append(line)
        return batch

    def _forget(self, n: int) -> None:
        with self._lock:
            for _ in range(n):
                self._bytes -= len(self._outbox.popleft())

    def _ship(self, now: float) -> bool:
        """Send what lies in the spool on, for a second at most; True if nothing is left of it for us to do."""
        assert isinstance(self.sink, Spooled)  # noqa: S101
        ends = self._now() + _ROUND_S
        while self._ship_pause.is_over(now):
            try:
                receipt = self.sink.ship()
            except Exception as error:
                self._ship_pause.failed(now, getattr(error, "retry_after_s", None), self._chance())
                self.losses.warn("capture waits for its sink", str(error) or repr(error))
                return False
            self._ship_pause.succeeded()
            if receipt is None:
                return True
            self._count(receipt, "stored")
            if self._now() >= ends:
                return False
        return False

    def _count(self, receipt: Receipt, stored: str) -> None:
        self.counts[stored] += receipt.n_stored
        self.counts["duplicate"] += receipt.n_duplicate
        for reason, n in receipt.dropped:
            self.losses.add(reason, n)
        if receipt.rejected:
            self.losses.add("rejected_by_sink", len(receipt.rejected), receipt.rejected[0][1])


def _shared(sink: Sink, policy: SamplingPolicy) -> Heard | None:
    """Where processes tell each other of feedback: beside the spool; None where there is none, or nothing to tell."""
    spool = sink.spool if isinstance(sink, Spooled) else sink
    if policy.rate >= 1 or not isinstance(spool, JsonlSpool):
        return None
    return Heard(spool.directory / "heard", policy.window_s)


def _chance() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32


_WRITERS: weakref.WeakSet[Writer] = weakref.WeakSet()


def _after_fork() -> None:
    for writer in list(_WRITERS):
        writer.after_fork()


os.register_at_fork(after_in_child=_after_fork)
