"""Planning of tickets and of what is said on them: written into the ledger, carried out by `filing.py`.

Belongs here: what a plan is made from and where it is stored. Does not belong here: the plan itself (`route/`), the SQL
(`store/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.defs.ticket_facts import gather_facts, gather_numbers
from feedback_loop.records import Fix, Window
from feedback_loop.route import (
    SILENT,
    UNJUDGED,
    HeldPattern,
    Regression,
    Reopening,
    TicketDraft,
    TicketPlan,
    UpdatePolicy,
    plan_deployed_comments,
    plan_duplicates,
    plan_progress_comments,
    plan_regression_events,
    plan_returns,
    plan_tickets,
    plan_verdict_events,
)
from feedback_loop.store import decisions, fixes, patterns, switching, ticket_events, weeks
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import Ticket, TicketEvent
from feedback_loop.verify import join_fixes


@dataclass
class WeekPlan:
    """New tickets of a week, patterns that have to wait, and how many an older week would have made but may not."""

    drafts: list[TicketDraft] = field(default_factory=list)
    held: list[HeldPattern] = field(default_factory=list)
    n_older_week: int = 0


def plan_week_tickets(conn: Connection, week: date, settings: Settings) -> WeekPlan:
    """Write the week's new tickets into the ledger, for applications whose newest week this is.

    Tickets of earlier weeks that no tracker holds yet go to the tracker of today.
    """
    switching.take_along(conn, settings.tracker.tracker)
    planned, decided = WeekPlan(), decisions.load_effective(conn)
    for application in weeks.list_applications(conn, Window.of_week(week)):
        said = decided.get(application, UNDECIDED)
        plan = _plan(conn, application, week, settings, said)
        if not weeks.is_newest(conn, application, week):
            planned.n_older_week += len(plan.drafts)
            continue
        detector = patterns.detector_of_week(conn, application, week) or ""
        status = "waiting" if settings.tracker.needs_release else "planned"
        for draft in plan.drafts:
            ledger.add_ticket(conn, _ticket(application, week, draft, detector, status), settings.tracker.tracker)
        planned.drafts += plan.drafts
        planned.held += plan.held
    return planned


def _plan(
    conn: Connection, application: str, week: date, settings: Settings, decided: EffectiveDecisions
) -> TicketPlan:
    """Planned twice: what tickets tell is gathered only for patterns that get one."""
    states = patterns.load_states(conn, application, week)
    numbers = patterns.read_pattern_weeks(conn, week, application)
    tickets = ledger.load_tickets(conn, application)
    has_ticket, n_made = frozenset(t.pattern_id for t in tickets), sum(t.created_week == week for t in tickets)
    looks, route = dict(zip(settings.verify.looks, settings.verify.confidences, strict=True)), settings.route
    first = plan_tickets(states, numbers, has_ticket, looks, route, decided, n_made=n_made)
    wanted = {draft.pattern_id for draft in first.drafts}
    of_wanted = [state for state in states if state.pattern_id in wanted]
    facts = gather_facts(conn, application, week, of_wanted, decided, settings.asset_url)
    return plan_tickets(states, numbers, has_ticket, looks, route, decided, facts, n_made)


def _ticket(application: str, week: date, draft: TicketDraft, detector_version: str, status: str) -> Ticket:
    return Ticket(
        application=application,
        pattern_id=draft.pattern_id,
        ticket_number=0,  # the ledger gives the number
        ticket_key=None,
        status="waiting" if status == "waiting" else "planned",
        route=draft.route,
        priority=draft.priority,
        title=draft.title,
        body=draft.body,
        created_week=week,
        created_at=Window.of_week(week).end,
        detector_version=detector_version,
    )


def plan_week_comments(conn: Connection, week: date, settings: Settings) -> None:
    """Write down where a week's numbers are news to a ticket's readers, in applications whose newest week this is."""
    decided = decisions.load_effective(conn)
    for application in weeks.list_applications(conn, Window.of_week(week)):
        if not weeks.is_newest(conn, application, week):
            continue
        of = decided.get(application, UNDECIDED)
        speaking = of.speaking_tickets(ledger.load_tickets(conn, application))
        said = _keys_said(conn, application)
        history = {
            (application, ticket.pattern_id): gather_numbers(
                conn, ticket, of.together(pattern_id), week, said.get((application, ticket.pattern_id), ())
            )
            for pattern_id, ticket in speaking.items()
            if ticket.status in ("open", "reopened") and ticket.created_week < week
        }
        plan_events(conn, plan_progress_comments(list(speaking.values()), history, said, week, settings.updates))
        plan_events(conn, _returns(conn, application, week, speaking))


def _returns(conn: Connection, application: str, week: date, speaking: Mapping[str, Ticket]) -> list[TicketEvent]:
    seen = patterns.read_pattern_weeks(conn, week, application).query("n_occurrences > 0 and rank.notna()")
    tickets = {(application, pattern_id): ticket for pattern_id, ticket in speaking.items()}
    again = {key: ticket_events.reopened_at(conn, application, t.pattern_id) for key, t in tickets.items()}
    ranks = dict(zip(seen["pattern_id"], seen["rank"].astype(int), strict=True))
    return plan_returns(tickets, again, ranks, week)


def _keys_said(conn: Connection, application: str) -> dict[tuple[str, str], set[str]]:
    said: dict[tuple[str, str], set[str]] = {}
    for event in ticket_events.load_events(conn, application):
        said.setdefault((application, event.pattern_id), set()).add(event.event_key)
    return said


def plan_merges(conn: Connection, *, may_close: bool = True) -> None:
    """Write down what people's merges do to tickets: each is closed as a duplicate once, however often this runs.

    To be called after the tickets were read: what people wrote into one that is to be closed is known by then.
    """
    for application, decided in decisions.load_effective(conn).items():
        duplicates = plan_duplicates(ledger.load_tickets(conn, application), decided, may_close=may_close)
        ticket_events.plan_events(conn, duplicates)


def plan_events(conn: Connection, events: Sequence[TicketEvent], *, even_muted: bool = False) -> None:
    """Write down what is to be said, on the ticket that speaks for the pattern now; what was said stays where it is.

    Args:
        conn: in a transaction.
        events: planned by `route`.
        even_muted: also where people muted the pattern: verdicts.
    """
    decided = decisions.load_effective(conn)
    speaking, said = decisions.speaking_tickets(conn, decided), ticket_events.known_events(conn, events)
    planned = []
    for event in events:
        of = decided.get(event.application, UNDECIDED)
        is_wanted = even_muted or not of.is_muted(event.pattern_id)
        if is_wanted and (event.application, event.event_key) not in said:
            ticket = speaking.get((event.application, of.stays(event.pattern_id)))
            planned.append(replace(event, pattern_id=ticket.pattern_id) if ticket else event)
    ticket_events.plan_events(conn, planned)


def plan_deployed(
    conn: Connection,
    found: Sequence[Fix],
    first_look: Mapping[tuple[str, str], date],
    as_of: datetime,
    field: str,
) -> None:
    """Write down that fixes were deployed, on their tickets, where people still read there."""
    decided = decisions.load_effective(conn)
    speaking, told = tickets_by_pattern(conn, decided), ticket_events.known_keys(conn, "deployed:")
    new = [
        fix
        for fix in join_fixes([f for f in found if f.ticket_key], decided)
        if (fix.application, f"deployed:{fix.fix_id}") not in told
        and (ticket := speaking.get((fix.application, fix.pattern_id)))
        and ticket.status not in SILENT
    ]
    if new:
        last = _last_told(conn, decided, "deployed:")
        plan_events(conn, plan_deployed_comments(new, first_look, as_of, last, field))


def _last_told(
    conn: Connection, decided: Mapping[str, EffectiveDecisions], start: str
) -> dict[tuple[str, str], datetime]:
    """(application, pattern that stays) -> when something under keys that start so was told last on its tickets."""
    return {
        (event.application, decided.get(event.application, UNDECIDED).stays(event.pattern_id)): event.occurred_at
        for event in ticket_events.load_events(conn)
        if event.event_key.startswith(start)
    }


def judged_fixes(conn: Connection, as_of: datetime, decided: Mapping[str, EffectiveDecisions]) -> list[Fix]:
    """Fixes that get looks, under the patterns that stay; none where people cancelled the ticket."""
    speaking = tickets_by_pattern(conn, decided)
    off = {key for key, ticket in speaking.items() if ticket.status in UNJUDGED}
    found = join_fixes(fixes.load_fixes(conn, as_of), decided)
    return [fix for fix in found if (fix.application, fix.pattern_id) not in off]


def plan_verdicts(conn: Connection, as_of: datetime, policy: UpdatePolicy) -> None:
    """Write down what the looks made by `as_of` say on their tickets, and what they do to them."""
    decided = decisions.load_effective(conn)
    told = ticket_events.known_keys(conn, "verdict:")
    looks = [
        v
        for v in fixes.load_verifications(conn, as_of)
        if (v.application, f"verdict:{v.fix_id}:{v.look_day}") not in told
    ]
    speaking = tickets_by_pattern(conn, decided)
    names = {(p["application"], p["pattern_id"]): p["name"] for p in decisions.list_patterns(conn)}
    shipped = join_fixes(fixes.load_fixes(conn, as_of), decided)
    reopened = reopenings(conn, speaking)
    events = plan_verdict_events(looks, names, speaking, shipped, as_of, policy, reopened)
    plan_events(conn, events, even_muted=True)


def plan_regressions(conn: Connection, found: Sequence[Regression], as_of: datetime, policy: UpdatePolicy) -> None:
    """Write down what regressions say on their tickets, and what they do to them; found again, they are not news.

    A ticket that a verdict is about to close counts as closed: a late run finds both on one day.
    """
    decided = decisions.load_effective(conn)
    closing = {(e.application, e.pattern_id) for e in ticket_events.pending_events(conn) if e.kind == "close"}
    speaking = {
        key: replace(t, status="closed") if (t.application, t.pattern_id) in closing else t
        for key, t in tickets_by_pattern(conn, decided).items()
    }
    names = {(p["application"], p["pattern_id"]): p["name"] for p in decisions.list_patterns(conn)}
    shipped = join_fixes(fixes.load_fixes(conn, as_of), decided)
    told = _last_told(conn, decided, "regression:")
    reopened = reopenings(conn, speaking)
    plan_events(conn, plan_regression_events(found, names, speaking, shipped, as_of, policy, reopened, told))


def reopenings(conn: Connection, speaking: Mapping[tuple[str, str], Ticket]) -> dict[tuple[str, str], list[Reopening]]:
    """(application, pattern that stays) -> when its ticket was reopened, and by whom."""
    by_people = ledger.reopened_by_people(conn)
    found = {}
    for key, ticket in speaking.items():
        own = (ticket.application, ticket.pattern_id)
        ours = [Reopening(at, by_people=False) for at in ticket_events.reopened_at(conn, *own)]
        found[key] = ours + ([Reopening(by_people[own], by_people=True)] if own in by_people else [])
    return found


def tickets_by_pattern(conn: Connection, decided: Mapping[str, EffectiveDecisions]) -> dict[tuple[str, str], Ticket]:
    """(application, pattern that stays) -> the ticket that speaks for it, in every application."""
    tickets = ledger.load_tickets(conn)
    return {
        (application, pattern_id): ticket
        for application in sorted({t.application for t in tickets})
        for pattern_id, ticket in decided.get(application, UNDECIDED)
        .speaking_tickets(t for t in tickets if t.application == application)
        .items()
    }
