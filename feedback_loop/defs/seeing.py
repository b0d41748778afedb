"""What verdicts are counted from: an application's facts as they were known at a time, read once and moved along.

Belongs here: which facts must be read again when a count moves to another day. Does not belong here: detectors and
counts (`counting.py`), SQL (`store/`).

A daily run counts the same months for every day that has looks and for every fix that is watched. What was known of an
interaction differs between two times only if feedback on it came between them, so the rest is never read, extracted
and described twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.defs.analysis import describer_version
from feedback_loop.defs.cleaning import Cleaning
from feedback_loop.defs.text_memory import Numbers, TextMemory
from feedback_loop.extract import extract_negatives
from feedback_loop.records import Window
from feedback_loop.store import counts, negatives
from feedback_loop.store.exclusions import LeftOut

NOT_DESCRIBED = -2
"""In place of a text: the pinned describer has not read the event."""

_AT_ONCE = 50_000  # events whose texts are held at a time: a few kB each

_Days = Callable[[Connection, Window, str], pd.DataFrame]


@dataclass
class Traffic:
    """Days of an application: frames with a `date`, each day read once.

    Attributes:
        conn: in a transaction.
        application: whose.
    """

    conn: Connection
    application: str
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    _spans: dict[str, Window] = field(default_factory=dict)

    def sessions(self, window: Window) -> pd.DataFrame:
        """Exposures by day, version and cohort, as `counts.count_sessions` gives them."""
        return self._days("sessions", counts.count_sessions, window)

    def cohorts(self, window: Window) -> pd.DataFrame:
        """The cohort of the sessions that had several, as `counts.mixed_sessions` gives it."""
        return self._days("cohorts", counts.mixed_sessions, window)

    def losses(self, window: Window) -> pd.DataFrame:
        """Negative interactions by day, and how many of them are gone, as `counts.lost_by_day` gives them."""
        return self._days("losses", counts.lost_by_day, window)

    def heard(self, window: Window) -> pd.DataFrame:
        """Days with feedback of any kind, as `negatives.feedback_days` gives them."""
        return self._days("heard", negatives.feedback_days, window)

    def _days(self, name: str, read: _Days, window: Window) -> pd.DataFrame:
        span = self._spans.get(name)
        if new := _uncovered(span, window):
            known = [self._frames[name]] if span else []
            read_now = [read(self.conn, part, self.application) for part in new]
            self._frames[name] = pd.concat(_filled([*known, *read_now]), ignore_index=True)
            self._spans[name] = _hull(span, window)
        frame = self._frames[name]
        days = frame["date"].to_numpy(dtype="datetime64[D]")
        start, end = (np.datetime64(at.date()) for at in (window.start, window.end))
        return frame[(days >= start) & (days < end)].reset_index(drop=True)


@dataclass
class Events:
    """Negative events of an application, with what they say, as known at the end of a window.

    Attributes:
        conn: in a transaction.
        application: whose.
        settings: of the loop.
        memory: of texts; events name them by number.
        cleaning: what is left out of every window, by the same policy.
    """

    conn: Connection
    application: str
    settings: Settings
    memory: TextMemory
    cleaning: Cleaning
    _span: Window | None = None
    _known: datetime | None = None
    _left: LeftOut = field(default_factory=LeftOut)
    _seen: pd.DataFrame = field(default_factory=pd.DataFrame)

    def at(self, window: Window) -> pd.DataFrame:
        """Frame `records.NEGATIVES` of a window as known at its end, by interaction_id, with `text`."""
        self._move(window)
        at = self._seen["occurred_at"]
        return self._seen[(at >= window.start) & (at < window.end)].reset_index(drop=True)

    def _move(self, window: Window) -> None:
        """Read what the window has more than the last one, and what was said between its end and that of the last."""
        read, known = self.settings.extract.candidate_signals, window.end
        before, self._left = self._left, self.cleaning.left_out(Window(_hull(self._span, window).start, known))
        signals = [
            negatives.read_signals_of(self.conn, self.application, part, known, read, self._left)
            for part in _uncovered(self._span, window)
        ]
        kept: list[pd.DataFrame] = [self._seen] if len(self._seen) else []
        if self._span is not None and self._known is not None and self._known != known:
            between = Window(min(self._known, known), max(self._known, known))
            ids = self._touched(between, before)
            kept = [frame[~frame["interaction_id"].isin(ids)] for frame in kept]
            signals.append(negatives.read_signals_on(self.conn, ids, known, read, self._left))
        if signals:
            new = extract_negatives(pd.concat(_filled(signals), ignore_index=True), self.settings.extract)
            new = new.assign(text=self._read(new["interaction_id"].tolist(), known))
            self._seen = pd.concat(_filled([*kept, new]), ignore_index=True).sort_values("interaction_id")
        self._span, self._known = _hull(self._span, window), known

    def _touched(self, between: Window, before: LeftOut) -> list[str]:
        """Interactions read before of which more was said in between, or something else is left out now."""
        assert self._span is not None  # noqa: S101 - nothing was read before
        heard = negatives.heard_between(self.conn, self.application, self._span, between)
        changed = negatives.occurred_within(self.conn, sorted(before.changed(self._left)), self._span)
        return sorted({*heard, *changed})

    def _read(self, ids: list[str], known: datetime) -> Numbers:
        """Numbers of what these events say went wrong, in this order.

        Offline as in the weekly run; where the describer is pinned, what it wrote then.
        """
        parts = [self._read_some(ids[start : start + _AT_ONCE], known) for start in range(0, len(ids), _AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def _read_some(self, ids: list[str], known: datetime) -> Numbers:
        policy = self.settings.analyst
        if policy.is_pinned:
            said = negatives.read_descriptions(self.conn, self.application, ids, describer_version(policy))
            numbers = np.array(self.memory.number(said), dtype=np.int64)
        else:
            said = negatives.read_texts(self.conn, ids, known, self._left)
            numbers = self.memory.describe(said, self.settings.describe)
        by_id = dict(zip(said["interaction_id"], numbers, strict=True))
        return np.array([by_id.get(name, NOT_DESCRIBED) for name in ids], dtype=np.int64)


def _filled(frames: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Those with rows, for an empty frame has no dtypes; one where there are none."""
    return [frame for frame in frames if len(frame)] or frames[:1]


def _hull(span: Window | None, window: Window) -> Window:
    return window if span is None else Window(min(span.start, window.start), max(span.end, window.end))


def _uncovered(span: Window | None, window: Window) -> list[Window]:
    """What has to be read for a window beside what was read."""
    if span is None:
        return [window]
    before = [replace(window, end=span.start)] if window.start < span.start else []
    return before + ([replace(window, start=span.end)] if window.end > span.end else [])
