"""Extract: which interactions count as negative, one row each with all their signals and a severity.

Belongs here: the rule that makes a signal negative and how bad it is. Does not belong here: fetching signals
(`store/negatives.py`), exposures (aggregated in SQL, `store/exposures.py`) and what went wrong (`describe.py`).

In the loop: capture -> **extract** -> describe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from feedback_loop.records import NEGATIVES, SIGNAL_NAMES, SIGNALS, Window, check_between

EDITS = ("edited", "correction")
_RULED = {"rating": "max_negative_rating", "edited": "min_edit_distance", "correction": "min_edit_distance"}


@dataclass(frozen=True)
class ExtractPolicy:
    """What counts as negative.

    Attributes:
        severities: signal -> severity, 1 (minor) to 4 (critical). A signal that is not named here is not negative,
            but for `rating`, `edited` and `correction`, which have rules of their own below and are refused here.
        max_negative_rating: a rating up to this is negative.
        worst_rating_severity, low_rating_severity: of a rating of 1, and of any other negative one.
        min_edit_distance: an edit counts when the normalised Levenshtein distance between the output and what the
            user made of it is above this, 0..1. A correction that came without a text always counts.
        edit_severity: of an edit or correction that counts.
        high_safety_severity: of anything negative whose `safety_level` is high.
    """

    severities: Mapping[str, int] = field(
        default_factory=lambda: {
            "regenerated": 1,
            "abandoned": 1,
            "retried": 1,
            "thumbs_down": 2,
            "task_failed": 3,
            "reopened": 3,
            "escalated": 3,
            "report": 4,
        }
    )
    max_negative_rating: float = 2
    worst_rating_severity: int = 3
    low_rating_severity: int = 2
    min_edit_distance: float = 0.3
    edit_severity: int = 2
    high_safety_severity: int = 4

    def __post_init__(self) -> None:
        for name, severity in self.severities.items():
            if name not in SIGNAL_NAMES:
                raise ValueError(
                    f"severities names {name!r}, which is no signal; signals are {', '.join(SIGNAL_NAMES)}"
                )
            if name in _RULED:
                raise ValueError(f"severities names {name!r}, which has rules of its own: {_RULED[name]}")
            if severity not in range(1, 5):
                raise ValueError(f"severities.{name} must be 1 (minor) to 4 (critical), got {severity}")
        check_between(self, 1, 4, "worst_rating_severity", "low_rating_severity", "edit_severity")
        check_between(self, 1, 4, "high_safety_severity")
        check_between(self, 0, 5, "max_negative_rating")
        check_between(self, 0, 1, "min_edit_distance")

    @property
    def candidate_signals(self) -> tuple[str, ...]:
        """Signals worth fetching: those that are negative or may turn out to be."""
        return tuple(sorted({*self.severities, "rating", *EDITS}))


def extract_negatives(signals: pd.DataFrame, policy: ExtractPolicy, known: Window | None = None) -> pd.DataFrame:
    """One row per negative interaction.

    Args:
        signals: frame `records.SIGNALS`.
        policy: what counts.
        known: keep only events whose first negative signal came within this window (a weekly partition).

    Returns:
        Frame `records.NEGATIVES`, sorted by application and interaction_id.
    """
    signals = SIGNALS.check(signals)
    severity = _severities(signals, policy)
    keys = ["application", "interaction_id"]
    negative = signals.assign(severity=severity)[severity > 0]
    negative = negative.sort_values([*keys, "feedback_at", "signal", "user_hash"], kind="stable")
    rows = negative.drop_duplicates(keys).rename(columns={"feedback_at": "known_at"})
    grouped = negative.groupby(keys, sort=True)
    rows["severity"] = grouped["severity"].max().to_numpy()
    rows["weight"] = 1.0 / rows["sample_rate"]
    ends = grouped.size().cumsum().to_numpy()
    seen = negative["signal"].to_numpy()
    rows["signals"] = [sorted(set(part)) for part in np.split(seen, ends[:-1])] if len(rows) else []
    if known is not None:
        rows = rows[(rows["known_at"] >= known.start) & (rows["known_at"] < known.end)]
    return NEGATIVES.check(rows).reset_index(drop=True)


def _severities(signals: pd.DataFrame, policy: ExtractPolicy) -> pd.Series:
    """Severity per signal; 0 where it is not negative."""
    severity = signals["signal"].map(dict(policy.severities)).fillna(0).astype("int64")
    rating = signals["signal"] == "rating"
    low = rating & (signals["value"] <= policy.max_negative_rating)
    severity[low] = policy.low_rating_severity
    severity[low & (signals["value"] <= 1)] = policy.worst_rating_severity
    edits = signals["signal"].isin(EDITS)
    columns = (signals.loc[edits, name] for name in ("signal", "output", "edited_output"))
    counts = [_edit_counts(signal, output, edited, policy) for signal, output, edited in zip(*columns, strict=True)]
    severity[edits] = np.where(counts, policy.edit_severity, 0)
    unsafe = (severity > 0) & (signals["safety_level"] == "high")
    severity[unsafe] = policy.high_safety_severity
    return severity


def _edit_counts(signal: str, output: str | None, edited: str | None, policy: ExtractPolicy) -> bool:
    if edited is None:
        return signal == "correction"
    return edit_distance(output or "", edited) > policy.min_edit_distance


def edit_distance(before: str, after: str) -> float:
    """Levenshtein distance over the longer length, 0 (same) to 1 (nothing kept)."""
    return float(Levenshtein.normalized_distance(before, after))
