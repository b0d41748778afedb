"""What surrounds issues: the server, who asks, fields, priorities, projects and what may be set there.

Belongs here: from request to reply; nothing here changes anything. Does not belong here: issues.
"""

from typing import Any

from feedback_loop.testing.jira_emulator.call import Call, Handle
from feedback_loop.testing.jira_emulator.catalogue import (
    BOT,
    COMPONENTS,
    FIELDS,
    ISSUE_TYPES,
    PRIORITIES,
    RESOLUTIONS,
    STATUSES,
    USER_LOGINS,
    USER_NAMES,
)
from feedback_loop.testing.jira_emulator.changes import stamp
from feedback_loop.testing.jira_emulator.faults import Route
from feedback_loop.testing.jira_emulator.refusals import refuse
from feedback_loop.testing.jira_emulator.wire import Reply, json_reply

_GRANTED = ("BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES", "LINK_ISSUES",
            "CREATE_ATTACHMENTS", "RESOLVE_ISSUES", "DELETE_ISSUES")  # fmt: skip


def server_info(call: Call) -> Reply:
    """GET serverInfo."""
    about: dict[str, Any] = {"version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0], "deploymentType": "Cloud"}
    if not call.state.is_cloud:
        about = {"version": "10.3.4", "versionNumbers": [10, 3, 4], "deploymentType": "Server"}
    return json_reply({"baseUrl": call.state.base_url, **about, "buildNumber": 100300, "serverTitle": "Jira",
                       "serverTime": stamp(call.state.now)})  # fmt: skip


def myself(call: Call) -> Reply:
    """GET myself."""
    return json_reply((call.shapes.user(BOT) or {}) | {"emailAddress": call.state.email})


def my_permissions(call: Call) -> Reply:
    """GET mypermissions; on Cloud it is to be said which. The bot may all but delete issues."""
    wanted = call.texts("permissions")
    if call.state.is_cloud and not wanted:
        raise refuse(400, "The 'permissions' query parameter is required.")
    if unknown := [name for name in wanted if name not in _GRANTED]:
        raise refuse(400, f"Unrecognized permission keys: {', '.join(unknown)}")
    if call.text("projectKey"):
        _project(call, call.text("projectKey"))
    listed = {
        name: {
            "id": str(i),
            "key": name,
            "name": name.title(),
            "type": "PROJECT",
            "havePermission": name != "DELETE_ISSUES",
        }
        for i, name in enumerate(_GRANTED)
        if not wanted or name in wanted
    }
    return json_reply({"permissions": listed})


def fields(call: Call) -> Reply:
    """GET field: every field there is, on the screen or not."""
    return json_reply([call.shapes.field(field) for field in FIELDS.values()])


def priorities(call: Call) -> Reply:
    """GET priority, the most urgent first."""
    return json_reply([call.shapes.named("priority", name, PRIORITIES) for name in PRIORITIES])


def resolutions(call: Call) -> Reply:
    """GET resolution."""
    return json_reply([call.shapes.named("resolution", name, RESOLUTIONS) for name in RESOLUTIONS])


def statuses(call: Call) -> Reply:
    """GET status."""
    return json_reply([call.shapes.status(name) for name in STATUSES])


def _project(call: Call, wanted: str | None = None) -> str:
    """Key of the project of the path, by key or id."""
    name = wanted or call.path("project")
    found = next((key for i, key in enumerate(call.state.projects) if name.upper() in (key, str(10000 + i))), None)
    if found is None:
        raise refuse(404, f"No project could be found with key '{name}'.")
    return found


def project(call: Call) -> Reply:
    """GET a project with its issue types, components and versions."""
    key = _project(call)
    return json_reply({
        **call.shapes.project(key),
        "lead": call.shapes.user(BOT),
        "issueTypes": [call.shapes.issue_type(name) for name in ISSUE_TYPES],
        "components": [call.shapes.named("component", name, COMPONENTS) for name in COMPONENTS],
        "versions": [call.shapes.version(each) for each in call.state.versions if each.project == key],
    })  # fmt: skip


def projects(call: Call) -> Reply:
    """GET project/search (Cloud, in pages) or project (Data Center, all)."""
    listed = [call.shapes.project(key) for key in call.state.projects]
    if call.request.url.path.endswith("/search"):
        values, about = call.page(listed, 50)
        return json_reply({**about, "isLast": True, "values": values})
    return json_reply(listed)


def versions(call: Call) -> Reply:
    """GET the versions of a project."""
    key = _project(call)
    return json_reply([call.shapes.version(each) for each in call.state.versions if each.project == key])


def components(call: Call) -> Reply:
    """GET the components of a project."""
    key = _project(call)
    return json_reply(
        [(call.shapes.named("component", name, COMPONENTS) or {}) | {"project": key} for name in COMPONENTS]
    )


def _paged(call: Call, items: list[Any], name: str) -> Reply:
    """`issueTypes` or `fields` on Cloud, `values` on Data Center."""
    page, about = call.page(items, 50)
    if call.state.is_cloud:
        return json_reply({**about, name: page})
    return json_reply({**about, "isLast": about["startAt"] + len(page) >= about["total"], "values": page})


def issue_types(call: Call) -> Reply:
    """GET createmeta: what can be made in a project."""
    _project(call)
    return _paged(call, [call.shapes.issue_type(name) for name in ISSUE_TYPES], "issueTypes")


def issue_fields(call: Call) -> Reply:
    """GET createmeta: the fields on the screen of one issue type."""
    key = _project(call)
    if call.path("type") not in ISSUE_TYPES.values():
        raise refuse(404, f"The issue type with id '{call.path('type')}' does not exist.")
    return _paged(call, [call.shapes.field_meta(FIELDS[name], key) for name in call.state.on_screen()], "fields")


def find_users(call: Call) -> Reply:
    """GET user/search by `query` (Cloud) or `username` (Data Center)."""
    wanted = call.text("query" if call.state.is_cloud else "username").lower()
    if not wanted:
        raise refuse(
            400, "Either 'query' or 'accountId' is required." if call.state.is_cloud else "username is required"
        )
    names = {account: f"{USER_NAMES[account]} {USER_LOGINS[account]} {account}".lower() for account in USER_NAMES}
    found = [account for account, name in names.items() if wanted in name]
    return json_reply([call.shapes.user(account) for account in found])


def application_links(_: Call) -> Reply:
    """GET listApplicationlinks: for administrators only."""
    raise refuse(403, "forbidden")


SERVED: tuple[tuple[str, str, Route, Handle], ...] = (
    ("GET", "serverInfo", "serverinfo", server_info),
    ("GET", "myself", "myself", myself),
    ("GET", "mypermissions", "permissions", my_permissions),
    ("GET", "field", "field", fields),
    ("GET", "priority", "priority", priorities),
    ("GET", "resolution", "priority", resolutions),
    ("GET", "status", "priority", statuses),
    ("GET", "project", "project", projects),
    ("GET", "project/search", "project", projects),
    ("GET", "project/{project}", "project", project),
    ("GET", "project/{project}/versions", "project", versions),
    ("GET", "project/{project}/components", "project", components),
    ("GET", "issue/createmeta/{project}/issuetypes", "createmeta", issue_types),
    ("GET", "issue/createmeta/{project}/issuetypes/{type}", "createmeta", issue_fields),
    ("GET", "user/search", "user.search", find_users),
)
