"""Verdicts of the looks that are due: counted as of the day they fell due, judged together, kept with their evidence.

Belongs here: which frames and guards go into `verify_fixes`, and what of its answer is stored. Does not belong here:
counting (`counting.py`), the method (`verify/`), what a verdict does to a ticket (`tracking.py`).
"""

import base64
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.charts import VerdictWeek, draw_verdict
from feedback_loop.config import Settings, policy_version
from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.defs.counting import Counted, Counter, UncountableError, UndescribedError
from feedback_loop.defs.evidence import made_from
from feedback_loop.defs.guarding import guards_of
from feedback_loop.records import Fix, Verdict, Verification, Window, midnight
from feedback_loop.rendering.markdown import escape
from feedback_loop.store import counts
from feedback_loop.store import fixes as fix_store
from feedback_loop.store import tickets as ledger
from feedback_loop.store.scores import read_scores
from feedback_loop.verify import (
    METHOD_VERSION,
    Look,
    due_looks,
    families_of,
    fix_rows,
    fix_weeks,
    is_settled,
    lacks_baseline,
    learn_cut_prior,
    may_close,
    next_look_at,
    ramp_of,
    score_changes,
    verify_fixes,
)

Done = Mapping[str, Mapping[int, Verdict]]
SCORE_COLUMNS = ("evaluator", "evaluator_version", "compared", "n", "change", "ci_low", "ci_high", "p_value")
_FAMILY_DAYS = 7  # looks that fall due within so many are judged together
_SIDES = ("n_before", "exposures_before", "n_after", "exposures_after")
_COUNTS = ("n_before", "n_after", "n_observed")
_NUMBERS = (
    *("exposures_before", "exposures_after", "n_expected", "reduction", "ci_low", "ci_high", "confidence"),
    *("p_value", "q_value", "prob_at_least_bar", "dispersion", "drift"),
)


@dataclass(frozen=True)
class Court:
    """One application's fixes, and what judges them.

    Attributes:
        conn: in a transaction of the application's own.
        application: whose.
        fixes: all that happened, under the patterns that stay.
        judged: fix_ids that get looks; people cancelled the tickets of the others.
        counter: counts with frozen detectors.
        settings: of the loop.
        said: what people decided on the application's patterns.
        waiting: looks that are due and wait for the weekly run to describe the days before them.
    """

    conn: Connection
    application: str
    fixes: Sequence[Fix]
    judged: frozenset[str]
    counter: Counter
    settings: Settings
    said: EffectiveDecisions = field(default=UNDECIDED)
    waiting: list[str] = field(default_factory=list)

    def make_due_looks(self, as_of: datetime) -> list[Verification]:
        """Every look that is due and has no row, each as it would have been made on its day; stored.

        Looks are made day by day: a verdict may end the looks at its fix.
        """
        made: list[Verification] = []
        candidates = [fix for fix in self.fixes if fix.fix_id in self.judged]
        done = fix_store.looks_done(self.conn, METHOD_VERSION, self.application)
        while due := due_looks(candidates, done, as_of, self.settings.verify):
            first = [look for look in due if look.due_at == due[0].due_at]
            found = self._judge(first, done, as_of)
            late = {look.fix.fix_id: look.day for look in first} | dict.fromkeys(look.fix_id for look in found)
            self.waiting.extend(f"{name} day {day}" for name, day in late.items() if day is not None)
            candidates = [fix for fix in candidates if late.get(fix.fix_id) is None]
            fix_store.save_verifications(self.conn, found, METHOD_VERSION)
            for look in found:
                done.setdefault(look.fix_id, {})[look.look_day] = look.verdict
            made += found
        return made

    def must_wait(self, fix: Fix, at: datetime, as_of: datetime) -> bool:
        """Whether a window at a fix cannot be counted yet: the weekly run has still to describe its last days."""
        try:
            self.counter.count(fix.detector_version, self.window_at([fix], at))
        except UndescribedError:
            return as_of < _described_by(at)
        except UncountableError:
            return False  # it never can
        return False

    def window_at(self, fixes: Iterable[Fix], at: datetime) -> Window:
        """From so many weeks before the first of these fixes until a time."""
        first = min(fix.deployed_at for fix in fixes).replace(hour=0, minute=0, second=0, microsecond=0)
        return Window(first - timedelta(weeks=self.settings.verify.history_weeks), at)

    def rows_at(self, window: Window, counted: Counted, judged: Iterable[str]) -> pd.DataFrame:
        """Fixes that happened within a window, frame `verify.FIXES`."""
        known = [fix for fix in self.fixes if window.start <= fix.deployed_at < window.end]
        steps = {f.fix_id: ramp_of(f, counts.roll_out_steps(self.conn, f, window.end)) for f in known}
        parents = counts.split_parents(self.conn, self.application, window.end.date())
        return fix_rows(known, steps, counted.exposures["prompt_version"], judged, parents)

    def _judge(self, looks: Sequence[Look], done: Done, as_of: datetime) -> list[Verification]:
        """Looks of one day, by the detectors that were frozen for their fixes; without those that must wait."""
        window = self.window_at([look.fix for look in looks], looks[0].due_at)
        found = []
        for version in dict.fromkeys(look.fix.detector_version for look in looks):
            own = [look for look in looks if look.fix.detector_version == version]
            try:
                counted = self.counter.count(version, window)
            except UndescribedError as why:
                if as_of >= _described_by(window.end):
                    found += [self._pending(look, window, why) for look in own]
                continue
            except UncountableError as why:  # of this detector alone: the other looks go on
                found += [self._pending(look, window, why) for look in own]
                continue
            early = [look for look in own if lacks_baseline(look.fix, window, counted.window)]
            found += [self._pending(look, counted.window, _too_short(look.fix, counted.window)) for look in early]
            found += self._verify_each([look for look in own if look not in early], counted, done)
        return found

    def _verify_each(self, looks: Sequence[Look], counted: Counted, done: Done) -> list[Verification]:
        """Looks judged together; one whose fix cannot be computed is pending and leaves the others alone."""
        if not looks:
            return []
        try:
            return self._verify(looks, counted, done)
        except ValueError as why:
            fault = UncountableError("numbers", f"this could not be computed: {why}")
        names = {look.fix.fix_id for look in looks}
        alone = {look: self._fault(look, counted, done, names - {look.fix.fix_id}) for look in looks}
        bad = {look: why for look, why in alone.items() if why is not None}
        if not bad or len(bad) == len(looks):  # nobody's in particular
            return [self._pending(look, counted.window, bad.get(look, fault)) for look in looks]
        good, without = [look for look in looks if look not in bad], {look.fix.fix_id for look in bad}
        found = self._verify(good, counted, done, without)
        return [self._pending(look, counted.window, why) for look, why in bad.items()] + found

    def _fault(self, look: Look, counted: Counted, done: Done, without: set[str]) -> UncountableError | None:
        """Why a look cannot be computed even by itself."""
        try:
            self._verify([look], counted, done, without)
        except ValueError as why:
            return UncountableError("numbers", f"this could not be computed: {why}")
        return None

    def _verify(
        self, looks: Sequence[Look], counted: Counted, done: Done, without: Collection[str] = ()
    ) -> list[Verification]:
        window = counted.window
        at, policy, frames = window.end, self.settings.verify, (counted.affected, counted.exposures)
        fixes = self.rows_at(window, counted, self._open_at(at, done))
        fixes = fixes[~fixes["fix_id"].isin(list(without))]
        guards = guards_of(self.conn, looks, fixes, counted, self.counter, self.settings.guards)
        past = fix_store.first_looks(self.conn, self.application, METHOD_VERSION, policy.looks[0], at)
        prior = learn_cut_prior(past)
        verdicts = verify_fixes(*frames, fixes, as_of=at, guards=guards, policy=policy, prior=prior)
        own = fixes.assign(is_judged=fixes["fix_id"].isin([look.fix.fix_id for look in looks]))
        weeks = fix_weeks(*frames, own, as_of=at, policy=policy)
        by_fix = {row["fix_id"]: row for row in verdicts.to_dict("records")}
        shared = made_from(counted, fixes, verdicts)
        return [self._kept(look, by_fix[look.fix.fix_id], guards, weeks, counted, shared) for look in looks]

    def _open_at(self, at: datetime, done: Done) -> set[str]:
        """Fixes that are judged together at a time: not settled a week before."""
        before = at - timedelta(days=_FAMILY_DAYS - 1)
        return {
            fix.fix_id
            for fix in self.fixes
            if fix.fix_id in self.judged
            and fix.detector_version
            and not is_settled(fix, done.get(fix.fix_id, {}), before)
        }

    def _kept(
        self,
        look: Look,
        row: Mapping[Hashable, Any],
        guards: pd.DataFrame,
        weeks: pd.DataFrame,
        counted: Counted,
        shared: Mapping[str, Any],
    ) -> Verification:
        fix, verdict = look.fix, row["verdict"]
        own = guards[guards["fix_id"] == fix.fix_id].drop(columns="fix_id").to_dict("records")
        said = [{"guard": name, "is_blocking": False, "reason": ""} for name in families_of(row["reason"])]
        said += [{"guard": "texts", "is_blocking": False, "reason": note} for note in counted.notes]
        of_fix = weeks[weeks["fix_id"] == fix.fix_id].drop(columns="fix_id")
        of_fix = of_fix[(of_fix["exposures_before"] > 0) | (of_fix["exposures_after"] > 0)]
        evidence = self._evidence(fix, counted.window) | {
            "guards": [*own, *said],
            "expected_by_old_rate": _by_old_rate(of_fix),
            "weeks": of_fix.assign(starts_at=of_fix["starts_at"].dt.strftime("%Y-%m-%d")).to_dict("records"),
            "scores": self._scores(look),
            **shared,
        }
        numbers: dict[str, Any] = {name: _number(row[name]) for name in _NUMBERS}
        numbers |= {name: None if pd.isna(row[name]) else int(row[name]) for name in _COUNTS}
        reduction = numbers["reduction"]
        return Verification(
            **self._name(look),
            **numbers,
            verdict=verdict,
            reason="; ".join([self._named(row["reason"]) + self._merged(fix, counted), *counted.notes]),
            next_look_at=self._next(look, verdict),
            rate_ratio=None if reduction is None else 1 - reduction,
            may_close=may_close(guards, fix.fix_id),
            evidence=evidence,
        )

    def _scores(self, look: Look) -> list[dict[str, Any]]:
        """What evaluators' scores did, over as many days before the fix as after it."""
        start = midnight(look.fix.deployed_at.date()) - timedelta(days=look.day)
        return score_changes(read_scores(self.conn, self.application, Window(start, look.due_at)), look.fix)

    def _pending(self, look: Look, window: Window, why: UncountableError) -> Verification:
        guards = [{"guard": why.guard, "is_blocking": True, "reason": str(why)}]
        evidence = self._evidence(look.fix, window) | {"guards": guards, "weeks": []}
        next_at = self._next(look, "pending")
        return Verification(
            **self._name(look), verdict="pending", reason=str(why), next_look_at=next_at, may_close=False,
            evidence=evidence,
        )  # fmt: skip

    def _name(self, look: Look) -> dict[str, Any]:
        fix = look.fix
        return {
            "application": self.application,
            "fix_id": fix.fix_id,
            "pattern_id": fix.pattern_id,
            "look_day": look.day,
            "as_of": look.due_at,
            "detector_version": fix.detector_version,
        }

    def _next(self, look: Look, verdict: Verdict) -> datetime | None:
        is_open = verdict in ("pending", "inconclusive")
        return next_look_at(look.fix, look.day, self.settings.verify) if is_open else None

    def _evidence(self, fix: Fix, window: Window) -> dict[str, Any]:
        return {
            "counted_from": window.start.date().isoformat(),
            "deployed_at": fix.deployed_at.isoformat(),
            "as_of": window.end.isoformat(),
            "policy": policy_version(self.settings.verify),
            "guard_policy": policy_version(self.settings.guards),
            "policies": {"verify": asdict(self.settings.verify), "guards": asdict(self.settings.guards)},
        }

    def _named(self, reason: str) -> str:
        """A reason in which fixes have the names that people know."""
        for fix in self.fixes:
            reason = reason.replace(fix.fix_id, f"the fix of {fix.deployed_at:%Y-%m-%d} for {fix.ticket_key or 'it'}")
        return reason

    def _merged(self, fix: Fix, counted: Counted) -> str:
        """Who is judged together, for the reason of a verdict; empty where the pattern stands alone."""
        together = self.said.together(fix.pattern_id)
        if len(together) == 1:
            return ""
        tickets = ledger.load_tickets(self.conn, self.application, together)
        names = dict.fromkeys(together) | {t.pattern_id: t.ticket_key for t in tickets}
        unknown = [names[p] or p for p in together if p not in counted.known]
        note = f"; {' and '.join(names[p] or p for p in together)} were merged and are judged together"
        return note + (f", but the detector frozen for this fix knows no {' or '.join(unknown)}" if unknown else "")


def _described_by(at: datetime) -> datetime:
    """When the weekly run should long have described what was known by a time: a week after that week's end."""
    return midnight(at.date() + timedelta(days=-at.weekday() % 7 + 7))


def _too_short(fix: Fix, counted: Window) -> UncountableError:
    said = f"texts before {counted.start:%Y-%m-%d} are past retention, which leaves less than two weeks before the fix"
    return UncountableError("texts", f"{said} of {fix.deployed_at:%Y-%m-%d}")


def _by_old_rate(weeks: pd.DataFrame) -> float | None:
    """What the mean rate since the pattern was first there would bring after the fix, uncorrected but for delay."""
    there = weeks[(weeks["n_before"] > 0).cummax()]
    exposed = float(there["exposures_before"].sum())
    return float(there["n_before"].sum() / exposed * weeks["exposures_after"].sum()) if exposed > 0 else None


def scores_of(made: Sequence[Verification]) -> pd.DataFrame:
    """Score changes of looks, one row per fix and evaluator, for the UI."""
    rows = [
        {"fix_id": v.fix_id, "look_day": v.look_day} | row for v in made for row in (v.evidence or {}).get("scores", ())
    ]
    return pd.DataFrame(rows, columns=["fix_id", "look_day", *SCORE_COLUMNS])


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def pictures_of(made: Sequence[Verification], most: int = 8) -> dict[str, Any]:
    """Expected against observed of the first looks with a number, as images for the UI."""
    shown = [v for v in made if v.reduction is not None and v.evidence][:most]
    return {f"picture_{n}_{v.verdict}": _picture(v) for n, v in enumerate(shown, start=1)}


def _picture(v: Verification) -> dg.MetadataValue:
    evidence = v.evidence or {}
    weeks = [
        VerdictWeek(date.fromisoformat(row["starts_at"]), *(row[name] for name in _SIDES)) for row in evidence["weeks"]
    ]
    exposed = sum(week.exposures_after for week in weeks)
    expected = None if v.n_expected is None or not exposed else v.n_expected / exposed
    limits = _limits(v, exposed) if exposed else None
    png = draw_verdict(weeks, date.fromisoformat(evidence["deployed_at"][:10]), expected, limits)
    picture = f"![expected against observed](data:image/png;base64,{base64.b64encode(png).decode()})"
    return dg.MetadataValue.md(f"{escape(v.fix_id)}, day {v.look_day}: {v.verdict}\n\n{picture}")


def _limits(v: Verification, exposed: float) -> tuple[float, float] | None:
    """Rates that the count after is compatible with had the fix done nothing; None where nothing was seen after."""
    if not v.n_after or v.ci_low is None or v.ci_high is None:
        return None
    low, high = (v.n_after / max(1 - limit, 1e-6) / exposed for limit in (v.ci_low, v.ci_high))
    return low, high
