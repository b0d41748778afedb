"""How well a tracker of patterns followed planted classes over weeks.

Belongs here: the metrics of the stream and of one grouping. Does not belong here: streams and trackers.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from feedback_loop_tests.benchmarks.patterns_stream import BOT, NOISE

UNPLACED = ""


@dataclass(frozen=True)
class Tracked:
    """What a tracker said of one week.

    Attributes:
        truth: class of each event.
        owner: pattern id of each event, `UNPLACED` for none.
        raised: ids that were shown as new this week; each id in one week at most.
    """

    truth: NDArray[np.str_]
    owner: NDArray[np.str_]
    raised: frozenset[str]


@dataclass(frozen=True)
class StreamScores:
    """Each a share from 0 to 1 unless said otherwise; nan where there was nothing to count.

    Attributes:
        ari: adjusted Rand index over the events of classes in all weeks; each unplaced event is a group of its own.
        acc: share of those events whose pattern is the one matched to their class, one to one.
        nmi: mean over weeks of the normalised mutual information within the week.
        identity: class-weeks whose most frequent pattern is the one of the week in which the class was last seen.
        gap: the same, of those not seen for two weeks or more before.
        new_recall: classes that first come after week 0 and get a pattern raised for them, from then on.
        new_precision: patterns raised after week 0 that are the first for a class that came after week 0.
        latency: mean weeks from a class's first to the raising of its pattern.
        count_error: median over class-weeks of |events in the matched pattern - events| / events.
        noise: share of noise and bot events that are in any pattern.
        n_raised: patterns raised after week 0 (a number).
    """

    ari: float
    acc: float
    nmi: float
    identity: float
    gap: float
    new_recall: float
    new_precision: float
    latency: float
    count_error: float
    noise: float
    n_raised: float


def mean_scores(scores: list[StreamScores]) -> StreamScores:
    """The mean of each over the streams in which there was something to count."""
    columns = ([getattr(s, f.name) for s in scores] for f in fields(StreamScores))
    return StreamScores(*(_mean([value for value in column if not np.isnan(value)]) for column in columns))


def score_stream(weeks: list[Tracked]) -> StreamScores:
    """The metrics of one tracker on one stream."""
    truth, owner = (np.concatenate([getattr(week, name) for week in weeks]) for name in ("truth", "owner"))
    real = ~np.isin(truth, (NOISE, BOT))
    matched = match(truth[real], owner[real])
    identity, gap = _identity(weeks)
    return StreamScores(
        ari=float(adjusted_rand_score(truth[real], _alone(owner[real]))),
        acc=float(np.mean([matched.get(t) == o for t, o in zip(truth[real], owner[real], strict=True)])),
        nmi=float(np.mean([_nmi(week) for week in weeks])),
        identity=identity,
        gap=gap,
        **_novelty(weeks),
        count_error=_count_error(weeks, matched),
        noise=_mean(list(owner[~real] != UNPLACED)),
    )


def score_groups(truth: NDArray[np.str_], labels: NDArray[np.int64]) -> tuple[float, float, float]:
    """NMI, ARI and ACC (one to one) of one grouping in which every row has a label."""
    names = labels.astype(np.str_)
    matched = match(truth, names)
    acc = np.mean([matched.get(t) == g for t, g in zip(truth, names, strict=True)])
    return float(normalized_mutual_info_score(truth, labels)), float(adjusted_rand_score(truth, labels)), float(acc)


def match(truth: NDArray[np.str_], owner: NDArray[np.str_]) -> dict[str, str]:
    """Class -> pattern, one to one, with the most events in common (Hungarian)."""
    classes, rows = np.unique(truth, return_inverse=True)
    patterns, columns = np.unique(owner[owner != UNPLACED], return_inverse=True)
    table = np.zeros((len(classes), len(patterns)))
    np.add.at(table, (rows[owner != UNPLACED], columns), 1)
    return {str(classes[i]): str(patterns[j]) for i, j in zip(*linear_sum_assignment(-table), strict=True)}


def _alone(owner: NDArray[np.str_]) -> NDArray[np.str_]:
    return np.array([o if o != UNPLACED else f"alone {n}" for n, o in enumerate(owner)])


def _nmi(week: Tracked) -> float:
    real = ~np.isin(week.truth, (NOISE, BOT))
    return float(normalized_mutual_info_score(week.truth[real], _alone(week.owner[real])))


def _identity(weeks: list[Tracked]) -> tuple[float, float]:
    """Shares of class-weeks that keep their pattern: all, and those after two weeks or more without the class."""
    last: dict[str, tuple[int, str]] = {}
    kept: list[bool] = []
    kept_over_gap: list[bool] = []
    for number, week in enumerate(weeks):
        for name in sorted(set(week.truth) - {NOISE, BOT}):
            counts = Counter(week.owner[week.truth == name])
            own = min(counts, key=lambda o: (-counts[o], o == UNPLACED, o))
            if name in last:
                before, owner = last[name]
                kept.append(own == owner != UNPLACED)
                if number - before > 2:
                    kept_over_gap.append(kept[-1])
            last[name] = number, own
    return _mean(kept), _mean(kept_over_gap)


def _novelty(weeks: list[Tracked]) -> dict[str, float]:
    """Recall, precision and latency of the patterns raised after the first week."""
    first: dict[str, int] = {}
    for number, week in enumerate(weeks):
        for name in set(week.truth) - {NOISE, BOT}:
            first.setdefault(name, number)
    found: dict[str, int] = {}
    n_raised = 0
    for number, week in enumerate(weeks[1:], start=1):
        for pattern in sorted(week.raised):
            n_raised += 1
            counts = Counter(week.truth[week.owner == pattern])
            name, n = min(counts.items(), key=lambda item: (-item[1], item[0]), default=(NOISE, 0))
            if n > counts.total() / 2 and first.get(name, 0) > 0:
                found.setdefault(name, number)
    n_new = sum(number > 0 for number in first.values())
    return {
        "new_recall": len(found) / n_new if n_new else float("nan"),
        "new_precision": len(found) / n_raised if n_raised else float("nan"),
        "latency": _mean([number - first[name] for name, number in found.items()]),
        "n_raised": n_raised,
    }


def _count_error(weeks: list[Tracked], matched: dict[str, str]) -> float:
    errors = []
    for week in weeks:
        of_pattern = Counter(week.owner)
        for name, n in Counter(week.truth).items():
            if name not in (NOISE, BOT):
                errors.append(abs(of_pattern.get(matched.get(name, "(none)"), 0) - n) / n)
    return float(np.median(errors))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
