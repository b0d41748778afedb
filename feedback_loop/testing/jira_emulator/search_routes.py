"""Searching: by token on Cloud, by offset on Data Center, each over an index that may lag behind.

Belongs here: paging, and what of an issue a hit shows. Does not belong here: the query (`jql.py`), the index
(`state.py`).
"""

import base64
import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from feedback_loop.testing.jira_emulator.call import Call, Handle
from feedback_loop.testing.jira_emulator.faults import Fault, Route
from feedback_loop.testing.jira_emulator.jql import Query, parse_jql
from feedback_loop.testing.jira_emulator.records import Issue
from feedback_loop.testing.jira_emulator.refusals import RefusedError, refuse, refuse_jql
from feedback_loop.testing.jira_emulator.wire import Reply, json_reply

_MAX_RECONCILED, _MAX_PAGE, _MAX_PAGE_OF_IDS, _MAX_PAGE_DC = 50, 100, 5000, 1000
_REMOVED = (
    "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration guideline "
    "is available at https://developer.atlassian.com/changelog/#CHANGE-2046"
)


@dataclass(frozen=True)
class _Asked:
    """A search of Cloud, from a query string or a body."""

    jql: str
    fields: list[str]
    properties: list[str]
    reconcile: list[str]
    token: str | None
    size: int


def _list(value: Any) -> list[str]:
    return [] if value is None else [str(each) for each in value] if isinstance(value, list) else str(value).split(",")


def _int(value: Any, default: int) -> int:
    try:
        return default if value is None else max(0, int(value))
    except (TypeError, ValueError) as error:
        raise refuse(400, f"'{value}' is not a number.") from error


def _asked(call: Call) -> _Asked:
    if call.request.method == "GET":
        named = {name: call.texts(name) for name in ("fields", "properties", "reconcileIssues")}
        jql, token, size = call.text("jql"), call.text("nextPageToken") or None, call.number("maxResults", 50)
    else:
        body = call.body
        named = {name: _list(body.get(name)) for name in ("fields", "properties", "reconcileIssues")}
        jql, token = str(body.get("jql") or ""), body.get("nextPageToken")
        size = _int(body.get("maxResults"), 50)
    reconcile = named["reconcileIssues"]
    if len(reconcile) > _MAX_RECONCILED or not all(each.isdecimal() for each in reconcile):
        raise refuse(400, f"reconcileIssues takes at most {_MAX_RECONCILED} numeric ids of issues.")
    limit = _MAX_PAGE_OF_IDS if set(named["fields"]) <= {"id", "key"} else _MAX_PAGE
    return _Asked(jql, named["fields"], named["properties"], reconcile, token, max(1, min(size, limit)))


def _bounded(call: Call, jql: str) -> Query:
    query = parse_jql(call.state, jql)
    if query.matches is None:
        raise refuse_jql("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    return query


def search_cloud(call: Call) -> Reply:
    """GET or POST search/jql: an opaque token from page to page, no total."""
    asked = _asked(call)
    found = _bounded(call, asked.jql).run(call.state, call.state.indexed(frozenset(asked.reconcile)))
    start = _read_token(asked)
    page = found[start : start + asked.size]
    answer: dict[str, Any] = {"issues": [_hit(call, issue, asked) for issue in page], "isLast": True}
    if start + asked.size < len(found):
        answer |= {"nextPageToken": _token(asked, start + asked.size), "isLast": False}
    return json_reply(answer)


def _token(asked: _Asked, start: int) -> str:
    content = {"q": sha256(asked.jql.encode("utf-8", "replace")).hexdigest()[:12], "start": start}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _read_token(asked: _Asked) -> int:
    if asked.token is None:
        return 0
    try:
        start = int(json.loads(base64.urlsafe_b64decode(asked.token))["start"])
    except (ValueError, KeyError, TypeError):
        start = -1
    if start < 0 or asked.token != _token(asked, start):
        raise refuse_jql("The provided next page token is invalid or expired.")
    return start


def _hit(call: Call, issue: Issue, asked: _Asked) -> dict[str, Any]:
    """An issue as the index has it; without `fields` its id and nothing else."""
    if not asked.fields or asked.fields == ["id"]:
        return {"id": issue.id}
    shape = call.shapes.issue(issue, asked.fields)
    if asked.properties:
        shape["properties"] = {k: v for k, v in issue.properties.items() if k in asked.properties}
    return shape


def count(call: Call) -> Reply:
    """POST search/approximate-count."""
    return json_reply(
        {"count": len(_bounded(call, str(call.body.get("jql") or "")).run(call.state, call.state.indexed()))}
    )


def search_dc(call: Call) -> Reply:
    """GET or POST search: by offset, with a total; on Cloud it is gone."""
    if call.state.is_cloud:
        raise RefusedError(410, {"errorMessages": [_REMOVED], "errors": {}})
    given = call.body if call.request.method == "POST" else dict(call.request.query_params)
    fields = call.texts("fields") if call.request.method == "GET" else _list(given.get("fields"))
    found = parse_jql(call.state, str(given.get("jql") or "")).run(call.state, call.state.indexed())
    start, size = _int(given.get("startAt"), 0), min(_int(given.get("maxResults"), 50), _MAX_PAGE_DC)
    page = [call.shapes.issue(issue, fields or ["*navigable"]) for issue in found[start : start + size]]
    return json_reply(
        {"expand": "schema,names", "startAt": start, "maxResults": size, "total": len(found), "issues": page}
    )


def spoil(fault: Fault, call: Call, done: Reply) -> Reply:
    """The faults that only a search has.

    `repeat_page_token` gives the token that leads to this same page again, for ever (Data Center: a `startAt` of 0
    and a total that is never reached). `duplicate_hits` lists the first hit twice.
    """
    answer = json.loads(done.body)
    if "issues" not in answer:  # a count
        return done
    if fault.name == "duplicate_hits":
        answer["issues"] = answer["issues"][:1] + answer["issues"]
    elif call.state.is_cloud:
        asked = _asked(call)
        answer |= {"nextPageToken": asked.token or _token(asked, 0), "isLast": False}
    else:
        answer |= {"startAt": 0, "total": answer["total"] + 10**6}
    return replace(json_reply(answer), fault=fault)


SERVED: tuple[tuple[str, str, Route, Handle], ...] = (
    ("GET", "search/jql", "search", search_cloud),
    ("POST", "search/jql", "search", search_cloud),
    ("POST", "search/approximate-count", "search", count),
    ("GET", "search", "search", search_dc),
    ("POST", "search", "search", search_dc),
)
