"""Counting for verdicts: an application's patterns, all of them, with one frozen detector and what was known by a time.

Belongs here: from facts to the frames that `verify` takes. Does not belong here: which looks are due and what they find
(`verdicts.py`), SQL (`store/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from feedback_loop.cluster import families_of, measure_nearness, place_events
from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.defs.analysis import describer_version
from feedback_loop.describe import describe_failures
from feedback_loop.errors import PermanentError
from feedback_loop.extract import extract_negatives
from feedback_loop.llm import Embedder
from feedback_loop.records import DESCRIPTIONS, Window
from feedback_loop.store import counts, negatives, patterns
from feedback_loop.verify import SEEN, affected_sessions, exposed_sessions, join_small_segments, without_strays


class UncountableError(PermanentError):
    """A window cannot be counted with a detector; `guard` is the family that says so."""

    def __init__(self, guard: str, reason: str) -> None:
        super().__init__(reason)
        self.guard = guard


@dataclass(frozen=True)
class Counted:
    """Frames `verify.AFFECTED` and `verify.EXPOSURES`, and the patterns that the detector knows."""

    affected: pd.DataFrame
    exposures: pd.DataFrame
    known: frozenset[str]


class Counter:
    """Counts windows; many fixes share a detector, and many detectors a window."""

    def __init__(
        self, conn: Connection, encoder: Embedder, settings: Settings, decided: Mapping[str, EffectiveDecisions]
    ) -> None:
        self._conn, self._encoder, self._settings, self._decided = conn, encoder, settings, decided
        self._events: dict[tuple[str, Window], tuple[pd.DataFrame, pd.DataFrame]] = {}
        self._heard: dict[tuple[str, Window], set[date]] = {}
        self._counted: dict[tuple[str, str, Window], Counted] = {}
        self._placed: dict[tuple[str, str, Window], pd.DataFrame] = {}
        self._described: dict[str, tuple[Any, ...]] = {}  # texts of an event, as they were then -> its description

    def count(self, application: str, detector_version: str | None, window: Window) -> Counted:
        """All patterns, over the window, as known at its end; merged patterns are one.

        Raises:
            UncountableError: there is no detector, it was frozen for another embedder or describer, or texts are gone;
                two rates are compared only between equal versions.
        """
        if detector_version is None:
            raise UncountableError("detector", f"no frozen detector counts this pattern of application {application!r}")
        key = (application, detector_version, window)
        if key not in self._counted:
            self._counted[key] = self._count(*key)
        return self._counted[key]

    def look_closely(self, application: str, detector_version: str, window: Window, pattern_id: str) -> pd.DataFrame:
        """Every event of a counted window of which somebody said what went wrong, frame `verify.SEEN`.

        Each says whether the detector gave it to the pattern (or to one that is merged into it), and how near it is.
        Events of which nobody said anything are not among them: the detector never counts those, found or not.

        Raises:
            UncountableError: as `count`.
        """
        self.count(application, detector_version, window)
        events, described = self._see(application, window)
        detector = patterns.load_detector(self._conn, application, detector_version)
        of = self._decided.get(application, UNDECIDED)
        own = [p for p in detector.patterns if of.stays(p.pattern_id) == pattern_id]
        if not own:
            raise UncountableError("detector", f"detector {detector_version} does not know pattern {pattern_id}")
        placed = self._placed[application, detector_version, window]
        found = set(placed.loc[placed["pattern_id"].map(of.stays) == pattern_id, "interaction_id"])
        seen = events.merge(measure_nearness(described, own, self._encoder), on="interaction_id")
        return SEEN.check(seen.assign(is_found=seen["interaction_id"].isin(found)))

    def feedback_days(self, application: str, window: Window) -> set[date]:
        """Days of the window on which the application got feedback of any kind."""
        key = (application, window)
        if key not in self._heard:
            self._heard[key] = negatives.feedback_days(self._conn, window, application)
        return self._heard[key]

    def _count(self, application: str, version: str, window: Window) -> Counted:
        detector = patterns.load_detector(self._conn, application, version)
        frozen = (detector.embedding_version, detector.describer_version)
        now = (self._encoder.version, describer_version(self._settings.analyst))
        if frozen != now:
            said = f"detector {version} was frozen for {' + '.join(frozen)}; this is {' + '.join(now)}"
            raise UncountableError("detector", said)
        events, described = self._see(application, window)
        placements = place_events(described, detector.patterns, self._encoder)
        patterns.save_detections(self._conn, application, version, placements)
        self._placed[application, version, window] = placements
        of = self._decided.get(application, UNDECIDED)
        placed = events.merge(placements[["interaction_id", "pattern_id"]], on="interaction_id")
        affected = affected_sessions(placed.assign(pattern_id=placed["pattern_id"].map(of.stays)))
        exposures = exposed_sessions(counts.count_sessions(self._conn, window, application))
        since = {p.pattern_id: p.first_seen_week for p in detector.patterns if of.stays(p.pattern_id) == p.pattern_id}
        affected = without_strays(affected, exposures, since)
        known = frozenset(p.pattern_id for p in detector.patterns)
        family = {of.stays(one): name for one, name in families_of(detector.patterns, self._encoder).items()}
        affected = affected.assign(family=affected["pattern_id"].map(family))
        return Counted(*join_small_segments(affected, exposures), known)

    def _see(self, application: str, window: Window) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The negative events of a window and their descriptions, as they were known at its end."""
        key = (application, window)
        if key not in self._events:
            if n_lost := counts.lost_texts(self._conn, application, window):
                said = f"the texts of {n_lost} events since {window.start:%Y-%m-%d} are past retention"
                raise UncountableError("texts", f"{said}, so the time before cannot be counted with the same detector")
            extract, known_before = self._settings.extract, window.end
            signals = negatives.read_signals_of(
                self._conn, application, window, known_before, extract.candidate_signals
            )
            events = extract_negatives(signals, extract)
            texts = negatives.read_texts(self._conn, events["interaction_id"].tolist(), known_before)
            self._events[key] = events, self._describe(application, texts)
        return self._events[key]

    def _describe(self, application: str, texts: pd.DataFrame) -> pd.DataFrame:
        """Offline as in the weekly run; where the describer is pinned, what it wrote then.

        Raises:
            UncountableError: the pinned describer has not described all of these events.
        """
        policy = self._settings.analyst
        if not policy.is_pinned:
            return self._describe_offline(texts)
        ids, version = texts["interaction_id"].tolist(), describer_version(policy)
        described = negatives.read_descriptions(self._conn, application, ids, version)
        if len(described) < len(ids):
            n = len(ids) - len(described)
            said = f"{n} of {len(ids)} events of {application!r} are not described by {version}"
            raise UncountableError("detector", said)
        return described

    def _describe_offline(self, texts: pd.DataFrame) -> pd.DataFrame:
        """Looks of one run see mostly the same texts, and a description depends on its own texts only."""
        said = [repr(row) for row in texts.itertuples(index=False, name=None)]
        is_new = [one not in self._described for one in said]
        described = describe_failures(texts[is_new], self._settings.describe)
        new = (one for one, fresh in zip(said, is_new, strict=True) if fresh)
        self._described.update(zip(new, described.itertuples(index=False, name=None), strict=True))
        return DESCRIPTIONS.check(pd.DataFrame([self._described[one] for one in said], columns=list(described.columns)))
