"""How often verdicts are right, on worlds whose truth is known, beside the rules that others use.

    python -m feedback_loop_tests.benchmarks.verification --part strata --days 14 --repetitions 2000 --seeds 9001
    python -m feedback_loop_tests.benchmarks.verification --part stress --worlds "wild;calm" --repetitions 500
    python -m feedback_loop_tests.benchmarks.verification --part looks
    python -m feedback_loop_tests.benchmarks.verification --part tickets
    python -m feedback_loop_tests.benchmarks.verification --part watch
    python -m feedback_loop_tests.benchmarks.verification --part calibration

A repetition is one world with a ticket in every stratum; all cuts of it share the world's chance. Seeds under 1000 are
for development, the report uses others. Tables go to stdout as Markdown, progress to stderr. A standard error stands
behind each figure; a target passes if the figure's 95 % interval reaches it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from feedback_loop.records import FINAL_VERDICTS
from feedback_loop.verify import VerifyPolicy, WatchPolicy, chance_at_least, learn_cut_prior, verify_fixes, watch_fixes
from feedback_loop_tests.benchmarks.verification_rules import BAR, RULES, look
from feedback_loop_tests.benchmarks.verification_tables import (
    calibration_table,
    errors_of_chances,
    looks_table,
    strata_tables,
    stress_table,
    tickets_table,
    watch_table,
)
from feedback_loop_tests.benchmarks.verification_worlds import STRATA, Drawn, World, draw

CUTS = (-0.3, 0.0, 0.1, 0.3, 0.5, 0.8)
OURS = "ours"
_TEACHERS = 300
_COMES_BACK = 42  # days after the verdict: in the middle of a look

WORLDS = {
    "base": World(),
    "pure Poisson, no selection": World(
        group=1, drift=0.0, shock=0.0, spill=0.0, frailty=0.0, late=0.0, traffic=1.0, strata=STRATA * 3
    ),
    "traffic -30 %": World(traffic=0.7),
    "traffic +30 %": World(traffic=1.3),
    "no late feedback": World(late=0.0),
    "all feedback late": World(late=1.0),
    "ticket by spike ratio": World(spike_ratio=True),
    "spikes that die": World(spike=2.5),
    "spikes that die, 20 % hold-back": World(spike=2.5, hold_back=0.2, by_user=False),
    "common break": World(common_break=0.25),
    "calm": World(drift=0.10),
    "wild": World(drift=0.45),
    "hold-back 10 % by request": World(hold_back=0.1, by_user=False),
    "hold-back 20 % by request": World(hold_back=0.2, by_user=False),
    "hold-back 50 % by request": World(hold_back=0.5, by_user=False),
    "hold-back 50 % by user": World(hold_back=0.5),
    "young patterns": World(young=4),
    "two weeks of history": World(weeks=2),
    "14 patterns": World(strata=(15, 50, 150, 500, 1000, 2000, 2000), group=2),
    "4 patterns": World(strata=(500, 500), group=2),
    "4 patterns, wild": World(strata=(500, 500), group=2, drift=0.45),
    "heavier users": World(frailty=0.1, spill=0.4),
}


def count_strata(world: World, cuts: Sequence[float], rules: Sequence[str], seed: int, repetition: int) -> pd.DataFrame:
    """One world under every cut and rule: called effective, interval of the cut."""
    drawn = draw(world, np.random.default_rng([seed, repetition]))
    policy, rows = VerifyPolicy(looks=(world.days,), q=0.05), []
    for cut in cuts:
        affected = drawn.after(cut)
        verdicts = verify_fixes(affected, drawn.exposures, drawn.fixes, as_of=drawn.as_of, policy=policy)
        seen = look(drawn, affected) if rules else []
        # Each by itself, as the other rules are: the correction for several has a table of its own.
        alone = (verdicts["ci_low"] > 0) & (verdicts["reduction"] >= BAR)
        for g, stratum in enumerate(world.strata):
            rows.append((OURS, stratum, cut, bool(alone[g]), verdicts["ci_low"][g], verdicts["ci_high"][g]))
            answers = {rule: RULES[rule](seen[g]) for rule in rules}
            rows += [(rule, stratum, cut, a.is_effective, a.low, a.high) for rule, a in answers.items()]
    return pd.DataFrame(rows, columns=["rule", "stratum", "cut", "effective", "low", "high"])


def count_looks(world: World, cuts: Sequence[float], seed: int, repetition: int) -> pd.DataFrame:
    """The shipped policy over its four looks, each fix until its first final verdict."""
    drawn = draw(world, np.random.default_rng([seed, repetition]))
    rows = []
    for cut in cuts:
        done = _final(drawn, drawn.after(cut))
        for g, stratum in enumerate(world.strata):
            rows.append((stratum, cut, *done.get(f"fix{g}", ("open", 0))))
    return pd.DataFrame(rows, columns=["stratum", "cut", "verdict", "day"])


def _final(drawn: Drawn, affected: pd.DataFrame) -> dict[str, tuple[str, int]]:
    """fix_id -> the first final verdict under the shipped policy, and its look."""
    done: dict[str, tuple[str, int]] = {}
    for day in VerifyPolicy().looks:
        as_of = drawn.as_of - pd.Timedelta(days=drawn.world.days - day)
        verdicts = verify_fixes(affected, drawn.exposures, drawn.fixes, as_of=as_of)
        for fix_id, verdict in zip(verdicts["fix_id"], verdicts["verdict"], strict=True):
            if verdict in FINAL_VERDICTS:
                done.setdefault(fix_id, (verdict, day))
    return done


def count_tickets(world: World, share_useless: float, seed: int, repetition: int) -> pd.DataFrame:
    """Twenty fixes of one application under the shipped policy, some of them useless."""
    rng = np.random.default_rng([seed, repetition])
    drawn = draw(world, rng)
    n = len(world.strata)
    cuts = np.where(rng.permutation(n) < share_useless * n, 0.0, rng.choice([0.5, 0.8], n))
    done = _final(drawn, drawn.after(cuts))
    rows = [(repetition, cuts[g], done.get(f"fix{g}", ("open", 0))[0]) for g in range(n)]
    return pd.DataFrame(rows, columns=["tenant", "cut", "verdict"]).assign(useless=share_useless)


def count_watch(world: World, cut: float, seed: int, repetition: int) -> pd.DataFrame:
    """Six looks at fixes that work: called returned although nothing changed, or after the pattern came back."""
    drawn = draw(world, np.random.default_rng([seed, repetition]))
    first = drawn.as_of - pd.Timedelta(days=world.days - VerifyPolicy().looks[0])
    back = first + pd.Timedelta(days=_COMES_BACK)
    fixes = drawn.fixes.assign(settled_at=first)
    fixed = drawn.after(cut)
    came_back = pd.concat([fixed[fixed["occurred_at"] < back], drawn.affected[drawn.affected["occurred_at"] >= back]])
    returned: dict[tuple[str, str], int] = {}
    for look_number in range(1, WatchPolicy().n_looks + 1):
        as_of = first + pd.Timedelta(days=28 * look_number)
        for kind, affected in (("stays", fixed), ("comes back", came_back)):
            states = watch_fixes(affected, drawn.exposures, fixes, as_of=as_of)
            for fix_id, state in zip(states["fix_id"], states["state"], strict=True):
                if state == "returned":
                    returned.setdefault((kind, fix_id), look_number)
    rows = [
        (kind, stratum, returned.get((kind, f"fix{g}"), 0))
        for kind in ("stays", "comes back")
        for g, stratum in enumerate(world.strata)
    ]
    return pd.DataFrame(rows, columns=["kind", "stratum", "look"])


def count_calibration(world: World, seed: int, repetition: int) -> pd.DataFrame:
    """Verdicts at one look of fixes whose true cut is drawn from a mix; probabilities follow in `calibrate`."""
    rng = np.random.default_rng([seed, repetition])
    drawn = draw(world, rng)
    n = len(world.strata)
    cuts = np.where(rng.random(n) < 0.4, 0.0, rng.beta(2, 1.5, n))
    affected, policy = drawn.after(cuts), VerifyPolicy(looks=(world.days,), q=0.05)
    verdicts = verify_fixes(affected, drawn.exposures, drawn.fixes, as_of=drawn.as_of, policy=policy)
    return verdicts.assign(cut=cuts, repetition=repetition)


def spread(work: Callable[[int], pd.DataFrame], repetitions: int, processes: int, title: str) -> pd.DataFrame:
    """Run the repetitions, in this process or in several, and tell how far it is."""
    parts = []
    step = max(repetitions // 20, 1)
    with ProcessPoolExecutor(processes) as pool:
        found = pool.map(work, range(repetitions), chunksize=4) if processes > 1 else map(work, range(repetitions))
        for done, part in enumerate(found, 1):
            parts.append(part)
            if done % step == 0:
                print(f"{title}: {done} of {repetitions}", file=sys.stderr, flush=True)
    return pd.concat(parts, ignore_index=True)


def run_strata(options: argparse.Namespace) -> None:
    """The main table: every rule, every cut, every stratum."""
    work = partial(count_strata, World(days=options.days), options.cuts or CUTS, list(RULES), options.seeds)
    strata_tables(spread(work, options.repetitions, options.processes, "strata"), options.days)


def run_stress(options: argparse.Namespace) -> None:
    """Ours under stress: no cut and a cut of half."""
    names = list(WORLDS) if options.worlds == "all" else options.worlds.split(";")
    frames = {}
    for name in names:
        world = World(**(vars(WORLDS[name]) | {"days": options.days}))
        work = partial(count_strata, world, options.cuts or (0.0, 0.5), [], options.seeds)
        frames[name] = spread(work, options.repetitions, options.processes, name)
    stress_table(frames)


def run_looks(options: argparse.Namespace) -> None:
    """The shipped policy over its looks."""
    work = partial(count_looks, World(days=42), options.cuts or (0.0, 0.5, 0.8), options.seeds)
    looks_table(spread(work, options.repetitions, options.processes, "looks"))


def run_tickets(options: argparse.Namespace) -> None:
    """Twenty tickets at once."""
    world = World(strata=(15, 50, 150, 500, 1000) * 4, group=3, days=42)
    frames = []
    for useless in (1.0, 0.5):
        work = partial(count_tickets, world, useless, options.seeds)
        frames.append(spread(work, options.repetitions, options.processes, f"tickets, {useless:.0%} useless"))
    tickets_table(pd.concat(frames, ignore_index=True))


def run_watch(options: argparse.Namespace) -> None:
    """False and true alarms of the regression watch."""
    world = World(days=VerifyPolicy().looks[0] + 28 * WatchPolicy().n_looks)
    work = partial(count_watch, world, 0.6, options.seeds)
    watch_table(spread(work, options.repetitions, options.processes, "watch"), WatchPolicy().false_reopen)


def run_calibration(options: argparse.Namespace) -> None:
    """Probability of a cut of 30 %, before any fix and with priors learned from each 300 other fixes in turn."""
    work = partial(count_calibration, World(days=options.days), options.seeds)
    verdicts = spread(work, options.repetitions, options.processes, "calibration")
    verdicts = verdicts[verdicts["reduction"].notna()].reset_index(drop=True)
    true = (verdicts["cut"] >= BAR).to_numpy()
    errors = [errors_of_chances(verdicts["prob_at_least_bar"].to_numpy(dtype=float), true)]
    for start in range(0, len(verdicts) - _TEACHERS + 1, _TEACHERS):
        is_other = ~verdicts.index.isin(range(start, start + _TEACHERS))
        prior = learn_cut_prior(verdicts[~is_other])
        errors.append(errors_of_chances(chance_at_least(verdicts[is_other], BAR, prior), true[is_other]))
    calibration_table(errors, BAR)


PARTS = {
    "strata": run_strata,
    "stress": run_stress,
    "looks": run_looks,
    "tickets": run_tickets,
    "watch": run_watch,
    "calibration": run_calibration,
}


def main() -> None:
    """Read the options and run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS), default="strata")
    parser.add_argument("--days", type=int, default=14, help="after day 0; 14 or 42")
    parser.add_argument("--repetitions", "--tenants", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1, help="seed of the whole run; under 1000 for development")
    parser.add_argument("--worlds", default="all", help="of the stress part, by semicolon: " + "; ".join(WORLDS))
    parser.add_argument("--cuts", type=float, nargs="+", help="true cuts of the strata, stress and looks parts")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
