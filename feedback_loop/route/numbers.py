"""New numbers on a ticket: only on a step that matters, once a week at most.

A step is a share of affected sessions that doubled or halved beyond chance, or a segment that was not told before. It
is measured from what the ticket's readers saw last, and that follows from the week of the ticket and the keys of the
comments planned since: a week that runs again says the same.

Belongs here: when numbers are news, and how they are told. Does not belong here: counting them (`store/trends.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from feedback_loop.documents import Document, Paragraph, Text
from feedback_loop.records import Window
from feedback_loop.route import words
from feedback_loop.route.updates import UpdatePolicy
from feedback_loop.stats.rates import rate_ratio
from feedback_loop.tracker import Ticket, TicketEvent

Segment = tuple[str, str]
_MOST_SEGMENTS = 5  # named in one comment


@dataclass(frozen=True)
class WeekNumbers:
    """One week of the pattern that a ticket speaks for, patterns merged into it included.

    Attributes:
        week: Monday.
        n_sessions: affected sessions as they were seen; 0 only where the week was recorded and nobody was affected.
        affected: the same, per day and version, weighted by 1 / sample_rate.
        exposures: of the application, in the unit of `affected`; None where none were recorded.
        dispersion: variance over mean of the daily counts, >= 1.
        segments: (dimension, value) in which the pattern was more frequent than chance would have it.
    """

    week: date
    n_sessions: int
    affected: float
    exposures: float | None
    dispersion: float = 1.0
    segments: frozenset[Segment] = frozenset()

    def __post_init__(self) -> None:
        if self.exposures is not None and not self.exposures > 0:  # also where it is NaN
            raise ValueError(f"week {self.week}: exposures are above 0, or None where unknown; got {self.exposures}")
        if min(self.n_sessions, self.affected) < 0 or not self.dispersion >= 1:
            raise ValueError(f"week {self.week}: counts are at least 0 and dispersion at least 1, got {self}")


@dataclass(frozen=True)
class Told:
    """What the readers of a ticket saw last: the numbers of a week, and every segment up to then."""

    numbers: WeekNumbers | None  # None: no rate was known yet
    segments: frozenset[Segment]


def numbers_key(pattern_id: str, week: date) -> str:
    """The event key of a ticket's comment on a week."""
    return f"numbers:{pattern_id}:{week}"


def what_was_told(ticket: Ticket, weeks: Sequence[WeekNumbers], said: Collection[str], week: date) -> Told:
    """What the ticket and its comments on weeks before `week` told.

    Args:
        ticket: which tells the numbers of the week it was made in.
        weeks: of the pattern, from that week on.
        said: keys of the events planned for the ticket; those of `week` and later do not matter.
        week: that is to be told.
    """
    told = [
        w
        for w in weeks
        if w.week < week and (w.week == ticket.created_week or numbers_key(ticket.pattern_id, w.week) in said)
    ]
    segments = frozenset[Segment]().union(*(w.segments for w in told))
    return Told(max((w for w in told if w.exposures is not None), key=lambda w: w.week, default=None), segments)


def plan_progress_comments(
    tickets: Sequence[Ticket],
    history: Mapping[tuple[str, str], Sequence[WeekNumbers]],
    said: Mapping[tuple[str, str], Collection[str]],
    week: date,
    policy: UpdatePolicy,
) -> list[TicketEvent]:
    """Comments on the numbers of a week, where they are news.

    Args:
        tickets: that speak for their pattern; only those that are open are commented on.
        history: (application, pattern_id) of a ticket -> weeks of its pattern, from the ticket's own on. A week
            without feedback of any kind is left out: silence is not zero.
        said: likewise -> keys of the events planned for the ticket.
        week: Monday of the week to tell.
        policy: which steps matter.
    """
    events = []
    for ticket in tickets:
        key = (ticket.application, ticket.pattern_id)
        now = next((w for w in history.get(key, ()) if w.week == week), None)
        if ticket.status not in ("open", "reopened") or now is None or ticket.created_week >= week:
            continue
        told = what_was_told(ticket, history[key], said.get(key, ()), week)
        new = sorted(s for s in now.segments - told.segments if s[0] in policy.told_dimensions)
        is_step = told.numbers is not None and _is_step(told.numbers, now, policy)
        if new or is_step:
            body = (*_numbers(told.numbers, now, is_step=is_step), *_appeared(new, week))
            event_key = numbers_key(ticket.pattern_id, week)
            events.append(TicketEvent(*key, event_key, "comment", body, Window.of_week(week).end))
    return events


def _is_step(before: WeekNumbers, now: WeekNumbers, policy: UpdatePolicy) -> bool:
    """Whether the share of affected sessions changed by the factor, with enough of them, and beyond chance."""
    if before.exposures is None or now.exposures is None or before.affected + now.affected == 0:
        return False
    ratio = rate_ratio(
        now.affected, now.exposures, before.affected, before.exposures, policy.confidence, _spread(before, now)
    )
    larger = now if ratio.ratio > 1 else before
    has_changed = not 1 / policy.factor < ratio.ratio < policy.factor
    return has_changed and larger.n_sessions >= policy.min_events and ratio.p_value <= 1 - policy.confidence


def _spread(before: WeekNumbers, now: WeekNumbers) -> float:
    """Variance over mean: of the days, and of sessions that each stand for several."""
    weights = (w.affected / w.n_sessions for w in (before, now) if w.n_sessions)
    return max(1.0, before.dispersion, now.dispersion, *weights)


def _numbers(before: WeekNumbers | None, now: WeekNumbers, *, is_step: bool) -> Document:
    """The old and the new share on one line: in every comment, for the next one is measured from it."""
    if now.exposures is None:
        return ()
    new, title, why = 1000 * now.affected / now.exposures, "Affected sessions", ""
    told = f"{now.n_sessions:,} in the week of {words.day(now.week)}"
    if before is None or before.exposures is None:
        return (_line(title, f"{new:.1f} of 1,000 sessions ({told})."),)
    old = 1000 * before.affected / before.exposures
    if is_step:
        title, why = f"{title} {'rose' if new > old else 'fell'}", " That is more than chance."
    told = f"{before.n_sessions:,} in the week of {words.day(before.week)}, {told}"
    return (_line(title, f"{old:.1f} → {new:.1f} of 1,000 sessions ({told}).{why}"),)


def _appeared(new: Sequence[Segment], week: date) -> Document:
    """Where the pattern is frequent now and was not before."""
    if not new:
        return ()
    named = [words.part(*segment) for segment in new[:_MOST_SEGMENTS]]
    more = f", and {len(new) - len(named)} more" if len(new) > len(named) else ""
    line = f"{', '.join(named)}{more} (week of {words.day(week)}). It happens more often there than elsewhere."
    return (_line("New in", line),)


def _line(title: str, text: str) -> Paragraph:
    return Paragraph((Text(title, "strong"), Text(f": {text}")))
