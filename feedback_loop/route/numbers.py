"""New numbers on a ticket: only on a step that matters, once a week at most.

A step is a share of affected sessions that doubled or halved beyond chance, or a segment that was not told before. It
is measured from what the ticket's readers saw last, and that follows from the week of the ticket and the keys of the
comments planned since: a week that runs again says the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from feedback_loop.documents import Document, Paragraph, Text
from feedback_loop.records import Ticket, TicketEvent, Window
from feedback_loop.route.updates import UpdatePolicy
from feedback_loop.stats.rates import rate_ratio

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


@dataclass(frozen=True)
class Told:
    """What the readers of a ticket saw last: the numbers of a week, and every segment up to then."""

    numbers: WeekNumbers | None  # None: of that week there are none
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
    told = {
        w.week: w
        for w in weeks
        if w.week < week and (w.week == ticket.created_week or numbers_key(ticket.pattern_id, w.week) in said)
    }
    segments = frozenset[Segment]().union(*(w.segments for w in told.values()))
    return Told(told[max(told)] if told else None, segments)


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
        body = (*_step(told.numbers, now, policy), *_appeared(told.segments, now, policy))
        if body:
            event_key = numbers_key(ticket.pattern_id, week)
            events.append(TicketEvent(*key, event_key, "comment", body, Window.of_week(week).end))
    return events


def _step(before: WeekNumbers | None, now: WeekNumbers, policy: UpdatePolicy) -> Document:
    """The old and the new share on one line, where it changed by the factor and beyond chance."""
    if before is None or not before.exposures or not now.exposures or before.affected + now.affected == 0:
        return ()
    ratio = rate_ratio(
        now.affected, now.exposures, before.affected, before.exposures, policy.confidence, _spread(before, now)
    )
    is_up = ratio.ratio >= policy.factor
    larger = now if is_up else before
    changed = is_up or ratio.ratio <= 1 / policy.factor
    if not changed or larger.n_sessions < policy.min_events or ratio.p_value > 1 - policy.confidence:
        return ()
    rates = [1000 * of.affected / (of.exposures or 1) for of in (before, now)]
    line = (
        f": {rates[0]:.1f} → {rates[1]:.1f} of 1,000 sessions ({before.n_sessions:,} → {now.n_sessions:,} sessions, "
        f"week of {before.week} → week of {now.week}). That is more than chance."
    )
    word = "More sessions are affected" if is_up else "Fewer sessions are affected"
    return (Paragraph((Text(word, "strong"), Text(line))),)


def _spread(before: WeekNumbers, now: WeekNumbers) -> float:
    """Variance over mean: of the days, and of sessions that each stand for several."""
    weights = (w.affected / w.n_sessions for w in (before, now) if w.n_sessions)
    return max(1.0, before.dispersion, now.dispersion, *weights)


def _appeared(told: frozenset[Segment], now: WeekNumbers, policy: UpdatePolicy) -> Document:
    new = sorted(s for s in now.segments - told if s[0] in policy.told_dimensions)
    if not new:
        return ()
    named = [f"{dimension.replace('_', ' ')} {value}" for dimension, value in new[:_MOST_SEGMENTS]]
    more = f", and {len(new) - len(named)} more" if len(new) > len(named) else ""
    line = f": {', '.join(named)}{more} (week of {now.week}). There it happens more often than elsewhere."
    return (Paragraph((Text("Newly frequent in", "strong"), Text(line))),)
