"""Our words in Jira's fields and back: labels, the fields of a new issue, what an issue says of itself.

Belongs here: pure functions on Jira's JSON. Does not belong here: requests (`jira_wire.py`), their order (`jira.py`),
and which way an issue goes through its workflow (`jira_workflow.py`).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from feedback_loop.clients.jira_policy import JiraPolicy, plain_name
from feedback_loop.errors import InputError, TicketRefused
from feedback_loop.rendering import title
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import StatusChange, Ticket, TicketEvent, TicketRef, TicketStatus, TrackerState

LABEL = "feedback-loop"
PROPERTY = "feedback-loop.pattern"
DUPLICATE = "feedback-loop.duplicate"  # of an issue on which we said once that another one counts
STATE_FIELDS = "labels,status,resolution,resolutiondate,statuscategorychangedate,fixVersions,issuelinks"
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*-[1-9][0-9]*")
_OPTIONAL = ("priority", "components", "labels")


def fingerprint(application: str, pattern_id: str) -> str:
    """What a pattern is found by: 12 hexadecimal characters of SHA-256."""
    return hashlib.sha256(json.dumps([application, pattern_id]).encode()).hexdigest()[:12]


def label_of(ticket: Ticket) -> str:
    """The label that only issues of this pattern have."""
    return f"{LABEL}-{fingerprint(ticket.application, ticket.pattern_id)}"


def reference_of(event: TicketEvent) -> str:
    """The last words of a comment, by which it is known again; visible, so that nothing strips it."""
    said = json.dumps([event.application, event.pattern_id, event.event_key])
    return f"feedback-loop ref {hashlib.sha256(said.encode()).hexdigest()[:12]}"


def check_pattern(issue: Mapping[str, Any], pattern: tuple[str, str], key: str) -> None:
    """Make sure that an issue is of a pattern: by its label, or where people took that away, by its property.

    Args:
        issue: with `labels` and `PROPERTY`.
        pattern: application and pattern_id.
        key: of the issue, for the message.

    Raises:
        TicketRefused: it is another one; ids are given anew in each Jira.
    """
    of = fingerprint(*pattern)
    noted = (issue.get("properties") or {}).get(PROPERTY)
    if f"{LABEL}-{of}" not in (issue["fields"].get("labels") or []) and (noted or {}).get("fingerprint") != of:
        raise TicketRefused(
            f"{key} is not the ticket of pattern {pattern[1]}: does the setting `server` name another Jira?"
        )


def is_key(text: str) -> bool:
    """Whether this can be the key of an issue."""
    return _KEY.fullmatch(text) is not None


def new_issue(ticket: Ticket, description: Any, policy: JiraPolicy, target: RouteTarget) -> dict[str, Any]:
    """The fields of a new issue; the label that it is found by is among them, so that there is none without it."""
    project, issue_type = policy.placed(target)
    fields = {
        "project": {"key": project},
        "issuetype": {"name": issue_type},
        "summary": title(ticket.title),
        "description": description,
        "labels": list(dict.fromkeys((LABEL, label_of(ticket), *target.labels))),
    }
    if priority := target.priorities.get(ticket.priority):
        fields["priority"] = {"name": priority}
    if target.components:
        fields["components"] = [{"name": name} for name in target.components]
    return fields


def without_refused(fields: Mapping[str, Any], refused: Mapping[str, str]) -> dict[str, Any] | None:
    """The issue without the fields that Jira refuses, where it can do without; None where it cannot.

    Our own two labels always stay: an issue without them is not found again, and would be made a second time.
    """
    if not refused or not set(refused) <= set(_OPTIONAL):
        return None
    kept = {name: value for name, value in fields.items() if name == "labels" or name not in refused}
    if "labels" in refused:
        kept["labels"] = fields["labels"][:2]
    return kept if kept != fields else None


def read_hits(issues: Sequence[Mapping[str, Any]], label: str) -> list[TicketRef]:
    """Those that have exactly this label, oldest first."""
    ours = {str(i["id"]): i for i in issues if label in i["fields"]["labels"]}  # one may come on two pages
    oldest_first = sorted(ours.values(), key=lambda i: (read_time(i["fields"]["created"]), int(i["id"])))
    return [read_ref(issue) for issue in oldest_first]


def read_ref(issue: Mapping[str, Any]) -> TicketRef:
    """Id and key of an issue."""
    return TicketRef(str(issue["id"]), str(issue["key"]))


def read_state(
    issue: Mapping[str, Any],
    histories: Sequence[Mapping[str, Any]],
    categories: Mapping[str, str],
    policy: JiraPolicy,
    account: str,
) -> TrackerState:
    """What an issue says of itself.

    Args:
        issue: with `STATE_FIELDS` and the field of the policy.
        histories: its whole changelog, in any order.
        categories: status id -> `new`, `indeterminate` or `done`.
        policy: what names mean.
        account: ours; what it closed is closed by the loop, and no word of people on a fix.

    Raises:
        InputError: the field for the deployment holds no time.
        KeyError, TypeError, ValueError: this is no issue.
    """
    fields, moves = issue["fields"], read_moves(histories, categories)
    status, resolution = fields["status"], (fields.get("resolution") or {}).get("name")
    is_done, meaning = status["statusCategory"]["key"] == "done", policy.meaning(resolution, status["name"])
    return TrackerState(
        ticket_key=str(issue["key"]),
        status=_done_status(meaning, moves, account) if is_done else _open_status(moves),
        status_name=str(status["name"]),
        resolution=resolution,
        duplicate_of=next((str(other["key"]) for other in _duplicated(fields, policy.link_type)), None),
        deployed_at=_deployed_at(issue, policy.deployed_field),
        released=_released(fields.get("fixVersions") or []),
        changes=tuple(move.change for move in moves),
        resolved_at=_optional_time(fields.get("resolutiondate")),
        done_since=_done_since(fields, moves) if is_done else None,
        left_done_at=next((move.change.at for move in reversed(moves) if move.was_done and not move.is_done), None),
        is_set_by_people=is_set_by_people(status["name"], moves, account, policy),
    )


def duplicates(fields: Mapping[str, Any], issue_id: str, link_type: str) -> bool:
    """Whether an issue is linked as a duplicate of another."""
    return any(str(other["id"]) == issue_id for other in _duplicated(fields, link_type))


@dataclass(frozen=True)
class Move:
    """A change of status, and on which sides of done it begins and ends."""

    change: StatusChange
    author: str  # account
    was_done: bool
    is_done: bool


def read_moves(histories: Sequence[Mapping[str, Any]], categories: Mapping[str, str]) -> list[Move]:
    """The changes of status in a changelog, oldest first."""
    moves = []
    for history in sorted(histories, key=_when):
        for item in history["items"]:
            if item["field"] == "status" and item.get("fieldtype") != "custom":
                change = StatusChange(read_time(history["created"]), str(item["fromString"]), str(item["toString"]))
                before, after = categories.get(str(item["from"])), categories.get(str(item["to"]))
                author = account_id(history.get("author"))
                moves.append(Move(change, author, was_done=before == "done", is_done=after == "done"))
    return moves


def _when(history: Mapping[str, Any]) -> tuple[datetime, int]:
    """Time and number of a change: rules of a Jira make several in one moment, and it may tell the newest first."""
    number = str(history.get("id", ""))
    return read_time(history["created"]), int(number) if number.isdecimal() else 0


def is_set_by_people(status_name: str, moves: Sequence[Move], account: str, policy: JiraPolicy) -> bool:
    """Whether an issue has its status from people, and does not wait there for a verdict."""
    return bool(moves) and moves[-1].author != account and not policy.awaits_verdict(status_name)


def read_time(value: object) -> datetime:
    """A time as Jira writes it: ISO 8601, or seconds or milliseconds since 1970; UTC where it names no zone.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / (1000 if abs(value) >= 1e11 else 1), UTC)
    if isinstance(value, str):
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    raise ValueError(f"{value!r} is no time")


def account_id(user: Mapping[str, Any] | None) -> str:
    """The lasting id of a user: of Cloud, or of Data Center; empty where nobody is named."""
    known = user or {}
    return str(known.get("accountId") or known.get("key") or known.get("name") or "")


def _open_status(moves: Sequence[Move]) -> TicketStatus:
    return "reopened" if any(move.was_done and not move.is_done for move in moves) else "open"


def _done_status(meaning: TicketStatus, moves: Sequence[Move], account: str) -> TicketStatus:
    by = next((move.author for move in reversed(moves) if move.is_done and not move.was_done), None)
    return "closed" if meaning == "done" and by == account else meaning


def _optional_time(value: object) -> datetime | None:
    return None if value is None else read_time(value)


def _deployed_at(issue: Mapping[str, Any], field: str | None) -> datetime | None:
    value = issue["fields"].get(field) if field else None
    try:
        return read_time(value) if value else None
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"{issue['key']}: the field {field} for the deployment holds no time: {value!r}") from error


def _released(versions: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, date], ...]:
    dated = [
        (str(version["name"]), date.fromisoformat(version["releaseDate"]))
        for version in versions
        if version.get("released") and version.get("releaseDate")
    ]
    return tuple(sorted(dated, key=lambda version: (version[1], version[0])))


def _duplicated(fields: Mapping[str, Any], link_type: str) -> list[Mapping[str, Any]]:
    """What this issue duplicates; that others duplicate this one is the same link, seen from its other end."""
    links = [link for link in fields.get("issuelinks") or [] if "outwardIssue" in link]
    return [link["outwardIssue"] for link in links if plain_name(link["type"]["name"]) == plain_name(link_type)]


def _done_since(fields: Mapping[str, Any], moves: Sequence[Move]) -> datetime | None:
    if said := fields.get("statuscategorychangedate"):  # Cloud
        return read_time(said)
    return next((move.change.at for move in reversed(moves) if move.is_done and not move.was_done), None)
