"""Counting for verdicts: an application's patterns, all of them, with one frozen detector and what was known by a time.

Belongs here: from facts to the frames that `verify` takes. Does not belong here: reading the facts (`seeing.py`), which
looks are due and what they find (`verdicts.py`), SQL (`store/`).
"""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection

from feedback_loop.clients.embeddings import RememberingEmbedder
from feedback_loop.cluster import place_events
from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.defs.analysis import describer_version
from feedback_loop.defs.seeing import NOT_DESCRIBED, Events, Traffic
from feedback_loop.errors import NotFoundError, PermanentError
from feedback_loop.llm import Embedder
from feedback_loop.records import PLACEMENTS, Detector, Window
from feedback_loop.store import patterns
from feedback_loop.verify import (
    affected_sessions,
    exposed_sessions,
    join_small_segments,
    one_cohort,
    readable_since,
    without_strays,
)

_MOST_VECTORS = 100_000  # kept: a few hundred MB
_NO_PATTERN = -1


class UncountableError(PermanentError):
    """A window cannot be counted with a detector; `guard` is the family that says so."""

    def __init__(self, guard: str, reason: str) -> None:
        super().__init__(reason)
        self.guard = guard


@dataclass(frozen=True)
class Counted:
    """What verdicts are made from.

    Attributes:
        affected, exposures: frames `verify.AFFECTED` and `verify.EXPOSURES`.
        known: patterns that the detector knows.
        window: that was counted; it begins later than was asked for where facts are past retention.
        notes: what the reason of a verdict must say of it.
    """

    affected: pd.DataFrame
    exposures: pd.DataFrame
    known: frozenset[str]
    window: Window
    notes: tuple[str, ...] = ()


@dataclass
class _Placed:
    """What a detector makes of the numbered texts, as far as it was asked: pattern by place in it, and similarity."""

    detector: Detector
    pattern: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    similarity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


class Counter:
    """Counts windows of one application; many fixes share a detector, and many detectors a window."""

    def __init__(
        self, conn: Connection, application: str, encoder: Embedder, settings: Settings,
        said: EffectiveDecisions = UNDECIDED,
    ) -> None:  # fmt: skip
        self._conn, self._application, self._settings, self._of = conn, application, settings, said
        self._encoder = RememberingEmbedder(encoder, _MOST_VECTORS)
        self._events, self._traffic = Events(conn, application, settings), Traffic(conn, application)
        self._placed: dict[str, _Placed] = {}
        self._counted: dict[tuple[str, Window], Counted] = {}  # of the last window only

    def count(self, detector_version: str | None, window: Window) -> Counted:
        """All patterns, over the window, as known at its end; merged patterns are one.

        Raises:
            UncountableError: there is no detector, it was frozen for another embedder or describer, or texts are gone;
                two rates are compared only between equal versions.
        """
        if not detector_version:
            raise UncountableError(
                "detector", f"no frozen detector counts this pattern of application {self._application!r}"
            )
        if any(other != window for _, other in self._counted):
            self._counted.clear()
        key = (detector_version, window)
        if key not in self._counted:
            self._counted[key] = self._count(*key)
        return self._counted[key]

    def feedback_days(self, window: Window) -> set[date]:
        """Days of the window on which the application got feedback of any kind."""
        return set(self._traffic.heard(window)["date"])

    def _count(self, version: str, asked: Window) -> Counted:
        placed = self._detector(version)
        window, notes = self._readable(asked)
        events = self._events.at(window)
        if n := int((events["text"] == NOT_DESCRIBED).sum()):
            who = describer_version(self._settings.analyst)
            said = f"{n} of {len(events)} events of {self._application!r} are not described by {who}"
            raise UncountableError("detector", said)
        rows = self._place(placed, events["text"].to_numpy())
        known = [p.pattern_id for p in placed.detector.patterns]
        patterns.save_detections(
            self._conn, self._application, version, events["interaction_id"].tolist(), _placements(events, placed, rows)
        )
        stays = np.array([self._of.stays(name) for name in known], dtype=object)
        own = events[rows != _NO_PATTERN].assign(pattern_id=stays[rows[rows != _NO_PATTERN]])
        affected = affected_sessions(one_cohort(own, self._traffic.cohorts(window)))
        exposures = exposed_sessions(self._traffic.sessions(window))
        affected = without_strays(affected, exposures, self._since(placed.detector))
        return Counted(*join_small_segments(affected, exposures), frozenset(known), window, notes)

    def _readable(self, asked: Window) -> tuple[Window, tuple[str, ...]]:
        """The part of a window since the last great loss of facts, and what to say of it."""
        found = readable_since(self._traffic.losses(asked), asked)
        if found.start is None:
            said = f"the texts of {found.n_lost} events since {asked.start:%Y-%m-%d} are past retention"
            raise UncountableError("texts", f"{said}, so nothing is left to count")
        return Window(found.start, asked.end), found.notes

    def _since(self, detector: Detector) -> dict[str, date]:
        """The week that founded each pattern; of merged ones the earliest."""
        since: dict[str, date] = {}
        for pattern in detector.patterns:
            stays = self._of.stays(pattern.pattern_id)
            since[stays] = min(pattern.first_seen_week, since.get(stays, pattern.first_seen_week))
        return since

    def _detector(self, version: str) -> _Placed:
        if version not in self._placed:
            try:
                detector = patterns.load_detector(self._conn, self._application, version)
            except NotFoundError as error:
                raise UncountableError("detector", f"the detector frozen for this fix is gone: {error}") from error
            frozen = (detector.embedding_version, detector.describer_version)
            now = (self._encoder.version, describer_version(self._settings.analyst))
            if frozen != now:
                said = f"detector {version} was frozen for {' + '.join(frozen)}; this is {' + '.join(now)}"
                raise UncountableError("detector", said)
            self._placed[version] = _Placed(detector)
        return self._placed[version]

    def _place(self, placed: _Placed, texts: NDArray[np.int64]) -> NDArray[np.int32]:
        """The pattern of each event, by place in the detector; a text is placed once, for nothing else decides."""
        first = len(placed.pattern)
        new = pd.DataFrame({"failure_text": self._events.texts[first:], "is_inferred": False})
        new["interaction_id"] = [str(number) for number in range(len(new))]
        found = place_events(new, placed.detector.patterns, self._encoder)
        where, place = (
            found["interaction_id"].astype("int64"),
            {p.pattern_id: number for number, p in enumerate(placed.detector.patterns)},
        )
        pattern, similarity = np.full(len(new), _NO_PATTERN, dtype=np.int32), np.zeros(len(new))
        pattern[where], similarity[where] = found["pattern_id"].map(place), found["similarity"]
        placed.pattern = np.concatenate([placed.pattern, pattern])
        placed.similarity = np.concatenate([placed.similarity, similarity])
        of_text = np.append(placed.pattern, np.int32(_NO_PATTERN))
        result: NDArray[np.int32] = of_text[np.where(texts < 0, len(placed.pattern), texts)]
        return result


def _placements(events: pd.DataFrame, placed: _Placed, rows: NDArray[np.int32]) -> pd.DataFrame:
    """Frame `records.PLACEMENTS` of the events that a pattern took."""
    taken = np.flatnonzero(rows != _NO_PATTERN)
    names = np.array([p.pattern_id for p in placed.detector.patterns], dtype=object)
    return PLACEMENTS.check(
        pd.DataFrame(
            {
                "interaction_id": events["interaction_id"].iloc[taken].to_numpy(),
                "pattern_id": names[rows[taken]],
                "similarity": placed.similarity[events["text"].iloc[taken]],
            }
        )
    )
