"""Deployed: when a ticket's fix reached the users, and what becomes of the fixes that its ticket claims.

Belongs here: reading that time from what the tracker says, and keeping a ticket's fixes in step with it. Does not
belong here: fixes that the application records itself, which come first (`store/fixes.py`), and the verdict (`verify`).

In the loop: route -> (people ship a fix) -> **deployed** -> verify.

A ticket's time is a claim by people, so its source, precision and confidence go with it, and it may change: a fix that
is not judged yet follows the ticket; one that is judged stays as it was.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from feedback_loop.records import Fix, midnight
from feedback_loop.tracker import StatusChange, Ticket, TicketStatus, TrackerState

NOT_FIXED: frozenset[TicketStatus] = frozenset({"wont_do", "duplicate", "cancelled", "gone"})
"""Statuses in which a ticket says nothing of a fix."""

MARKED_DONE = "the day it was marked done"
"""Origin of a time of a ticket that only says that it is done."""

_SAME_CLICK = timedelta(minutes=1)  # trackers stamp the parts of one transition some milliseconds apart
_OLD_STEP = timedelta(seconds=1)  # between when a ticket was seen done and how it is dated since
_WHY_NONE: dict[TicketStatus, str] = {
    "open": "the ticket was reopened before the verdict",
    "reopened": "the ticket was reopened before the verdict",
    "wont_do": "the ticket says that it will not be fixed",
    "duplicate": "the ticket was made a duplicate of another",
    "cancelled": "the ticket was cancelled",
}


@dataclass(frozen=True)
class DeployedPolicy:
    """Where the tracker says that a fix reached the users.

    Attributes:
        deployed_statuses: of the tracker's workflow, in any case; entering one of them is the deployment.
    """

    deployed_statuses: tuple[str, ...] = ("Released", "Deployed")

    def __post_init__(self) -> None:
        if not all(name.strip() for name in self.deployed_statuses):
            raise ValueError(f"deployed_statuses are names of statuses, got {list(self.deployed_statuses)}")


@dataclass(frozen=True)
class DeployedAt:
    """When a fix reached the users, as a ticket has it.

    Attributes:
        at: UTC; midnight where only the day is known, and the days after are then counted from the next one on.
        origin: where it was read, in words.
        precision: whether the time of day is known.
        confidence: that this is the time of the deployment, and not of a click or a plan.
    """

    at: datetime
    origin: str
    precision: Literal["instant", "day"]
    confidence: Literal["high", "medium", "low"]


@dataclass(frozen=True)
class FixChange:
    """What changes among a ticket's fixes. Nothing is deleted: a withdrawn fix stays as history.

    Attributes:
        add: to record; a fix of the same id that was withdrawn counts again.
        withdraw: (fix_id, why).
    """

    add: Fix | None = None
    withdraw: tuple[tuple[str, str], ...] = ()


def resolve_deployed_at(
    state: TrackerState,
    as_of: datetime,
    policy: DeployedPolicy,
    reopened_at: datetime | None = None,
    field: str = "Deployed at",
) -> DeployedAt | None:
    """The best word on when the ticket's fix was deployed, before `as_of`.

    The field for it counts first, then the earliest released version, then, where the ticket is done, the status that
    means deployed, the date of its resolution, and the day on which it came to be done.

    Args:
        state: of the ticket, or of the ticket that it duplicates.
        as_of: nothing from then on has happened; what says that it will does not let a worse word count.
        policy: which statuses mean deployed.
        reopened_at: when the ticket was last reopened; a time before is that of an earlier attempt. Where only the
            day is known, the day of the reopening counts.
        field: what people call the field of the deployment.

    Returns:
        None where nothing says so, and where the ticket ended otherwise than by a fix.
    """
    if state.status in NOT_FIXED:
        return None
    best = next((f for f in _found(state, policy, field) if reopened_at is None or _is_since(f, reopened_at)), None)
    return best if best is not None and best.at < as_of else None


def _is_since(found: DeployedAt, reopened_at: datetime) -> bool:
    if found.precision == "day":
        return found.at.date() >= reopened_at.astimezone(UTC).date()
    return found.at > reopened_at


def _found(state: TrackerState, policy: DeployedPolicy, field: str) -> Iterator[DeployedAt]:
    """Everything that says when, best first."""
    if state.deployed_at is not None:
        at = state.deployed_at.astimezone(UTC)
        yield DeployedAt(at, f"the field {field}", "day" if at == midnight(at.date()) else "instant", "high")
    for name, day in sorted(state.released, key=lambda version: version[1]):
        yield DeployedAt(midnight(day), f"fix version {name}", "day", "medium")
    if state.status != "done":
        return
    entered = _entered(state, policy)
    if entered is not None:
        yield DeployedAt(entered.at.astimezone(UTC), f"status {entered.after}", "instant", "medium")
    if state.resolved_at is not None:
        yield DeployedAt(state.resolved_at.astimezone(UTC), "the resolution date", "instant", "low")
    if state.done_since is not None:
        yield DeployedAt(state.done_since.astimezone(UTC), MARKED_DONE, "instant", "low")


def _entered(state: TrackerState, policy: DeployedPolicy) -> StatusChange | None:
    """The change that brought the deployed status that the ticket still has, or has gone on from to other done ones."""
    names = {name.strip().casefold() for name in policy.deployed_statuses}
    entered: StatusChange | None = None
    for change in sorted(state.changes, key=lambda change: change.at):
        went_on = state.done_since is not None and change.at >= state.done_since - _SAME_CLICK
        if change.after.strip().casefold() in names:
            entered = entered or change
        elif not went_on:
            entered = None
    return entered


def reconcile_fixes(
    known: Sequence[Fix],
    found: DeployedAt | None,
    ticket: Ticket,
    judged: frozenset[str],
    reopened_at: datetime | None = None,
) -> FixChange:
    """Bring a ticket's fixes in step with what it says now; applying the change once more changes nothing.

    Args:
        known: fixes that were not withdrawn, of any pattern.
        found: what `resolve_deployed_at` says.
        ticket: with its status of now.
        judged: ids of fixes with a final verdict; they stay as they are, and an earlier date adds nothing.
        reopened_at: when the ticket was last reopened; a deployment recorded since then speaks for it.
    """
    if ticket.status in ("gone", "closed"):  # nothing is known of it; what the loop closed itself is no claim
        return FixChange()
    of_pattern = [f for f in known if (f.application, f.pattern_id) == (ticket.application, ticket.pattern_id)]
    ours = [f for f in of_pattern if f.source == "ticket"]
    opened_at = max(ticket.created_at, reopened_at or ticket.created_at)
    is_recorded = any(f.source == "deployment" and f.deployed_at >= opened_at for f in of_pattern)
    judged_at = max((f.deployed_at for f in ours if f.fix_id in judged), default=None)
    new = None if found is None or is_recorded else _fix(ticket, found)
    if new is not None and judged_at is not None and new.deployed_at <= judged_at:
        new = None
    same = None if new is None else next((f for f in ours if f.fix_id not in judged and _is_same(f, new)), None)
    kept = {f.fix_id for f in ours if f.fix_id in judged or f == same}
    why = "a deployment record names the ticket" if is_recorded else _why(found, ticket)
    return FixChange(
        add=None if same is not None or (new is not None and new.fix_id in judged) else new,
        withdraw=tuple((f.fix_id, why) for f in ours if f.fix_id not in kept),
    )


def _why(found: DeployedAt | None, ticket: Ticket) -> str:
    if found is not None:
        return f"its date was changed to {found.at:%Y-%m-%d}, from {found.origin}"
    return _WHY_NONE.get(ticket.status, "the ticket no longer says when it was deployed")


def _is_same(known: Fix, new: Fix) -> bool:
    """Whether it says the same; one from before origins were kept says only when, and that to the second."""
    if not known.origin:
        return abs(known.deployed_at - new.deployed_at) <= _OLD_STEP
    return known.fix_id == new.fix_id or replace(new, fix_id=known.fix_id, pattern_since=known.pattern_since) == known


def _fix(ticket: Ticket, found: DeployedAt) -> Fix:
    """Its id follows from when and where it was read: a correction of either is another fix."""
    where = hashlib.sha256(found.origin.encode()).hexdigest()[:6]
    return Fix(
        application=ticket.application,
        fix_id=f"{ticket.pattern_id}@resolved@{found.at:%Y-%m-%dT%H:%M:%SZ}@{where}",
        pattern_id=ticket.pattern_id,
        ticket_key=ticket.ticket_key,
        deployment_id="",
        prompt_name=None,
        prompt_version=None,
        deployed_at=found.at,
        detector_version=ticket.detector_version or None,
        source="ticket",
        origin=found.origin,
        precision=found.precision,
        confidence=found.confidence,
    )
