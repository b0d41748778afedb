"""Everything that happens to an issue, by the bot or by people: done, dated, written into its history, indexed.

Belongs here: the only code that changes an issue. Does not belong here: whether a request may (`checks.py`), HTTP.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from feedback_loop.testing.jira_emulator.adf import nodes
from feedback_loop.testing.jira_emulator.catalogue import (
    COMPONENTS,
    FIELDS,
    ISSUE_TYPES,
    PRIORITIES,
    RESOLUTIONS,
    STATUSES,
    USER_NAMES,
)
from feedback_loop.testing.jira_emulator.records import Attachment, Change, Comment, Issue, Link, RemoteLink
from feedback_loop.testing.jira_emulator.state import State

_WIKI_IMAGE = re.compile(r"!([^!\n|]+)(?:\|[^!\n]*)?!")
_HISTORY_NAMES = {"fixVersions": "Fix Version", "versions": "Version", "components": "Component"}
_IDS: dict[str, Mapping[str, str]] = {
    "priority": PRIORITIES,
    "resolution": RESOLUTIONS,
    "issuetype": ISSUE_TYPES,
    "components": COMPONENTS,
    "status": {status.name: status.id for status in STATUSES.values()},
}


def stamp(moment: datetime) -> str:
    """`2026-11-19T10:00:00.000+0000`, as Jira writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def create(state: State, author: str, project: str, values: Mapping[str, Any]) -> Issue:
    """A new issue in To Do; what `values` leaves out has its default."""
    empty: dict[str, Any] = {"labels": [], "components": [], "fixVersions": [], "versions": []}
    unset = ("description", "assignee", "resolution", "resolutiondate", "duedate")
    fields = {
        **empty,
        **dict.fromkeys(unset),
        "priority": "Medium",
        "reporter": author,
        "creator": author,
        "status": "To Do",
        "created": state.now,
        "updated": state.now,
        "statuscategorychangedate": state.now if state.is_cloud else None,
        **{name: value for name, value in values.items() if name != "project"},
    }
    issue = Issue(state.new_id("issue"), state.new_key(project), project, fields, watchers=[author])
    state.record(issue)
    return issue


def edit(state: State, issue: Issue, author: str, values: Mapping[str, Any]) -> None:
    """Set fields. On Cloud, files that the description showed and no longer shows are deleted for good."""
    items = []
    for name, value in values.items():
        before = issue.fields.get(name)
        if name == "project" or before == value:
            continue
        items += _items(state, issue, name, before, value)
        issue.fields[name] = value
        if name == "description" and state.is_cloud:
            items += _drop_media(issue, before, value)
    _write(state, issue, author, items)


def transition(state: State, issue: Issue, author: str, status: str, resolution: str | None = None) -> None:
    """Another status; entering Done sets resolution and its date, leaving clears both."""
    before, after = STATUSES[issue.fields["status"]], STATUSES[status]
    values: dict[str, Any] = {"status": status}
    if after.category != before.category and "done" in (after.category, before.category):
        is_done = after.category == "done"
        values["resolution"] = (resolution or "Done") if is_done else None
        issue.fields["resolutiondate"] = state.now if is_done else None
    if after.category != before.category and state.is_cloud:
        issue.fields["statuscategorychangedate"] = state.now
    edit(state, issue, author, values)


def move(state: State, issue: Issue, author: str, project: str) -> None:
    """To another project: a new key, and the old one goes on leading here."""
    old_key, old_project = issue.key, issue.project
    issue.old_keys.append(old_key)
    issue.key, issue.project = state.new_key(project), project
    issue.fields |= {"fixVersions": [], "versions": []}  # those belong to a project
    ids = {key: str(10000 + i) for i, key in enumerate(state.projects)}
    items = [
        _item(state, "project", ids[old_project], old_project, ids[project], project),
        _item(state, "Key", None, old_key, None, issue.key),
    ]
    _write(state, issue, author, items)


def comment(state: State, issue: Issue, author: str, body: str | dict[str, Any]) -> Comment:
    """One more comment."""
    made = Comment(state.new_id("comment"), author, body, state.now, state.now)
    issue.comments.append(made)
    touch(state, issue)
    return made


def attach(state: State, issue: Issue, author: str, filename: str, content: bytes, mime_type: str) -> Attachment:
    """One more file."""
    new_id = state.new_id("attachment")
    media_id = str(uuid5(NAMESPACE_URL, f"attachment/{new_id}"))
    made = Attachment(new_id, filename, content, mime_type, author, state.now, media_id)
    issue.attachments.append(made)
    _write(state, issue, author, [_item(state, "Attachment", None, None, new_id, filename)])
    return made


def detach(state: State, issue: Issue, author: str, attachment: Attachment) -> None:
    """Delete a file."""
    issue.attachments.remove(attachment)
    _write(state, issue, author, [_item(state, "Attachment", attachment.id, attachment.filename, None, None)])


def link(state: State, author: str, kind: str, source: Issue, target: Issue) -> Link:
    """`source` does to `target` what the outward name of the type says."""
    made = Link(state.new_id("link"), kind, source.id, target.id)
    for issue, other in ((source, target), (target, source)):
        issue.links.append(made)
        _write(state, issue, author, [_item(state, "Link", None, None, other.key, f"{kind}: {other.key}")])
    return made


def unlink(state: State, found: Link) -> None:
    """Take a link away from both its issues."""
    for issue in (state.find(found.source), state.find(found.target)):
        if issue is not None:
            issue.links = [each for each in issue.links if each.id != found.id]
            touch(state, issue)


def put_remote_link(state: State, issue: Issue, author: str, values: Mapping[str, Any]) -> tuple[RemoteLink, bool]:
    """Update the link with this global id, or make one; also whether it is new.

    `values` are the fields of a `RemoteLink` but its id.
    """
    known = [
        each for each in issue.remote_links if each.global_id is not None and each.global_id == values["global_id"]
    ]
    if known:
        known[0].target, known[0].application = values["target"], values["application"]
        known[0].relationship = values["relationship"]
        touch(state, issue)
        return known[0], False
    made = RemoteLink(int(state.new_id("remote")), **values)
    issue.remote_links.append(made)
    _write(state, issue, author, [_item(state, "RemoteIssueLink", None, None, str(made.id), made.target["title"])])
    return made, True


def delete(state: State, issue: Issue) -> None:
    """For good, with its links."""
    for each in list(issue.links):
        unlink(state, each)
    state.drop(issue)


def touch(state: State, issue: Issue) -> None:
    """It was updated now."""
    issue.fields["updated"] = state.now
    state.record(issue)


def media_in(description: Any, attachments: Sequence[Attachment]) -> set[str]:
    """Ids of the attachments that a description shows."""
    if isinstance(description, str):
        named = set(_WIKI_IMAGE.findall(description))
        return {each.id for each in attachments if each.filename in named}
    shown = {node.get("attrs", {}).get("id") for node in nodes(description) if node["type"] in ("media", "mediaInline")}
    return {each.id for each in attachments if each.media_id in shown}


def _drop_media(issue: Issue, before: Any, after: Any) -> list[dict[str, Any]]:
    gone = media_in(before, issue.attachments) - media_in(after, issue.attachments)
    dropped = [each for each in issue.attachments if each.id in gone]
    issue.attachments = [each for each in issue.attachments if each.id not in gone]
    return [
        {"field": "Attachment", "fieldtype": "jira", "fieldId": "attachment", "from": each.id,
         "fromString": each.filename, "to": None, "toString": None}
        for each in dropped
    ]  # fmt: skip


def _write(state: State, issue: Issue, author: str, items: list[dict[str, Any]]) -> None:
    if items:
        issue.changelog.append(Change(state.new_id("change"), author, state.now, tuple(items)))
    touch(state, issue)


def _items(state: State, issue: Issue, name: str, before: Any, after: Any) -> list[dict[str, Any]]:
    """What the history says of one field: one line, but one for each element of lists of things."""
    if name in ("fixVersions", "versions", "components"):
        gone = [each for each in before or () if each not in after]
        come = [each for each in after if each not in (before or ())]
        return [
            *(_item(state, name, _id(state, issue, name, each), each, None, None) for each in gone),
            *(_item(state, name, None, None, _id(state, issue, name, each), each) for each in come),
        ]
    ids = (_id(state, issue, name, before), _id(state, issue, name, after))
    return [_item(state, name, ids[0], _said(name, before), ids[1], _said(name, after))]


def _item(state: State, name: str, old_id: Any, old: Any, new_id: Any, new: Any) -> dict[str, Any]:
    field = FIELDS.get(name)
    is_custom = field is not None and field.is_custom
    item = {
        "field": field.name if is_custom and field else _HISTORY_NAMES.get(name, name),
        "fieldtype": "custom" if is_custom else "jira",
        "from": old_id,
        "fromString": old,
        "to": new_id,
        "toString": new,
    }
    if state.is_cloud:
        item["fieldId"] = name if field else name.lower()
    return item


def _id(state: State, issue: Issue, name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name in ("fixVersions", "versions"):
        version = state.version(issue.project, value)
        return version.id if version else None
    if name in ("assignee", "reporter"):
        return str(value)
    return _IDS[name].get(value) if name in _IDS else None


def _said(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name in ("assignee", "reporter"):
        return USER_NAMES[value]
    if isinstance(value, list):
        return " ".join(value)
    return "[document]" if isinstance(value, dict) else str(value)
