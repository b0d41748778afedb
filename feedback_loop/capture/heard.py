"""What the processes of one host tell each other: which interactions have got explicit feedback.

Belongs here: the files in which that is written, and reading what others wrote. Does not belong here: what follows from
it (`sampling.py`) and when somebody looks (`writer.py`).

With several worker processes feedback mostly reaches another one than that which answered. So each writes down of whom
it heard, in a directory that all share, and each reads what is new before it decides. Files are of a span of time,
named by its start, and deleted when no interaction waits for them any more. Every process appends to the same file,
a line with a single write, and none is kept open: nothing to lock, and nothing to let go of after a fork. A line begins
with a line end and closes with a mark; so half a line, as a full disk leaves it, neither counts nor spoils the next.
"""

import contextlib
import math
import os
from collections.abc import Iterator

_SUFFIX = ".ids"
_N_SPANS = 8  # in a window
_MAX_BYTES = 4 << 20  # of a file
_CHUNK = 16 << 10


class Heard:
    """A directory in which processes tell each other of feedback. For one thread; times in seconds of the wall clock.

    Args:
        directory: made when there is something to write.
        window_s: for so long what was written matters.
        max_bytes: of a file; there are at most ten at a time.
    """

    def __init__(self, directory: str | os.PathLike[str], window_s: float, max_bytes: int = _MAX_BYTES) -> None:
        self._directory, self._window_s, self._max_bytes = os.fspath(directory), window_s, max_bytes
        self._span_s = max(1, math.ceil(min(window_s, 1e9) / _N_SPANS))  # a window may be endless
        self._read: dict[str, int] = {}

    def tell(self, interaction_id: str, wall: float) -> None:
        """Let the other processes know; the id has no tab and no line end.

        Raises:
            OSError: they will not know: no room, or no directory.
        """
        line = f"\n{wall:.3f}\t{interaction_id}\t.\n".encode()
        path = os.path.join(self._directory, f"{int(wall // self._span_s * self._span_s):012d}{_SUFFIX}")
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size + len(line) > self._max_bytes:
                raise OSError("too much feedback at once")
            if os.write(file, line) < len(line):
                raise OSError("no room for a line")
        finally:
            os.close(file)

    def news(self, wall: float) -> Iterator[list[tuple[str, float]]]:
        """What was written since the last call, also by this process: ids and for how long they have been known.

        Comes in small lists, so that the caller can rest between them.

        Raises:
            OSError: a file cannot be read.
        """
        for name, size in self._files(wall):
            while (start := self._read.get(name, 0)) < size:
                data = self._chunk(name, start)
                end = data.rfind(b"\n") + 1
                if not end and len(data) < _CHUNK:
                    break  # a line that is not whole yet
                self._read[name] = start + (end or len(data))
                lines = (self._parsed(line, wall) for line in data[:end].split(b"\n"))
                yield [found for found in lines if found is not None]

    def _files(self, wall: float) -> list[tuple[str, int]]:
        """Names and sizes of the files that matter, oldest first; the others are deleted."""
        found = {}
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return []  # nobody has told anything yet
        for name in names:
            start, path = name.removesuffix(_SUFFIX), os.path.join(self._directory, name)
            if start == name or not start.isdecimal():
                continue
            with contextlib.suppress(FileNotFoundError):  # another process was quicker to delete
                if int(start) + self._span_s + self._window_s < wall:
                    os.unlink(path)
                else:
                    found[name] = os.stat(path).st_size
        self._read = {name: n for name, n in self._read.items() if name in found}
        return sorted(found.items())

    def _chunk(self, name: str, start: int) -> bytes:
        try:
            with open(os.path.join(self._directory, name), "rb", buffering=0) as file:
                file.seek(start)
                return file.read(_CHUNK)
        except FileNotFoundError:
            return b""

    def _parsed(self, line: bytes, wall: float) -> tuple[str, float] | None:
        parts = line.split(b"\t")
        if len(parts) != 3 or parts[2] != b".":
            return None
        try:
            age, interaction_id = max(0.0, wall - float(parts[0])), parts[1].decode()
        except ValueError:
            return None
        return (interaction_id, age) if age < self._window_s else None
