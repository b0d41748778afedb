"""What a ticket is written from, besides the pattern and its week's numbers.

Belongs here: the facts, as `defs` gathers them from the database. Does not belong here: how they are told (`ticket`,
`words`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isnan, nan
from typing import Any, Literal

import pandas as pd

from feedback_loop.stats.intervals import rate_interval


@dataclass(frozen=True)
class TrendWeek:
    """One week of a pattern in which the application was watched.

    Attributes:
        week: Monday.
        n_occurrences: answers that were complained of; 0 only where the week was read and nobody did.
        affected: sessions, weighted by 1 / sample_rate.
        exposures: in the same unit; NaN where none were recorded.
        weight: mean weight of an affected session, >= 1.
    """

    week: date
    n_occurrences: int
    affected: float
    exposures: float = nan
    weight: float = 1.0

    @property
    def rate(self) -> float:
        """Affected sessions per session; NaN where no exposures were recorded."""
        return self.affected / self.exposures if self.exposures > 0 else nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the rate; NaN where there is no rate."""
        return rate_interval(self.affected, self.exposures, weight=self.weight) if self.exposures > 0 else (nan, nan)


@dataclass(frozen=True)
class SegmentFact:
    """A part of the traffic in which the pattern is more frequent than chance would have it; of `segments.SEGMENTS`."""

    dimension: str  # prompt_version | cohort | model | document
    value: str
    ratio: float  # affected persons over those that were expected
    n_events: int  # affected persons


@dataclass(frozen=True)
class TicketFacts:
    """What only the database knows of a pattern; what is not known stays empty and is not told, or told as unknown.

    Attributes:
        trend: this week last, up to eight weeks, oldest first; none before the pattern was first seen.
        segments: most certain first.
        contradictions: (cohort that dislikes such answers, cohort that likes them).
        versions: (prompt name, prompt version, members of the week), most hit first.
        n_versions: prompt versions that the application served in the week.
        card_source: who wrote name, description and suggested fix: a model or rules.
        card_problem: why rules had to do, where a model was asked.
        said_on: interaction_id -> the day of the complaint.
        response_rate: share of the application's sessions of the week that gave any feedback.
        unassigned_share: of the week's complaints that are in no pattern.
        dispersion: variance over mean of the daily counts, >= 1.
        asset_url: the page of the Dagster asset.
    """

    trend: tuple[TrendWeek, ...] = ()
    segments: tuple[SegmentFact, ...] = ()
    contradictions: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str | None, str, int], ...] = ()
    n_versions: int | None = None
    card_source: Literal["offline", "claude"] = "offline"
    card_problem: str | None = None
    said_on: Mapping[str, date] = field(default_factory=dict)
    response_rate: float | None = None
    unassigned_share: float | None = None
    dispersion: float = 1.0
    asset_url: str | None = None


def trend_of(frame: pd.DataFrame) -> tuple[TrendWeek, ...]:
    """The weeks of a frame with week, n_occurrences, affected, exposures and, where it is there, n_sessions."""
    weeks = []
    for row in frame.sort_values("week").to_dict("records"):
        numbers: dict[str, Any] = {str(name): value for name, value in row.items()}
        affected, exposures = float(numbers["affected"]), float(numbers["exposures"])
        sessions = float(numbers.get("n_sessions", 0))
        weight = max(1.0, affected / sessions) if sessions > 0 else 1.0
        weeks.append(TrendWeek(numbers["week"], int(numbers["n_occurrences"]), affected, exposures, weight))
    return tuple(weeks)


def segments_of(frame: pd.DataFrame, pattern_id: str) -> tuple[SegmentFact, ...]:
    """A pattern's rows of frame `segments.SEGMENTS`, in its order."""
    own = frame[frame["pattern_id"] == pattern_id]
    columns = (own[name].tolist() for name in ("dimension", "value", "ratio", "n_events"))
    return tuple(SegmentFact(*row) for row in zip(*columns, strict=True))


def contradictions_of(frame: pd.DataFrame, pattern_id: str) -> tuple[tuple[str, str], ...]:
    """A pattern's rows of frame `segments.CONTRADICTIONS`, in its order: (disliked by, liked by)."""
    own = frame[frame["pattern_id"] == pattern_id]
    return tuple(zip(own["disliked_by"].tolist(), own["liked_by"].tolist(), strict=True))


def per_1000(rate: float) -> str:
    """A rate in words: sessions per 1,000."""
    shown = 1000 * rate
    if isnan(shown):
        raise ValueError("there is no rate to show")
    return f"{shown:,.0f}" if shown >= 100 else f"{shown:.1f}" if shown >= 1 else f"{shown:.2g}"


Lines = tuple[list[date], list[float], list[float], list[float]]


def lines_of(trend: Sequence[TrendWeek]) -> Lines:
    """What `charts.draw_trend` draws: Mondays, rates, lower and upper limits."""
    lows, highs = ([week.interval[side] for week in trend] for side in (0, 1))
    return [week.week for week in trend], [week.rate for week in trend], lows, highs
