"""What describing does to real comments: do their vectors group by subject or by failure, and how fast is it?

    python -m feedback_loop_tests.benchmarks.describe_views [--vectors lexical | static | DIRECTORY] [--part report]
    python -m feedback_loop_tests.benchmarks.describe_views --speed 100000

The data is FeedbackQA as import records: `../shared/data/real_feedback.jsonl.gz`, or another file by `--data`. The
first three weeks were developed on; the last two are reported. A directory is a sentence-transformers model, which
needs that package.
"""

import argparse
import gzip
import importlib
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

from feedback_loop.clients import embeddings
from feedback_loop.describe import DescribePolicy, describe_failures

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "real_feedback.jsonl.gz"
REPORT_FROM = datetime.fromisoformat("2026-10-19T00:00:00+00:00")
N_CLUSTERS, N_SEEDS, BAD = 30, 5, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", default="lexical")
    parser.add_argument("--part", choices=("develop", "report"), default="report")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--speed", type=int, metavar="ROWS", help="measure describing instead, comments repeated")
    arguments = parser.parse_args()
    texts, facts = read_comments(arguments.data, arguments.part)
    if arguments.speed:
        print_speed(texts, arguments.speed)
        return
    described = describe_failures(texts, DescribePolicy())
    encode = encoder(arguments.vectors)
    views = {
        "comment as it is": texts["comments"].str[0],
        "failure text": described["failure_text"],
        "subject text": described["subject_text"],
    }
    print(f"{len(texts)} comments, {facts['page'].nunique()} pages, {(facts['rating'] == BAD).mean():.0%} bad")
    print("| view | AMI page | AMI rating | AMI bad/not | probe bad/not, AUC |\n|---|---|---|---|---|")
    for name, view in views.items():
        print(
            f"| {name} | " + " | ".join(f"{n:.3f}" for n in agreement(encode(view.tolist()), facts)) + " |", flush=True
        )


def read_comments(path: Path, part: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Frame `records.TEXTS` of every commented interaction of one part, and its `page` and `rating`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    said = {r["interaction_id"]: r for r in records if r["type"] == "feedback" and r.get("comment")}
    asked = [r for r in records if r["type"] == "interaction" and r["interaction_id"] in said]
    is_late = [datetime.fromisoformat(r["occurred_at"]) >= REPORT_FROM for r in asked]
    asked = [r for r, late in zip(asked, is_late, strict=True) if late == (part == "report")]
    feedback = [said[r["interaction_id"]] for r in asked]
    texts = pd.DataFrame(
        {
            **{name: [r[name] for r in asked] for name in ("application", "interaction_id", "user_input")},
            "output": [r["output"][:2000] for r in asked],  # as the database hands it over
            "comments": [[f["comment"]] for f in feedback],
            **{name: [[] for _ in asked] for name in ("reasons", "signals")},
            "edited_output": None,
            "has_error": False,
            "n_documents": 1.0,
        }
    )
    pages = [(r["retrieved_documents"] or [{"id": ""}])[0]["id"] for r in asked]
    return texts, pd.DataFrame({"page": pages, "rating": [int(f["value"]) for f in feedback]})


def encoder(name: str) -> Callable[[Sequence[str]], np.ndarray[Any, Any]]:
    """Text to unit vectors."""
    if name in ("lexical", "static"):
        encode: Callable[[Sequence[str]], Any] = getattr(embeddings, f"{name.title()}Embedder")().encode
        return encode
    model = importlib.import_module("sentence_transformers").SentenceTransformer(name, device="cpu")
    return lambda texts: np.asarray(model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False))


def agreement(vectors: np.ndarray[Any, Any], facts: pd.DataFrame) -> tuple[float, float, float, float]:
    """Mean AMI of k-means clusters with page, rating and bad or not; AUC of a linear probe for the latter."""
    bad = facts["rating"] == BAD
    clusters = [KMeans(N_CLUSTERS, n_init=1, random_state=seed).fit_predict(vectors) for seed in range(N_SEEDS)]
    agreed = [
        float(np.mean([adjusted_mutual_info_score(truth, found) for found in clusters]))
        for truth in (facts["page"], facts["rating"], bad)
    ]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probe = cross_val_score(LogisticRegression(max_iter=300), vectors, bad, cv=folds, scoring="roc_auc")
    return agreed[0], agreed[1], agreed[2], float(probe.mean())


def print_speed(texts: pd.DataFrame, n_rows: int) -> None:
    """Rows per second, with the real answers and with answers cut to the length of a comment; best of three."""
    many = texts.iloc[np.arange(n_rows) % len(texts)].reset_index(drop=True)
    for name, rows in (("as they are", many), ("answers cut", many.assign(output=many["output"].str[:125]))):
        best = min(_seconds(rows) for _ in range(3))
        lengths = {column: rows[column].str.len().mean() for column in ("user_input", "output")}
        print(f"{name}: {n_rows / best:,.0f} rows/s, {n_rows} in {best:.1f} s; characters {lengths}")


def _seconds(rows: pd.DataFrame) -> float:
    started = time.process_time()
    describe_failures(rows, DescribePolicy())
    return time.process_time() - started


if __name__ == "__main__":
    main()
