"""How large a cut must be to show after so many days, in words: what a team can hope to see of its fix.

Belongs here: planning from a pattern's weeks. Does not belong here: the power of the test (`stats/prospects.py`) and
the verdict itself (`verify.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from feedback_loop.route import words
from feedback_loop.route.facts import TrendWeek
from feedback_loop.stats.prospects import days_to_decision, plan_of, smallest_cut

HOLD_BACK = 0.2
_MUCH_BETTER = 0.1  # of the rate
Drops = Mapping[int, float | None]


@dataclass(frozen=True)
class Outlook:
    """What a team can hope to see of its fix.

    Attributes:
        drops: days after a fix -> the smallest cut that most likely shows then; None: none would.
        days_to_halving: look at which a cut by half would most likely show; None: at none.
        hold_back: smallest cut that shows at the first look with a fifth of the traffic left on the old version;
            None: none would.
    """

    drops: Drops
    days_to_halving: int | None = None
    hold_back: float | None = None


def outlook(weeks: Sequence[TrendWeek], looks: Mapping[int, float], dispersion: float) -> Outlook:
    """The outlook of a pattern, by the comparison that will judge it.

    Of the looks the first, the middle and the last.

    Args:
        weeks: of the pattern, oldest first, at least one.
        looks: days -> confidence of the judgement.
        dispersion: variance over mean of the daily counts, >= 1.
    """
    days = sorted(looks)
    shown = sorted({days[0], days[len(days) // 2], days[-1]})
    plan = plan_of([week.affected for week in weeks], dispersion)
    if plan is None:
        return Outlook(dict.fromkeys(shown))
    return Outlook(
        {day: smallest_cut(plan, day, looks[day]) for day in shown},
        days_to_decision(plan, 0.5, [(day, looks[day]) for day in days]),
        smallest_cut(replace(plan, hold_back=HOLD_BACK), days[0], looks[days[0]]),
    )


def advice(found: Outlook) -> str:
    """What a hold-back would bring, where it brings much; else empty."""
    first = min(found.drops)
    alone, beside = found.drops[first], found.hold_back
    if beside is None or (alone is not None and beside > alone - _MUCH_BETTER):
        return ""
    return (
        f" If {HOLD_BACK:.0%} of the traffic keeps the old version for {first} days, a cut {words.drop(beside)} will "
        "show by then."
    )


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
