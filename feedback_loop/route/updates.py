"""What is said and done on a ticket after it was made: a fix, verdicts, merges."""

from collections.abc import Mapping, Sequence

from feedback_loop.decisions import EffectiveDecisions
from feedback_loop.documents import plain
from feedback_loop.records import FINAL_VERDICTS, NOT_REDUCED, Fix, Ticket, TicketEvent, Verification


def plan_deployed_comments(fixes: Sequence[Fix], first_look: Mapping[str, str]) -> list[TicketEvent]:
    """One comment per fix: it is deployed, and on which day the first verdict comes (`first_look` by fix_id)."""
    return [
        TicketEvent(
            application=fix.application,
            pattern_id=fix.pattern_id,
            event_key=f"deployed:{fix.fix_id}",
            kind="comment",
            body=plain(
                f"A fix was deployed on {fix.deployed_at:%Y-%m-%d}"
                + (f" with prompt version {fix.prompt_version}" if fix.prompt_version else "")
                + f". The first verdict comes on {first_look[fix.fix_id]}."
            ),
            occurred_at=fix.deployed_at,
        )
        for fix in fixes
    ]


def plan_verdict_events(verifications: Sequence[Verification], names: Mapping[str, str]) -> list[TicketEvent]:
    """What a verdict does to its ticket: always a comment; reopened where it was not reduced, closed where effective.

    A partial reduction leaves the ticket as it is: a person decides whether it is enough.

    Args:
        verifications: new looks, in any order.
        names: pattern_id -> name, for the sentence.
    """
    events = []
    for v in sorted(verifications, key=lambda v: (v.as_of, v.fix_id)):
        kind = "reopen" if v.verdict in NOT_REDUCED else "close" if v.verdict == "effective" else "comment"
        events.append(
            TicketEvent(
                application=v.application,
                pattern_id=v.pattern_id,
                event_key=f"verdict:{v.fix_id}:{v.look_day}",
                kind=kind,  # type: ignore[arg-type]  # narrowed by the three literals above
                body=plain(f"{names.get(v.pattern_id, v.pattern_id)}: {verdict_sentence(v)}"),
                occurred_at=v.as_of,
            )
        )
    return events


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


def verdict_sentence(v: Verification) -> str:
    """One verdict in words that need no statistics."""
    head = v.verdict.replace("_", " ").capitalize()
    after = "" if v.next_look_at is None or v.verdict in FINAL_VERDICTS else f" Next look on {v.next_look_at:%Y-%m-%d}."
    if v.reduction is None or v.ci_low is None or v.ci_high is None or v.confidence is None:
        return f"{head} on day {v.look_day}: {v.reason}.{after}"
    change = f"{abs(v.reduction):.0%} {'fewer' if v.reduction >= 0 else 'more'}"
    return (
        f"{head} on day {v.look_day}: {change} affected sessions than expected without the fix "
        f"({v.confidence:.0%} range of the cut {v.ci_low:.0%} to {v.ci_high:.0%}; expected {v.n_expected:.0f}, "
        f"saw {v.n_after}). {v.reason[:1].upper()}{v.reason[1:]}.{after}"
    )
