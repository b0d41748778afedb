"""Verdicts and regressions on tickets: what they say, what they do, and what they leave to people.

A verdict is told whatever it is; whether the ticket also changes is decided apart, by `UpdatePolicy` and by what people
did. A regression, a pattern that is back after an effective fix, is told once in a while and never by a single match.

Belongs here: the words of a verdict or regression on a ticket, and whether it closes or reopens it. Does not belong
here: the verdict and the test themselves (`verify`), and carrying it out (`defs/filing.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import inf
from typing import Literal

from feedback_loop.documents import Document, Paragraph, Text
from feedback_loop.records import NOT_REDUCED, Fix, Verification
from feedback_loop.redaction import visible
from feedback_loop.route import words
from feedback_loop.route.updates import ENDED_BY_PEOPLE, SILENT, Key, UpdatePolicy
from feedback_loop.tracker import Ticket, TicketEvent

_Step = tuple[Literal["comment", "reopen", "close"], str]
_MAX_KEY = 80  # characters


@dataclass(frozen=True)
class Reopening:
    """A ticket was reopened: by people, or by the loop after a verdict."""

    at: datetime
    by_people: bool


def plan_verdict_events(
    verifications: Sequence[Verification],
    names: Mapping[Key, str],
    tickets: Mapping[Key, Ticket],
    fixes: Sequence[Fix],
    as_of: datetime,
    policy: UpdatePolicy,
    reopened: Mapping[Key, Sequence[Reopening]] | None = None,
) -> list[TicketEvent]:
    """What a verdict does to its ticket: a comment, and where it may, reopening or closing.

    Not reduced reopens: within some weeks of the deployment, not twice in a short time, not where a later fix is to be
    judged, and never what people ended otherwise. Effective closes, unless people set the ticket's status. A partial
    reduction leaves the ticket as it is: a person decides whether it is enough.

    Args:
        verifications: looks that were not told yet, in any order.
        names: (application, pattern_id) -> name, for the sentence.
        tickets: (application, pattern_id of the look) -> the ticket that speaks for it, with its status of now.
        fixes: all that count, under the patterns of the looks.
        as_of: now, as the run has it.
        policy: what may be done.
        reopened: as `tickets` -> when it was reopened, by whomever.
    """
    events: list[TicketEvent] = []
    made: dict[Key, list[Reopening]] = {}
    for v in sorted(verifications, key=lambda v: (v.as_of, v.fix_id)):
        key = (v.application, v.pattern_id)
        ticket = tickets.get(key)
        if ticket is not None and ticket.status in SILENT:
            continue
        # What the loop did from this look on, it did for it or after it: a plan made again is the same.
        before = [r for r in (reopened or {}).get(key, ()) if r.by_people or r.at < v.as_of]
        # Of a fix that was withdrawn since, the deployment is known to the day.
        about = (key, v.fix_id, v.as_of - timedelta(days=v.look_day))
        history = _history(*about, fixes, [*before, *made.get(key, [])])
        kind, after = _next_step(v, ticket, history, as_of, policy)
        if kind == "reopen":
            made.setdefault(key, []).append(Reopening(v.as_of, by_people=False))
        said = verdict_document(v, names.get(key, v.pattern_id), after)
        event_key = f"verdict:{v.fix_id}:{v.look_day}"
        events.append(TicketEvent(v.application, v.pattern_id, event_key, kind, said, v.as_of))
    return events


@dataclass(frozen=True)
class _History:
    """What happened to a ticket, as one of its looks sees it."""

    deployed_at: datetime
    later_fix_at: datetime | None
    reopened_at: datetime | None
    by_people_at: datetime | None  # since the deployment


def _history(
    key: Key, fix_id: str, else_at: datetime, fixes: Sequence[Fix], reopenings: Sequence[Reopening]
) -> _History:
    """What a fix of a pattern was followed by; `else_at`: its deployment where it is not among the fixes."""
    of_pattern = [f for f in fixes if (f.application, f.pattern_id) == key]
    deployed_at = next((f.deployed_at for f in of_pattern if f.fix_id == fix_id), else_at)
    return _History(
        deployed_at,
        later_fix_at=max((f.deployed_at for f in of_pattern if f.deployed_at > deployed_at), default=None),
        reopened_at=max((r.at for r in reopenings), default=None),
        by_people_at=max((r.at for r in reopenings if r.by_people and r.at > deployed_at), default=None),
    )


def _next_step(
    v: Verification, ticket: Ticket | None, history: _History, as_of: datetime, policy: UpdatePolicy
) -> _Step:
    """What is done, and how that is said."""
    if v.verdict == "partial":
        return "comment", "a person decides whether this is enough. If not, ship a further fix."
    if v.verdict != "effective" and v.verdict not in NOT_REDUCED:
        if v.next_look_at is None:
            return "comment", "nothing by itself: this was the last look at this fix. A person decides."
        wait = " Until then there is nothing to do." if v.verdict == "inconclusive" else ""
        return "comment", f"the next look comes on {words.day(v.next_look_at)}.{wait}"
    if ticket is None or ticket.status in ("waiting", "planned"):
        return "comment", "nothing: the ticket was not released yet."
    if ticket.status in ENDED_BY_PEOPLE:
        return "comment", f"the ticket stays as it is, because {_why_ended(ticket)}."
    is_open = ticket.status in ("open", "reopened")
    if v.verdict == "effective":
        return _closing(v, history, policy, is_open=is_open, is_theirs=ticket.is_set_by_people)
    why_not = _why_not_reopen(v.as_of, history, ("the fix was deployed", as_of - history.deployed_at), policy)
    return _reopening(why_not, history, is_open=is_open)


def _why_ended(ticket: Ticket) -> str:
    if ticket.status == "duplicate" and ticket.duplicate_of:
        return f"people made it a duplicate of {visible(ticket.duplicate_of, _MAX_KEY)}"
    return ENDED_BY_PEOPLE[ticket.status]


def _closing(v: Verification, history: _History, policy: UpdatePolicy, *, is_open: bool, is_theirs: bool) -> _Step:
    if is_open and history.by_people_at is not None:
        day = words.day(history.by_people_at)
        return "comment", f"the ticket stays open, because people reopened it on {day}. Close it if you agree."
    if is_open and is_theirs:
        return "comment", "the ticket stays as it is, because people set its status. Close it if you agree."
    may_close = policy.may_close and v.may_close
    if is_open and not may_close:
        return "comment", "close the ticket if you agree."
    return (
        "close" if may_close else "comment",
        "the ticket is closed." if is_open else "the ticket stays closed.",
    )


def _reopening(why_not: str | None, history: _History, *, is_open: bool) -> _Step:
    if history.later_fix_at is not None:
        later = words.day(history.later_fix_at)
        return "comment", f"the fix of {later} is judged. Until then the ticket stays as it is."
    if is_open:
        return "comment" if why_not else "reopen", "the ticket stays open. It needs further work."
    if why_not:
        return "comment", f"the ticket is not reopened by itself, because {why_not}. Reopen it if the work goes on."
    return "reopen", "the ticket is reopened. It needs further work."


def _why_not_reopen(
    found_at: datetime, history: _History, age: tuple[str, timedelta], policy: UpdatePolicy
) -> str | None:
    """`age`: what it is counted from, the deployment or the day a regression was found, and how long ago that is."""
    if not policy.may_reopen:
        return "the settings leave that to people"
    if age[1] > timedelta(days=policy.reopen_within_days):
        return f"{age[0]} more than {policy.reopen_within_days} days ago"
    last = history.reopened_at
    if last is not None and found_at - last < timedelta(days=policy.reopen_every_days):
        return f"it was already reopened on {words.day(last)}"
    return None


@dataclass(frozen=True)
class Regression:
    """A pattern is back after a fix that was found effective: more than chance, by a test of its rate.

    Attributes:
        application, pattern_id, fix_id: which fix no longer holds.
        deployed_at: of the fix.
        since: the first of the days that were tested; they end at `as_of`.
        as_of: when it was found.
        n_seen: affected sessions in these days.
        n_expected: so many were to be expected if the fix still held.
        confidence: of the test, 0 to 1.
    """

    application: str
    pattern_id: str
    fix_id: str
    deployed_at: datetime
    since: date
    as_of: datetime
    n_seen: int
    n_expected: float
    confidence: float


def plan_regression_events(
    found: Sequence[Regression],
    names: Mapping[Key, str],
    tickets: Mapping[Key, Ticket],
    fixes: Sequence[Fix],
    as_of: datetime,
    policy: UpdatePolicy,
    reopened: Mapping[Key, Sequence[Reopening]] | None = None,
    told: Mapping[Key, datetime] | None = None,
) -> list[TicketEvent]:
    """What a regression does to its ticket: a comment, and under the rules of "not reduced" also reopening.

    The time in which it may reopen runs from the day it was found: a pattern may come back months after its fix.

    A ticket that was told of one a short time ago hears nothing more: a test that comes out so day after day is one
    piece of news. Nothing is said where people ended the ticket otherwise than by a fix.

    Args:
        found: in any order; what was planned before may be among them.
        names: (application, pattern_id) -> name, for the sentence.
        tickets: (application, pattern_id) -> the ticket that speaks for it, with its status of now.
        fixes: all that count, under the same patterns.
        as_of: now, as the run has it.
        policy: what may be done.
        reopened: as `tickets` -> when it was reopened, by whomever.
        told: as `tickets` -> when a regression was told last.
    """
    last_told, events = dict(told or {}), []
    for r in sorted(found, key=lambda r: (r.as_of, r.fix_id)):
        key = (r.application, r.pattern_id)
        ticket, last = tickets.get(key), last_told.get(key)
        if ticket is None or ticket.status not in ("open", "reopened", "done", "closed"):
            continue
        if last is not None and r.as_of - last < timedelta(days=policy.reopen_every_days):
            continue
        history = _history(key, r.fix_id, r.deployed_at, fixes, (reopened or {}).get(key, ()))
        is_open = ticket.status in ("open", "reopened")
        why_not = _why_not_reopen(r.as_of, history, ("that was", as_of - r.as_of), policy)
        kind, after = _reopening(why_not, history, is_open=is_open)
        said = _saying(names.get(key, r.pattern_id), regression_sentence(r), after)
        event_key = f"regression:{r.fix_id}:{r.as_of:%Y-%m-%d}"
        events.append(TicketEvent(*key, event_key, "comment" if is_open else kind, said, r.as_of))
        last_told[key] = r.as_of
    return events


def regression_sentence(r: Regression) -> str:
    """A regression in one sentence that needs no statistics."""
    sessions = "1 affected session" if r.n_seen == 1 else f"{r.n_seen:,} affected sessions"
    return (
        f"Back after a fix that had helped: {sessions} since {words.day(r.since)}, where about {r.n_expected:,.0f} "
        f"were to be expected if the fix still held. That is more than chance ({r.confidence:.0%} certain)."
    )


def verdict_document(v: Verification, name: str, after: str) -> Document:
    """A verdict as a comment: the sentence under the pattern's name, then what happens next."""
    return _saying(name, verdict_sentence(v), after)


def _saying(name: str, sentence: str, after: str) -> Document:
    told = Paragraph((Text(name, "strong"), Text(f": {sentence}")))
    return told, Paragraph((Text("What happens next", "strong"), Text(f": {after}")))


def verdict_sentence(v: Verification) -> str:
    """One verdict in one sentence that needs no statistics; it begins with the verdict's name."""
    head = f"{v.verdict.replace('_', ' ').capitalize()} after {v.look_day} days"
    if v.reduction is None or v.ci_low is None or v.ci_high is None or v.confidence is None or v.n_expected is None:
        return f"{head}: {v.reason}."
    sessions = "1 affected session" if v.n_after == 1 else f"{v.n_after:,} affected sessions"
    return (
        f"{head}: {sessions} where about {v.n_expected:,.0f} were to be expected without the fix, so "
        f"{_change(v.reduction)} ({v.confidence:.0%} certain: {_range(v.ci_low, v.ci_high)}){_chance(v)}; {v.reason}."
        f"{_corrected(v)}"
    )


def _chance(v: Verification) -> str:
    is_told = v.prob_at_least_bar is not None and v.verdict in ("effective", "partial", "inconclusive")
    return "" if not is_told else f", and {v.prob_at_least_bar:.0%} likely a cut that counts as a fix"


def _corrected(v: Verification) -> str:
    """What the expected number allows for, and what the old rate alone would have said."""
    plain = (v.evidence or {}).get("expected_by_old_rate")
    if plain is None:
        return ""
    return (
        f" The expected number allows for traffic, weekdays, late feedback, bursts of single users, what befell all "
        f"patterns alike where enough of them tell it, and this one's usual ups and downs; the old rate alone would "
        f"have said {plain:,.0f}."
    )


def _change(cut: float) -> str:
    return f"{abs(cut):.0%} {'fewer' if cut >= 0 else 'more'}"


def _range(low: float, high: float) -> str:
    """The interval of a cut, in words; negative cuts are rises."""
    if low == -inf:
        return f"at most {_change(high)}" if high >= 0 else f"at least {_change(high)}"
    if low >= 0 or high < 0:
        least, most = sorted((abs(low), abs(high)))
        return f"between {least:.0%} and {most:.0%} {'fewer' if low >= 0 else 'more'}"
    return f"anything from {_change(low)} to {_change(high)}"
