"""Export files of other tools, one record at a time: JSON, JSON Lines, CSV and Parquet, also gzipped.

Belongs here: formats. Does not belong here: what a record means. Lines of JSON Lines are held one at a time, Parquet
row groups in batches; a JSON document is held whole.
"""

import csv
import glob
import gzip
import importlib
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from feedback_loop.errors import ConfigurationError, InputError
from feedback_loop.intake.reading import Source

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
MAX_LINE_BYTES = 64 << 20  # a line of OTLP holds many spans
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_BATCH = 1_000
_LISTS = ("data", "observations", "scores", "runs", "feedback", "spans", "annotations")  # of a JSON document


class Broken(Exception):  # noqa: N818 - an outcome of one record: it becomes a rejected record
    """One record that cannot be read."""


def find_files(paths: Sequence[str]) -> list[Path]:
    """The export files that paths, directories (searched in depth) and glob patterns name, each once, in order.

    Raises:
        InputError: a path names nothing.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if Path(path).is_dir():
            inside = sorted(p for p in Path(path).rglob("*") if _suffix(p) in SUFFIXES and p.is_file())
            if not inside:
                raise InputError(f"{path}: the directory has no {', '.join(SUFFIXES)} files")
        else:
            inside = [Path(path)] if Path(path).exists() else [Path(p) for p in sorted(glob.glob(path, recursive=True))]
            if not inside:
                raise InputError(f"{path}: no such file")
        found.update(dict.fromkeys(p for p in inside if p.is_file()))
    return list(found)


def read_file(path: Path) -> Iterator[tuple[int, Any]]:
    """(number, record) of a file; a record that cannot be read comes as a `Broken` with the reason.

    Numbers are lines of JSON Lines, else records, from 1.

    Raises:
        InputError: the file cannot be read at all, or breaks off.
        ConfigurationError: it is Parquet, and pyarrow is not installed.
    """
    suffix = _suffix(path)
    try:
        with path.open("rb") as raw:
            magic = raw.read(4)
        if magic == _PARQUET:
            yield from _parquet(path)
        elif suffix == ".csv":
            yield from _csv(path, is_packed=magic.startswith(_GZIP))
        elif suffix == ".json":
            yield from _json(path, is_packed=magic.startswith(_GZIP))
        else:
            yield from _json_lines(path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the compressed data break off or are damaged") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for line in Source(str(path)).lines(MAX_LINE_BYTES):
        if line.is_cut:
            yield line.number, Broken(f"the line has {line.n_bytes:,} bytes, more than {MAX_LINE_BYTES:,}")
            continue
        try:
            yield line.number, json.loads(line.data)
        except (ValueError, RecursionError) as error:
            yield line.number, Broken(f"not valid JSON: {error}")


def _json(path: Path, *, is_packed: bool) -> Iterator[tuple[int, Any]]:
    """A list of records, an object that holds one, a single record, or JSON Lines in a `.json` file."""
    with _opened(path, is_packed=is_packed) as file:
        try:
            found = json.loads(file.read())
        except (ValueError, RecursionError):
            yield from _json_lines(path)
            return
    if isinstance(found, dict):
        lists = [found[name] for name in _LISTS if isinstance(found.get(name), list)]
        found = [one for each in lists for one in each] if lists else [found]
    yield from enumerate(found if isinstance(found, list) else [found], start=1)


def _csv(path: Path, *, is_packed: bool) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with _opened(path, is_packed=is_packed) as file:
        lines = (line.decode("utf-8-sig" if n == 0 else "utf-8", "replace") for n, line in enumerate(file))
        rows = csv.DictReader(lines)
        try:
            for number, row in enumerate(rows, start=1):
                if None in row or None in row.values():
                    yield number, Broken("the row has more or fewer columns than the header")
                else:
                    yield number, row
        except csv.Error as error:
            raise InputError(f"{path}: no CSV after record {rows.line_num}: {error}") from error


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigurationError(f"{path} is Parquet, which needs: pip install 'feedback-loop[parquet]'") from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (ValueError, OSError, KeyError) as error:  # pyarrow's own errors are these
        raise InputError(f"{path}: no readable Parquet after record {number}: {error}") from error


def _opened(path: Path, *, is_packed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if is_packed else path.open("rb")
