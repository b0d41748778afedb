"""Audit of a frozen detector: which events are labelled blind, and what their labels say of it.

Belongs here: the sample, recall and precision before and after a fix, and when their change speaks against a verdict.
Does not belong here: reading events (`defs/auditing.py`), who labels them, the other guards (`guards.py`).

Found, near and other events are sampled at different rates, so a label counts for as many events as it stands for; how
many labels there are is counted as they are. Stratified ratio estimates: Cochran, Sampling Techniques (1977), ch. 5-6.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.records import UTC_TIME, Fix, FrameShape

SEEN = FrameShape(
    "seen",  # one row per negative event of which somebody said what went wrong
    {
        "interaction_id": "str",
        "occurred_at": UTC_TIME,
        "prompt_name": "str",
        "prompt_version": "str",
        "is_found": "bool",  # the frozen detector gives it to the pattern
        "nearness": "float64",  # its similarity to the pattern over what membership asks for
    },
)

AUDITS = FrameShape(
    "audits",  # one row per fix, side and stratum: events labelled blind to pattern and date
    {
        "fix_id": "str",
        "side": "str",  # before | after
        "n_true": "float64",  # labelled as the pattern
        "n_found": "float64",  # of them, those that the detector found
        "n_detected": "float64",  # found by the detector among all labelled
    },
)

_STRATUM = ("n_labelled", "n_unsure", "n_events", "n_found_events")
"""Further columns of `AUDITS`, each optional: labels yes or no; labels unsure; events that the row stands for (default:
as many as labels); of them, those that the detector found (default: not known)."""

_MOST = {"found": 40, "near": 40, "rest": 20}
_NEAR = 0.7  # of what membership asks for; a fixed line, so that an event stays in its stratum as the window grows
_NUMBERS = 999_999
_LEAST_FOUND = 5
_LEAST_OTHER = 10  # labels of each stratum that the detector did not find; fewer say nothing of what it misses
_REPLICATES, _SEED = 2000, 20260105
_HUGE = 1e9
_TAIL = 0.025  # of recall and of precision: of both intervals together the confidence is 90 %


def with_sides(seen: pd.DataFrame, fix: Fix) -> pd.DataFrame:
    """Events, frame `SEEN`, with the `side` of the fix that they are on; those on neither are left out.

    After is what the fixed version served, as in the verdict; for a fix without a version it is everything from the
    next day on, and the day itself is on neither side. Before begins with the week that founded the pattern.
    """
    frame = SEEN.check(seen)
    deployed, at = pd.Timestamp(fix.deployed_at), frame["occurred_at"]
    if fix.prompt_version is None:
        is_after, is_before = at >= deployed.floor("D") + pd.Timedelta(days=1), at < deployed.floor("D")
    else:
        is_after = frame["prompt_version"] == fix.prompt_version
        if fix.prompt_name is not None:
            is_after &= frame["prompt_name"] == fix.prompt_name
        is_before = (at < deployed) & ~is_after
    if fix.pattern_since is not None:
        is_before &= at >= pd.Timestamp(fix.pattern_since, tz="UTC")
    return frame.assign(side=np.where(is_after, "after", "before"))[is_after | is_before]


def draw_sample(seen: pd.DataFrame, fix_id: str) -> pd.DataFrame:
    """The events of a fix that are to be labelled: per side 40 that were found, 40 near misses, 20 of the rest.

    Events come by the hash of fix and event, so that the same events give the same sample, and a sample of more
    events keeps what it can of the one before.

    Args:
        seen: frame `SEEN` with `side`.
        fix_id: of the fix.

    Returns:
        `interaction_id`, `side`, `is_found`, `weight`, the events of its stratum per drawn one, and `number`, six
        digits at most in whose order events are labelled: in order of drawing they would tell before from after.
    """
    kind = np.where(seen["is_found"], "found", np.where(seen["nearness"] >= _NEAR, "near", "rest"))
    order = [_hash(fix_id, str(i)) for i in seen["interaction_id"]]
    frame = seen.assign(kind=kind, order=order).sort_values("order", kind="stable")
    strata = frame.groupby(["side", "kind"])["order"]
    size, most = strata.transform("size"), frame["kind"].map(_MOST)
    is_drawn = strata.cumcount() < most
    frame["weight"] = (size / most).astype("float64").clip(lower=1.0)
    drawn = frame[is_drawn]
    # Another hash than the one that chose them: the first of many would all have low numbers.
    number = [int(_hash("number", fix_id, str(i)), 16) % _NUMBERS + 1 for i in drawn["interaction_id"]]
    drawn = drawn.assign(number=np.array(number, dtype=np.int64))
    return drawn[["interaction_id", "side", "is_found", "weight", "number"]].reset_index(drop=True)


def _hash(*parts: str) -> str:
    return hashlib.md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class _Side:
    """One side's strata, with the labels that there are of each."""

    rows: pd.DataFrame

    @property
    def n_found_events(self) -> float:
        """All that the detector found on this side; NaN where that is not known."""
        return float(self.rows["n_found_events"].sum(min_count=len(self.rows)))

    def is_audited(self, least: int) -> bool:
        """Whether there are labels enough: of members or of found events, and of every stratum beside."""
        rows, known = self.rows, self.n_found_events
        is_found = (rows["n_found_events"] > 0) | (rows["n_detected"] > 0)
        n_unsure = float(rows.loc[is_found, "n_unsure"].sum())
        floor = least if np.isnan(known) else min(least, max(known - n_unsure, _LEAST_FOUND))
        others = rows[~is_found & (rows["n_events"] > 0)]
        is_asked = others["n_labelled"] + others["n_unsure"] >= np.minimum(others["n_events"], _LEAST_OTHER)
        is_seen = bool((is_asked & (others["n_labelled"] > 0)).all())
        return is_seen and float(max(rows["n_true"].sum(), rows["n_detected"].sum())) >= floor

    def shares(self) -> dict[str, float]:
        """Recall and precision, weighted."""
        true, found, detected = (
            float((self.rows[c] * self._weight).sum()) for c in ("n_true", "n_found", "n_detected")
        )
        return {"recall": _ratio(found, true), "precision": _ratio(found, detected)}

    def replicates(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """The same of samples drawn again from the labels, stratum by stratum. Shape (replicates,)."""
        sums = np.zeros((_REPLICATES, 3))
        for (_, row), weight in zip(self.rows.iterrows(), self._weight, strict=True):
            n, hit = int(row["n_labelled"]), row["n_found"]
            cells = np.array([hit, row["n_true"] - hit, row["n_detected"] - hit, 0.0])
            cells[3] = max(n - cells.sum(), 0.0)
            if n > 0:
                sums += weight * rng.multinomial(n, cells / cells.sum(), size=_REPLICATES)[:, :3]
        hits, missed, wrong = sums.T
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"recall": hits / (hits + missed), "precision": hits / (hits + wrong)}

    @property
    def _weight(self) -> "pd.Series[Any]":
        return (self.rows["n_events"] / self.rows["n_labelled"]).where(self.rows["n_labelled"] > 0, 0.0)


def judge_audit(audits: pd.DataFrame | None, least: int, limits: tuple[float, float]) -> Iterator[tuple[bool, str]]:
    """What the labels of a fix say against its verdict, each as (is it blocking, reason); nothing where all is well.

    A change of recall or precision beyond the limits blocks only where the bootstrap interval of the ratio excludes 1,
    too (90 % for both together, by Bonferroni 95 % for each): with few labels a ratio beyond them is as often chance.
    Then it is said that the audit was not precise enough, as it is said where there is none.

    Args:
        audits: rows of one fix, frame `AUDITS`; None: nothing was drawn.
        least: labels of members or of found events on each side, or as many as the detector found there.
        limits: of the ratio after over before.
    """
    sides = {} if audits is None else {str(k): _Side(part) for k, part in _with_strata(audits).groupby("side")}
    if {"before", "after"} - set(sides):
        yield False, "the detector was not audited on both sides"
        return
    before, after = sides["before"], sides["after"]
    if after.n_found_events < _LEAST_FOUND:
        yield False, f"the detector found {after.n_found_events:.0f} events after the fix, too few to audit it"
        return
    if not (before.is_audited(least) and after.is_audited(least)):
        yield False, "the detector was not audited on both sides"
        return
    yield from _changes(before, after, limits)


def _changes(before: _Side, after: _Side, limits: tuple[float, float]) -> Iterator[tuple[bool, str]]:
    rng = np.random.default_rng(_SEED)
    old, new, old_shares, new_shares = before.replicates(rng), after.replicates(rng), before.shares(), after.shares()
    for name in ("recall", "precision"):
        was, now = old_shares[name], new_shares[name]
        said = f"the detector's {name} went from {was:.0%} to {now:.0%}"
        if was <= 0:  # it finds nothing of the pattern, so its counts are of something else
            yield True, said
        elif not limits[0] <= now / was <= limits[1]:
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios = new[name] / old[name]
            known = np.nan_to_num(ratios, nan=1.0, posinf=_HUGE)  # a replicate without members says nothing
            low, high = np.quantile(known, (_TAIL, 1 - _TAIL))
            is_sure = bool(high < 1 or low > 1)
            yield is_sure, said if is_sure else f"{said}, but it was not audited precisely enough to tell"


def _with_strata(audits: pd.DataFrame) -> pd.DataFrame:
    rows = AUDITS.check(audits)
    given = {name: audits[name].astype("float64") for name in _STRATUM if name in audits.columns}
    labelled = given.get("n_labelled", rows["n_true"] + rows["n_detected"] - rows["n_found"])
    default: dict[str, Any] = {
        "n_labelled": labelled,
        "n_unsure": 0.0,
        "n_events": labelled,
        "n_found_events": np.nan,
    }
    for name, value in default.items():
        rows[name] = given.get(name, value)
    return rows


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
