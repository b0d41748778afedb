"""The JSON of the API: issues, comments, people and the rest, as v2, v3, Cloud and Data Center each say them.

Belongs here: shapes. Does not belong here: which of them a request gets (`*_routes.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from feedback_loop.testing.jira_emulator.adf import from_text, plain_text
from feedback_loop.testing.jira_emulator.catalogue import (
    CATEGORIES,
    COMPONENTS,
    FIELDS,
    ISSUE_TYPES,
    LINK_TYPES,
    PRIORITIES,
    RESOLUTIONS,
    STATUSES,
    USER_LOGINS,
    USER_NAMES,
    Field,
)
from feedback_loop.testing.jira_emulator.changes import stamp
from feedback_loop.testing.jira_emulator.records import Attachment, Change, Comment, Issue, Link, RemoteLink
from feedback_loop.testing.jira_emulator.state import State, Version

_LONG = frozenset({"attachment", "comment", "issuelinks"})  # not of those a search shows unless it is asked for them


@dataclass(frozen=True)
class Shapes:
    """Says things for one request.

    Attributes:
        api: version in the path: `2` or `3`.
    """

    state: State
    api: str

    def self_link(self, *parts: object) -> str:
        """Address of a resource, on the emulator's own host."""
        return "/".join((f"{self.state.base_url}/rest/api/{self.api}", *(str(part) for part in parts)))

    def user(self, account: str | None) -> dict[str, Any] | None:
        """A person."""
        if account is None:
            return None
        known = {"displayName": USER_NAMES[account], "active": True, "timeZone": "Etc/UTC"}
        if self.state.is_cloud:
            address = self.self_link(f"user?accountId={account}")
            return {"self": address, "accountId": account, "accountType": "atlassian", **known}
        login = USER_LOGINS[account]
        return {"self": self.self_link(f"user?username={login}"), "name": login, "key": login, **known}

    def text(self, body: Any) -> Any:
        """Wiki markup on v2, a document on v3, whichever it was given as."""
        if body is None:
            return None
        if self.api == "3":
            return body if isinstance(body, dict) else from_text(body)
        return body if isinstance(body, str) else plain_text(body)

    def project(self, key: str) -> dict[str, Any]:
        """A project, short."""
        new_id = str(10000 + self.state.projects.index(key))
        return {"self": self.self_link("project", new_id), "id": new_id, "key": key, "name": f"{key} project",
                "projectTypeKey": "software", "simplified": False}  # fmt: skip

    def status(self, name: str) -> dict[str, Any]:
        """A status with its category."""
        status = STATUSES[name]
        number, title, colour = CATEGORIES[status.category]
        category = {"self": self.self_link("statuscategory", number), "id": number, "key": status.category,
                    "colorName": colour, "name": title}  # fmt: skip
        return {"self": self.self_link("status", status.id), "id": status.id, "name": name, "description": "",
                "statusCategory": category}  # fmt: skip

    def named(self, kind: str, name: str | None, ids: dict[str, str]) -> dict[str, Any] | None:
        """Something with a name and an id."""
        return None if name is None else {"self": self.self_link(kind, ids[name]), "id": ids[name], "name": name}

    def issue_type(self, name: str) -> dict[str, Any]:
        """An issue type."""
        return {**(self.named("issuetype", name, ISSUE_TYPES) or {}), "subtask": False, "description": ""}

    def version(self, version: Version) -> dict[str, Any]:
        """A release."""
        project_id = 10000 + self.state.projects.index(version.project)
        shape = {"self": self.self_link("version", version.id), "id": version.id, "name": version.name,
                 "archived": False, "released": version.is_released, "projectId": project_id}  # fmt: skip
        return shape | ({"releaseDate": version.release_date} if version.release_date else {})

    def comment(self, issue: Issue, comment: Comment) -> dict[str, Any]:
        """A comment."""
        return {
            "self": self.self_link("issue", issue.id, "comment", comment.id),
            "id": comment.id,
            "author": self.user(comment.author),
            "body": self.text(comment.body),
            "updateAuthor": self.user(comment.author),
            "created": stamp(comment.created),
            "updated": stamp(comment.updated),
            **({"jsdPublic": True} if self.state.is_cloud else {}),
        }

    def attachment(self, attachment: Attachment) -> dict[str, Any]:
        """A file, without its content."""
        content = self.self_link("attachment", "content", attachment.id)
        if not self.state.is_cloud:
            content = f"{self.state.base_url}/secure/attachment/{attachment.id}/{quote(attachment.filename)}"
        return {"self": self.self_link("attachment", attachment.id), "id": attachment.id,
                "filename": attachment.filename, "author": self.user(attachment.author),
                "created": stamp(attachment.created), "size": len(attachment.content),
                "mimeType": attachment.mime_type, "content": content}  # fmt: skip

    def remote_link(self, issue: Issue, link: RemoteLink) -> dict[str, Any]:
        """A link to elsewhere."""
        shape: dict[str, Any] = {"id": link.id, "self": self.self_link("issue", issue.id, "remotelink", link.id)}
        if link.global_id is not None:
            shape["globalId"] = link.global_id
        if link.relationship is not None:
            shape["relationship"] = link.relationship
        return {**shape, "application": link.application, "object": link.target}

    def link_type(self, name: str) -> dict[str, Any]:
        """A kind of link."""
        type_id, inward, outward = LINK_TYPES[name]
        return {"id": type_id, "name": name, "inward": inward, "outward": outward,
                "self": self.self_link("issueLinkType", type_id)}  # fmt: skip

    def linked(self, issue: Issue) -> dict[str, Any]:
        """The other end of a link."""
        fields = self.fields(issue, ("summary", "status", "priority", "issuetype"))
        return {"id": issue.id, "key": issue.key, "self": self.self_link("issue", issue.id), "fields": fields}

    def issue_link(self, link: Link, seen_from: Issue) -> dict[str, Any] | None:
        """A link as one of its issues shows it; None where the bot may not see the other."""
        is_source = link.source == seen_from.id
        other = self.state.visible(link.target if is_source else link.source)
        if other is None:
            return None
        end = "outwardIssue" if is_source else "inwardIssue"
        return {"id": link.id, "self": self.self_link("issueLink", link.id), "type": self.link_type(link.type),
                end: self.linked(other)}  # fmt: skip

    def change(self, change: Change) -> dict[str, Any]:
        """An entry of the history."""
        return {"id": change.id, "author": self.user(change.author), "created": stamp(change.created),
                "items": list(change.items)}  # fmt: skip

    def fields(self, issue: Issue, wanted: Sequence[str]) -> dict[str, Any]:
        """The fields that were asked for; unknown ones are passed over, as Jira does."""
        chosen = _chosen(wanted)
        return {name: self._value(issue, FIELDS[name]) for name in FIELDS if chosen(name) and self._exists(name)}

    def _exists(self, name: str) -> bool:
        return name != "statuscategorychangedate" or self.state.is_cloud

    def _value(self, issue: Issue, field: Field) -> Any:
        say = _SAYS.get(field.id)
        if say is not None:
            return say(self, issue)
        value = issue.fields.get(field.id)
        if field.type == "user":
            return self.user(value)
        return stamp(value) if isinstance(value, datetime) else value

    def issue(self, issue: Issue, wanted: Sequence[str]) -> dict[str, Any]:
        """An issue with these fields."""
        return {
            "expand": "renderedFields,names,schema,operations,editmeta,changelog",
            "id": issue.id,
            "self": self.self_link("issue", issue.id),
            "key": issue.key,
            "fields": self.fields(issue, wanted),
        }

    def field_schema(self, field: Field) -> dict[str, Any]:
        """Type of a field."""
        schema: dict[str, Any] = {"type": field.type} | ({"items": field.items} if field.items else {})
        if not field.is_custom:
            return schema | {"system": field.id}
        kind = {"number": "float"}.get(field.type, field.type)
        custom = f"com.atlassian.jira.plugin.system.customfieldtypes:{kind}"
        return schema | {"custom": custom, "customId": int(field.id.removeprefix("customfield_"))}

    def field(self, field: Field) -> dict[str, Any]:
        """A field, in the list of all."""
        return {"id": field.id, "key": field.id, "name": field.name, "custom": field.is_custom, "orderable": True,
                "navigable": True, "searchable": bool(field.clauses), "clauseNames": list(field.clauses),
                "schema": self.field_schema(field)}  # fmt: skip

    def field_meta(self, field: Field, project: str) -> dict[str, Any]:
        """A field on the screen of create or edit."""
        shape: dict[str, Any] = {
            "required": field.id in ("project", "issuetype", "summary"),
            "schema": self.field_schema(field),
            "name": field.name,
            "key": field.id,
            "fieldId": field.id,
            "hasDefaultValue": field.id == "priority",
            "operations": ["add", "set", "remove"] if field.type == "array" else ["set"],
        }
        allowed = self._allowed(field, project)
        return shape if allowed is None else shape | {"allowedValues": allowed}

    def _allowed(self, field: Field, project: str) -> list[Any] | None:
        match field.id:
            case "project":
                return [self.project(project)]
            case "issuetype":
                return [self.issue_type(name) for name in ISSUE_TYPES]
            case "priority":
                return [self.named("priority", name, PRIORITIES) for name in PRIORITIES]
            case "components":
                return [self.named("component", name, COMPONENTS) for name in COMPONENTS]
            case "fixVersions" | "versions":
                return [self.version(each) for each in self.state.versions if each.project == project]
        return None


def _chosen(wanted: Iterable[str]) -> Callable[[str], bool]:
    """Whether a field is among `*all`, `*navigable`, names, and not among `-names`."""
    names = {part.strip() for each in wanted for part in each.split(",") if part.strip()}
    without = {name[1:] for name in names if name.startswith("-")}
    with_all = "*all" in names or names == {f"-{name}" for name in without}
    navigable = "*navigable" in names

    def is_chosen(name: str) -> bool:
        return name not in without and (name in names or with_all or (navigable and name not in _LONG))

    return is_chosen


def _versions_of(shapes: Shapes, issue: Issue, name: str) -> list[dict[str, Any]]:
    found = (shapes.state.version(issue.project, each) for each in issue.fields[name])
    return [shapes.version(version) for version in found if version]


_SAYS: dict[str, Callable[[Shapes, Issue], Any]] = {
    "project": lambda shapes, issue: shapes.project(issue.project),
    "issuetype": lambda shapes, issue: shapes.issue_type(issue.fields["issuetype"]),
    "status": lambda shapes, issue: shapes.status(issue.fields["status"]),
    "priority": lambda shapes, issue: shapes.named("priority", issue.fields["priority"], PRIORITIES),
    "resolution": lambda shapes, issue: shapes.named("resolution", issue.fields["resolution"], RESOLUTIONS),
    "components": lambda shapes, issue: [shapes.named("component", x, COMPONENTS) for x in issue.fields["components"]],
    "fixVersions": lambda shapes, issue: _versions_of(shapes, issue, "fixVersions"),
    "versions": lambda shapes, issue: _versions_of(shapes, issue, "versions"),
    "description": lambda shapes, issue: shapes.text(issue.fields["description"]),
    "environment": lambda shapes, issue: shapes.text(issue.fields.get("environment")),
    "attachment": lambda shapes, issue: [shapes.attachment(each) for each in issue.attachments],
    "comment": lambda shapes, issue: {
        "comments": [shapes.comment(issue, each) for each in issue.comments],
        "startAt": 0,
        "maxResults": len(issue.comments),
        "total": len(issue.comments),
    },
    "issuelinks": lambda shapes, issue: [
        shape for each in issue.links if (shape := shapes.issue_link(each, issue)) is not None
    ],
    "watches": lambda shapes, issue: {
        "self": shapes.self_link("issue", issue.key, "watchers"),
        "watchCount": len(issue.watchers),
        "isWatching": True,
    },
}
