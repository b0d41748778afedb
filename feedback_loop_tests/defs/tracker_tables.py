"""The matrix of failures as the tables of docs/reliability.md, and read from there again.

Belongs here: cells to Markdown and back. Does not belong here: how a cell is tried (`tracker_faults.py`).
"""

from collections.abc import Iterable, Mapping, Sequence

from feedback_loop_tests.defs.tracker_faults import FAILURES, PERSONALITIES, STEPS, Cell, Outcome, Step

_TABLES = (STEPS[:9], STEPS[9:17], STEPS[17:])
NAMES = {"cloud": "Cloud", "dc": "Data Center"}
_NOWHERE = "-"
_BEFORE, _AFTER, _EITHER = ", before", ", after", ", before or after"
Tried = Sequence[tuple[Cell, Outcome]]
Words = Mapping[Cell, str]


def document_part(tried: Tried) -> str:
    """Tables and counts, as Markdown."""
    words = {cell: outcome.said for cell, outcome in tried}
    return "\n\n".join([*(_table(steps, words) for steps in _TABLES), counts(tried)]) + "\n"


def counts(tried: Tried) -> str:
    """How much was tried, and what went wrong."""
    outcomes = [outcome for _, outcome in tried]
    requests = [outcome.n_requests for outcome in outcomes]
    rows = {
        "cells": len(outcomes),
        "tickets planned": 2 * len(outcomes),
        "tickets that count": sum(o.n_tickets for o in outcomes),
        "comments": sum(o.n_comments for o in outcomes),
        "made, said or done twice": sum(o.doubled.total() for o in outcomes),
        "lost": sum(o.lost.total() for o in outcomes),
        "cells that end otherwise than undisturbed": sum(not o.is_same for o in outcomes),
        "writes of the last run, which had nothing to do": sum(o.n_late_writes for o in outcomes),
        "requests that Jira itself turned down": sum(o.n_refused for o in outcomes),
        "requests of the runs that met the failure, in thousands": round(sum(requests) / 1000),
    }
    lines = ["| count | of all cells |", "|---|---|", *(f"| {name} | {n:,} |" for name, n in rows.items())]
    return "\n".join(lines)


def read_words(document: str) -> dict[tuple[str, str], str]:
    """(failure, step) -> text of the cell, from the tables of a document."""
    found: dict[tuple[str, str], str] = {}
    steps: list[str] = []
    for line in document.splitlines():
        first, *rest = [cell.strip() for cell in line.strip("|").split("|")]
        if first == "failure":
            steps = rest
        elif steps and line.startswith("|") and not first.startswith("--"):
            found |= {
                (failure, step): text for failure in _failures(first) for step, text in zip(steps, rest, strict=True)
            }
        elif not line.startswith("|"):
            steps = []
    return found


def word_for(cell: Cell, words: Mapping[tuple[str, str], str]) -> str | None:
    """What a document says of a cell; None: nothing."""
    text = words.get((cell.failure, cell.step.name), _NOWHERE)
    for part in text.split("; "):
        name, is_named, said = part.partition(": ")
        if not is_named or name == NAMES[cell.personality]:
            once, _, stays = (said if is_named else part).partition(" / ")
            return None if once == _NOWHERE else (stays or once) if cell.stays else once
    return None


def _table(steps: Sequence[Step], words: Words) -> str:
    """Failures with the same answer at every step share a row."""
    by_row: dict[tuple[str, ...], list[str]] = {}
    for failure in FAILURES:
        row = tuple(_text(failure, step, words) for step in steps)
        if set(row) != {_NOWHERE}:
            by_row.setdefault(row, []).append(failure)
    lines = ["| failure | " + " | ".join(step.name for step in steps) + " |", "|---" * (len(steps) + 1) + "|"]
    lines += [f"| {_named(failures)} | {' | '.join(row)} |" for row, failures in by_row.items()]
    return "\n".join(lines)


def _text(failure: str, step: Step, words: Words) -> str:
    """`once / stays`, one word where both are the same, by personality where they differ."""
    said = {}
    for personality in PERSONALITIES:
        both = [words.get(Cell(failure, step, personality, stays), "") for stays in (False, True)]
        if any(both):
            said[NAMES[personality]] = _joined(both)
    distinct = list(dict.fromkeys(said.values()))
    if len(distinct) < 2:
        return distinct[0] if distinct else _NOWHERE
    return "; ".join(f"{name}: {text}" for name, text in said.items())


def _joined(words: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(words))


def _named(failures: Sequence[str]) -> str:
    """Failures in one cell: those that are the same before and after the deed, under one name."""
    names = []
    for failure in failures:
        base = failure.removesuffix(_BEFORE).removesuffix(_AFTER)
        is_either = base != failure and {base + _BEFORE, base + _AFTER} <= set(failures)
        names.append(base + _EITHER if is_either else failure)
    return "; ".join(dict.fromkeys(names))


def _failures(names: str) -> list[str]:
    """Those of `_named`."""
    found = []
    for name in names.split("; "):
        base = name.removesuffix(_EITHER)
        found += [name] if base == name else [base + _BEFORE, base + _AFTER]
    return found
