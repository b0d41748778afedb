"""Would tickets get through? Questions that change nothing, for `doctor`.

Belongs here: what a Jira must have for the policy to work. Does not belong here: the tickets (`jira.py`).
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from feedback_loop.clients.jira_policy import JiraPolicy, plain_name
from feedback_loop.clients.jira_wire import JiraWire
from feedback_loop.errors import NotFoundError
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import Finding

_NEEDED = {
    "CREATE_ISSUES": "make issues",
    "EDIT_ISSUES": "edit issues (the pattern is noted on each)",
    "ADD_COMMENTS": "comment",
    "CREATE_ATTACHMENTS": "attach files",
    "LINK_ISSUES": "link issues",
    "TRANSITION_ISSUES": "move issues through the workflow",
}
_SENT = ("project", "issuetype", "summary", "description", "labels")


def find_problems(wire: JiraWire, policy: JiraPolicy, targets: Iterable[RouteTarget]) -> list[Finding]:
    """What would keep tickets from being made as the policy says, one sentence each.

    Raises:
        TrackerUnavailable, TrackerRefused: it cannot be said.
    """
    problems: list[Finding] = []
    for target in list(targets) or [RouteTarget()]:
        problems += _of_target(wire, policy, target)
    if plain_name(policy.link_type) not in map(plain_name, link_types(wire)):
        problems.append(_note(f"Jira has no link type {policy.link_type!r}: duplicates cannot be linked"))
    known = {str(field.get("id")) for field in wire.get_list("field")}
    if policy.deployed_field and policy.deployed_field not in known:
        problems.append(
            _fatal(f"Jira has no field {policy.deployed_field!r}: when a fix was deployed cannot be read from it")
        )
    return list(dict.fromkeys(problems))


def _fatal(text: str) -> Finding:
    return Finding(text, is_fatal=True)


def _note(text: str) -> Finding:
    return Finding(text, is_fatal=False)


def link_types(wire: JiraWire) -> list[str]:
    """Names of the types of links."""
    return [str(kind.get("name")) for kind in wire.get("issueLinkType", "issueLinkTypes")["issueLinkTypes"]]


def _of_target(wire: JiraWire, policy: JiraPolicy, target: RouteTarget) -> Iterator[Finding]:
    project, issue_type = policy.placed(target)
    try:
        wire.get(f"project/{quote(project, safe='')}", "key")
        kinds = _metadata(wire, f"issue/createmeta/{quote(project, safe='')}/issuetypes", "issueTypes")
    except NotFoundError:
        yield _fatal(f"Jira has no project {project!r}, or hides it from this account")
        return
    if not kinds:
        yield _fatal(f"this account may not make issues in project {project}")
        return
    yield from _missing_permissions(wire, project)
    kind = next((k for k in kinds if plain_name(str(k.get("name"))) == plain_name(issue_type)), None)
    if kind is None:
        names = ", ".join(str(k.get("name")) for k in kinds)
        yield _fatal(f"project {project} has no issue type {issue_type!r}; it has {names}")
        return
    path = f"issue/createmeta/{quote(project, safe='')}/issuetypes/{kind['id']}"
    screen = {str(f.get("fieldId") or f.get("key")): f for f in _metadata(wire, path, "fields")}
    sent = [*_SENT, *(["priority"] if target.priorities else []), *(["components"] if target.components else [])]
    where = f"in project {project}, issue type {issue_type},"
    for name, field in screen.items():
        if field.get("required") and not field.get("hasDefaultValue") and name not in sent:
            yield _fatal(f"{where} the field {field.get('name', name)!r} is required, and tickets do not fill it")
    for name in sent[2:]:
        if name not in screen:
            lacks = f"{where} the field {name!r} is not on the screen"
            can_do_without = name in ("priority", "components")
            yield (
                _note(f"{lacks}: tickets go without it")
                if can_do_without
                else _fatal(f"{lacks}: no ticket can be made without it")
            )
    yield from _unknown(screen.get("priority"), target.priorities.values(), f"{where} there is no priority")
    yield from _unknown(screen.get("components"), target.components, f"{where} there is no component")


def _missing_permissions(wire: JiraWire, project: str) -> Iterator[Finding]:
    asked = {"projectKey": project, "permissions": ",".join(_NEEDED)}
    granted = wire.get("mypermissions", "permissions", asked)["permissions"]
    for key, what in _NEEDED.items():
        if not granted.get(key, {}).get("havePermission", False):
            yield _fatal(f"this account may not {what} in project {project} (permission {key})")


def _unknown(field: dict[str, Any] | None, names: Any, complaint: str) -> Iterator[Finding]:
    allowed = (field or {}).get("allowedValues")
    if allowed is not None:
        known = [str(value.get("name")) for value in allowed]
        for name in names:
            if plain_name(name) not in map(plain_name, known):
                yield _note(f"{complaint} {name!r}; there is {', '.join(known) or 'none'}: tickets go without it")


def _metadata(wire: JiraWire, path: str, key: str) -> list[dict[str, Any]]:
    """A list of what can be made: under its own name on Cloud, under `values` on Data Center."""
    return wire.get_pages(path, key if wire.is_cloud else "values")
