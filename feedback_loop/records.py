"""The nouns of the loop, as frozen dataclasses, and the declared shape of its frames. Standard library only.

Belongs here: what more than one room talks about, with unit and time zone of every field. Does not belong here:
behaviour beyond a noun's own arithmetic, policies (they live with their stage) and SQL (see `store/`).

All times are timezone-aware UTC. A week is named by its Monday. Windows are half-open, `[start, end)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from math import inf
from typing import Any, Literal, TypeVar, get_args

Cause = Literal["prompt", "retrieval", "model", "product", "unknown"]
Verdict = Literal["pending", "worse", "effective", "partial", "ineffective", "inconclusive", "not_shown"]
PatternStatus = Literal["candidate", "confirmed", "dormant", "regressed"]
DecisionKind = Literal["merge", "rename", "mute", "unmute", "cause"]
Signal = Literal[
    # explicit
    "thumbs_up",
    "thumbs_down",
    "rating",
    "comment",
    "report",
    "correction",
    "preference",
    # implicit
    "accepted",
    "edited",
    "regenerated",
    "abandoned",
    "copied",
    "follow_up",
    "retried",
    "dwell",
    "shown",
    # outcome
    "task_succeeded",
    "task_failed",
    "resolved",
    "reopened",
    "escalated",
    "converted",
]
SIGNAL_NAMES: tuple[Signal, ...] = get_args(Signal)
"""Every signal that feedback can have."""

ExclusionReason = Literal[
    "exact_duplicate",
    "near_duplicate",
    "campaign",
    "user_cap",
    "low_effort",
    "constant_rater",
    "new_account",
    "burst",
]
EXCLUSION_REASONS: tuple[ExclusionReason, ...] = get_args(ExclusionReason)
"""Why feedback is left out or weighs less, in the order in which it is looked for."""

NOT_REDUCED: frozenset[Verdict] = frozenset({"worse", "ineffective", "not_shown"})
"""Verdicts that send a pattern back into the loop."""

FINAL_VERDICTS: frozenset[Verdict] = NOT_REDUCED | {"effective", "partial"}
"""Verdicts after which a fix gets no further look."""


@dataclass(frozen=True, order=True)
class Window:
    """A half-open span of event time, UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ValueError(f"a window needs zoned times with start < end, got {self.start} .. {self.end}")

    @classmethod
    def of_days(cls, start: date, n_days: int) -> "Window":
        """The `n_days` UTC days from `start` on."""
        return cls(midnight(start), midnight(start + timedelta(days=n_days)))

    @classmethod
    def of_week(cls, week: date) -> "Window":
        """The week named by the Monday `week`.

        Raises:
            ValueError: `week` is not a Monday.
        """
        if week.weekday() != 0:
            raise ValueError(f"a week is named by its Monday; {week} is a {week:%A}")
        return cls.of_days(week, 7)


def check_between(settings: object, least: float, most: float, *names: str) -> None:
    """Check that these fields lie between two numbers, both allowed.

    Raises:
        ValueError: one does not; names it and what is allowed.
    """
    for name in names:
        value = getattr(settings, name)
        if not least <= value <= most:  # also where it is NaN
            allowed = f"at least {least:g}" if most == inf else f"from {least:g} to {most:g}"
            raise ValueError(f"{name} must be {allowed}, got {value}")


def midnight(day: date) -> datetime:
    """00:00 UTC of a day."""
    return datetime.combine(day, time(), tzinfo=UTC)


def monday_of(day: date) -> date:
    """The Monday that names the week of a day."""
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True)
class Exemplar:
    """A remembered member of a pattern: the redacted texts that placement compares with, and how people read it."""

    interaction_id: str
    text: str  # the failure view
    subject: str = ""
    quote: str = ""  # as it was said; nothing is placed by it
    sentence: str = ""  # what a model made of it; groups are found by it, nothing is placed by it


@dataclass(frozen=True)
class PatternDecision:
    """What a person said of a pattern; it outranks what a model or a rule says, in every later week."""

    application: str
    pattern_id: str
    decision: DecisionKind
    value: str | None  # merge: the pattern that stays; rename: the name; cause: the cause
    author: str
    decided_at: datetime


@dataclass(frozen=True)
class PatternState:
    """What is known of a failure pattern at the end of one week. `patterns` is the newest of these."""

    pattern_id: str
    name: str
    description: str
    likely_cause: Cause
    severity: int  # 1 minor .. 4 critical
    suggested_fix: str
    status: PatternStatus
    first_seen_week: date
    last_seen_week: date
    n_silent_weeks: int  # weeks with data since it was last seen
    n_occurrences: int  # all weeks so far
    threshold: float  # least similarity of a member, cosine
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True)
class Detector:
    """An immutable snapshot of an application's whole pattern memory; a verdict counts both windows with one."""

    detector_version: str
    embedding_version: str
    describer_version: str
    patterns: tuple[PatternState, ...]


@dataclass(frozen=True)
class Fix:
    """A deployed change that claims to fix a pattern. Day 0 is the first deployment with share >= .5."""

    application: str
    fix_id: str
    pattern_id: str
    ticket_key: str | None
    deployment_id: str
    prompt_name: str | None
    prompt_version: str | None  # None: retrieval, product or model change, verified by time
    deployed_at: datetime
    detector_version: str | None  # None: its pattern never got a ticket, so no detector was frozen
    source: Literal["deployment", "ticket"]
    origin: str = ""  # where a ticket's time was read from, in words
    precision: Literal["instant", "day"] = "instant"
    confidence: Literal["high", "medium", "low"] = "high"  # that the time is that of the deployment
    pattern_since: date | None = None  # week in which the pattern was first seen; before it there is no rate of it


@dataclass(frozen=True)
class RateCount:
    """Affected sessions over exposures of one window: the addable sufficient statistic of a rate.

    Attributes:
        affected: sum of session weights.
        affected_squared: sum of squared session weights (equal to `affected` where every weight is 1).
        exposures: weighted sessions per day and version.
        n_sessions: affected sessions as they were seen, unweighted.
    """

    affected: float
    affected_squared: float
    exposures: float
    n_sessions: int


@dataclass(frozen=True)
class Verification:
    """One look at one fix. Numbers are None where there was too little to say; never 0 for "unknown".

    Attributes:
        n_before, n_after: affected sessions of the arms as they were seen; `n_observed` is `n_after`.
        exposures_before, exposures_after: weighted sessions of the arms.
        n_expected: affected sessions after the fix had it done nothing, as they would have been seen.
        reduction: 1 - observed / expected, with its interval at `confidence`; `rate_ratio` is 1 - reduction.
        p_value, q_value: one-sided, of "no cut"; `q_value` corrected for the fixes judged together.
        prob_at_least_bar: chance that the true cut is at least the bar.
        dispersion: variance over mean of the count after.
        drift: weekly sd of the pattern's rate by itself.
        may_close: nothing speaks against acting on the verdict without a person.
        evidence: what it was made from, ready for JSON: windows, guards, weeks, fixes judged together, policy.
    """

    application: str
    fix_id: str
    pattern_id: str
    look_day: int
    verdict: Verdict
    reason: str
    as_of: datetime
    next_look_at: datetime | None = None
    n_before: int | None = None
    exposures_before: float | None = None
    n_after: int | None = None
    exposures_after: float | None = None
    n_expected: float | None = None
    reduction: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    confidence: float | None = None
    p_value: float | None = None
    rate_ratio: float | None = None
    dispersion: float | None = None
    detector_version: str | None = None
    n_observed: int | None = None
    q_value: float | None = None
    prob_at_least_bar: float | None = None
    drift: float | None = None
    may_close: bool = False
    evidence: Mapping[str, Any] | None = None


F = TypeVar("F")


@dataclass(frozen=True)
class FrameShape:
    """The declared columns of a DataFrame that one room hands to another, with their pandas dtypes."""

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)

    def check(self, frame: F) -> F:
        """The frame with exactly the declared columns, in order and cast.

        Raises:
            ValueError: a column is missing, or does not hold its declared type; names both.
        """
        table: Any = frame
        missing = [column for column in self.columns if column not in table.columns]
        if missing:
            raise ValueError(f"frame {self.name!r} lacks {missing}; it has {list(table.columns)}")
        try:
            checked = table[list(self.columns)].astype(dict(self.columns))
        except (TypeError, ValueError) as error:
            raise ValueError(f"frame {self.name!r} does not hold its declared types: {error}") from error
        for column in (name for name, dtype in self.columns.items() if dtype == "object"):
            checked[column] = checked[column].where(checked[column].notna(), None)  # one word for missing: None
        result: F = checked
        return result


UTC_TIME = "datetime64[us, UTC]"

SIGNALS = FrameShape(
    "signals",  # one row per feedback record that may be negative, joined to its interaction
    {
        "application": "str",
        "interaction_id": "str",
        "occurred_at": UTC_TIME,
        "feedback_at": UTC_TIME,
        "session_key": "str",
        "user_hash": "object",
        "cohort": "object",
        "prompt_name": "str",
        "prompt_version": "str",
        "sample_rate": "float64",
        "safety_level": "object",
        "signal": "str",
        "value": "float64",
        "output": "object",  # only where an edit is to be measured
        "edited_output": "object",
    },
)

NEGATIVES = FrameShape(
    "negative_feedback",  # one row per interaction
    {
        "application": "str",
        "interaction_id": "str",
        "occurred_at": UTC_TIME,
        "known_at": UTC_TIME,
        "session_key": "str",
        "user_hash": "object",
        "cohort": "object",
        "prompt_name": "str",
        "prompt_version": "str",
        "signals": "object",  # sorted list of str
        "severity": "int64",
        "weight": "float64",  # 1 / sample_rate
    },
)

TEXTS = FrameShape(
    "texts",  # what a negative interaction says about itself, one row per interaction
    {
        "application": "str",
        "interaction_id": "str",
        "user_input": "str",
        "output": "str",  # start of it
        "comments": "object",  # list of str, oldest first
        "reasons": "object",  # list of str, oldest first
        "signals": "object",  # sorted list of str: the negative signals and outcomes
        "edited_output": "object",
        "has_error": "bool",
        "n_documents": "float64",  # NaN: retrieval was not recorded
    },
)

DESCRIPTIONS = FrameShape(
    "failure_descriptions",
    {
        "application": "str",
        "interaction_id": "str",
        "description": "str",  # for people
        "sentence": "str",  # what a model wrote, empty where none did; helps to find groups, places nothing
        "failure_text": "str",  # what is compared: the failure, without the words of its subject
        "subject_text": "str",
        "evidence": "str",  # comment | reason | edit | outcome | input
        "is_inferred": "bool",  # True: nobody said what went wrong
    },
)

PLACEMENTS = FrameShape("placements", {"interaction_id": "str", "pattern_id": "str", "similarity": "float64"})
MEMBERSHIPS = FrameShape("memberships", {**PLACEMENTS.columns, "is_inferred": "bool"})


@dataclass(frozen=True)
class SourceScore:
    """What is written back to the tool that an interaction came from: a category, on its trace.

    Attributes:
        score_id: a UUID, the same whenever the same is said of the same interaction; writing it again replaces it.
        interaction_id: the tool's id of the trace.
        root_id: the tool's id of its outermost step.
        name: what is said: the pattern, or the verdict on its fix.
        value: pattern id or verdict.
        comment: the pattern's name, or the verdict's reason; plain text.
        occurred_at: of the interaction.
    """

    score_id: str
    interaction_id: str
    root_id: str
    name: str
    value: str
    comment: str | None
    occurred_at: datetime
