"""How large a cut must be to show after so many days, in words: what a team can hope to see of its fix.

Belongs here: planning from a pattern's weeks. Does not belong here: the power of the test (`stats/planning.py`) and
the verdict itself (`verify.py`).
"""

from collections.abc import Mapping, Sequence

from feedback_loop.route import words
from feedback_loop.route.facts import TrendWeek
from feedback_loop.stats.planning import smallest_visible_drop

_DAYS_TO_FIX = 7  # a fix is rarely live sooner, and each day adds to what is known before it
_RECENT = 4  # weeks that say how often it happens now

Drops = Mapping[int, float | None]


def visible_drops(weeks: Sequence[TrendWeek], looks: Mapping[int, float], dispersion: float) -> Drops:
    """Days after a fix -> the smallest cut that most likely shows then; None: none would.

    Of the looks the first, the middle and the last. As many sessions as of late are supposed to come.

    Args:
        weeks: of the pattern, oldest first, at least one.
        looks: days -> confidence of the judgement.
        dispersion: variance over mean of the daily counts, >= 1.
    """
    days, recent = sorted(looks), weeks[-_RECENT:]
    per_day = sum(week.affected for week in recent) / (7 * len(recent))
    known = 7 * len(weeks) + _DAYS_TO_FIX
    shown = sorted({days[0], days[len(days) // 2], days[-1]})
    return {
        day: smallest_visible_drop(per_day, day, min(day, known), looks[day], dispersion=dispersion) for day in shown
    }


def sentence(drops: Drops) -> str:
    """The drops as one or two sentences: `A cut by half would show after 14 days, one by a third after 28`."""
    told: dict[str, int] = {}
    for day, reduction in sorted(drops.items()):
        if reduction is not None:
            told.setdefault(words.drop(reduction), day)
    if not told:
        return (
            f"At today's numbers this is too rare to judge: even if it vanished, {max(drops)} days would not show it "
            "for sure."
        )
    cuts = [
        f"a cut {what} will most likely show after {day} days" if not n else f"one {what} after {day}"
        for n, (what, day) in enumerate(told.items())
    ]
    first = min(drops)
    blind = f" The first {first} days will probably say nothing yet." if drops[first] is None else ""
    return f"At today's numbers {words.listed(cuts)}.{blind} A smaller cut may be real and still not show."
