"""How long the segments of a week take, and how often they are right.

    python -m feedback_loop_tests.benchmarks.segments --interactions 1000000
    python -m feedback_loop_tests.benchmarks.segments --weeks 400

The traffic is the simulator's. Every complaint is a member of one of 40 patterns, drawn by its id. With `--weeks`,
weeks are drawn as in `test_segments.py`, half without any effect and half with three planted segments.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import sqlalchemy as sa

from feedback_loop.environment import Environment
from feedback_loop.segments import SegmentPolicy, find_contradictions, find_segments
from feedback_loop.store import segments
from feedback_loop.store.engine import open_database
from feedback_loop.store.facts import refresh_statistics
from feedback_loop_tests.benchmarks.weekly_run import World
from feedback_loop_tests.test_segments import PLANTED, draw_week, random_rates, random_sessions

T = TypeVar("T")
POLICY = SegmentPolicy()
_MEMBERS = """
    insert into feedback_loop.pattern_memberships (application, week, interaction_id, pattern_id, similarity)
    select :application, :week, interaction_id, 'p' || abs(hashtext(interaction_id)) % 40, 1
    from (select distinct interaction_id from feedback_loop.feedback
          where signal = any('{thumbs_down,report,regenerated,retried,edited,escalated}')) complaints
"""


def timed(title: str, work: Callable[[], T]) -> T:
    """Run and print how long it took."""
    started = time.perf_counter()
    result = work()
    print(f"  {title:16} {time.perf_counter() - started:6.1f} s")
    return result


def measure_time(n_interactions: int) -> None:
    """One week of simulated traffic, counted and tested."""
    with tempfile.TemporaryDirectory(prefix="fl-") as name, open_database(Environment(home=Path(name).resolve())) as db:
        world = World(n_interactions, n_interactions // 10, seed=1)
        n_interactions, _ = world.copy_week(db, 0)
        week, application = world.settings.week_start(0).date(), world.settings.application
        with db.begin() as conn:
            refresh_statistics(conn)
            n_members = conn.execute(sa.text(_MEMBERS), {"application": application, "week": week}).rowcount
            conn.execute(sa.text("analyze feedback_loop.pattern_memberships"))
        print(f"{n_interactions:,} interactions, {n_members:,} members")
        with db.connect() as conn:
            exposed = timed("exposed", lambda: segments.count_exposed(conn, application, week))
            hits = timed("hits", lambda: segments.count_hits(conn, application, week))
            liking = timed("liking", lambda: segments.count_liking(conn, application, week))
        timed("segments", lambda: find_segments(hits, exposed, POLICY))
        timed("contradictions", lambda: find_contradictions(liking, POLICY))


def measure_truth(n_weeks: int) -> None:
    """Weeks without an effect, then weeks with three."""
    rng = np.random.default_rng(11)
    n_any = n_found = n_false = 0
    for _ in range(n_weeks // 2):
        frames = draw_week(rng, random_rates(rng), random_sessions(rng))
        n_any += not find_segments(*frames, SegmentPolicy(min_ratio=1)).empty
        rates = {pattern: {"": 0.004, value: 0.03} for pattern, value in PLANTED.items()} | {"p3": {"": 0.01}}
        found = find_segments(*draw_week(rng, rates, random_sessions(rng)), POLICY)
        true = sum(PLANTED.get(p) == v for p, v in zip(found["pattern_id"], found["value"], strict=True))
        n_found, n_false = n_found + true, n_false + len(found) - true
    print(f"nothing planted: {n_any} of {n_weeks // 2} weeks with a segment")
    print(
        f"planted: {n_found} of {len(PLANTED) * (n_weeks // 2)} found; {n_false} of {n_found + n_false} reported false"
    )


def main() -> None:
    """Read the arguments, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, default=100_000)
    parser.add_argument("--weeks", type=int, help="instead: how often segments of so many drawn weeks are right")
    arguments = parser.parse_args()
    if arguments.weeks:
        measure_truth(arguments.weeks)
    else:
        measure_time(arguments.interactions)


if __name__ == "__main__":
    main()
