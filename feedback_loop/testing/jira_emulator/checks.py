"""What Jira takes for a field, a comment, a property; everything else is refused as it refuses it.

Belongs here: reading values out of a request's body, with every reason to say no. Does not belong here: what they
change (`changes.py`), the queries (`jql.py`).

Lengths are counted in UTF-16 units, as Java does: an emoji is two. The limit of a document is held against its JSON,
markup and all; whether Jira Cloud counts that or the words alone is not documented, and the first is the stricter.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from feedback_loop.testing.jira_emulator.adf import adf_problem
from feedback_loop.testing.jira_emulator.catalogue import (
    COMPONENTS,
    DEPLOYED_AT,
    ISSUE_TYPES,
    PRIORITIES,
    RESOLUTIONS,
    STORY_POINTS,
    USER_LOGINS,
    USER_NAMES,
)
from feedback_loop.testing.jira_emulator.refusals import RefusedError, refuse, refuse_fields
from feedback_loop.testing.jira_emulator.state import State, by_name

MAX_SUMMARY, MAX_LABEL, MAX_TEXT, MAX_PROPERTY, MAX_PROPERTY_KEY = 255, 255, 32_767, 32_768, 255
_TOO_LONG = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
_NOT_ON_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."


class FieldError(Exception):
    """One field cannot be set to this; the message is the API's."""


def length(text: str) -> int:
    """In UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def read_fields(state: State, given: Mapping[str, Any], project: str, api: str) -> dict[str, Any]:
    """Fields of a create or an edit, as `Issue.fields` has them.

    Args:
        state: whose fields are on the screen.
        given: `fields` of the body.
        project: whose components and versions they may name.
        api: version of the API, `2` or `3`.

    Raises:
        RefusedError: 400 with what is wrong, by field.
    """
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}
    shown = state.on_screen()
    for name, value in given.items():
        if name not in shown:
            errors[name] = _NOT_ON_SCREEN.format(name)
            continue
        try:
            values[name] = _READERS[name](state, value, project, api)
        except FieldError as error:
            errors[name] = str(error)
    if errors:
        raise refuse_fields(errors)
    return values


def read_project(state: State, given: Any) -> str:
    """Key of the project a new issue goes to.

    Raises:
        RefusedError: there is none, or no such.
    """
    wanted = given.get("key", given.get("id")) if isinstance(given, dict) else None
    found = next((key for i, key in enumerate(state.projects) if wanted in (key, str(10000 + i))), None)
    if found is None:
        raise refuse_fields(
            {"project": "Specify a valid project ID or key" if state.is_cloud else "project is required"}
        )
    return found


def check_required(values: Mapping[str, Any]) -> None:
    """What a new issue cannot be without.

    Raises:
        RefusedError: it is.
    """
    missing = {"issuetype": "Specify an issue type", "summary": "You must specify a summary of the issue."}
    if errors := {name: message for name, message in missing.items() if name not in values}:
        raise refuse_fields(errors)


def read_text(state: State, value: Any, api: str) -> str | dict[str, Any] | None:
    """A description or the body of a comment: wiki markup on v2, a document on v3.

    Raises:
        FieldError: of the other kind, or too long.
        RefusedError: a document that is not one.
    """
    if value is None:
        return None
    if api == "3":
        if not isinstance(value, dict):
            raise FieldError("Operation value must be an Atlassian Document (see the Atlassian Document Format)")
        if adf_problem(value) is not None:
            raise refuse(400, "INVALID_INPUT")
        if length(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) > MAX_TEXT:
            raise FieldError("CONTENT_LIMIT_EXCEEDED")
        return value
    if not isinstance(value, str):
        raise FieldError("Operation value must be a string")
    if length(value) > MAX_TEXT:
        raise FieldError(_TOO_LONG)
    return value


def read_comment(state: State, value: Any, api: str) -> str | dict[str, Any]:
    """The body of a comment.

    Raises:
        RefusedError: no text, or none that `read_text` takes.
    """
    try:
        body = read_text(state, value, api)
    except FieldError as error:
        raise refuse_fields({"comment": str(error)}) from error
    if body is None or (isinstance(body, str) and not body.strip()) or (isinstance(body, dict) and not body["content"]):
        raise refuse_fields({"comment": "Comment body can not be empty!"})
    return body


def read_resolution(given: Any) -> str:
    """`{"name"}` or `{"id"}`.

    Raises:
        RefusedError: there is no such resolution.
    """
    try:
        return _named(given, RESOLUTIONS, "Resolution name '{}' is not valid")
    except FieldError as error:
        raise refuse_fields({"resolution": str(error)}) from error


def check_property(key: str, raw: bytes, value: Any) -> None:
    """An entity property.

    Raises:
        RefusedError: too long, or no JSON.
    """
    if not key or len(key) > MAX_PROPERTY_KEY:
        raise refuse(400, "The property key cannot be longer than 255 characters.")
    if value is None or len(raw) > MAX_PROPERTY:
        raise refuse(400, "The property value must be a valid JSON of at most 32768 characters.")


def check_keys(body: Mapping[str, Any], *known: str) -> None:
    """No other keys than these.

    Raises:
        RefusedError: there is another.
    """
    if unknown := sorted(body.keys() - set(known)):
        raise RefusedError(400, {"errorMessages": [f"Unrecognized field {unknown[0]!r}"], "errors": {}})


def find_user(state: State, name: object) -> str | None:
    """Account id of an account id (Cloud) or a login (Data Center)."""
    names = {account: account for account in USER_NAMES} if state.is_cloud else {v: k for k, v in USER_LOGINS.items()}
    return names.get(str(name))


def _named(given: Any, known: Mapping[str, str], message: str) -> str:
    if not isinstance(given, dict) or not given.keys() & {"name", "id"}:
        raise FieldError("data was not an object with a name or an id")
    found = by_name(known, given["name"]) if "name" in given else None
    found = found or next((name for name, known_id in known.items() if known_id == str(given.get("id"))), None)
    if found is None:
        raise FieldError(message.format(given.get("name", given.get("id"))))
    return found


def _names(given: Any, known: Mapping[str, str], message: str) -> list[str]:
    if not isinstance(given, list):
        raise FieldError("data was not an array")
    return list(dict.fromkeys(_named(each, known, message) for each in given))


def _summary(_: State, value: Any, __: str, ___: str) -> str:
    if not isinstance(value, str):
        raise FieldError("Operation value must be a string")
    if not value.strip():
        raise FieldError("You must specify a summary of the issue.")
    if "\n" in value or "\r" in value:
        raise FieldError("The summary is invalid because it contains newline characters.")
    if length(value) > MAX_SUMMARY:
        raise FieldError("Summary can't exceed 255 characters.")
    return value.strip()


def _labels(_: State, value: Any, __: str, ___: str) -> list[str]:
    if not isinstance(value, list) or any(not isinstance(label, str) for label in value):
        raise FieldError("data was not an array of strings")
    for label in value:
        if not label or any(char.isspace() for char in label):
            raise FieldError(f"The label '{label}' contains spaces which is invalid.")
        if length(label) > MAX_LABEL:
            raise FieldError(f"The label '{label}' exceeds the maximum length of 255 characters.")
    return list(dict.fromkeys(value))


def _issue_type(_: State, value: Any, __: str, ___: str) -> str:
    return _named(value, ISSUE_TYPES, "Specify a valid issue type")


def _priority(_: State, value: Any, __: str, ___: str) -> str:
    return _named(value, PRIORITIES, "Priority name '{}' is not valid")


def _components(_: State, value: Any, __: str, ___: str) -> list[str]:
    return _names(value, COMPONENTS, "Component name '{}' is not valid")


def _versions(state: State, value: Any, project: str, _: str) -> list[str]:
    known = {version.name: version.id for version in state.versions if version.project == project}
    return _names(value, known, "Version name '{}' is not valid")


def _user(state: State, value: Any, _: str, __: str) -> str | None:
    if value is None:
        return None
    field = ("accountId", "id") if state.is_cloud else ("name",)
    wanted = next((value[name] for name in field if isinstance(value, dict) and name in value), None)
    if wanted is None and isinstance(value, dict) and field[0] in value:
        return None
    found = find_user(state, wanted)
    if found is None:
        raise FieldError(f"User '{wanted}' does not exist.")
    return found


def _date(_: State, value: Any, __: str, ___: str) -> str | None:
    try:
        return None if value is None else date.fromisoformat(value).isoformat()
    except (TypeError, ValueError) as error:
        raise FieldError(f"Error parsing date string: {value}") from error


def _datetime(_: State, value: Any, __: str, ___: str) -> str | None:
    try:
        if value is not None and datetime.fromisoformat(value).tzinfo is None:
            raise FieldError(f"Error parsing time: {value}")
    except (TypeError, ValueError) as error:
        raise FieldError(f"Error parsing time: {value}") from error
    return None if value is None else str(value)


def _number(_: State, value: Any, __: str, ___: str) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise FieldError("Operation value must be a number")
    return value


def _text(state: State, value: Any, _: str, api: str) -> Any:
    return read_text(state, value, api)


def _project(state: State, value: Any, project: str, _: str) -> str:
    if read_project(state, value) == project:
        return project
    raise FieldError("Issues cannot be moved by an edit.")


_READERS: dict[str, Callable[[State, Any, str, str], Any]] = {
    "project": _project,
    "issuetype": _issue_type,
    "summary": _summary,
    "description": _text,
    "environment": _text,
    "labels": _labels,
    "priority": _priority,
    "components": _components,
    "fixVersions": _versions,
    "versions": _versions,
    "assignee": _user,
    "reporter": _user,
    "duedate": _date,
    STORY_POINTS: _number,
    DEPLOYED_AT: _datetime,
}
