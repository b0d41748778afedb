"""Poisoning: how far one user and fifty accounts get, with and without the guards.

    python -m feedback_loop_tests.benchmarks.poisoning --seeds 3

Eight weeks of the simulator through the real loop. Attackers try to raise a ticket for a failure that does not exist
(week 6), to make a fix that works look useless (complaints after it), and to make a useless fix look effective
(complaints before it). `none` is the loop without cleaning; `default` its settings; `strict` excludes new accounts and
bursts as well. Tables go to stdout as Markdown, progress to stderr.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Engine

from feedback_loop.clean import CleanPolicy
from feedback_loop.config import Settings
from feedback_loop.records import EXCLUSION_REASONS
from feedback_loop.store import schema
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine
from feedback_loop.testing.simulator import Simulator
from feedback_loop.testing.simulator_plan import SimulatedDeployment, SimulatorSettings
from feedback_loop_tests.benchmarks.poisoning_attacks import COPIES, DAY, ONE_USER, WEEK, Attack
from feedback_loop_tests.defs.world import UNAUDITED, World, open_world

N_WEEKS, RUN_WEEKS, ATTACKED = 8, 5, 5  # all; those run before an attack; index of the week it comes in
WORKS, USELESS = "dead_link", "article_not_found"
ALL_OF_IT = 10**6
GUARDS = {
    "none": CleanPolicy(disabled=EXCLUSION_REASONS, max_per_pattern=ALL_OF_IT),
    "default": CleanPolicy(),
    "strict": CleanPolicy(excluding=(*CleanPolicy().excluding, "new_account", "burst", "constant_rater")),
}
_MAJORITY = """
select pattern_id, count(*) filter (where interaction_id like 'attack-%') as n_attack, count(*) as n
from feedback_loop.pattern_memberships where not is_inferred group by 1
"""


@dataclass(frozen=True)
class Base:
    """A database that scenarios are copied from: five weeks run, eight weeks of traffic, two fixes shipped."""

    url: URL
    fixes: dict[str, str]  # planted failure -> its deployment
    settings: SimulatorSettings


def settings_of(guards: str) -> Settings:
    return Settings(clean=GUARDS[guards], guards=UNAUDITED)


def shipped_at(settings: SimulatorSettings) -> datetime:
    """A Sunday: of a change without a version the next day is the first, so fourteen days end with the traffic."""
    return settings.week_start(ATTACKED + 1) - timedelta(hours=14)


def build(admin: Engine, seed: int, folder: Path, sessions: int) -> Base:
    """Traffic, weekly runs, and a deployment for the tickets of two planted failures."""
    settings = SimulatorSettings(seed=seed, n_weeks=N_WEEKS, sessions_per_week=sessions, growth=0.0)
    shipped = shipped_at(settings)
    deployments = [SimulatedDeployment(shipped, None, (failure,)) for failure in (WORKS, USELESS)]
    simulator, name = Simulator(settings), f"base_{seed}"
    records = [r for week in range(N_WEEKS) for r in simulator.week(week, deployments)]
    with copied(admin, "template_poisoning", name, keep=True) as engine:
        with open_world(engine, folder, settings=settings_of("default")) as world:
            world.add(records)
            for week in range(RUN_WEEKS):
                ended = world.loop.run_week(settings.week_start(week).date())
                print(f"seed {seed}: ran {ended.partition} {ended.error or ''}", file=sys.stderr)
            tickets = {failure: ticket_of(world, failure, simulator) for failure in (WORKS, USELESS)}
            world.add(
                {
                    "type": "deployment",
                    "deployment_id": f"fix-{failure}",
                    "application": settings.application,
                    "deployed_at": shipped.isoformat(),
                    "fixes": [ticket],
                }
                for failure, ticket in tickets.items()
            )
        return Base(engine.url, {failure: f"fix-{failure}" for failure in tickets}, settings)


def ticket_of(world: World, failure: str, simulator: Simulator) -> str:
    """The ticket of the pattern with most of a planted failure's members."""
    truth, counted = simulator.failed_interactions, Counter[str]()
    tickets = {row["pattern_id"]: row["ticket_key"] for row in world.rows("tickets")}
    for row in world.rows("pattern_memberships"):
        if row["pattern_id"] in tickets and truth.get(row["interaction_id"]) == failure and not row["is_inferred"]:
            counted[row["pattern_id"]] += 1
    return str(tickets[counted.most_common(1)[0][0]])


@contextmanager
def copied(admin: Engine, template: str, name: str, *, keep: bool = False) -> Iterator[Engine]:
    with admin.connect() as conn:
        conn.execute(sa.text(f"create database {name} template {template} strategy file_copy"))
    engine = create_engine(admin.url.set(database=name))
    yield engine
    engine.dispose()
    if not keep:
        with admin.connect() as conn:
            conn.execute(sa.text(f"drop database {name} with (force)"))


def false_tickets(world: World, week: date) -> int:
    """Tickets of a week most of whose members the attackers sent."""
    with world.engine.connect() as conn:
        rows = conn.execute(sa.text(_MAJORITY)).all()
    lies = {row.pattern_id for row in rows if 2 * row.n_attack > row.n}
    return sum(t["pattern_id"] in lies and t["created_week"] == week for t in world.rows("tickets"))


def verdict_on(world: World, deployment: str) -> str:
    """The first look at a fix, with the cut that it saw."""
    query = """
        select verdict, reduction from feedback_loop.verifications v join feedback_loop.fixes f using (fix_id)
        where f.deployment_id = :deployment order by look_day limit 1
    """
    with world.engine.connect() as conn:
        row = conn.execute(sa.text(query), {"deployment": deployment}).first()
    if row is None:
        return "no look"
    return str(row.verdict) if row.reduction is None else f"{row.verdict} ({row.reduction:.0%})"


def run_scenario(admin: Engine, base: Base, goal: str, attack: Attack | None, guards: str, folder: Path) -> str:
    """One attack on a copy of the base; what came of it."""
    with (
        copied(admin, str(base.url.database), "scenario") as engine,
        open_world(engine, folder, settings=settings_of(guards)) as world,
    ):
        return _ticket(world, base, attack) if goal == "ticket" else _verdict(world, base, goal, attack)


def _ticket(world: World, base: Base, attack: Attack | None) -> str:
    start = base.settings.week_start(ATTACKED)
    if attack is not None:
        world.add(attack.records(start, base.settings.seed))
    ended = world.loop.run_week(start.date())
    return ended.error or str(false_tickets(world, start.date()))


def _verdict(world: World, base: Base, goal: str, attack: Attack | None) -> str:
    failure = WORKS if goal == "break" else USELESS
    fixed = base.settings.week_start(ATTACKED + 1)
    if attack is not None:
        start = fixed if goal == "break" else fixed - timedelta(days=8)
        world.add(attack.records(start, base.settings.seed, failure))
    ended = world.loop.verify(base.settings.week_start(N_WEEKS))
    return ended.error or verdict_on(world, base.fixes[failure])


SCENARIOS: tuple[tuple[str, Sequence[Attack | None]], ...] = (
    ("ticket", (None, ONE_USER, COPIES, DAY, WEEK)),
    ("break", (None, ONE_USER, COPIES, WEEK)),
    ("flatter", (None, ONE_USER, COPIES, WEEK)),
)


def modes_of(goal: str, attack: Attack | None) -> tuple[str, ...]:
    """Guards that are worth trying: strict differs for new accounts with words of their own."""
    return tuple(GUARDS) if goal != "ticket" and attack is WEEK else ("none", "default")


TITLES = {
    "ticket": "Raise a ticket for a failure that does not exist (false tickets)",
    "break": "Make a fix that works (cut 92 %) look useless",
    "flatter": "Make a useless fix look effective",
}


def scenarios(admin: Engine, base: Base, folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Goal, attack, guards and outcome of all that is tried on a base."""
    for goal, attacks in SCENARIOS:
        for attack in attacks:
            for mode in modes_of(goal, attack):
                said = run_scenario(admin, base, goal, attack, mode, folder)
                yield goal, attack.name if attack else "nobody attacks", mode, said


def print_tables(found: dict[tuple[str, str, str], list[str]]) -> None:
    for goal, attacks in SCENARIOS:
        print(f"\n{TITLES[goal]}\n\n| attack | {' | '.join(GUARDS)} |\n|---|{'---|' * len(GUARDS)}")
        for attack in attacks:
            name = attack.name if attack else "nobody attacks"
            cells = [", ".join(found.get((goal, name, mode), ())) for mode in GUARDS]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Read the arguments, attack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=1500)
    given: Any = parser.parse_args()
    found: dict[tuple[str, str, str], list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="fl-") as directory:
        folder = Path(directory).resolve()
        with embedded_server(folder / "postgres", ["template_poisoning"]) as url:
            template = create_engine(url.set(database="template_poisoning"))
            schema.upgrade(template)
            template.dispose()
            admin = create_engine(url, isolation_level="AUTOCOMMIT")
            for seed in range(given.first_seed, given.first_seed + given.seeds):
                base = build(admin, seed, folder, given.sessions)
                for goal, name, mode, said in scenarios(admin, base, folder):
                    found.setdefault((goal, name, mode), []).append(said)
                    print(f"seed {seed}: {goal}, {name}, {mode}: {said}", file=sys.stderr, flush=True)
                print_tables(found)
            admin.dispose()


if __name__ == "__main__":
    main()
