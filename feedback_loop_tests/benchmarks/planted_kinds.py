"""Verdicts by what was planted: simulator -> extract -> verify, with the planted memberships and without Dagster.

    python -m feedback_loop_tests.benchmarks.planted_kinds --seeds 200 --first-seed 1000 --sessions 5600

Every failure of the simulated assistant gets its fixes on the plan's own dates: some do nothing, some halve it, some
work, some work and come back. A pattern holds exactly the negative interactions that failed that way, so that what is
measured is the verdict and not the grouping. The table goes to stdout as Markdown, progress to stderr.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from feedback_loop.extract import ExtractPolicy, extract_negatives
from feedback_loop.records import FINAL_VERDICTS, SIGNALS, midnight
from feedback_loop.testing.simulator import Simulator
from feedback_loop.testing.simulator_plan import FAILURES, Effect, SimulatorSettings, planned_deployments
from feedback_loop.verify import VerifyPolicy, affected_sessions, exposed_sessions, verify_fixes

KINDS = ("does nothing", "halves", "works", "works and returns")
VERDICTS = ("effective", "partial", "inconclusive", "pending", "ineffective", "not_shown", "worse")
Table = dict[str, Counter[str]]


def kind_of(effect: Effect) -> str:
    if effect.returns_after_days is not None:
        return "works and returns"
    return {0.0: "does nothing", 0.5: "halves"}.get(effect.cut, "works")


def planted_fixes(settings: SimulatorSettings) -> Iterator[dict[str, Any]]:
    """Rows of `fixes`, with the kind that each attempt is."""
    attempts = {failure.failure_id: list(failure.attempts) for failure in FAILURES}
    for deployment in planned_deployments(settings):
        name = deployment.prompt_version and f"{settings.prompt_name}@{deployment.prompt_version}"
        for failure in deployment.planted_failures:
            kind, n = kind_of(attempts[failure].pop(0)), len(attempts[failure])
            row = {"fix_id": f"{failure}:{n}", "pattern_id": failure, "prompt_version": name, "kind": kind}
            if deployment.canary_at is not None:
                yield row | {"deployed_at": deployment.canary_at, "rollout_share": 0.2}
            yield row | {"deployed_at": deployment.deployed_at, "rollout_share": 1.0}


def signals_of(interactions: pd.DataFrame, feedback: pd.DataFrame, policy: ExtractPolicy) -> pd.DataFrame:
    """Frame `records.SIGNALS` of the records, as the store gives it."""
    wanted = feedback[feedback["signal"].isin(policy.candidate_signals)]
    own = interactions.drop(columns=["type", "metadata", "model"], errors="ignore")
    joined = wanted.rename(columns={"occurred_at": "feedback_at", "user_id": "by"}).merge(own, on="interaction_id")
    joined["user_hash"] = joined["by"].fillna(joined["user_id"]) if "by" in joined else joined["user_id"]
    joined["session_key"] = joined["session_id"].fillna(joined["interaction_id"])
    edited = joined["edited_output"] if "edited_output" in joined else pd.Series(None, joined.index, dtype=object)
    joined = joined.assign(edited_output=edited, output=joined["output"].where(edited.notna(), None))
    for name in ("occurred_at", "feedback_at"):
        joined[name] = pd.to_datetime(joined[name], utc=True, format="ISO8601")
    joined["value"] = pd.to_numeric(joined["value"], errors="coerce") if "value" in joined else float("nan")
    joined["sample_rate"] = joined["sample_rate"].fillna(1.0) if "sample_rate" in joined else 1.0
    return SIGNALS.check(joined.reindex(columns=list(SIGNALS.columns)))


def exposures_of(interactions: pd.DataFrame) -> pd.DataFrame:
    rate = interactions["sample_rate"].fillna(1.0) if "sample_rate" in interactions else 1.0
    frame = interactions.assign(weight=1 / rate, date=interactions["occurred_at"].str[:10])
    frame["session"] = frame["session_id"].fillna(frame["interaction_id"])
    keys = ["date", "prompt_name", "prompt_version", "session"]
    sessions = frame.groupby(keys).agg(weight=("weight", "min"), cohort=("cohort", "min")).reset_index()
    counts = sessions.groupby([*keys[:3], "cohort"])["weight"].sum().reset_index(name="n_exposures")
    return exposed_sessions(counts)


def verdicts_of(settings: SimulatorSettings) -> Iterator[tuple[str, str, int, str]]:
    """Kind, fix, look day and verdict of every look in one simulated world, until the final one."""
    simulator, deployments = Simulator(settings), planned_deployments(settings)
    records = [r for week in range(settings.n_weeks) for r in simulator.week(week, deployments)]
    interactions, feedback = (pd.DataFrame([r for r in records if r["type"] == t]) for t in ("interaction", "feedback"))
    signals, policy = signals_of(interactions, feedback, ExtractPolicy()), VerifyPolicy()
    exposures, failed = exposures_of(interactions), dict(simulator.failed_interactions)
    fixes = pd.DataFrame(list(planted_fixes(settings)))
    start, settled = midnight(settings.first_week), set[str]()
    kinds = dict(zip(fixes["fix_id"], fixes["kind"], strict=True))
    for day in range(14, 7 * settings.n_weeks + 1):
        end = start + timedelta(days=day)
        known = fixes[fixes["deployed_at"] < end]
        looks = looks_due(known, end, settled, policy)
        if not looks:
            continue
        events = extract_negatives(signals[signals["feedback_at"] < end], ExtractPolicy())
        events = events.assign(pattern_id=events["interaction_id"].map(failed)).dropna(subset=["pattern_id"])
        judged = known.assign(is_judged=~known["fix_id"].isin(settled))
        found = verify_fixes(affected_sessions(events), exposures, judged, as_of=end, policy=policy)
        for fix, verdict in zip(found["fix_id"], found["verdict"], strict=True):
            if fix in looks:
                yield kinds[fix], fix, looks[fix], verdict
                settled |= {fix} if verdict in FINAL_VERDICTS else set()


def looks_due(known: pd.DataFrame, end: datetime, settled: set[str], policy: VerifyPolicy) -> dict[str, int]:
    """fix_id -> day of its look; none once a further fix of its pattern is out: what follows is the work of both."""
    due = known[known["rollout_share"] >= 0.5].sort_values("deployed_at").drop_duplicates("pattern_id", keep="last")
    ages = {fix: (end.date() - at.date()).days for fix, at in zip(due["fix_id"], due["deployed_at"], strict=True)}
    return {fix: age for fix, age in ages.items() if age in policy.looks and fix not in settled}


def count(worlds: Iterable[SimulatorSettings]) -> tuple[Table, Table]:
    """Verdicts of the first look, and the last verdict of each fix."""
    first: Table = {}
    last: Table = {}
    for settings in worlds:
        newest: dict[str, tuple[str, str]] = {}
        for kind, fix, day, verdict in verdicts_of(settings):
            newest[fix] = kind, verdict
            if day == 14:
                first.setdefault(kind, Counter())[verdict] += 1
        for kind, verdict in newest.values():
            last.setdefault(kind, Counter())[verdict] += 1
        print(f"seed {settings.seed}: {len(newest)} fixes", file=sys.stderr)
    return first, last


def print_table(title: str, found: Table) -> None:
    print(f"\n{title}\n\n| planted | fixes | {' | '.join(VERDICTS)} |\n|---|--:|{'--:|' * len(VERDICTS)}")
    for kind in KINDS:
        seen = found.get(kind, Counter())
        n = max(seen.total(), 1)
        print(f"| {kind} | {seen.total()} | {' | '.join(f'{seen[v] / n:.0%}' for v in VERDICTS)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=5600)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    first, last = count(SimulatorSettings(seed=s, sessions_per_week=given.sessions) for s in seeds)
    print_table("First look, day 14", first)
    print_table("Last verdict within twelve weeks", last)


if __name__ == "__main__":
    main()
