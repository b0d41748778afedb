"""Describe, embed and cluster weeks of N negatives, everybody of whom wrote a comment: seconds and peak memory.

    python -m feedback_loop_tests.benchmarks.cluster_scale --negatives 100000
    python -m feedback_loop_tests.benchmarks.cluster_scale --negatives 1000000

No database and no language model: the stages alone, as the assets call them (grouping again with another seed, for the
check, included). The texts are the simulator's. Two weeks, so that the second one has a memory and a past.
"""

import argparse
import hashlib
import time
from datetime import timedelta

import numpy as np
import pandas as pd

from feedback_loop.clients.embeddings import StaticEmbedder
from feedback_loop.cluster import ClusterPolicy, cluster_week
from feedback_loop.describe import DescribePolicy, describe_failures
from feedback_loop.records import PatternState
from feedback_loop.testing import simulator_texts as texts
from feedback_loop.testing.simulator_plan import FAILURES
from feedback_loop_tests.benchmarks.import_jsonl import peak_mb
from feedback_loop_tests.benchmarks.patterns_stream import FIRST_WEEK

_NOISE = 0.1  # share of comments that are about no failure


def draw_texts(n: int, week: int, seed: int) -> pd.DataFrame:
    """Frame `records.TEXTS` of n negatives."""
    chance = np.random.default_rng([seed, week])
    kinds = chance.integers(0, len(FAILURES), n)
    draws = chance.integers(0, 2**31, (n, 9)).tolist()
    is_noise = (chance.random(n) < _NOISE).tolist()
    rows = []
    for i, (kind, row, noise) in enumerate(zip(kinds.tolist(), draws, is_noise, strict=True)):
        values = texts.slots((row[0] % len(texts.SUBJECTS), row[1] % len(texts.PRODUCTS), row[2]))
        failure = FAILURES[kind]
        said = texts.noise(row[3:7], values) if noise else texts.complaint(failure.failure_id, row[3:7], values)
        reasons = list(failure.reasons[:1]) if row[7] % 4 else []
        asked, answered = texts.question(row[8], values), texts.answer(failure.failure_id, row[8], values)
        rows.append(("shop", f"w{week}-{i:07}", asked, answered, [said], reasons, ["thumbs_down"], None, False))
    columns = ["application", "interaction_id", "user_input", "output", "comments", "reasons", "signals"]
    frame = pd.DataFrame(rows, columns=[*columns, "edited_output", "has_error"])
    return frame.assign(n_documents=float("nan"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--negatives", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    n, policy, memory, past = arguments.negatives, ClusterPolicy(), tuple[PatternState, ...](), None
    print("| week | negatives | distinct texts | describe s | embed, cluster s | other seed s | patterns | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for week in range(2):
        frame = draw_texts(n, week, arguments.seed)
        started = time.perf_counter()
        described = describe_failures(frame, DescribePolicy())
        told = time.perf_counter()
        events = described.drop(columns="application").merge(frame, on="interaction_id", validate="one_to_one")
        events = events.assign(severity=2, user_hash=events["interaction_id"])
        monday, embedder = FIRST_WEEK + timedelta(weeks=week), StaticEmbedder()
        found = cluster_week("shop", monday, events, memory, embedder, policy, past=past)
        clustered = time.perf_counter()
        cluster_week("shop", monday, events, memory, embedder, ClusterPolicy(seed=1), past=past)
        again = time.perf_counter()
        distinct = events["failure_text"].unique().tolist()
        some = sorted(distinct, key=lambda text: hashlib.md5(text.encode()).hexdigest())[: policy.max_sample]
        past = pd.DataFrame({"failure_text": some, "week": monday})
        memory = found.states
        seconds = " | ".join(f"{s:.1f}" for s in (told - started, clustered - told, again - clustered))
        print(f"| {week + 1} | {n:,} | {len(distinct):,} | {seconds} | {len(memory)} | {peak_mb():,.0f} |", flush=True)


if __name__ == "__main__":
    main()
