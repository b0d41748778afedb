"""The issue itself: create, read, edit, its transitions, its history.

Belongs here: from request to reply. Does not belong here: what hangs on an issue (`hanging_routes.py`), searching.
"""

import json
from typing import Any

from feedback_loop.testing.jira_emulator import changes, checks
from feedback_loop.testing.jira_emulator.call import Call, Handle
from feedback_loop.testing.jira_emulator.catalogue import FIELDS, RESOLUTIONS, STATUSES, TRANSITIONS, Transition
from feedback_loop.testing.jira_emulator.faults import Route
from feedback_loop.testing.jira_emulator.records import Change, Issue
from feedback_loop.testing.jira_emulator.refusals import refuse, refuse_fields
from feedback_loop.testing.jira_emulator.wire import Reply, json_reply

_NOT_ON_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
_MAX_HISTORIES, _MAX_BULK_ISSUES, _MAX_BULK_FIELDS = 100, 1000, 10
_LISTS = ("labels", "components", "fixVersions", "versions")


def create(call: Call) -> Reply:
    """POST issue."""
    checks.check_keys(call.body, "fields", "update", "properties", "historyMetadata")
    fields = call.part("fields")
    project = checks.read_project(call.state, fields.get("project"))
    values = checks.read_fields(call.state, fields, project, call.shapes.api)
    checks.check_required(values)
    properties = _properties(call.listed("properties"))
    if call.body.get("update"):
        raise refuse(400, "This emulator takes no 'update' when it creates.")
    issue = changes.create(call.state, call.author, project, values)
    if properties:
        issue.properties |= properties
        changes.touch(call.state, issue)
    return json_reply({"id": issue.id, "key": issue.key, "self": call.shapes.self_link("issue", issue.id)}, 201)


def _properties(given: list[Any]) -> dict[str, Any]:
    if any(not isinstance(one, dict) or one.keys() != {"key", "value"} for one in given):
        raise refuse(400, "Each property has a key and a value.")
    for one in given:
        checks.check_property(str(one["key"]), json.dumps(one["value"]).encode(), one["value"])
    return {str(one["key"]): one["value"] for one in given}


def get(call: Call) -> Reply:
    """GET issue, with `fields`, `expand=changelog`, `properties`."""
    issue = call.issue
    shape = call.shapes.issue(issue, call.texts("fields") or ["*all"])
    if "changelog" in call.texts("expand"):
        newest = [call.shapes.change(change) for change in reversed(issue.changelog)][:_MAX_HISTORIES]
        about = {"startAt": 0, "maxResults": len(newest), "total": len(issue.changelog)}
        shape["changelog"] = {**about, "histories": newest}
    if wanted := call.texts("properties"):
        shape["properties"] = {k: v for k, v in issue.properties.items() if k in wanted or "*all" in wanted}
    return json_reply(shape)


def edit(call: Call) -> Reply:
    """PUT issue: `fields` are set, `update` adds, removes or sets; all or nothing."""
    checks.check_keys(call.body, "fields", "update", "properties", "historyMetadata")
    issue, fields, update = call.issue, call.part("fields"), call.part("update")
    if both := sorted(fields.keys() & update.keys()):
        raise refuse_fields(dict.fromkeys(both, "Field is in both 'fields' and 'update'."))
    comments = _comments(call, update.pop("comment", []))
    fields = fields | {name: _updated(call, issue, name, steps) for name, steps in update.items()}
    values = checks.read_fields(call.state, fields, issue.project, call.shapes.api)
    issue.properties |= _properties(call.listed("properties"))
    changes.edit(call.state, issue, call.author, values)
    for text in comments:
        changes.comment(call.state, issue, call.author, text)
    return Reply(204)


def _comments(call: Call, steps: Any) -> list[Any]:
    if not isinstance(steps, list) or any(not isinstance(s, dict) or not isinstance(s.get("add"), dict) for s in steps):
        raise refuse_fields({"comment": "Field 'comment' is changed by [{'add': {'body': ...}}]."})
    return [checks.read_comment(call.state, step["add"].get("body"), call.shapes.api) for step in steps]


def _updated(call: Call, issue: Issue, name: str, steps: Any) -> Any:
    """What `update` makes of a field, in the form that `fields` takes."""
    if name not in call.state.on_screen():
        raise refuse_fields({name: _NOT_ON_SCREEN.format(name)})
    if not isinstance(steps, list) or any(not isinstance(step, dict) or len(step) != 1 for step in steps):
        raise refuse_fields({name: "Operations are a list of objects with one key each."})
    current: Any = None
    if name in _LISTS:
        current = [each if name == "labels" else {"name": each} for each in issue.fields[name]]
    for operation, value in (pair for step in steps for pair in step.items()):
        if operation == "set":
            current = value
        elif name in _LISTS and operation == "add":
            current = [*current, value]
        elif name in _LISTS and operation == "remove":
            current = [each for each in current if each != value]
        else:
            raise refuse_fields({name: f"Field '{name}' does not support operation '{operation}'."})
    return current


def delete(_: Call) -> Reply:
    """DELETE issue: the bot may not."""
    raise refuse(403, "You do not have permission to delete issues in this project.")


def editmeta(call: Call) -> Reply:
    """GET editmeta."""
    names = [name for name in call.state.on_screen() if name != "project"]
    return json_reply({"fields": {name: call.shapes.field_meta(FIELDS[name], call.issue.project) for name in names}})


def _open_to(issue: Issue) -> list[Transition]:
    return [each for each in TRANSITIONS if issue.fields["status"] in each.sources]


def _enters_done(issue: Issue, transition: Transition) -> bool:
    return STATUSES[transition.to].category == "done" != STATUSES[issue.fields["status"]].category


def transitions(call: Call) -> Reply:
    """GET transitions: those that are open now; with `expand=transitions.fields` what their screens ask for."""
    issue, with_fields = call.issue, "transitions.fields" in call.texts("expand")
    listed = []
    for each in _open_to(issue):
        enters = _enters_done(issue, each)
        shape: dict[str, Any] = {
            "id": each.id,
            "name": each.name,
            "to": call.shapes.status(each.to),
            "hasScreen": enters,
            "isGlobal": False,
            "isInitial": False,
            "isAvailable": True,
            "isConditional": False,
        }
        if with_fields:
            allowed = [call.shapes.named("resolution", name, RESOLUTIONS) for name in RESOLUTIONS]
            resolution = {"required": True, "schema": {"type": "resolution", "system": "resolution"},
                          "name": "Resolution", "key": "resolution", "hasDefaultValue": True,
                          "operations": ["set"], "allowedValues": allowed}  # fmt: skip
            shape["fields"] = {"resolution": resolution} if enters else {}
        listed.append(shape)
    return json_reply({"expand": "transitions", "transitions": listed})


def transition(call: Call) -> Reply:
    """POST transitions; entering Done may name a resolution, and a comment may come with any."""
    checks.check_keys(call.body, "transition", "fields", "update", "historyMetadata", "properties")
    issue, wanted = call.issue, str(call.part("transition").get("id"))
    chosen = next((each for each in _open_to(issue) if each.id == wanted), None)
    if chosen is None:
        raise refuse(400, f"Transition id '{wanted}' is not valid for this issue.")
    fields = call.part("fields")
    on_screen = {"resolution"} if _enters_done(issue, chosen) else set()
    if unknown := sorted(fields.keys() - on_screen):
        raise refuse_fields({unknown[0]: _NOT_ON_SCREEN.format(unknown[0])})
    resolution = checks.read_resolution(fields["resolution"]) if fields else None
    comments = _comments(call, call.part("update").get("comment", []))
    changes.transition(call.state, issue, call.author, chosen.to, resolution)
    for text in comments:
        changes.comment(call.state, issue, call.author, text)
    return Reply(204)


def changelog(call: Call) -> Reply:
    """GET changelog: oldest first, in pages; Cloud only."""
    issue = call.issue
    values, about = call.page([call.shapes.change(change) for change in issue.changelog], 100, 100)
    is_last = about["startAt"] + len(values) >= about["total"]
    return json_reply({"self": call.shapes.self_link("issue", issue.id, "changelog"), **about, "isLast": is_last,
                       "values": values})  # fmt: skip


def bulk_changelog(call: Call) -> Reply:
    """POST changelog/bulkfetch: of many issues, some fields; times in milliseconds; issues that are gone left out."""
    checks.check_keys(call.body, "issueIdsOrKeys", "fieldIds", "maxResults", "nextPageToken")
    names, fields = call.listed("issueIdsOrKeys"), call.listed("fieldIds")
    if not 1 <= len(names) <= _MAX_BULK_ISSUES or len(fields) > _MAX_BULK_FIELDS:
        raise refuse(400, "issueIdsOrKeys has 1 to 1000 elements, fieldIds at most 10.")

    def shape(change: Change) -> dict[str, Any] | None:
        items = [item for item in change.items if not fields or item["fieldId"] in fields]
        said = call.shapes.change(change) | {"items": items, "created": int(change.created.timestamp() * 1000)}
        return said if items else None

    logs = []
    for issue in _unique(call, names):
        histories = [said for change in issue.changelog if (said := shape(change))]
        logs.append({"issueId": issue.id, "changeHistories": histories})
    return json_reply({"issueChangeLogs": logs, "nextPageToken": None})


def _unique(call: Call, names: list[Any]) -> list[Issue]:
    found = (call.state.visible(name) for name in names)
    return list({issue.id: issue for issue in found if issue is not None}.values())


SERVED: tuple[tuple[str, str, Route, Handle], ...] = (
    ("POST", "issue", "create", create),
    ("GET", "issue/{issue}", "get", get),
    ("PUT", "issue/{issue}", "edit", edit),
    ("DELETE", "issue/{issue}", "delete", delete),
    ("GET", "issue/{issue}/editmeta", "createmeta", editmeta),
    ("GET", "issue/{issue}/transitions", "transition.list", transitions),
    ("POST", "issue/{issue}/transitions", "transition.do", transition),
    ("GET", "issue/{issue}/changelog", "changelog", changelog),
    ("POST", "changelog/bulkfetch", "changelog", bulk_changelog),
)
