"""What is said and done on a ticket after it was made: a fix, verdicts, merges. New numbers: `numbers`.

A verdict is told on its ticket whatever it is; whether the ticket also changes is decided apart, by `UpdatePolicy` and
by what people said with its status. A pattern that comes back after an effective fix is not told here yet: it gets a
plan of its own, beside `plan_verdict_events`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Literal

from feedback_loop.decisions import EffectiveDecisions
from feedback_loop.documents import Document, Paragraph, Text, plain
from feedback_loop.records import NOT_REDUCED, Fix, Ticket, TicketEvent, TicketStatus, Verification, check_between
from feedback_loop.redaction import visible

SILENT: frozenset[TicketStatus] = frozenset({"cancelled", "gone"})
"""Statuses of tickets on which nothing is said: until they are reopened, or for ever."""

_ENDED_BY_PEOPLE: Mapping[str, str] = {
    "wont_do": "people decided that it will not be fixed",
    "duplicate": "people made it a duplicate of another ticket",
}
_MAX_ORIGIN = 80  # characters; it names a version or status as people called it
_Step = tuple[Literal["comment", "reopen", "close"], str]


@dataclass(frozen=True)
class UpdatePolicy:
    """What the loop may say and do on tickets that people work with.

    Attributes:
        min_events: affected sessions in the larger of two weeks, for a comment on new numbers.
        factor: by which the share of affected sessions must have grown or shrunk for such a comment.
        confidence: that the change is more than chance, 0.5 to below 1.
        told_dimensions: kinds of segment that are told when they appear: cohort, prompt_version, model, document.
        may_reopen: whether a verdict of "not reduced" reopens its ticket, or only says so.
        reopen_within_days: of the deployment; later the ticket stays as it is.
        reopen_every_days: a ticket is not reopened again within so many days.
        may_close: whether an effective fix closes its ticket, or only says so.
    """

    min_events: int = 20
    factor: float = 2.0
    confidence: float = 0.99
    told_dimensions: tuple[str, ...] = ("cohort", "prompt_version", "model")
    may_reopen: bool = True
    reopen_within_days: int = 60
    reopen_every_days: int = 14
    may_close: bool = True

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "min_events", "reopen_within_days")
        check_between(self, 1.1, inf, "factor")
        check_between(self, 0.5, 0.9999, "confidence")
        check_between(self, 0, inf, "reopen_every_days")
        unknown = set(self.told_dimensions) - {"cohort", "prompt_version", "model", "document"}
        if unknown:
            raise ValueError(f"told_dimensions knows no {', '.join(sorted(unknown))}")


def plan_deployed_comments(
    fixes: Sequence[Fix], first_look: Mapping[str, str], field: str = "Deployed at"
) -> list[TicketEvent]:
    """One comment per fix: it is deployed, how that is known, and on which day the first verdict comes.

    Args:
        fixes: that are known on a ticket where something may be said.
        first_look: fix_id -> day of the first verdict.
        field: where a person writes the time into the ticket, as the tracker calls it.
    """
    return [
        TicketEvent(
            application=fix.application,
            pattern_id=fix.pattern_id,
            event_key=f"deployed:{fix.fix_id}",
            kind="comment",
            body=_deployed(fix, first_look[fix.fix_id], field),
            occurred_at=fix.deployed_at,
        )
        for fix in fixes
    ]


def _deployed(fix: Fix, first_look: str, field: str) -> Document:
    version = f" with prompt version {fix.prompt_version}" if fix.prompt_version else ""
    said = plain(f"A fix was deployed on {fix.deployed_at:%Y-%m-%d}{version}. The first verdict comes on {first_look}.")
    if fix.source == "deployment":
        return said
    day = ", so only the day is known" if fix.precision == "day" else f" ({fix.deployed_at:%H:%M} UTC)"
    doubt = " Users may have got the fix on another day." if fix.confidence == "low" else ""
    remedy = "correct it there" if fix.origin == f"the field {field}" else f"set the field {field} of this ticket"
    origin = visible(fix.origin, _MAX_ORIGIN) or "this ticket"
    source = f"The time was read from {origin}{day}.{doubt} If it is wrong, {remedy}, or run "
    command = f"feedback-loop deployed VERSION --fixes {fix.ticket_key} --at TIME"
    return (*said, Paragraph((Text(source), Text(command, "code"), Text("."))))


def plan_verdict_events(
    verifications: Sequence[Verification],
    names: Mapping[str, str],
    tickets: Mapping[tuple[str, str], Ticket],
    as_of: datetime,
    policy: UpdatePolicy,
    reopened: Mapping[tuple[str, str], Sequence[datetime]] | None = None,
) -> list[TicketEvent]:
    """What a verdict does to its ticket: a comment, and where it may, reopening or closing.

    Not reduced reopens: within some weeks of the deployment, not twice in a short time, and never what people ended
    otherwise. Effective closes. A partial reduction leaves the ticket as it is: a person decides whether it is enough.

    Args:
        verifications: looks that were not told yet, in any order.
        names: pattern_id -> name, for the sentence.
        tickets: (application, pattern_id of the look) -> the ticket that speaks for it, with its status of now.
        as_of: now, as the run has it.
        policy: what may be done.
        reopened: as `tickets` -> when the loop reopened it before.
    """
    events: list[TicketEvent] = []
    made: dict[tuple[str, str], list[datetime]] = {}
    for v in sorted(verifications, key=lambda v: (v.as_of, v.fix_id)):
        key = (v.application, v.pattern_id)
        ticket = tickets.get(key)
        if ticket is not None and ticket.status in SILENT:
            continue
        # What the ledger has from this look on was made by it or after it: a plan made again is the same.
        before = [at for at in (reopened or {}).get(key, ()) if at < v.as_of]
        kind, after = _next_step(v, ticket, max(before + made.get(key, []), default=None), as_of, policy)
        if kind == "reopen":
            made.setdefault(key, []).append(v.as_of)
        said = verdict_document(v, names.get(v.pattern_id, v.pattern_id), after)
        event_key = f"verdict:{v.fix_id}:{v.look_day}"
        events.append(TicketEvent(v.application, v.pattern_id, event_key, kind, said, v.as_of))
    return events


def _next_step(
    v: Verification, ticket: Ticket | None, reopened_at: datetime | None, as_of: datetime, policy: UpdatePolicy
) -> _Step:
    """What is done, and how that is said."""
    if v.verdict == "partial":
        return "comment", "a person decides whether this is enough. If not, ship a further fix."
    if v.verdict != "effective" and v.verdict not in NOT_REDUCED:
        if v.next_look_at is None:
            return "comment", "nothing: this was the last look at this fix."
        wait = " Until then there is nothing to do." if v.verdict == "inconclusive" else ""
        return "comment", f"the next look comes on {v.next_look_at:%Y-%m-%d}.{wait}"
    if ticket is None or ticket.status in ("waiting", "planned"):
        return "comment", "nothing: the ticket was not released yet."
    if ticket.status in _ENDED_BY_PEOPLE:
        return "comment", f"the ticket stays as it is, because {_ENDED_BY_PEOPLE[ticket.status]}."
    is_open = ticket.status in ("open", "reopened")
    if v.verdict == "effective":
        return _closing(policy, is_open=is_open)
    return _reopening(_why_not_reopen(v, reopened_at, as_of, policy), is_open=is_open)


def _closing(policy: UpdatePolicy, *, is_open: bool) -> _Step:
    if not policy.may_close:
        return "comment", "close the ticket if you agree." if is_open else "the ticket stays closed."
    return "close", "the ticket is closed." if is_open else "the ticket stays closed."


def _reopening(why_not: str | None, *, is_open: bool) -> _Step:
    if is_open:
        return "comment" if why_not else "reopen", "the ticket stays open. It needs further work."
    if why_not:
        return "comment", f"the ticket is not reopened by itself, because {why_not}. Reopen it if the work goes on."
    return "reopen", "the ticket is reopened. It needs further work."


def _why_not_reopen(v: Verification, reopened_at: datetime | None, as_of: datetime, policy: UpdatePolicy) -> str | None:
    if not policy.may_reopen:
        return "the settings leave that to people"
    if as_of - v.as_of + timedelta(days=v.look_day) > timedelta(days=policy.reopen_within_days):
        return f"the fix was deployed more than {policy.reopen_within_days} days ago"
    if reopened_at is not None and v.as_of - reopened_at < timedelta(days=policy.reopen_every_days):
        return f"it was already reopened on {reopened_at:%Y-%m-%d}"
    return None


def plan_duplicates(tickets: Sequence[Ticket], decided: EffectiveDecisions) -> list[TicketEvent]:
    """Of the tickets of merged patterns one goes on; the others are closed as its duplicates, and it is told.

    Args:
        tickets: of one application; those that the tracker does not hold yet are left for later.
        decided: what people merged there.
    """
    held = [t for t in tickets if t.ticket_key is not None]
    speaking, events = decided.speaking_tickets(held), []
    for ticket in held:
        main = speaking[decided.stays(ticket.pattern_id)]
        if main == ticket:
            continue
        at = decided.merged_at[ticket.pattern_id]
        key = f"{ticket.pattern_id}:{main.pattern_id}:{at:%Y%m%dT%H%M%S}"
        said = f"Duplicate of {main.ticket_key}. Their patterns were merged: what comes is counted and judged there."
        events.append(TicketEvent(ticket.application, ticket.pattern_id, f"duplicate:{key}", "close", plain(said), at))
        if not decided.is_muted(main.pattern_id):
            told = f"{ticket.ticket_key} is a duplicate of this ticket. Their patterns were merged and count here."
            events.append(TicketEvent(main.application, main.pattern_id, f"merged:{key}", "comment", plain(told), at))
    return events


def verdict_document(v: Verification, name: str, after: str) -> Document:
    """A verdict as a comment: the sentence under the pattern's name, then what happens next."""
    sentence = Paragraph((Text(name, "strong"), Text(f": {verdict_sentence(v)}")))
    return sentence, Paragraph((Text("What happens next", "strong"), Text(f": {after}")))


def verdict_sentence(v: Verification) -> str:
    """One verdict in one sentence that needs no statistics; it begins with the verdict's name."""
    head = f"{v.verdict.replace('_', ' ').capitalize()} after {v.look_day} days"
    if v.reduction is None or v.ci_low is None or v.ci_high is None or v.confidence is None or v.n_expected is None:
        return f"{head}: {v.reason}."
    sessions = "1 affected session" if v.n_after == 1 else f"{v.n_after:,} affected sessions"
    return (
        f"{head}: {sessions} where about {v.n_expected:,.0f} were to be expected without the fix, so "
        f"{_change(v.reduction)} ({v.confidence:.0%} certain: {_range(v.ci_low, v.ci_high)}); {v.reason}."
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
