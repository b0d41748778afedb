"""What a simulation contains, counted against its truth: for people who tune it and for tests.

Belongs here: weekly counts per planted failure from records and truth. Does not belong here: anything the loop uses.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from feedback_loop.testing.simulator_feedback import SIGNALS

NEGATIVE_SIGNALS = frozenset(SIGNALS) - {"rating"}


def is_negative(record: Mapping[str, Any]) -> bool:
    """Whether a feedback record complains."""
    return record["signal"] in NEGATIVE_SIGNALS or (record["signal"] == "rating" and record["value"] <= 2)


def count_by_week(
    weeks: Sequence[Iterable[Mapping[str, Any]]], failed: Mapping[str, str], *, with_words: bool = False
) -> list[Counter[str]]:
    """Interactions with negative feedback per planted failure, by the week in which the first of it arrived.

    Args:
        weeks: the records of each week, in order.
        failed: interaction_id -> planted failure id; what is not in it counts as "none".
        with_words: count only interactions that got a comment, a reason or an edit.
    """
    counts: list[Counter[str]] = []
    seen: set[str] = set()
    for records in weeks:
        week: Counter[str] = Counter()
        for record in records:
            if record["type"] != "feedback" or record["interaction_id"] in seen or not is_negative(record):
                continue
            if with_words and not record.keys() & {"comment", "reason", "edited_output"}:
                continue
            seen.add(record["interaction_id"])
            week[failed.get(record["interaction_id"], "none")] += 1
        counts.append(week)
    return counts


def format_counts(counts: Sequence[Mapping[str, int]], labels: Mapping[str, str]) -> str:
    """A table with one line per failure and one column per week.

    Args:
        counts: per week, per failure id.
        labels: failure id -> what to print beside it; decides the lines and their order.
    """
    header = f"{'failure':<20}{'plan':<22}" + "".join(f"{f'w{n}':>6}" for n in range(len(counts)))
    lines = [
        f"{failure_id:<20}{label:<22}" + "".join(f"{week.get(failure_id, 0):>6}" for week in counts)
        for failure_id, label in labels.items()
    ]
    return "\n".join([header, *lines])
