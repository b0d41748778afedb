"""Lines in files: a spool that survives a restart, a dead sink and a full disk.

Belongs here: the files of a directory, who may read which, and shipping them to another sink. Does not belong here:
what a line says, and threads (`writer.py`).

A process writes to a file of its own, `*.jsonl.open`, which it holds locked; when it is full or old enough it becomes
`*.jsonl`. One process at a time ships, whichever gets the lock `ship.lock`: finished files, and open ones whose writer
is gone. A file is deleted when the sink has taken all of it; until then it may be sent again, which stores nothing
twice, for every record has an id. `*.jsonl` can be imported with `feedback-loop import DIRECTORY` as well.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from feedback_loop.capture.sinks import Receipt, Sink

if TYPE_CHECKING:
    from pathlib import Path

OPEN, DONE = ".jsonl.open", ".jsonl"
BATCH_LINES, BATCH_BYTES = 500, 1 << 20
_LOCK = "ship.lock"


class JsonlSpool:
    """A directory of JSON Lines files, bounded in bytes. A sink of its own, or in front of another (`Spooled`).

    Args:
        directory: made where it is missing; one per application, shared by its processes.
        max_bytes: of all files together; what comes when it is full is dropped and counted (`spool_full`).
        file_bytes, file_s: size and age at which a file is finished.
        now: seconds, for the age of files.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        max_bytes: int = 1 << 30,
        file_bytes: int = 4 << 20,
        file_s: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        from pathlib import Path  # not at every import of capture

        self.directory = Path(directory).absolute()
        self._max_bytes, self._file_bytes, self._file_s, self._now = max_bytes, file_bytes, file_s, now
        self._file: int | None = None
        self._path = self.directory
        self._written, self._opened = 0, 0.0

    def send(self, lines: Sequence[bytes]) -> Receipt:
        """Append lines and sync them to disk. Never raises for a disk that is full or gone: the receipt tells."""
        dropped: Counter[str] = Counter()
        taken: list[bytes] = []
        room = self._max_bytes - self._other_bytes() - self._written
        for line in lines:
            room -= len(line) + 1
            if room < 0:
                dropped["spool_full"] += 1
            else:
                taken.append(line)
        if taken:
            try:
                self._append(b"\n".join(taken) + b"\n")
            except OSError as error:
                dropped[f"spool_{error.strerror or type(error).__name__}".lower().replace(" ", "_")] += len(taken)
                taken = []
        return Receipt(n_stored=len(taken), dropped=tuple(dropped.items()))

    def finish_file(self) -> None:
        """Let others read what was written so far."""
        if self._file is None:
            return
        file, self._file = self._file, None
        if self._written:
            os.rename(self._path, self._path.with_name(self._path.name.removesuffix(OPEN) + DONE))
        else:
            os.unlink(self._path)
        os.close(file)
        self._written = 0

    def close(self) -> None:
        """Finish the file."""
        self.finish_file()

    def forget(self) -> None:
        """In a forked child: the file is the parent's."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._written = None, 0

    def finished(self) -> "Iterator[Path]":
        """Files that may be shipped, oldest first; open ones of writers that are gone become so."""
        for path in sorted(self.directory.glob(f"*{OPEN}")):
            if path != self._path or self._file is None:
                _adopt(path)
        yield from sorted(self.directory.glob(f"*{DONE}"))

    def _append(self, data: bytes) -> None:
        if self._file is not None and (self._written >= self._file_bytes or self._now() - self._opened >= self._file_s):
            self.finish_file()
        file = self._file if self._file is not None else self._open()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, self._written)  # half a batch would be a torn line, and the rest of it counted as lost
            os.lseek(file, self._written, os.SEEK_SET)
            raise
        self._written += len(data)

    def _open(self) -> int:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}{OPEN}"
        path = self.directory / name
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file, self._path, self._written, self._opened = file, path, 0, self._now()
        return file

    def _other_bytes(self) -> int:
        total = 0
        try:
            with os.scandir(self.directory) as entries:
                for entry in entries:
                    if entry.name.endswith((OPEN, DONE)) and entry.name != self._path.name:
                        total += entry.stat().st_size
        except OSError:
            pass  # no directory yet, or a file that was shipped meanwhile
        return total


class Spooled:
    """A sink with a spool in front: lines are taken when they lie in the spool, and shipped from there.

    Args:
        spool: where lines wait.
        sink: where they are to go.
    """

    def __init__(self, spool: JsonlSpool, sink: Sink) -> None:
        self.spool, self.sink = spool, sink
        self.n_torn = 0
        self._held: tuple[Path, list[bytes], int] | None = None

    def send(self, lines: Sequence[bytes]) -> Receipt:
        """Into the spool; see `JsonlSpool.send`."""
        return self.spool.send(lines)

    def ship(self) -> Receipt | None:
        """Send one batch of the oldest file on; None where there is nothing, or another process ships.

        Raises:
            SinkUnavailable: not now; the file stays.
        """
        with _Turn(self.spool.directory / _LOCK) as is_ours:
            if not is_ours:
                self._held = None
                return None
            if self._held is None or not self._held[0].exists():
                self._held = self._next_file()
            if self._held is None:
                return None
            path, lines, done = self._held
            end = done + _batch_end(lines[done:])
            receipt = self.sink.send(lines[done:end]) if end > done else Receipt()
            self._held = (path, lines, end)
            if end >= len(lines):
                path.unlink(missing_ok=True)
                self._held = None
            return receipt

    def close(self) -> None:
        """Finish the file and close the sink; what was not shipped stays for the next process."""
        self._held = None
        self.spool.close()
        self.sink.close()

    def forget(self) -> None:
        """In a forked child: files and connections are the parent's."""
        self._held = None
        self.spool.forget()
        self.sink.forget()

    def _next_file(self) -> "tuple[Path, list[bytes], int] | None":
        path = next(self.spool.finished(), None)
        if path is None:
            self.spool.finish_file()
            path = next(self.spool.finished(), None)
            if path is None:
                return None
        try:
            *lines, rest = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        self.n_torn += bool(rest)  # a crash in the middle of a write: that line was never acknowledged
        return path, [line for line in lines if line], 0


class _Turn:
    """A lock between processes that nobody waits for."""

    def __init__(self, path: "Path") -> None:
        self._path = path

    def __enter__(self) -> bool:
        self._file = -1
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)


def _adopt(path: "Path") -> None:
    """Finish a file whose writer is gone: nobody holds its lock."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(path, path.with_name(path.name.removesuffix(OPEN) + DONE))
    except OSError:
        pass  # its writer lives, or was quicker
    finally:
        os.close(file)


def _batch_end(lines: Sequence[bytes]) -> int:
    """How many of the lines make a batch: at least one where there is one."""
    n_bytes = 0
    for n, line in enumerate(lines[:BATCH_LINES]):
        n_bytes += len(line)
        if n and n_bytes > BATCH_BYTES:
            return n
    return min(len(lines), BATCH_LINES)
