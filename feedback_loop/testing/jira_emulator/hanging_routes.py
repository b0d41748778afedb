"""What hangs on an issue: comments, files, links to elsewhere and to other issues, properties, watchers.

Belongs here: from request to reply. Does not belong here: the issue itself (`issue_routes.py`).
"""

import mimetypes
from typing import Any

from feedback_loop.testing.jira_emulator import changes, checks
from feedback_loop.testing.jira_emulator.call import Call, Handle
from feedback_loop.testing.jira_emulator.catalogue import LINK_TYPES
from feedback_loop.testing.jira_emulator.faults import Route
from feedback_loop.testing.jira_emulator.records import Attachment, Comment, Issue, Link, RemoteLink
from feedback_loop.testing.jira_emulator.refusals import RefusedError, not_found, refuse, refuse_fields
from feedback_loop.testing.jira_emulator.state import by_name
from feedback_loop.testing.jira_emulator.uploads import read_files
from feedback_loop.testing.jira_emulator.wire import Reply, json_reply

_MAX_GLOBAL_ID = 255


def comments(call: Call) -> Reply:
    """GET comment: in pages, the oldest first or as `orderBy` says."""
    order = call.text("orderBy", "created")
    if order.lstrip("+- ") != "created":
        raise refuse(400, f"'orderBy' cannot be '{order}'.")
    issue = call.issue
    ordered = issue.comments[::-1] if order.startswith("-") else issue.comments
    page, about = call.page(ordered, 100 if call.state.is_cloud else 10**6, 5000)
    return json_reply({**about, "comments": [call.shapes.comment(issue, each) for each in page]})


def add_comment(call: Call) -> Reply:
    """POST comment."""
    checks.check_keys(call.body, "body", "visibility", "properties")
    issue = call.issue
    body = checks.read_comment(call.state, call.body.get("body"), call.shapes.api)
    return json_reply(call.shapes.comment(issue, changes.comment(call.state, issue, call.author, body)), 201)


def _comment(call: Call, issue: Issue) -> Comment:
    found = next((each for each in issue.comments if each.id == call.path("comment")), None)
    if found is None:
        raise refuse(404, f"Can not find a comment for the id: {call.path('comment')}.")
    return found


def get_comment(call: Call) -> Reply:
    """GET one comment."""
    issue = call.issue
    return json_reply(call.shapes.comment(issue, _comment(call, issue)))


def edit_comment(call: Call) -> Reply:
    """PUT one comment; the bot may edit its own only."""
    checks.check_keys(call.body, "body", "visibility", "properties")
    issue = call.issue
    found = _comment(call, issue)
    if found.author != call.author:
        raise refuse(403, "You do not have the permission to edit this comment.")
    found.body = checks.read_comment(call.state, call.body.get("body"), call.shapes.api)
    found.updated = call.state.now
    changes.touch(call.state, issue)
    return json_reply(call.shapes.comment(issue, found))


def attach(call: Call) -> Reply:
    """POST attachments: `X-Atlassian-Token: no-check`, and parts named `file`."""
    if call.request.headers.get("x-atlassian-token", "").lower() not in ("no-check", "nocheck"):
        raise RefusedError(403, "XSRF check failed", "text/html;charset=UTF-8")
    issue = call.issue
    files = read_files(call.request.headers.get("content-type", ""), call.raw)
    if any(len(content) > call.state.attachment_limit for _, content in files):
        raise RefusedError(413, "<html><body>Request Entity Too Large</body></html>", "text/html;charset=UTF-8")
    made = [
        changes.attach(
            call.state, issue, call.author, name, content, mimetypes.guess_type(name)[0] or "binary/octet-stream"
        )
        for name, content in files
    ]
    return json_reply([call.shapes.attachment(each) for each in made])


def _attachment(call: Call) -> tuple[Issue, Attachment]:
    for issue in call.state.issues.values():
        for each in issue.attachments:
            if each.id == call.path("attachment") and not issue.is_hidden:
                return issue, each
    raise refuse(404, f"The attachment with id '{call.path('attachment')}' does not exist")


def get_attachment(call: Call) -> Reply:
    """GET what is known of a file."""
    return json_reply(call.shapes.attachment(_attachment(call)[1]))


def get_content(call: Call) -> Reply:
    """GET a file."""
    found = _attachment(call)[1]
    return Reply(200, found.content, found.mime_type, {"content-disposition": "attachment"})


def delete_attachment(call: Call) -> Reply:
    """DELETE a file; the bot may delete its own only."""
    issue, found = _attachment(call)
    if found.author != call.author:
        raise refuse(403, "You do not have permission to delete this attachment.")
    changes.detach(call.state, issue, call.author, found)
    return Reply(204)


def remote_links(call: Call) -> Reply:
    """GET remotelink: all, or with `globalId` the one object."""
    issue, wanted = call.issue, call.text("globalId")
    if not wanted:
        return json_reply([call.shapes.remote_link(issue, each) for each in issue.remote_links])
    found = _remote_link(issue, wanted)
    return json_reply(call.shapes.remote_link(issue, found))


def _remote_link(issue: Issue, global_id: str) -> RemoteLink:
    found = next((each for each in issue.remote_links if each.global_id == global_id), None)
    if found is None:
        raise refuse(404, f"No remote issue link with the given global id '{global_id}' exists.")
    return found


def put_remote_link(call: Call) -> Reply:
    """POST remotelink: 201, or 200 where the global id is known and the link was updated."""
    checks.check_keys(call.body, "globalId", "application", "relationship", "object")
    issue, target, global_id = call.issue, call.part("object"), call.body.get("globalId")
    missing = [name for name in ("title", "url") if not target.get(name)]
    if missing:
        raise refuse_fields({name: f"'{name}' is required." for name in missing})
    if global_id is not None and (not isinstance(global_id, str) or not 0 < len(global_id) <= _MAX_GLOBAL_ID):
        raise refuse_fields({"globalId": "'globalId' has 1 to 255 characters."})
    values = {"global_id": global_id, "target": target, "application": call.part("application"),
              "relationship": call.body.get("relationship")}  # fmt: skip
    link, is_new = changes.put_remote_link(call.state, issue, call.author, values)
    about = {"id": link.id, "self": call.shapes.self_link("issue", issue.id, "remotelink", link.id)}
    return json_reply(about, 201 if is_new else 200)


def delete_remote_link(call: Call) -> Reply:
    """DELETE remotelink by `globalId`."""
    issue = call.issue
    issue.remote_links.remove(_remote_link(issue, call.text("globalId")))
    changes.touch(call.state, issue)
    return Reply(204)


def properties(call: Call) -> Reply:
    """GET the keys of all properties."""
    issue = call.issue
    address = call.shapes.self_link("issue", issue.id, "properties")
    return json_reply({"keys": [{"self": f"{address}/{key}", "key": key} for key in issue.properties]})


def get_property(call: Call) -> Reply:
    """GET a property."""
    issue, key = call.issue, call.path("key")
    if key not in issue.properties:
        raise refuse(404, f"The property with key '{key}' does not exist.")
    return json_reply({"key": key, "value": issue.properties[key]})


def put_property(call: Call) -> Reply:
    """PUT a property, any JSON: 201 where it is new, 200 where it was there."""
    issue, key = call.issue, call.path("key")
    checks.check_property(key, call.raw, call.json)
    is_new = key not in issue.properties
    issue.properties[key] = call.json
    changes.touch(call.state, issue)
    return Reply(201 if is_new else 200)


def delete_property(call: Call) -> Reply:
    """DELETE a property."""
    get_property(call)
    del call.issue.properties[call.path("key")]
    changes.touch(call.state, call.issue)
    return Reply(204)


def watchers(call: Call) -> Reply:
    """GET watchers."""
    issue = call.issue
    return json_reply({"self": call.shapes.self_link("issue", issue.id, "watchers"), "isWatching": True,
                       "watchCount": len(issue.watchers),
                       "watchers": [call.shapes.user(each) for each in issue.watchers]})  # fmt: skip


def add_watcher(call: Call) -> Reply:
    """POST watchers: the body is a JSON string, an account id or a login; without one the bot itself."""
    account = call.author if call.json is None else checks.find_user(call.state, call.json)
    if account is None:
        raise refuse(404, f'The user "{call.json}" does not exist.')
    issue = call.issue
    issue.watchers = list(dict.fromkeys([*issue.watchers, account]))
    return Reply(204)


def link_types(call: Call) -> Reply:
    """GET issueLinkType."""
    return json_reply({"issueLinkTypes": [call.shapes.link_type(name) for name in LINK_TYPES]})


def link(call: Call) -> Reply:
    """POST issueLink: the inward issue does to the outward issue what the outward name says.

    The other way round than the names suggest, and as Jira does it (mozilla/jira-bugzilla-integration #1285). A second
    equal link is a second link here; what Jira makes of one is not documented, and this is the worse.
    """
    checks.check_keys(call.body, "type", "inwardIssue", "outwardIssue", "comment")
    kind = by_name(LINK_TYPES, call.part("type").get("name"))
    if kind is None:
        raise refuse(404, f"No issue link type with name '{(call.body.get('type') or {}).get('name')}' found.")
    ends = [_end(call, name) for name in ("inwardIssue", "outwardIssue")]
    if ends[0] is ends[1]:
        raise refuse(400, "You cannot link an issue to itself.")
    said = call.part("comment")
    body = checks.read_comment(call.state, said.get("body"), call.shapes.api) if said else None
    changes.link(call.state, call.author, kind, *ends)
    if body is not None:
        changes.comment(call.state, ends[0], call.author, body)
    return Reply(201)


def _end(call: Call, name: str) -> Issue:
    given = call.part(name)
    found = call.state.visible(given.get("key", given.get("id")))
    if found is None:
        raise not_found()
    return found


def _link(call: Call) -> Link:
    links = [each for issue in call.state.issues.values() for each in issue.links]
    found = next((each for each in links if each.id == call.path("link")), None)
    if found is None:
        raise refuse(404, f"No issue link with id '{call.path('link')}' exists.")
    return found


def get_link(call: Call) -> Reply:
    """GET a link, with both ends."""
    found = _link(call)
    shape: dict[str, Any] = {"id": found.id, "self": call.shapes.self_link("issueLink", found.id),
                             "type": call.shapes.link_type(found.type)}  # fmt: skip
    for name, issue_id in (("inwardIssue", found.source), ("outwardIssue", found.target)):
        issue = call.state.visible(issue_id)
        if issue is None:
            raise not_found()
        shape[name] = call.shapes.linked(issue)
    return json_reply(shape)


def delete_link(call: Call) -> Reply:
    """DELETE a link."""
    changes.unlink(call.state, _link(call))
    return Reply(204)


SERVED: tuple[tuple[str, str, Route, Handle], ...] = (
    ("GET", "issue/{issue}/comment", "comment.list", comments),
    ("POST", "issue/{issue}/comment", "comment.add", add_comment),
    ("GET", "issue/{issue}/comment/{comment}", "comment.list", get_comment),
    ("PUT", "issue/{issue}/comment/{comment}", "comment.edit", edit_comment),
    ("POST", "issue/{issue}/attachments", "attachment", attach),
    ("GET", "attachment/content/{attachment}", "attachment.get", get_content),
    ("GET", "attachment/{attachment}", "attachment.get", get_attachment),
    ("DELETE", "attachment/{attachment}", "attachment", delete_attachment),
    ("GET", "issue/{issue}/remotelink", "remotelink.list", remote_links),
    ("POST", "issue/{issue}/remotelink", "remotelink", put_remote_link),
    ("DELETE", "issue/{issue}/remotelink", "remotelink", delete_remote_link),
    ("GET", "issue/{issue}/properties", "property.get", properties),
    ("GET", "issue/{issue}/properties/{key}", "property.get", get_property),
    ("PUT", "issue/{issue}/properties/{key}", "property.put", put_property),
    ("DELETE", "issue/{issue}/properties/{key}", "property.put", delete_property),
    ("GET", "issue/{issue}/watchers", "watchers", watchers),
    ("POST", "issue/{issue}/watchers", "watchers", add_watcher),
    ("GET", "issueLinkType", "link.get", link_types),
    ("POST", "issueLink", "link", link),
    ("GET", "issueLink/{link}", "link.get", get_link),
    ("DELETE", "issueLink/{link}", "link", delete_link),
)
