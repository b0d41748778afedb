"""The frames of one application as arrays: patterns x days x versions.

Belongs here: reading `affected` and `exposures` whatever their dtypes, and counting. Does not belong here: which
version is whose fix (`arms.py`), and any statistics.

A day is an integer, days since 1970 in UTC. A version is a code into `versions`; NA is a version of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEEDED = {"affected": ("pattern_id", "occurred_at"), "exposures": ("date", "n_exposures")}
UNKNOWN = ""  # the version of rows that name none


@dataclass(frozen=True)
class Rows:
    """Affected sessions, one entry each, shape (n,).

    Attributes:
        pattern, day, version, segment, user: codes; a session without a user has a code of its own.
        delay: whole days until it was known.
        weight: 1 / sample_rate.
        first_anonymous: user codes from here on are sessions without a user.
    """

    pattern: Ints
    day: Ints
    version: Ints
    segment: Ints
    user: Ints
    delay: Ints
    weight: Floats
    first_anonymous: int

    def keep(self, which: NDArray[np.bool_]) -> "Rows":
        """Some of the rows."""
        names = ("pattern", "day", "version", "segment", "user", "delay", "weight")
        kept: dict[str, Any] = {name: getattr(self, name)[which] for name in names}
        return replace(self, **kept)


@dataclass(frozen=True)
class Tenant:
    """One application up to `end`; days are counted from `start`, weeks backwards from `end`.

    Attributes:
        patterns: pattern_id by code.
        versions: prompt version by code.
        start, end: first day and day after the last; a whole number of weeks apart.
        rows: affected sessions known by then, on days and versions whose exposures are known.
        exposures: weighted sessions by day, version and segment, shape (days, versions, segments); NaN: not recorded.
        lost: affected sessions that are left out, for their day and version have no exposures, shape (patterns, days).
        parents: pattern_id -> parent, where `affected` says it.
        family: code of each pattern's family, shape (patterns,); a pattern without one is its own.
    """

    patterns: list[str]
    versions: list[str]
    start: int
    end: int
    rows: Rows
    exposures: Floats
    lost: Floats
    parents: dict[str, str]
    family: Ints

    @property
    def n_days(self) -> int:
        """Days from start to end."""
        return self.end - self.start

    @property
    def served(self) -> Floats:
        """Exposures by day and version, 0 where none were recorded, shape (days, versions)."""
        result: Floats = np.nansum(self.exposures, axis=2)
        return result

    def count(self, rows: Rows, values: Floats) -> Floats:
        """Sum of a value of the rows by pattern, day and version."""
        shape = (len(self.patterns), self.n_days, len(self.versions))
        cell = (rows.pattern * shape[1] + rows.day) * shape[2] + rows.version
        return sums(cell, values, int(np.prod(shape))).reshape(shape)


def read_tenant(
    affected: pd.DataFrame, exposures: pd.DataFrame, as_of: pd.Timestamp, start: int, *, has_versions: bool = True
) -> Tenant:
    """Count what was known by `as_of`, from day `start` on; without versions where no fix names one.

    A session counts once per pattern, day and version. An event that was never marked as known counts as known when it
    happened. Sessions of a day and version without recorded exposures have no denominator and are left out.

    Raises:
        ValueError: a needed column is missing, exposures are negative, or weights are not above 0.
    """
    for name, frame in (("affected", affected), ("exposures", exposures)):
        if missing := [column for column in _NEEDED[name] if column not in frame.columns]:
            raise ValueError(f"frame {name!r} lacks {missing}; it has {list(frame.columns)}")
    end = int(day_of(pd.Series([as_of]))[0])
    start = end - 7 * max(1, -(-(end - start) // 7))
    lone = [c for c in ("prompt_version", "segment") if (c in affected) != (c in exposures)]  # only one frame has it
    lone += [] if has_versions else ["prompt_version"]
    affected, exposures = (frame.drop(columns=lone, errors="ignore") for frame in (affected, exposures))
    served, versions, segments = _served(exposures, start, end)
    rows, patterns, versions, segments = _rows(affected, versions, segments, start, end)
    grid = np.full((end - start, len(versions), len(segments)), np.nan)
    cell = tuple(served[:3].astype(np.int64))
    grid[cell] = 0.0
    np.add.at(grid, cell, served[3])
    known = np.nansum(grid, axis=2) > 0
    is_kept = known[rows.day, rows.version] if len(rows.day) else np.zeros(0, dtype=bool)
    n_days, dropped = end - start, rows.keep(~is_kept)
    lost = sums(dropped.pattern * n_days + dropped.day, np.ones(len(dropped.day)), len(patterns) * n_days)
    rows = rows.keep(is_kept)
    family = _families(patterns, _said_of_patterns(affected, "family"))
    parents = _said_of_patterns(affected, "parent_pattern_id")
    return Tenant(patterns, versions, start, end, rows, grid, lost.reshape(-1, n_days), parents, family)


def sums(codes: Ints, values: Floats, n: int) -> Floats:
    """Sum of the values of each code 0..n-1."""
    result: Floats = np.bincount(codes, values, n).astype(np.float64, copy=False)
    return result


def day_of(at: pd.Series) -> Ints:
    """Days since 1970 in UTC; a time without a zone is UTC. Missing times are a large negative day."""
    plain = at if pd.api.types.is_datetime64_any_dtype(at.dtype) else at.astype(object)
    times = pd.to_datetime(plain, utc=True, format="ISO8601").dt.as_unit("s").astype("int64").to_numpy()
    result: Ints = np.floor_divide(times, 86_400)
    return result


def code(frame: pd.DataFrame, name: str, words: Sequence[str] = ()) -> tuple[Ints, list[str]]:
    """A column as codes into words, whatever its dtype; missing is the word `UNKNOWN`.

    Args:
        frame: may lack the column: then everything is missing.
        name: of the column.
        words: that have codes already.
    """
    if name not in frame:
        codes, distinct = np.full(len(frame), -1), []
    else:
        codes, values = pd.factorize(frame[name])
        distinct = [_word(value) for value in values]
    places = {word: place for place, word in enumerate(dict.fromkeys([*words, *distinct]))}
    if (codes < 0).any():
        places.setdefault(UNKNOWN, len(places))
    where = np.array([*(places[word] for word in distinct), places.get(UNKNOWN, -1)], dtype=np.int64)
    return where[codes], list(places)


def _word(value: object) -> str:
    """A value as text; whole numbers that a missing one beside them made floats are whole again."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _served(exposures: pd.DataFrame, start: int, end: int) -> tuple[Floats, list[str], list[str]]:
    """Day, version, segment and exposures, shape (4, n), and the words of versions and segments."""
    n = exposures["n_exposures"].to_numpy(dtype=float, na_value=np.nan)
    if (n < 0).any():
        raise ValueError("n_exposures is never negative")
    day = day_of(exposures["date"])
    version, versions = code(exposures, "prompt_version")
    segment, segments = code(exposures, "segment")
    table = np.stack([day - start, version, segment, n])
    return table[:, (day >= start) & (day < end) & ~np.isnan(n)], versions, segments


def _rows(
    affected: pd.DataFrame, versions: list[str], segments: list[str], start: int, end: int
) -> tuple[Rows, list[str], list[str], list[str]]:
    """Rows in the window and known by its end, each session once, and the words of their codes."""
    happened = day_of(affected["occurred_at"])
    known = day_of(affected["known_at"]) if "known_at" in affected else happened
    known = np.where(known < 0, happened, np.maximum(known, happened))
    weight = affected["weight"].to_numpy(dtype=float, na_value=np.nan) if "weight" in affected else np.ones(len(known))
    weight = np.where(np.isnan(weight), 1.0, weight)
    if not (weight > 0).all():
        raise ValueError("the weight of an affected session is 1 / sample_rate, above 0")
    pattern, patterns = code(affected, "pattern_id")
    version, versions = code(affected, "prompt_version", versions)
    segment, segments = code(affected, "segment", segments)
    user, first_anonymous = _own_codes(affected, "user_id")
    session, _ = _own_codes(affected, "session_id")
    rows = Rows(pattern, happened - start, version, segment, user, known - happened, weight, first_anonymous)
    inside = (happened >= start) & (happened < end) & (known < end) & (np.array(patterns or [""])[pattern] != UNKNOWN)
    rows, session = rows.keep(inside), session[inside]
    cell = (rows.pattern * (end - start) + rows.day) * max(len(versions), 1) + rows.version
    named = np.where(rows.user < rows.first_anonymous, rows.user, -1)
    order = np.lexsort((rows.weight, rows.delay, named, session, cell))
    again = np.logical_and.reduce([np.diff(one[order]) == 0 for one in (cell, session, named)])
    is_first = np.ones(len(cell), dtype=bool)
    is_first[order[1:][again]] = False
    return rows.keep(is_first), [p for p in patterns if p != UNKNOWN], versions, segments


def _own_codes(frame: pd.DataFrame, name: str) -> tuple[Ints, int]:
    """Codes of a column in which a missing value is nobody else's, and the first such code."""
    codes = pd.factorize(frame[name])[0] if name in frame else np.full(len(frame), -1)
    missing, n = codes < 0, int(codes.max(initial=-1)) + 1
    return np.where(missing, n + np.cumsum(missing) - 1, codes).astype(np.int64), n


def _said_of_patterns(affected: pd.DataFrame, column: str) -> dict[str, str]:
    """What a column says of each pattern."""
    if column not in affected:
        return {}
    pairs = affected[["pattern_id", column]].dropna().drop_duplicates("pattern_id")
    return dict(zip(pairs["pattern_id"].astype(str), pairs[column].astype(str), strict=True))


def _families(patterns: Sequence[str], said: dict[str, str]) -> Ints:
    names = {name: place for place, name in enumerate(dict.fromkeys(said.get(p, p) for p in patterns))}
    return np.array([names[said.get(p, p)] for p in patterns], dtype=np.int64)
