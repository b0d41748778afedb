"""Following: what people did with the tickets, read back, and what follows from it for patterns and fixes.

Belongs here: reading every ticket, and storing what it means, in that order. Does not belong here: what a status means
(`route/following.py`), when a fix was deployed (`deployed.py`), writing to the tracker (`filing.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.defs.filing import Begin
from feedback_loop.deployed import (
    MARKED_DONE,
    DeployedPolicy,
    FixChange,
    reconcile_fixes,
    resolve_deployed_at,
)
from feedback_loop.errors import InputError, NotFoundError, TicketRefused, TrackerUnavailable
from feedback_loop.records import PatternDecision
from feedback_loop.route import plan_answers
from feedback_loop.store import decisions, fixes, ticket_events
from feedback_loop.store import tickets as ledger
from feedback_loop.tracker import Ticket, TicketStatus, Tracker, TrackerState
from feedback_loop.verify import METHOD_VERSION

_Key = tuple[str, str]
_ENDED_BY_PEOPLE: frozenset[TicketStatus] = frozenset({"done", "wont_do", "duplicate", "cancelled"})
_ENDED_WAITING: frozenset[TicketStatus] = frozenset({"wont_do", "cancelled"})  # the tracker never gets them
_N_AWAY = 3  # so many tickets unread in a row: it is the tracker that is away, and not some tickets that are odd
_MOMENT = timedelta(seconds=1)  # what was seen at the end of a day happened before it


@dataclass
class Followed:
    """What was read: how many tickets, which changed, and what people should know."""

    n_read: int = 0
    changed: list[tuple[str, str, str]] = field(default_factory=list)  # ticket, status before, status now
    moved: list[tuple[str, str]] = field(default_factory=list)  # key before, key now
    fixes: list[tuple[str, str]] = field(default_factory=list)  # ticket, what became of its fix
    reported: list[str] = field(default_factory=list)
    n_released: int = 0
    stopped: str | None = None  # why the tracker could not be read


def follow_tickets(
    begin: Begin, tracker: Tracker, as_of: datetime, policy: DeployedPolicy, field_name: str
) -> Followed:
    """Read every ticket of a tracker and store what people did: status, name, decisions, fixes.

    The tracker is read outside of transactions, for it may be slow; nobody writes to it meanwhile.

    Raises:
        TrackerRefused: refused of everything.
        TrackerUnavailable: it is away, and nothing was stored; one ticket that cannot be read is only reported.
    """
    followed = Followed()
    with begin() as guard:
        ledger.lock_tracker(guard)
        with begin() as conn:
            known_tickets = ledger.load_tickets(conn, tracker=tracker.name)
            seen = ledger.last_seen(conn)
            done_at = _done_at(conn, known_tickets, seen, as_of)
        read = _read(tracker, known_tickets, followed)
        states = {key: _dated(state, done_at.get(key, as_of - _MOMENT)) for key, state in read.items()}
        tickets = [t for t in known_tickets if _key(t) in states]
        unfiled = [t for t in known_tickets if t.ref is None and t.status in _ENDED_WAITING]
        reopened = {_key(t): _reopened_now(t, states[_key(t)], seen[_key(t)], as_of) for t in tickets}
        with begin() as conn:
            current = [_store(conn, t, states[_key(t)], reopened[_key(t)], as_of, followed) for t in tickets]
            elsewhere = _answer(conn, [*current, *unfiled], states, tracker.name, as_of, followed)
        others = _read_others(tracker, elsewhere, followed)
        with begin() as conn:
            known = fixes.resolve_fixes(conn, as_of)  # what the application recorded itself comes first
            judged = {t.application: fixes.judged(conn, METHOD_VERSION, t.application) for t in current}
            for ticket in current:
                if _key(ticket) in elsewhere.keys() - others.keys():
                    continue  # the ticket that counts could not be read: what was known stays
                state = others.get(_key(ticket)) or states[_key(ticket)]
                reopened_at = _reopened_at(conn, ticket)
                found = None if state is None else resolve_deployed_at(state, as_of, policy, reopened_at, field_name)
                change = reconcile_fixes(known, found, ticket, judged[ticket.application], reopened_at)
                _keep_fixes(conn, ticket, change, as_of, followed)
    return followed


def read_releases(conn: Connection, waiting: LocalTracker) -> tuple[list[Ticket], list[str]]:
    """Let waiting tickets go whose files a person set to `released`, and end those set to `wont_do` or `cancelled`.

    Returns those that go, and what is wrong with files.
    """
    released, reported = [], []
    for ticket in ledger.load_tickets(conn):
        if ticket.status != "waiting":
            continue
        try:
            state = next((waiting.fetch(ref) for ref in waiting.find(ticket)), None)
        except (TicketRefused, InputError) as error:  # of this file alone: its ticket waits on
            reported.append(f"W-{ticket.ticket_number} waits and cannot be read: {error}")
            continue
        if state is None or state.status == "waiting":
            continue
        if state.status == "planned":
            ledger.release_ticket(conn, ticket)
            released.append(ticket)
        elif state.status in _ENDED_WAITING:
            ledger.release_ticket(conn, ticket, state.status)
        else:
            reported.append(
                f"W-{ticket.ticket_number} says status: {state.status_name}; of a ticket that waits a person says "
                "released, wont_do or cancelled"
            )
    return released, reported


def status_now(ledger_says: TicketStatus, tracker_says: TicketStatus) -> TicketStatus:
    """The status that follows from what we knew and what the tracker shows; it does not know who closed or reopened."""
    if tracker_says == "done" and ledger_says == "closed":
        return "closed"  # by us
    if tracker_says in ("open", "reopened"):
        return "open" if ledger_says in ("open", "gone") and tracker_says == "open" else "reopened"
    return tracker_says


def _read(tracker: Tracker, tickets: Sequence[Ticket], followed: Followed) -> dict[_Key, TrackerState | None]:
    states: dict[_Key, TrackerState | None] = {}
    unread: list[TrackerUnavailable] = []  # in a row
    for ticket in tickets:
        if ticket.ref is None:
            continue
        try:
            states[_key(ticket)] = tracker.fetch(ticket.ref)
            unread.clear()
        except TrackerUnavailable as error:
            unread.append(error)
            if len(unread) == _N_AWAY:
                raise
            followed.reported.append(f"{ticket.ticket_key} cannot be read: {error}")
        except (TicketRefused, InputError) as error:  # of this ticket alone: what was known of it stays
            unread.clear()
            followed.reported.append(f"{ticket.ticket_key} cannot be read: {error}")
    if unread and not states:
        raise unread[-1]
    followed.n_read = len(states)
    return states


def _read_others(
    tracker: Tracker, elsewhere: Mapping[_Key, str], followed: Followed
) -> dict[_Key, TrackerState | None]:
    """What the tickets say that ours duplicate; those that cannot be read are absent, and reported."""
    others: dict[_Key, TrackerState | None] = {}
    for key, name in elsewhere.items():
        try:
            ref = tracker.locate(name)
            others[key] = None if ref is None else tracker.fetch(ref)
        except (TrackerUnavailable, TicketRefused, InputError) as error:
            followed.reported.append(f"{name}, which a ticket of ours duplicates, cannot be read: {error}")
    return others


def _done_at(
    conn: Connection, tickets: Sequence[Ticket], seen: Mapping[_Key, ledger.LastSeen], as_of: datetime
) -> dict[_Key, datetime]:
    """Since when tickets count as done that say no more than that; one that was gone meanwhile keeps its day."""
    done_at = {_key(t): seen[_key(t)].changed_at - _MOMENT for t in tickets if t.status == "done"}
    claims = {(f.application, f.pattern_id): f for f in fixes.load_fixes(conn, as_of) if f.origin == MARKED_DONE}
    kept = {_key(t): claims[_key(t)].deployed_at for t in tickets if t.status in ("done", "gone") and _key(t) in claims}
    return done_at | kept


def _dated(state: TrackerState | None, seen_at: datetime) -> TrackerState | None:
    """A tracker that does not know since when a ticket is done: since it was first seen so."""
    if state is None or state.status != "done" or state.done_since or state.resolved_at:
        return state
    return replace(state, done_since=seen_at)


def _reopened_now(
    ticket: Ticket, state: TrackerState | None, seen: ledger.LastSeen, as_of: datetime
) -> datetime | None:
    """When people reopened the ticket, if they did since it was read before. What the loop reopened is known so."""
    if state is None or ticket.status == "reopened" or status_now(ticket.status, state.status) != "reopened":
        return None
    was_gone = ticket.status == "gone"
    was_done = seen.resolution is not None if was_gone else ticket.status in _ENDED_BY_PEOPLE
    left_at = state.left_done_at or max((change.at for change in state.changes), default=None)
    if not was_gone:
        return left_at or as_of
    is_new = left_at is not None and seen.fetched_at is not None and left_at > seen.fetched_at
    return left_at if was_done and is_new else None  # hidden for a while is not reopened


def _store(
    conn: Connection,
    ticket: Ticket,
    state: TrackerState | None,
    reopened_at: datetime | None,
    as_of: datetime,
    followed: Followed,
) -> Ticket:
    """The ticket as it is now."""
    status: TicketStatus = "gone" if state is None else status_now(ticket.status, state.status)
    if state is not None and ticket.ref is not None and state.ticket_key != ticket.ticket_key:
        ledger.move_ticket(conn, ticket, replace(ticket.ref, ticket_key=state.ticket_key))
        followed.moved.append((ticket.ticket_key or "", state.ticket_key))
        ticket = replace(ticket, ticket_key=state.ticket_key)
    by_people = _is_set_by_people(ticket, state, status, is_reopened=reopened_at is not None)
    ledger.save_state(conn, ticket, state, status, as_of, reopened_at, is_set_by_people=by_people)
    if status != ticket.status:
        followed.changed.append((ticket.ticket_key or "", ticket.status, status))
    return replace(ticket, status=status, is_set_by_people=by_people)


def _is_set_by_people(ticket: Ticket, state: TrackerState | None, status: TicketStatus, *, is_reopened: bool) -> bool:
    """Whether people gave it the status that it has; where the tracker does not tell, since they reopened it."""
    if state is not None and state.is_set_by_people is not None:
        return state.is_set_by_people
    return is_reopened or (ticket.is_set_by_people and status in (ticket.status, "gone"))


def _answer(
    conn: Connection,
    tickets: Sequence[Ticket],
    states: Mapping[_Key, TrackerState | None],
    author: str,
    as_of: datetime,
    followed: Followed,
) -> dict[_Key, str]:
    """Record what people's endings of tickets mean; returns the keys of tickets, not ours, that some duplicate."""
    elsewhere: dict[_Key, str] = {}
    for application in sorted({t.application for t in tickets}):
        own = [t for t in tickets if t.application == application]
        known = {t.pattern_id: state for t in own if (state := states.get(_key(t))) is not None}
        answers = plan_answers(own, known, decisions.load_decisions(conn, application), author, as_of)
        for decision in answers.decisions:
            _record(conn, decision, followed)
        elsewhere |= {(application, pattern_id): key for pattern_id, key in answers.counts_at.items()}
        followed.reported += answers.reported
    return elsewhere


def _record(conn: Connection, said: PatternDecision, followed: Followed) -> None:
    try:
        decisions.decide(
            conn,
            said.pattern_id,
            said.decision,
            said.value,
            author=said.author,
            decided_at=said.decided_at,
            application=said.application,
        )
    except (InputError, NotFoundError) as error:  # a week that was run again may know the pattern no more
        followed.reported.append(f"{said.decision} of pattern {said.pattern_id}, as its ticket says: {error}")


def _reopened_at(conn: Connection, ticket: Ticket) -> datetime | None:
    """When the ticket was last reopened, by the loop or by people."""
    by_people = ledger.reopened_by_people(conn).get(_key(ticket))
    ours = ticket_events.reopened_at(conn, ticket.application, ticket.pattern_id)
    return max([*ours, *([by_people] if by_people else [])], default=None)


def _keep_fixes(conn: Connection, ticket: Ticket, change: FixChange, as_of: datetime, followed: Followed) -> None:
    """What the ticket says of its fix now; what was judged stays."""
    for fix_id, why in change.withdraw:
        fixes.withdraw_fix(conn, ticket.application, fix_id, why, as_of)
        followed.fixes.append((ticket.ticket_key or "", f"withdrawn: {why}"))
    if change.add is not None:
        fixes.add_fix(conn, change.add)
        told = f"deployed {change.add.deployed_at:%Y-%m-%d}, read from {change.add.origin}"
        followed.fixes.append((ticket.ticket_key or "", told))


def _key(ticket: Ticket) -> _Key:
    return ticket.application, ticket.pattern_id
