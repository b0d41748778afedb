"""A stream of weeks with planted truth: labelled texts, each class with a life of its own, noise, repeats and bots.

Belongs here: what the benchmark of patterns is run on (`patterns.py`). Does not belong here: anything that clusters.
"""

import csv
import gzip
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FIRST_WEEK = date(2026, 1, 5)
N_WEEKS = 8
NOISE, BOT = "(noise)", "(bot)"
OUT_OF_SCOPE = {"oos", "out_of_scope", "ood"}  # a set's own name for texts that belong to no class

_SHARES = {"steady": 0.35, "new": 0.20, "regression": 0.15, "fixed": 0.10, "rising": 0.10, "falling": 0.10}
_NOISE_SHARE, _REPEAT_SHARE, _BOT_MESSAGES = 0.08, 0.10, 40
_MIN_NOISE = 10  # texts of its own that a set needs; the first two are the bots'


@dataclass(frozen=True)
class Labelled:
    """Texts with their true classes, and texts that belong to none."""

    texts: list[str]
    classes: list[str]
    noise: list[str]

    @property
    def all_texts(self) -> list[str]:
        """Every text that a stream of these can hold, each once, in order."""
        bots = (_bot_text(text, bot, n) for bot, text in enumerate(self.noise[:2]) for n in range(_BOT_MESSAGES))
        return list(dict.fromkeys([*self.texts, *self.noise, *bots]))


@dataclass(frozen=True)
class Week:
    """One week: events as the loop hands them to `cluster_week`, and the class of each (not in the events)."""

    week: date
    events: pd.DataFrame
    truth: NDArray[np.str_]


def read_labelled(path: Path) -> Labelled:
    """A `text,category` CSV, plain or gzipped.

    Noise are the rows of an out-of-scope category; where the set has none, sentences with personal data and comments
    on another product's answers (`presidio-research`, FeedbackQA): half of each for names with "train" in them, the
    other half for all else.

    Raises:
        OSError: the file is not there, or not gzip though its name says so.
        ValueError: it has no such columns, fewer than two classes, or fewer texts per class than weeks.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        if missing := {"text", "category"} - set(table.fieldnames or ()):
            raise ValueError(f"{path.name} lacks the column {', '.join(sorted(missing))}; it needs text and category")
        rows = [(row["text"].strip(), row["category"]) for row in table if row["text"].strip()]
    own = [text for text, category in rows if category in OUT_OF_SCOPE]
    rows = [row for row in rows if row[1] not in OUT_OF_SCOPE]
    n_classes = len({category for _, category in rows})
    if n_classes < 2 or len(rows) < N_WEEKS * n_classes:
        raise ValueError(f"{path.name} has {len(rows)} texts of {n_classes} classes, too few for {N_WEEKS} weeks")
    noise = own if len(own) >= _MIN_NOISE else _foreign_texts(for_training="train" in path.name)
    return Labelled([text for text, _ in rows], [category for _, category in rows], noise)


def _foreign_texts(*, for_training: bool) -> list[str]:
    """Every other sentence with personal data and every other comment on an answer, by turns."""
    with gzip.open(DATA / "pii_synth_v2.json.gz", "rt", encoding="utf-8") as file:
        sentences = list(dict.fromkeys(" ".join(row["full_text"].split())[:300] for row in json.load(file)))
    with gzip.open(DATA / "real_feedback.jsonl.gz", "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    comments = list(dict.fromkeys(r["comment"].strip()[:300] for r in records if (r.get("comment") or "").strip()))
    pairs = list(zip(sentences, comments, strict=False))[for_training::2]
    return list(dict.fromkeys(text for pair in pairs for text in pair))


def at_most(labelled: Labelled, per_class: int, seed: int = 0) -> Labelled:
    """The same set with at most so many texts of each class, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(labelled.texts))
    left, kept = Counter[str](), []
    for i in order:
        left[labelled.classes[i]] += 1
        if left[labelled.classes[i]] <= per_class:
            kept.append(int(i))
    kept.sort()
    return replace(labelled, texts=[labelled.texts[i] for i in kept], classes=[labelled.classes[i] for i in kept])


def make_stream(labelled: Labelled, seed: int) -> list[Week]:
    """Eight weeks of labelled texts, each used once but for repeats.

    A class of m texts has m / 8 events a week times what its life says: steady 35 % of the classes, new 20, regression
    15, fixed, rising and falling 10 each. Besides, 8 % noise, 10 % repeats of a text of the same week (half of them by
    the same user), and two bots that send 40 messages each, one always the same, one each time a little different.

    Args:
        labelled: the texts.
        seed: of lives, order and users.
    """
    chance = np.random.default_rng(seed)
    classes = sorted(set(labelled.classes))
    pools = {name: [t for t, c in zip(labelled.texts, labelled.classes, strict=True) if c == name] for name in classes}
    drawn: list[list[tuple[str, str]]] = [[] for _ in range(N_WEEKS)]
    for name, weights in zip(chance.permutation(classes), _lives(len(classes), chance), strict=True):
        pool = list(chance.permutation(pools[str(name)]))
        for week, mean in enumerate(weights * len(pool) / N_WEEKS):
            n = min(int(chance.poisson(mean)), len(pool))
            drawn[week] += [(str(pool.pop()), str(name)) for _ in range(n)]
    noise = list(chance.permutation(labelled.noise[2:]))
    bot_weeks = chance.choice(np.arange(1, N_WEEKS), size=2, replace=False)
    weeks = []
    for number, rows in enumerate(drawn):
        n_noise = min(len(noise), round(_NOISE_SHARE * len(rows)))
        bots = [bot for bot in range(2) if bot_weeks[bot] == number]
        weeks.append(_week(number, rows + [(str(noise.pop()), NOISE) for _ in range(n_noise)], bots, labelled, chance))
    return weeks


def _lives(n_classes: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """What share of its usual number a class has in each week. Shape (n_classes, N_WEEKS)."""
    kinds = list(_SHARES)
    ends = np.round(np.cumsum(list(_SHARES.values())) * n_classes).astype(int)
    lives = np.ones((n_classes, N_WEEKS))
    for number, life in enumerate(lives):
        kind = kinds[int(np.searchsorted(ends, number, side="right"))]
        if kind == "new":
            life[: chance.integers(1, N_WEEKS - 1)] = 0
        elif kind == "regression":
            gone = chance.integers(2, 4)
            life[gone : gone + chance.integers(2, 4)] = 0
        elif kind == "fixed":
            life[chance.integers(3, N_WEEKS - 1) :] = 0
        elif kind in {"rising", "falling"}:
            life *= np.linspace(0.25, 1.75, N_WEEKS)[:: 1 if kind == "rising" else -1]
    return lives


def _bot_text(text: str, bot: int, n: int) -> str:
    """The first bot says the same each time, the second nearly the same."""
    return text if bot == 0 else f"{text} ({n})"


def _week(
    number: int, rows: list[tuple[str, str]], bots: list[int], labelled: Labelled, chance: np.random.Generator
) -> Week:
    """Rows of (text, class) with users, repeats and bots, in the shape that the loop hands to `cluster_week`."""
    n_users = max(8, int(0.6 * len(rows)))
    said = [(text, name, f"u{number}-{chance.integers(n_users)}") for text, name in rows]
    for again in chance.integers(max(1, len(rows)), size=round(_REPEAT_SHARE * len(rows))):
        text, name, user = said[again]
        said.append((text, name, user if chance.random() < 0.5 else f"u{number}-{chance.integers(n_users)}"))
    for bot in bots:
        said += [(_bot_text(labelled.noise[bot], bot, n), BOT, f"bot{bot}") for n in range(_BOT_MESSAGES)]
    said = [said[i] for i in chance.permutation(len(said))]
    events = pd.DataFrame(
        {
            "application": "benchmark",
            "interaction_id": [f"w{number}-{n:05}" for n in range(len(said))],
            "severity": 2,
            "user_hash": [user for _, _, user in said],
            "description": [text for text, _, _ in said],
            "failure_text": [text for text, _, _ in said],
            "subject_text": "",
            "sentence": "",
            "evidence": "comment",
            "is_inferred": False,
            "user_input": "",
            "output": "",
            "comments": [[text] for text, _, _ in said],
            "reasons": [[] for _ in said],
            "signals": [[] for _ in said],
            "edited_output": None,
            "has_error": False,
            "n_documents": float("nan"),
        }
    )
    week = FIRST_WEEK + timedelta(weeks=number)
    return Week(week, events, np.array([name for _, name, _ in said], dtype=np.str_))
