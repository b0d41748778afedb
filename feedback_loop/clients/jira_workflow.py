"""Which way an issue goes through its workflow to be reopened or closed.

Belongs here: whether it still has to go, and the choice among the transitions that Jira offers, by what they lead to
and never by their names. Does not belong here: requests (`jira.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from feedback_loop.clients.jira_fields import Move, is_set_by_people
from feedback_loop.clients.jira_policy import JiraPolicy, plain_name
from feedback_loop.errors import TicketRefused


def is_moved(
    fields: Mapping[str, Any],
    moves: Sequence[Move],
    said_at: datetime | None,
    account: str,
    policy: JiraPolicy,
    *,
    closes: bool,
) -> bool | None:
    """Whether the loop has closed or reopened an issue, as it said at `said_at`; None where that is still to be done.

    False where it is not to be done: people did it, undid it, ended the issue otherwise or work on it, which stays.

    Args:
        fields: `status` and `resolution`.
        moves: its changes of status, oldest first.
        said_at: when its comment was posted; None: it was not.
        account: the loop's.
        policy: what names mean.
        closes: else reopens.
    """
    there = [move for move in moves if move.is_done == closes != move.was_done]
    is_told = said_at is not None and bool(there) and there[-1].change.at >= said_at
    if (fields["status"]["statusCategory"]["key"] == "done") == closes:
        return is_told and there[-1].author == account
    if is_told:
        return False
    name, resolution = fields["status"]["name"], (fields.get("resolution") or {}).get("name")
    if closes:
        return False if is_set_by_people(name, moves, account, policy) else None
    return None if policy.meaning(resolution, name) == "done" else False


def choose_transition(
    offered: Sequence[Mapping[str, Any]], policy: JiraPolicy, *, closes: bool, where: str
) -> dict[str, Any]:
    """The body that carries out the best transition.

    Args:
        offered: transitions with `fields`, as `expand=transitions.fields` gives them.
        policy: preferred names.
        closes: to a status that counts as done, else to one that does not.
        where: key of the issue, for messages.

    Raises:
        TicketRefused: none leads there, or each asks for what only a person can fill in; names those offered.
    """
    fitting = [t for t in offered if t.get("isAvailable", True) and _fits(t, policy, closes=closes)]
    asks = {str(t["id"]): _asked(t, policy) for t in fitting}
    possible = [t for t in fitting if not asks[str(t["id"])]]
    if not possible:
        names = ", ".join(f"{t['name']!r} to {t['to']['name']!r}" for t in offered) or "none"
        missing = "; ".join(f"{t['name']!r} asks for {', '.join(asks[str(t['id'])])}" for t in fitting)
        raise TicketRefused(
            f"{where} cannot be {'closed' if closes else 'reopened'} by its workflow. Transitions: {names}."
            + (f" {missing}: a person has to do it." if missing else "")
        )
    preferred = [plain_name(name) for name in (policy.close_statuses if closes else policy.reopen_statuses)]
    best = min(possible, key=lambda t: _rank(plain_name(t["to"]["name"]), preferred))
    body: dict[str, Any] = {"transition": {"id": str(best["id"])}}
    if closes and (resolution := _resolution(best, policy)):
        body["fields"] = {"resolution": {"name": resolution}}
    return body


def _fits(transition: Mapping[str, Any], policy: JiraPolicy, *, closes: bool) -> bool:
    to = transition["to"]
    is_done = to["statusCategory"]["key"] == "done"
    return is_done and policy.meaning(to["name"]) == "done" if closes else not is_done


def _rank(name: str, preferred: Sequence[str]) -> int:
    return preferred.index(name) if name in preferred else len(preferred)


def _asked(transition: Mapping[str, Any], policy: JiraPolicy) -> list[str]:
    """Fields that it requires and that we have nothing for."""
    return [
        str(asked.get("name", name))
        for name, asked in (transition.get("fields") or {}).items()
        if asked.get("required")
        and not asked.get("hasDefaultValue")
        and not (name == "resolution" and _resolution(transition, policy))
    ]


def _resolution(transition: Mapping[str, Any], policy: JiraPolicy) -> str | None:
    """The resolution to give, where its screen has the field: one that means that it is done."""
    asked = (transition.get("fields") or {}).get("resolution") or {}
    allowed = [str(value["name"]) for value in asked.get("allowedValues") or []]
    done = [name for name in allowed if policy.meaning(name) == "done"]
    preferred = [plain_name(name) for name in policy.close_resolutions]
    return min(done, key=lambda name: _rank(plain_name(name), preferred), default=None)
