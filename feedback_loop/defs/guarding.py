"""Guards of looks: what must be true beside the counts, gathered from the database.

Belongs here: reading the evidence of each guard as it was on the day of a look. Does not belong here: when a guard
blocks (`verify/guards.py`), and what a look finds (`verdicts.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.defs.counting import Counted, Counter
from feedback_loop.records import Verification, Window
from feedback_loop.store import aftermath, auditing, counts
from feedback_loop.verify import (
    ARRIVALS,
    DETECTORS,
    FAMILIES,
    HEARD,
    METHOD_VERSION,
    NOTES,
    GuardPolicy,
    Look,
    check_guards,
)

_LEAST_SPLIT = timedelta(days=1)  # of a roll-out's step, for its shares to be told from the arms' sizes


def guards_of(
    conn: Connection,
    looks: Sequence[Look],
    fixes: pd.DataFrame,
    counted: Counted,
    counter: Counter,
    policy: GuardPolicy,
) -> pd.DataFrame:
    """Guards of looks that are due at the same time, counted with the same detector; frame `verify.GUARDS`."""
    at, application = looks[0].due_at, looks[0].fix.application
    detectors = [(look.fix.fix_id, look.fix.detector_version) for look in looks]
    arrivals = [row for look in looks for row in _arrivals(conn, look, fixes)]
    heard = [_heard(look, counted, counter) for look in looks]
    return check_guards(
        pd.DataFrame({"fix_id": [look.fix.fix_id for look in looks]}, dtype="str"),
        detectors=pd.DataFrame(detectors, columns=list(DETECTORS.columns)),
        audits=auditing.audit_counts(conn, application, at),
        arrivals=pd.DataFrame(arrivals, columns=list(ARRIVALS.columns)),
        heard=pd.DataFrame(heard, columns=list(HEARD.columns)),
        placebo=aftermath.false_effective_rate(conn, application, METHOD_VERSION, at, policy.min_placebos),
        policy=policy,
    )


def vouching_guards(
    conn: Connection, application: str, fix_ids: Sequence[str], at: datetime, policy: GuardPolicy
) -> pd.DataFrame:
    """What audits and placebo fixes say by a time, frame `verify.GUARDS`: the guards that go on after a verdict."""
    return check_guards(
        pd.DataFrame({"fix_id": list(fix_ids)}, dtype="str"),
        audits=auditing.audit_counts(conn, application, at),
        placebo=aftermath.false_effective_rate(conn, application, METHOD_VERSION, at, policy.min_placebos),
        policy=policy,
    )


def _arrivals(conn: Connection, look: Look, fixes: pd.DataFrame) -> Iterator[tuple[str, str, float, float]]:
    """Sizes of the arms in the longest step of a roll-out that split the traffic."""
    fix = look.fix
    if fix.prompt_version is None:
        return
    own = fixes[fixes["fix_id"] == fix.fix_id].drop_duplicates("deployed_at").sort_values("deployed_at")
    starts = [at.to_pydatetime() for at in own["deployed_at"]]
    steps = zip(starts, [*starts[1:], look.due_at], own["rollout_share"], strict=True)
    split = [(min(end, look.due_at) - start, start, end, share) for start, end, share in steps if 0 < share < 1]
    if not split or max(split)[0] < _LEAST_SPLIT:
        return
    _, start, end, share = max(split)
    new, old = counts.count_arms(conn, fix, Window(start, end)) or (np.nan, np.nan)
    yield fix.fix_id, "new", float(new), float(share)
    yield fix.fix_id, "old", float(old), 1 - float(share)


def _heard(look: Look, counted: Counted, counter: Counter) -> tuple[Any, ...]:
    """Days that were served and that brought feedback, as many before the fix as after it, and how long none did."""
    deployed = look.fix.deployed_at.date()
    span = look.due_at.date() - deployed
    served = sorted({day.date() for day in counted.exposures.loc[counted.exposures["n_exposures"] > 0, "date"]})
    heard = counter.feedback_days(counted.window)
    numbers: list[int] = []
    for start, end in ((deployed - span, deployed), (deployed, look.due_at.date())):
        days = {day for day in served if start <= day < end}
        numbers += [len(days), len(days & heard)]
    before = [len(list(run)) for is_heard, run in groupby(d in heard for d in served if d < deployed) if not is_heard]
    now = list(takewhile(lambda day: day not in heard, reversed([d for d in served if d >= deployed])))
    return (look.fix.fix_id, *numbers, max(before, default=0), len(now))


def guard_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """One check per family of guards, and one for closing by itself."""
    return [dg.AssetCheckSpec(f"guard_{name}", asset=asset) for name in FAMILIES]


def guard_results(made: Sequence[Verification]) -> list[dg.AssetCheckResult]:
    """What each family of guards says of the looks just made; a failed one names the fixes."""
    return [_result(name, made) for name in FAMILIES]


def _result(family: str, made: Sequence[Verification]) -> dg.AssetCheckResult:
    failed: list[str] = []
    noted: list[str] = []
    for look in made:
        for guard in _guards(look):
            if guard["guard"] == family:
                said = f"{look.fix_id} day {look.look_day}: {guard['reason'] or look.reason}"
                is_fault = guard["is_blocking"] or not (guard["reason"] or family in NOTES)
                (failed if is_fault else noted).append(said)
    told = [*failed, *noted]
    return dg.AssetCheckResult(
        check_name=f"guard_{family}",
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(told) or f"nothing to say of {len(made)} looks",
        metadata={"failed": len(failed), "noted": len(noted)},
    )


def placebo_check(rows: Sequence[Mapping[str, Any]], policy: GuardPolicy) -> dg.AssetCheckResult:
    """Whether placebo fixes are seldom called effective, where enough were judged; else nothing is closed."""
    most, known = policy.max_placebo, [row for row in rows if row["n_judged"] >= policy.min_placebos]
    above = [row for row in known if (row["false_effective"] or 0.0) > most]
    said = [f"{r['application']}: {r['false_effective']:.0%} of {r['n_judged']} placebo fixes" for r in above]
    return dg.AssetCheckResult(
        check_name="placebo_error_rate",
        passed=not above,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"called effective: {'; '.join(said)}" if above else f"at most {most:.0%} where it is known",
    )


def _guards(look: Verification) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (look.evidence or {}).get("guards", ())
    return found
