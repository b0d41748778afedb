"""Numbers in plain words: trends, drops, lists. For people who have never heard of a p-value.

Belongs here: sentences that several numbers make. Does not belong here: where they stand in a ticket (`ticket`).
"""

from collections.abc import Sequence
from datetime import date
from math import isnan

from feedback_loop.redaction import visible
from feedback_loop.route.facts import SegmentFact, TrendWeek
from feedback_loop.stats.rates import rate_ratio

_MUCH = 1.25  # of a rate to another: less is called about as often
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DROPS = (
    (0.1, "by a tenth"),
    (0.2, "by a fifth"),
    (0.25, "by a quarter"),
    (1 / 3, "by a third"),
    (0.5, "by half"),
    (2 / 3, "by two thirds"),
    (0.75, "by three quarters"),
    (0.9, "by nine tenths"),
)
_MAX_VALUE = 60  # characters of a cohort, version, model or document


def day(of: date) -> str:
    """9 November 2026."""
    return f"{of.day} {of:%B %Y}"


def number(n: int) -> str:
    """Small numbers as words."""
    return _NUMBERS[n] if 0 <= n < len(_NUMBERS) else f"{n:,}"


def count(n: int, one: str, many: str | None = None) -> str:
    """`1 answer`, `2 answers`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def quoted(value: str) -> str:
    """A value that others chose, set off from our words."""
    return f"“{visible(value, _MAX_VALUE)}”"


def version(name: str | None, prompt_version: str) -> str:
    """A prompt version by name."""
    return f"prompt version {quoted(prompt_version)}" + (f" of {quoted(name)}" if name else "")


def part(dimension: str, value: str) -> str:
    """A part of the traffic by name: `cohort “enterprise”`, `prompt version “2” of “support”`."""
    name, at, of_version = value.partition("@")
    if dimension == "prompt_version":
        return version(name, of_version) if at else version(None, value)
    return f"{dimension.replace('_', ' ')} {quoted(value)}"


def segment(fact: SegmentFact) -> str:
    """`for users in “enterprise” (2.1 times as many)`."""
    where = {
        "prompt_version": f"with {part(fact.dimension, fact.value)}",
        "cohort": f"for users in {quoted(fact.value)}",
        "model": f"with the model {quoted(fact.value)}",
        "document": f"where the document {quoted(fact.value)} was used",
    }.get(fact.dimension, f"where {fact.dimension.replace('_', ' ')} is {quoted(fact.value)}")
    return f"{where} ({fact.ratio:.1f} times as many)"


def trend(weeks: Sequence[TrendWeek], first_seen: date) -> str | None:
    """The newest week against those before it, as a sentence; None where there is no week.

    Two rates differ only where their ratio's 95 % interval leaves out 1 and one is at least a quarter above the other.
    """
    if not weeks:
        return None
    now, before = weeks[-1], weeks[:-1]
    if not before:
        return "It is new this week." if first_seen >= now.week else None
    earlier = _before(len(before))
    if sum(week.n_occurrences for week in before) == 0:
        return f"It was not seen in {earlier}."
    compared = [week for week in before if week.exposures > 0]
    n_before, exposures_before = sum(w.affected for w in compared), sum(w.exposures for w in compared)
    if isnan(now.rate) or not compared or now.affected + n_before == 0:
        return None
    weight = max(week.weight for week in (now, *compared))
    ratio = rate_ratio(now.affected, now.exposures, n_before, exposures_before, 0.95, weight)
    earlier = _before(len(compared))
    if ratio.ci_low <= 1 <= ratio.ci_high:
        is_close = 1 / _MUCH <= ratio.ratio <= _MUCH
        return f"That is about as often as in {earlier}." if is_close else _maybe(ratio.ratio, earlier)
    return f"That is {_times(ratio.ratio)} in {earlier}."


def drop(reduction: float) -> str:
    """A reduction as a cut that is at least as large: `by a third`."""
    return next((words for share, words in _DROPS if reduction <= share + 1e-9), "by all of it")


def _before(n_weeks: int) -> str:
    return "the week before" if n_weeks == 1 else f"the {number(n_weeks)} weeks before"


def _maybe(ratio: float, earlier: str) -> str:
    return f"That is {'more' if ratio > 1 else 'less'} than in {earlier}, but the difference may be chance."


def _times(ratio: float) -> str:
    if 1 / _MUCH <= ratio <= _MUCH:
        return f"a little {'more' if ratio > 1 else 'less'} often than"
    if 1.75 <= ratio <= 2.25:
        return "about twice as often as"
    if ratio > 1:
        return f"about {ratio:.1f} times as often as" if ratio < 10 else f"about {ratio:.0f} times as often as"
    return "about half as often as" if 0.4 <= ratio <= 0.6 else f"much less often ({max(0.01, ratio):.0%}) than"
