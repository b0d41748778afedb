"""How much personal data the redaction finds, and how much of what it replaces is none.

    python -m feedback_loop_tests.benchmarks.pii --labelled pii_synth_v2.json.gz --real real_feedback.jsonl.gz
    python -m feedback_loop_tests.benchmarks.pii --labelled pii_synth_v2.json.gz --model en_core_web_sm

Labelled texts: presidio-research's synthetic ones. Patterns and cues were tuned on those with an even index; the table
is of those with an odd one. A span is found if none of its characters is left in the redacted text. A replacement is
right if it touches a labelled span of a type that it may stand for. A missing file is skipped and said so.
"""

import argparse
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feedback_loop.redaction import redact
from feedback_loop.redaction.deep import PATTERNS, Redactor

STANDS_FOR = {
    "<email>": {"EMAIL_ADDRESS"},
    "<phone>": {"PHONE_NUMBER"},
    "<card>": {"CREDIT_CARD"},
    "<iban>": {"IBAN_CODE"},
    "<ip>": {"IP_ADDRESS"},
    "<ssn>": {"US_SSN"},
    "<id>": {"US_DRIVER_LICENSE"},
    "<person>": {"PERSON"},
    "<location>": {"GPE", "STREET_ADDRESS"},
}
PLACEHOLDER = re.compile(r"<[a-z]+>")


@dataclass
class Score:
    """Counts of one type."""

    n_spans: int = 0
    n_found: int = 0
    n_replaced: Counter[str] = field(default_factory=Counter)


def replacements(text: str, redacted: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and placeholder of what was replaced, by aligning what lies between placeholders."""
    position = 0
    parts, marks = PLACEHOLDER.split(redacted), PLACEHOLDER.findall(redacted)
    for part, mark, following in zip(parts, marks, parts[1:], strict=False):
        position = text.index(part, position) + len(part)
        end = text.index(following, position + 1) if following else len(text)
        yield position, end, mark
        position = end


def load(path: Path) -> list[dict[str, Any]]:
    """The labelled texts."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(json.load(file))


def measure(
    texts: list[dict[str, Any]], redact_text: Callable[[str], str]
) -> tuple[dict[str, Score], dict[str, Counter[str]]]:
    """By labelled type what was found; by placeholder how many replacements are right and false."""
    found: dict[str, Score] = {}
    made: dict[str, Counter[str]] = {}
    for record in texts:
        text = record["full_text"]
        spans = [(s["start_position"], s["end_position"], s["entity_type"]) for s in record["spans"]]
        cut = list(replacements(text, redact_text(text)))
        for start, end, kind in spans:
            score = found.setdefault(kind, Score())
            score.n_spans += 1
            score.n_found += any(a <= start and end <= b for a, b, _ in cut)
        for start, end, mark in cut:
            kinds = {kind for a, b, kind in spans if a < end and start < b}
            made.setdefault(mark, Counter())["right" if kinds & STANDS_FOR.get(mark, set()) else "false"] += 1
    return found, made


def print_tables(texts: list[dict[str, Any]], ways: dict[str, Callable[[str], str]]) -> None:
    """Recall by type and precision by placeholder, a column per way."""
    measured = {name: measure(texts, way) for name, way in ways.items()}
    first = next(iter(measured.values()))[0]
    names = list(ways)
    print(f"| span | n | {' | '.join(names)} |\n|{'---|' * (len(names) + 2)}")
    for kind, score in sorted(first.items(), key=lambda item: -item[1].n_spans):
        shares = [measured[name][0][kind].n_found / score.n_spans for name in names]
        print(f"| {kind} | {score.n_spans} | {' | '.join(f'{share:.2f}' for share in shares)} |")
    print(f"\n| placeholder | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for mark in sorted({mark for _, made in measured.values() for mark in made}):
        cells = []
        for name in names:
            counts = measured[name][1].get(mark, Counter())
            cells.append(f"{counts['right']} right, {counts['false']} false" if counts else "")
        print(f"| `{mark}` | {' | '.join(cells)} |")


def print_real(path: Path, way: Callable[[str], str], n_examples: int) -> None:
    """Replacements per 1,000 texts of real feedback, which has hardly any personal data, and a sample of them."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    n_texts = 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            for name in ("user_input", "output", "comment"):
                if text := record.get(name):
                    n_texts += 1
                    for start, end, mark in replacements(text, way(text)):
                        counts[mark] += 1
                        examples.setdefault(mark, []).append(f"{text[max(0, start - 40) : start]}[{text[start:end]}]")
    print(f"\n{n_texts:,} texts\n\n| placeholder | replacements | per 1,000 texts |\n|---|---|---|")
    for mark, n in counts.most_common():
        print(f"| `{mark}` | {n} | {1000 * n / n_texts:.2f} |")
    rng = random.Random(1)
    for mark, found in examples.items():
        for example in rng.sample(found, min(n_examples, len(found))):
            print(f"{mark} {example!r}")


def main() -> None:
    """Read the arguments, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labelled", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--model", help="spaCy model that finds names")
    parser.add_argument("--half", choices=["even", "odd"], default="odd")
    parser.add_argument("--examples", type=int, default=0)
    arguments = parser.parse_args()
    ways: dict[str, Callable[[str], str]] = {"light": redact, "full": PATTERNS.text}
    if arguments.model:
        from feedback_loop.redaction.ner import load_names

        ways[arguments.model] = Redactor(load_names(arguments.model)).text
    for path in (arguments.labelled, arguments.real):
        if path is not None and not path.exists():
            print(f"skipped: there is no {path}")
    if arguments.labelled and arguments.labelled.exists():
        print_tables(load(arguments.labelled)[arguments.half == "odd" :: 2], ways)
    if arguments.real and arguments.real.exists():
        print_real(arguments.real, ways["full"], arguments.examples)


if __name__ == "__main__":
    main()
