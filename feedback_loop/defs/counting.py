"""Counting for verdicts: an application's patterns, all of them, with one frozen detector and what was known by a time.

Belongs here: from facts to the frames that `verify` takes. Does not belong here: reading the facts (`seeing.py`), which
looks are due and what they find (`verdicts.py`), SQL (`store/`).
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.clients.embeddings import RememberingEmbedder
from feedback_loop.cluster import families_of, measure_nearness
from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.defs.analysis import describer_version
from feedback_loop.defs.cleaning import Cleaning
from feedback_loop.defs.seeing import NOT_DESCRIBED, Events, Traffic
from feedback_loop.defs.text_memory import NO_PATTERN, NOT_SAID, text_memory
from feedback_loop.errors import NotFoundError, PermanentError
from feedback_loop.llm import Embedder
from feedback_loop.records import PLACEMENTS, Detector, Window
from feedback_loop.store import patterns
from feedback_loop.verify import (
    SEEN,
    affected_sessions,
    exposed_sessions,
    join_small_segments,
    one_cohort,
    readable_since,
    without_strays,
)

_MOST_VECTORS = 100_000  # kept: a few hundred MB


class UncountableError(PermanentError):
    """A window cannot be counted with a detector; `guard` is the family that says so."""

    def __init__(self, guard: str, reason: str) -> None:
        super().__init__(reason)
        self.guard = guard


class UndescribedError(UncountableError):
    """The pinned describer has not read all events; the weekly run may bring them yet."""


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


@dataclass(frozen=True)
class _Found:
    """Events of the readable part of a window, and where a detector places them."""

    detector: Detector
    window: Window
    events: pd.DataFrame
    placed: pd.DataFrame
    notes: tuple[str, ...]


class Counter:
    """Counts windows of one application; many fixes share a detector, and many detectors a window."""

    def __init__(
        self, conn: Connection, application: str, encoder: Embedder, settings: Settings,
        said: EffectiveDecisions = UNDECIDED,
    ) -> None:  # fmt: skip
        self._conn, self._application, self._settings, self._of = conn, application, settings, said
        self._encoder = RememberingEmbedder(encoder, _MOST_VECTORS)
        self._memory = text_memory(settings.describe)
        self._cleaning = Cleaning(conn, application, settings.clean)
        self._events = Events(conn, application, settings, self._memory, self._cleaning)
        self._traffic = Traffic(conn, application)
        self._detectors: dict[str, Detector] = {}
        self._families: dict[str, dict[str, str]] = {}
        self._counted: dict[tuple[str, Window], Counted] = {}  # of the last window only

    def count(self, detector_version: str | None, window: Window) -> Counted:
        """All patterns, over the window, as known at its end; merged patterns are one.

        Raises:
            UncountableError: there is no detector, it was frozen for another embedder or describer, or texts are gone;
                two rates are compared only between equal versions.
            UndescribedError: the pinned describer has not read all events.
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

    def look_closely(self, detector_version: str, window: Window, pattern_id: str) -> pd.DataFrame:
        """Every event of a window of which somebody said what went wrong, frame `verify.SEEN`.

        Each says whether the detector gave it to the pattern (or to one that is merged into it), and how near it is.
        Events of which nobody said anything are not among them: the detector never counts those, found or not.

        Raises:
            UncountableError: as `count`, or the detector does not know the pattern.
        """
        seen = self._find(detector_version, window)
        own = [p for p in seen.detector.patterns if self._of.stays(p.pattern_id) == pattern_id]
        if not own:
            raise UncountableError("detector", f"detector {detector_version} does not know pattern {pattern_id}")
        events, placed = seen.events[seen.events["text"] != NOT_SAID], seen.placed
        found = set(placed.loc[placed["pattern_id"].map(self._of.stays) == pattern_id, "interaction_id"])
        numbers, place = np.unique(events["text"].to_numpy(), return_inverse=True)
        texts = pd.DataFrame({"failure_text": [self._memory.texts[n] for n in numbers], "is_inferred": False})
        near = measure_nearness(texts.assign(interaction_id=texts.index), own, self._encoder)
        nearness = near.set_index("interaction_id")["nearness"].reindex(texts.index).to_numpy()[place]
        return SEEN.check(events.assign(is_found=events["interaction_id"].isin(found), nearness=nearness))

    def feedback_days(self, window: Window) -> set[date]:
        """Days of the window on which the application got feedback of any kind."""
        return set(self._traffic.heard(window)["date"])

    def _count(self, version: str, asked: Window) -> Counted:
        found = self._find(version, asked)
        detector, window = found.detector, found.window
        known = [p.pattern_id for p in detector.patterns]
        own = found.events.merge(found.placed[["interaction_id", "pattern_id"]], on="interaction_id")
        own["pattern_id"] = own["pattern_id"].map(self._of.stays)
        affected = affected_sessions(one_cohort(own, self._traffic.cohorts(window)))
        exposures = exposed_sessions(self._traffic.sessions(window))
        affected = without_strays(affected, exposures, self._since(detector))
        affected = affected.assign(family=affected["pattern_id"].map(self._family(detector)))
        return Counted(*join_small_segments(affected, exposures), frozenset(known), window, found.notes)

    def _find(self, version: str, asked: Window) -> _Found:
        """Placed anew and stored: `detections` holds what the last count or closer look found."""
        detector = self._detector(version)
        window, notes = self._readable(asked)
        events = self._events.at(window)
        if n := int((events["text"] == NOT_DESCRIBED).sum()):
            who = describer_version(self._settings.analyst)
            said = f"{n} of {len(events)} events of {self._application!r} are not described by {who}"
            raise UndescribedError("detector", said)
        placed = self._place(detector, events)
        patterns.save_detections(self._conn, self._application, version, events["interaction_id"].tolist(), placed)
        return _Found(detector, window, events, placed, notes)

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

    def _family(self, detector: Detector) -> dict[str, str]:
        """Patterns that stay -> their family: what befalls one failure befalls all its patterns."""
        version = detector.detector_version
        if version not in self._families:
            found = families_of(detector.patterns, self._encoder)
            self._families[version] = {self._of.stays(one): self._of.stays(family) for one, family in found.items()}
        return self._families[version]

    def _detector(self, version: str) -> Detector:
        if version not in self._detectors:
            try:
                detector = patterns.load_detector(self._conn, self._application, version)
            except NotFoundError as error:
                raise UncountableError("detector", f"the detector frozen for this fix is gone: {error}") from error
            frozen = (detector.embedding_version, detector.describer_version)
            now = (self._encoder.version, describer_version(self._settings.analyst))
            if frozen != now:
                said = (
                    f"failures are counted in another way than when the ticket was made ({' + '.join(now)}; detector "
                    f"{version} was frozen for {' + '.join(frozen)}), so before and after cannot be compared"
                )
                raise UncountableError("detector", said)
            self._detectors[version] = detector
        return self._detectors[version]

    def _place(self, detector: Detector, events: pd.DataFrame) -> pd.DataFrame:
        """Frame `records.PLACEMENTS` of the events that a pattern of the detector takes."""
        placed = self._memory.place(detector.detector_version, detector.patterns, self._encoder)
        text = events["text"].to_numpy()
        is_said = np.flatnonzero(text != NOT_SAID)
        taken = is_said[placed.pattern[text[is_said]] != NO_PATTERN]
        names = np.array([p.pattern_id for p in detector.patterns], dtype=object)
        found = {
            "interaction_id": events["interaction_id"].iloc[taken].to_numpy(),
            "pattern_id": names[placed.pattern[text[taken]]],
            "similarity": placed.similarity[text[taken]],
        }
        return PLACEMENTS.check(pd.DataFrame(found))
