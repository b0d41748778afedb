"""Lines out of files, one at a time, whatever their size.

Belongs here: finding the files that a path names, gzip, and lines that are too long to hold. Does not belong here: what
a line means (`contract.py`).
"""

import glob
import gzip
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from feedback_loop.errors import InputError

STDIN = "-"
SUFFIXES = (".jsonl", ".jsonl.gz")
_EXCERPT_BYTES = 64_000  # kept of a line that is too long
_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstandard-compressed",
    b"BZh": "bzip2-compressed",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a source, without its line end.

    Attributes:
        source: the file, as the user named it.
        number: counted from 1.
        data: its bytes; only the first 64,000 where it is too long.
        n_bytes: its whole length.
    """

    source: str
    number: int
    data: bytes
    n_bytes: int

    @property
    def is_cut(self) -> bool:
        """The line was too long to be read."""
        return len(self.data) < self.n_bytes


class Source:
    """A file to import, or standard input."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_bytes = 0 if name == STDIN else os.stat(name).st_size
        self._raw: BufferedReader | None = None

    @property
    def position(self) -> int:
        """Bytes of the file read so far, compressed where the file is; 0 for standard input."""
        return 0 if self._raw is None or self.name == STDIN else self._raw.tell()

    def lines(self, max_line_bytes: int) -> Iterator[Line]:
        """Every line that holds something, in order.

        Args:
            max_line_bytes: a longer line comes cut, and is never held whole.

        Raises:
            InputError: the file cannot be read, or its compressed data end early; the lines before came already.
        """
        number = 0
        try:
            with self._open() as file:
                while data := file.readline(max_line_bytes + 1):
                    number += 1
                    n_bytes = len(data)
                    if n_bytes > max_line_bytes and not data.endswith(b"\n"):
                        n_bytes += _skip_line(file)
                        data = data[:_EXCERPT_BYTES]
                    else:
                        data = data.removeprefix(_BOM).strip() if number == 1 else data.strip()
                        n_bytes = len(data)
                    if data:
                        yield Line(self.name, number, data, n_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(
                f"{self.name}: the compressed data break off or are damaged after line {number}"
            ) from error
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read after line {number}: {error.strerror or error}") from error

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        raw = cast(BufferedReader, sys.stdin.buffer) if self.name == STDIN else open(self.name, "rb")  # noqa: SIM115
        self._raw = raw
        try:
            magic = raw.peek(4)
            for prefix, what in _OTHER_FORMATS.items():
                if magic.startswith(prefix):
                    raise InputError(f"{self.name} is {what}; unpack it first (.jsonl and .jsonl.gz are read)")
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if magic.startswith(_GZIP_MAGIC) else raw
        finally:
            self._raw = None
            if self.name != STDIN:
                raw.close()


def find_sources(paths: Sequence[str]) -> list[Source]:
    """The files that paths, directories (`*.jsonl` and `*.jsonl.gz` in them) and glob patterns name, each once.

    Args:
        paths: as the user typed them; `-` is standard input.

    Raises:
        InputError: a path names nothing.
    """
    names: dict[str, None] = {}
    for path in paths:
        found = [path] if path == STDIN else _expand(path)
        names.update(dict.fromkeys(found))
    try:
        return [Source(name) for name in names]
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from error


def _expand(path: str) -> list[str]:
    if Path(path).is_dir():
        found = sorted(str(file) for file in Path(path).iterdir() if file.name.endswith(SUFFIXES))
        if not found:
            raise InputError(f"{path}: the directory has no {' or '.join(SUFFIXES)} files")
        return found
    if Path(path).exists():
        return [path]
    found = sorted(name for name in glob.glob(path, recursive=True) if not Path(name).is_dir())
    if not found:
        raise InputError(f"{path}: no such file")
    return found


def _skip_line(file: BinaryIO) -> int:
    """Read on to the next line; returns how many bytes of this one that were."""
    n_bytes = 0
    while chunk := file.readline(_CHUNK_BYTES):
        n_bytes += len(chunk)
        if chunk.endswith(b"\n"):
            return n_bytes - 1
    return n_bytes
