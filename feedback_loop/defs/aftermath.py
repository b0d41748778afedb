"""After the verdict: the regression watch of fixes that were called effective, and placebo fixes every month.

Belongs here: which looks of the watch are due, what both are counted from, and what is stored. Does not belong here:
the tests (`verify/`), and the tickets (`tracking.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED
from feedback_loop.defs.counting import Counter, UncountableError
from feedback_loop.defs.verdicts import Court
from feedback_loop.llm import Embedder
from feedback_loop.records import Fix, Window
from feedback_loop.route import Regression
from feedback_loop.store import aftermath, decisions, patterns
from feedback_loop.store import fixes as fix_store
from feedback_loop.verify import METHOD_VERSION, WatchPolicy, check_placebos, join_fixes, watch_fixes

_WatchLook = tuple[Fix, int, datetime]
_PLACEBO_WEEKS = 26  # of history


def watch_due(court: Court, as_of: datetime, policy: WatchPolicy) -> list[dict[str, Any]]:
    """Every look of the watch that is due and has no row, as it would have been made on its day; stored."""
    done, rows = aftermath.watches_done(court.conn, METHOD_VERSION), []
    for fix, look, at in sorted(_due(court, as_of, policy), key=lambda due: due[2]):  # counts move along with time
        states = done.setdefault((court.application, fix.fix_id), {})
        if look not in states and "returned" not in states.values() and not court.must_wait(fix, at, as_of):
            row = _watch(court, fix, at, policy) | {"look": look}
            states[look] = str(row["state"])
            rows.append(row)
    aftermath.save_watches(court.conn, rows)
    return rows


def _due(court: Court, as_of: datetime, policy: WatchPolicy) -> Iterator[_WatchLook]:
    """Looks every so many days after the verdict "effective", until the last."""
    effective = fix_store.effective_since(court.conn, court.application, METHOD_VERSION)
    for fix in court.fixes:
        if fix.fix_id not in effective or fix.fix_id not in court.judged:
            continue
        for look in range(1, policy.n_looks + 1):
            at = effective[fix.fix_id] + timedelta(days=look * policy.every_days)
            if at <= as_of:
                yield fix, look, at


def _watch(court: Court, fix: Fix, at: datetime, policy: WatchPolicy) -> dict[str, Any]:
    row: dict[str, Any] = {
        "application": court.application,
        "fix_id": fix.fix_id,
        "method_version": METHOD_VERSION,
        "pattern_id": fix.pattern_id,
        "as_of": at,
        "deployed_at": fix.deployed_at,
        "since": (at - timedelta(days=policy.every_days)).date(),
        "confidence": 1 - policy.false_reopen,
        **dict.fromkeys(("n_observed", "n_expected", "rise", "p_value", "threshold")),
    }
    window = court.window_at([fix], at)
    try:
        counted = court.counter.count(fix.detector_version, window)
    except UncountableError as why:
        return row | {"state": "pending", "reason": str(why)}
    settled = fix_store.effective_since(court.conn, court.application, METHOD_VERSION)
    fixes = court.rows_at(window, counted, [fix.fix_id])
    fixes = fixes.assign(settled_at=fixes["fix_id"].map(settled))
    frames, verify = (counted.affected, counted.exposures), court.settings.verify
    try:
        found = watch_fixes(*frames, fixes, as_of=at, policy=policy, verify=verify)
    except ValueError as why:  # of this fix alone
        return row | {"state": "pending", "reason": f"this could not be computed: {why}"}
    (own,) = found[found["fix_id"] == fix.fix_id].to_dict("records")
    return row | {str(name): None if pd.isna(value) else value for name, value in own.items()}


def regressions_found(rows: Sequence[dict[str, Any]]) -> list[Regression]:
    """What the watch found of patterns that are back, for their tickets."""
    return [
        Regression(
            application=row["application"],
            pattern_id=row["pattern_id"],
            fix_id=row["fix_id"],
            deployed_at=row["deployed_at"],
            since=row["since"],
            as_of=row["as_of"],
            n_seen=int(row["n_observed"]),
            n_expected=float(row["n_expected"]),
            confidence=float(row["confidence"]),
        )
        for row in rows
        if row["state"] == "returned"
    ]


def placebos_of(
    conn: Connection, encoder: Embedder, settings: Settings, as_of: datetime
) -> tuple[list[dict[str, Any]], list[str]]:
    """Error rates of every application, and why there are none of some."""
    decided = decisions.load_effective(conn)
    shipped = join_fixes(fix_store.load_fixes(conn, as_of), decided)
    rows, failed = [], []
    for application in patterns.applications_with_patterns(conn):
        own, said = [f for f in shipped if f.application == application], decided.get(application, UNDECIDED)
        counter = Counter(conn, application, encoder, settings, said)
        court = Court(conn, application, own, frozenset(), counter, settings, said)
        try:
            row = _try_placebos(court, as_of)
        except UncountableError as why:  # of this application alone
            failed.append(f"{application}: {why}")
            continue
        rows += [row] if row else []
    return rows, failed


def _try_placebos(court: Court, as_of: datetime) -> dict[str, Any] | None:
    """Error rates of placebo fixes of an application, counted with its newest detector; None where it has none.

    Raises:
        UncountableError: its weeks cannot be counted.
    """
    version = patterns.newest_detector(court.conn, court.application, as_of.date())
    if version is None:
        return None
    window = Window(as_of - timedelta(weeks=_PLACEBO_WEEKS), as_of)
    counted = court.counter.count(version, window)
    fixes = court.rows_at(window, counted, [])
    policy = court.settings.verify
    rates = check_placebos(counted.affected, counted.exposures, fixes, as_of=as_of, policy=policy)
    return asdict(rates) | {"application": court.application, "as_of": as_of, "detector_version": version}
