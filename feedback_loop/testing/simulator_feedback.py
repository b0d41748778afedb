"""What users say and do about answers: feedback records from one week of traffic.

Belongs here: who reacts, with which signal, how late, with or without words. Does not belong here: which answers fail
(`simulator_traffic.py`) and the words themselves (`simulator_texts.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feedback_loop.testing import simulator_texts as texts
from feedback_loop.testing.simulator_plan import COHORTS, REASON_CODES, PlantedFailure
from feedback_loop.testing.simulator_traffic import MS_PER_DAY, OK, Floats, Ints, Traffic, Users

SIGNALS = (
    "thumbs_down", "rating", "report", "correction", "edited", "regenerated", "abandoned", "retried", "task_failed",
    "reopened", "escalated",
)  # fmt: skip
# Share of each signal among the first reactions to a failure, by its severity.
SIGNAL_SHARES = {
    1: (0.55, 0.17, 0.02, 0.04, 0.08, 0.06, 0.03, 0.03, 0.00, 0.00, 0.02),
    2: (0.54, 0.16, 0.06, 0.05, 0.05, 0.05, 0.03, 0.02, 0.02, 0.01, 0.01),
    3: (0.50, 0.15, 0.11, 0.05, 0.04, 0.04, 0.02, 0.03, 0.03, 0.02, 0.01),
    4: (0.42, 0.12, 0.21, 0.03, 0.01, 0.02, 0.02, 0.03, 0.06, 0.05, 0.03),
}
SPOKEN = ("thumbs_down", "rating", "report")
EDITS = ("correction", "edited")
OUTCOMES = ("task_failed", "reopened", "escalated")
COMMENT_SHARE = 0.52
OUTCOME_COMMENT_SHARE = 0.45
REASON_SHARE = 0.78
SECOND_SIGNAL_SHARE = 0.12
BACKGROUND_RATE = 0.016
SHOWN_SHARE = 0.15
# Probability of each positive or neutral signal on a good answer, and its value.
GOOD_SIGNALS = (
    ("thumbs_up", 0.034, None), ("rating", 0.012, 5), ("rating", 0.006, 4), ("accepted", 0.022, None),
    ("copied", 0.018, None), ("resolved", 0.008, None), ("task_succeeded", 0.008, None), ("follow_up", 0.008, None),
    ("dwell", 0.009, 4000),
)  # fmt: skip


@dataclass
class Reactions:
    """Feedback on one week of traffic.

    Attributes:
        records: (time in ms, record) pairs; the time may lie in a later week.
        background: ids of interactions with a complaint that belongs to no planted failure.
        spam: ids of interactions marked bad by spammers or the campaign.
    """

    records: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    background: list[str] = field(default_factory=list)
    spam: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Week:
    """What the reactions need to know about a week: its arrays and how to name and fill its interactions."""

    traffic: Traffic
    users: Users
    failures: Sequence[PlantedFailure]
    interaction_ids: Sequence[str]
    user_ids: Sequence[str | None]
    values: Callable[[int], dict[str, Any]]
    output: Callable[[int, dict[str, Any]], str]
    feedback_prefix: str


def draw_reactions(rng: np.random.Generator, week: Week) -> Reactions:
    """Draw all feedback on the interactions of a week."""
    reactions = Reactions()
    regular = week.traffic.user < week.users.n_regular
    cohort = week.users.cohort[week.traffic.user]
    chance = rng.random(len(week.traffic))
    responds = chance < np.array([c.negative_response for c in COHORTS])[cohort]
    failed = week.traffic.failure != OK
    complains = np.flatnonzero(failed & responds)
    grumbles = np.flatnonzero(~failed & regular & (chance < BACKGROUND_RATE))
    _add_negatives(rng, week, np.concatenate([complains, grumbles]), reactions)
    reactions.background.extend(week.interaction_ids[i] for i in grumbles.tolist())
    _add_spam(rng, week, np.flatnonzero(~regular), reactions)
    content = np.array([c.positive_response for c in COHORTS])[cohort]
    _add_good_signals(rng, week, ~failed & regular & (chance >= BACKGROUND_RATE), content, reactions)
    _add_impressions(rng, week, regular, reactions)
    return reactions


def _add_negatives(rng: np.random.Generator, week: Week, places: Ints, reactions: Reactions) -> None:
    """A negative first reaction on each of `places`, and sometimes a second signal."""
    n = len(places)
    failure = week.traffic.failure[places]
    severity = np.array([*(f.severity for f in week.failures), 1])[failure]
    shares = np.cumsum([SIGNAL_SHARES[s] for s in sorted(SIGNAL_SHARES)], axis=1)[severity - 1]
    signal = np.minimum((shares <= rng.random(n)[:, None]).sum(axis=1), len(SIGNALS) - 1)
    late, soon = _delays(rng, n), rng.integers(4_000, 240_000, n)
    has_words, has_reason, has_second = (
        rng.random((3, n)) < [[COMMENT_SHARE], [REASON_SHARE], [SECOND_SIGNAL_SHARE]]
    ).tolist()
    draws = rng.integers(0, 2**31, (n, 6)).tolist()
    rows = zip(places.tolist(), failure.tolist(), signal.tolist(), late.tolist(), soon.tolist(), strict=True)
    for k, (i, f, s, late_ms, soon_ms) in enumerate(rows):
        name = SIGNALS[s]
        planted = week.failures[f] if f != OK else None
        said = _say(week, i, planted, name, has_words[k], has_reason[k], draws[k])
        slow = name in SPOKEN or name in EDITS or name in OUTCOMES
        _add(week, reactions, i, late_ms if slow else soon_ms, name, said)
        if has_second[k] and name in SPOKEN:
            second = "abandoned" if week.traffic.is_last_turn[i] else "retried" if draws[k][0] % 2 else "regenerated"
            _add(week, reactions, i, soon_ms, second, {})


def _say(
    week: Week, i: int, planted: PlantedFailure | None, signal: str, has_words: bool, has_reason: bool, draws: list[int]
) -> dict[str, Any]:
    """Value, reason, comment and edit of a negative reaction to interaction `i`."""
    said: dict[str, Any] = {}
    if signal == "rating":
        said["value"] = 1 + draws[0] % 2
    if signal in SPOKEN:
        if has_reason and (planted is not None or draws[0] % 2):
            said["reason"] = _reason(planted, draws[1])
        wants_words = has_words
    elif signal in EDITS:
        wants_words = draws[0] % 10 < 6
    else:
        wants_words = signal in OUTCOMES and draws[0] % 100 < 100 * OUTCOME_COMMENT_SHARE
    if wants_words or signal in EDITS:
        values = week.values(i)
        if wants_words:
            said["comment"] = (
                texts.complaint(planted.failure_id, draws[2:], values) if planted else texts.noise(draws[2:], values)
            )
        if signal in EDITS:
            said["edited_output"] = (
                texts.correction(planted.failure_id, draws[2], values)
                if planted
                else week.output(i, values) + " " + texts.noise(draws[2:], values)
            )
    return said


def _reason(planted: PlantedFailure | None, draw: int) -> str:
    """Four of five choose the reason that fits best, some a near one, some anything."""
    chance, other = draw % 100, REASON_CODES[draw // 100 % len(REASON_CODES)]
    if planted is None or chance < 8:
        return other
    return planted.reasons[0] if chance < 88 else planted.reasons[-1]


def _add_spam(rng: np.random.Generator, week: Week, places: Ints, reactions: Reactions) -> None:
    spammer = week.users.is_spammer(week.traffic.user[places]).tolist()
    soon, draws = rng.integers(2_000, 40_000, len(places)).tolist(), rng.integers(0, 2**31, len(places)).tolist()
    for i, is_spammer, soon_ms, draw in zip(places.tolist(), spammer, soon, draws, strict=True):
        junk = {"reason": REASON_CODES[draw // 9 % len(REASON_CODES)], "comment": texts.SPAM[draw % len(texts.SPAM)]}
        _add(week, reactions, i, soon_ms, "thumbs_down", junk if is_spammer else {"comment": texts.CAMPAIGN})
        reactions.spam.append(week.interaction_ids[i])


def _add_good_signals(rng: np.random.Generator, week: Week, good: Any, content: Floats, reactions: Reactions) -> None:
    for name, share, value in GOOD_SIGNALS:
        places = np.flatnonzero(good & (rng.random(len(good)) < share * content))
        delay = _delays(rng, len(places)) if name == "resolved" else rng.integers(3_000, 600_000, len(places))
        for i, delay_ms in zip(places.tolist(), delay.tolist(), strict=True):
            if name == "dwell":
                _add(week, reactions, i, delay_ms, name, {"value": delay_ms})
            else:
                _add(week, reactions, i, delay_ms, name, {} if value is None else {"value": value})


def _add_impressions(rng: np.random.Generator, week: Week, regular: Any, reactions: Reactions) -> None:
    places = np.flatnonzero(regular & (rng.random(len(regular)) < SHOWN_SHARE))
    for i, delay_ms in zip(places.tolist(), rng.integers(500, 3_000, len(places)).tolist(), strict=True):
        _add(week, reactions, i, delay_ms, "shown", {})


def _add(week: Week, reactions: Reactions, i: int, delay_ms: int, signal: str, said: dict[str, Any]) -> None:
    record: dict[str, Any] = {
        "type": "feedback",
        "feedback_id": f"{week.feedback_prefix}{len(reactions.records)}",
        "interaction_id": week.interaction_ids[i],
        "signal": signal,
        **said,
    }
    if (user_id := week.user_ids[i]) is not None:
        record["user_id"] = user_id
    reactions.records.append((int(week.traffic.at_ms[i]) + delay_ms, record))


def _delays(rng: np.random.Generator, n: int) -> Ints:
    """Three of five within an hour, the rest about two days later."""
    soon = np.minimum(rng.exponential(900_000, n), 3_590_000)
    days = rng.geometric(0.4, n) - 1 + rng.uniform(0.05, 1.0, n)
    return np.where(rng.random(n) < 0.6, soon + 3_000, days * MS_PER_DAY).astype(np.int64)
