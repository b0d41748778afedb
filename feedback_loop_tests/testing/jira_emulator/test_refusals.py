"""What the emulator refuses, as the real API does: fields, documents, uploads, properties, transitions."""

import json
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop.testing.jira_emulator.adf import adf_problem, plain_text
from feedback_loop.testing.jira_emulator.catalogue import FIELDS
from feedback_loop_tests.testing.jira_emulator.conftest import call, connect, doc, fields, is_cloud, said

LONG = "x" * 32_768
WRITES = {
    "POST issue": ["fields", "update", "properties"],
    "PUT issue/10101": ["fields", "update", "properties"],
    "POST issue/10101/comment": ["body", "properties"],
    "POST issue/10101/transitions": ["transition", "fields", "update"],
    "POST issue/10101/remotelink": ["globalId", "object", "application", "relationship"],
    "POST issueLink": ["type", "inwardIssue", "outwardIssue", "comment"],
    "POST search": ["jql", "fields", "startAt", "maxResults"],
    "POST search/jql": ["jql", "fields", "properties", "reconcileIssues", "nextPageToken", "maxResults"],
    "POST changelog/bulkfetch": ["issueIdsOrKeys", "fieldIds", "maxResults"],
    "POST search/approximate-count": ["jql"],
    "PUT issue/10101/properties/k": ["any"],
    "POST issue/10101/watchers": ["any"],
}
VALID: dict[str, Any] = {
    "POST issue": {"fields": {"project": {"key": "FL"}, "issuetype": {"name": "Bug"}, "summary": "s"}},
    "POST issue/10101/transitions": {"transition": {"id": "31"}},
    "POST issue/10101/remotelink": {"object": {"url": "u", "title": "t"}},
    "POST issueLink": {"type": {"name": "Relates"}, "inwardIssue": {"key": "FL-1"}, "outwardIssue": {"key": "FL-2"}},
    "POST search/jql": {"jql": "project = FL"},
    "POST changelog/bulkfetch": {"issueIdsOrKeys": ["FL-1"]},
}
WRONG: list[Any] = [5, -1, "x", True, [], [5], [[]], ["x"], {}, {"x": 5}, {"x": [{"add": 5}]}, {"key": [], "value": 1},
                    [{"key": [], "value": 1}], {"labels": {}}, {"labels": [{"add": {}}]}, {"labels": [{"remove": []}]},
                    {"comment": {}}, {"comment": [{"add": {"body": 5}}]}, {"comment": 5}, {"name": [], "id": {}},
                    {"resolution": 5}, {"priority": {"name": {}}}, {"body": 5}]  # fmt: skip
JQL = ["project", "labels", "created", "key", "id", "summary", "status", "resolution", "=", "!=", "in", "not", "is",
       "EMPTY", ">=", "~", "(", ")", ",", "AND", "OR", "FL", "a", "-7d", "2026-11-01", "5", "'x'", "ORDER", "BY",
       "DESC",        "cf[10016]", "cf[10042]", "duedate", "Done", "now()"]  # fmt: skip


def finite(body: Any) -> bool:
    """Whether JSON can hold it."""
    try:
        json.dumps(body, allow_nan=False)
    except ValueError:
        return False
    return True


def refusal(response: requests.Response, emulator: JiraEmulator) -> Any:
    """The body of a 400, which was also noted as refused and changed nothing."""
    assert response.status_code == 400
    assert emulator.refused[-1].status == 400
    return response.json()


class TestFields:
    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("project", {"key": "NOPE"}, "project"),
            ("issuetype", {"name": "Epos"}, "Specify a valid issue type"),
            ("summary", "", "You must specify a summary of the issue."),
            ("summary", "two\nlines", "The summary is invalid because it contains newline characters."),
            ("summary", "x" * 256, "Summary can't exceed 255 characters."),
            ("summary", "🙂" * 128, "Summary can't exceed 255 characters."),  # two units each
            ("labels", ["a b"], "The label 'a b' contains spaces which is invalid."),
            ("labels", ["x" * 256], "exceeds the maximum length of 255 characters."),
            ("labels", "a", "data was not an array of strings"),
            ("priority", {"name": "Urgent"}, "Priority name 'Urgent' is not valid"),
            ("components", [{"name": "Brain"}], "Component name 'Brain' is not valid"),
            ("fixVersions", [{"name": "9"}], "Version name '9' is not valid"),
            ("assignee", {"accountId": "x", "name": "x"}, "User 'x' does not exist."),
            ("resolution", {"name": "Done"}, "It is not on the appropriate screen, or unknown."),
            ("customfield_1", 1, "It is not on the appropriate screen, or unknown."),
            ("customfield_10042", "yesterday", "Error parsing time: yesterday"),
            ("customfield_10042", "2026-11-01", "Error parsing time: 2026-11-01"),
            ("customfield_10016", "3", "Operation value must be a number"),
        ],
    )
    def test_one_wrong_field(self, jira: JiraEmulator, field: str, value: Any, message: str) -> None:
        body = refusal(call(jira, "POST", "issue", json={"fields": fields(**{field: value})}), jira)
        assert message in body["errors"][field]
        assert (body["errorMessages"], jira.issues) == ([], [])

    def test_longest_that_is_taken(self, jira: JiraEmulator) -> None:
        given = fields(summary="x" * 255, labels=["x" * 255])
        assert call(jira, "POST", "issue", json={"fields": given}).status_code == 201

    def test_all_wrong_fields_are_named(self, jira: JiraEmulator) -> None:
        given = fields(labels=["a b"], priority={"name": "?"})
        assert call(jira, "POST", "issue", json={"fields": given}).json()["errors"].keys() == {"labels", "priority"}

    def test_missing_ones(self, jira: JiraEmulator) -> None:
        body = refusal(call(jira, "POST", "issue", json={"fields": {"project": {"key": "FL"}}}), jira)
        assert body["errors"].keys() == {"issuetype", "summary"}

    def test_an_edit_is_all_or_nothing(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        body = {"fields": {"summary": "new"}, "update": {"labels": [{"add": "a b"}]}}
        refusal(call(jira, "PUT", "issue/FL-1", json=body), jira)
        assert jira.issues[0].fields["summary"] == "Refunds are wrong"

    @pytest.mark.parametrize("raw", ["{", "[]", '"text"'])
    def test_no_object(self, jira: JiraEmulator, raw: str) -> None:
        refusal(call(jira, "POST", "issue", data=raw, headers={"content-type": "application/json"}), jira)


class TestTexts:
    def test_too_long(self, jira: JiraEmulator) -> None:
        body = refusal(call(jira, "POST", "issue", json={"fields": fields(description=said(jira, LONG))}), jira)
        assert "description" in body["errors"]
        connect(jira).create_issue(fields=fields())
        body = refusal(call(jira, "POST", "issue/FL-1/comment", json={"body": said(jira, LONG)}), jira)
        assert "comment" in body["errors"]
        longest = LONG[:-1] if not is_cloud(jira) else LONG[: -1 - len(json.dumps(doc(""), separators=(",", ":")))]
        assert call(jira, "POST", "issue/FL-1/comment", json={"body": said(jira, longest)}).status_code == 201

    def test_v3_takes_no_string_and_v2_no_document(self, cloud: JiraEmulator) -> None:
        body = refusal(call(cloud, "POST", "issue", json={"fields": fields(description="text")}), cloud)
        assert "Atlassian Document" in body["errors"]["description"]
        body = refusal(call(cloud, "POST", "issue", api="2", json={"fields": fields(description=doc("x"))}), cloud)
        assert body["errors"] == {"description": "Operation value must be a string"}

    def test_v3_takes_no_invalid_document(self, cloud: JiraEmulator) -> None:
        wrong = {"type": "doc", "version": 1, "content": [{"type": "text", "text": "not in a paragraph"}]}
        body = refusal(call(cloud, "POST", "issue", json={"fields": fields(description=wrong)}), cloud)
        assert body == {"errorMessages": ["INVALID_INPUT"], "errors": {}}

    def test_an_empty_comment(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        empty = {"type": "doc", "version": 1, "content": []} if is_cloud(jira) else " "
        assert refusal(call(jira, "POST", "issue/FL-1/comment", json={"body": empty}), jira)["errors"]["comment"]


def text(words: str = "x", *marks: str) -> dict[str, Any]:
    listed = [{"type": mark, **({"attrs": {"href": "https://x.example"}} if mark == "link" else {})} for mark in marks]
    return {"type": "text", "text": words, **({"marks": listed} if marks else {})}


def node(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, **({"attrs": attrs} if attrs else {}), **({"content": list(content)} if content else {})}


P = node("paragraph", text())
ITEM = node("listItem", P)
EXTERNAL = node("media", type="external", url="https://x.example/a.png")


class TestDocuments:
    @pytest.mark.parametrize(
        "block",
        [
            node("paragraph"),
            node("paragraph", text("a", "strong", "em"), node("hardBreak"), text("b", "code", "link")),
            node("paragraph", node("mention", id="1", text="@x"), node("inlineCard", url="https://x.example")),
            node("paragraph", node("status", text="new", color="blue"), node("date", timestamp="1")),
            node("heading", text(), level=6),
            node("bulletList", ITEM, node("listItem", P, node("orderedList", ITEM))),
            node("blockquote", P, node("bulletList", ITEM), node("codeBlock", text())),
            node("codeBlock", text(), language="python"),
            node("rule"),
            node("panel", node("heading", text(), level=1), P, panelType="note"),
            node(
                "table",
                node("tableRow", node("tableHeader", P), node("tableCell", P, node("panel", P, panelType="info"))),
            ),
            node("expand", P, title="more"),
            node("mediaSingle", EXTERNAL, layout="center"),
        ],
    )
    def test_valid(self, block: dict[str, Any]) -> None:
        assert adf_problem(node("doc", block) | {"version": 1}) is None

    @pytest.mark.parametrize(
        "block",
        [
            node("paragraph", text("")),
            node("paragraph", P),
            node("paragraph", text("a", "strong", "strong")),
            node("paragraph", text("a", "code", "strong")),
            node("paragraph", text("a", "blink")),
            node("paragraph", {"type": "text", "text": "a", "marks": [{"type": "link", "attrs": {}}]}),
            node("paragraph", node("mention", text="@x")),
            node("heading", text(), level=7),
            node("heading", text(), level=True),
            node("heading", text()),
            node("bulletList"),
            node("bulletList", P),
            node("bulletList", node("listItem", node("bulletList", ITEM))),
            node("listItem", P),
            node("blockquote", node("heading", text(), level=1)),
            node("blockquote", node("blockquote", P)),
            node("codeBlock", text("a", "strong")),
            node("panel", P, panelType="shout"),
            node("panel", P),
            node("panel", node("blockquote", P), panelType="info"),
            node("table", node("tableRow", P)),
            node("expand", node("expand", P)),
            node("mediaSingle", node("media", type="file", id="1"), layout="center"),
            node("mediaSingle", EXTERNAL),
            node("marquee"),
            node("rule", P),
            {"type": "paragraph", "style": "x"},
            "text",
            None,
        ],
    )
    def test_invalid(self, block: Any) -> None:
        assert adf_problem({"type": "doc", "version": 1, "content": [block]}) is not None

    def test_nested_too_deeply(self) -> None:
        deep = ITEM
        for _ in range(200):
            deep = node("listItem", P, node("bulletList", deep))
        assert "too deeply" in str(adf_problem({"type": "doc", "version": 1, "content": [node("bulletList", deep)]}))

    @pytest.mark.parametrize(
        "whole", [None, "x", [], {}, P, {"type": "doc", "content": []}, {"type": "doc", "version": 2}]
    )
    def test_no_document(self, whole: Any) -> None:
        assert adf_problem(whole) is not None

    @given(st.lists(st.text(min_size=1), max_size=5))
    def test_any_text_is_inert_content(self, paragraphs: list[str]) -> None:
        assert adf_problem(doc(*paragraphs)) is None
        assert plain_text(doc(*paragraphs)) == "\n\n".join(paragraphs)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "key", "name"]), inner),
    max_leaves=6,
)


class TestAnything:
    """Whatever a body holds, the answer is no server error, and the emulator is none the worse."""

    @pytest.mark.parametrize("where", WRITES)
    def test_of_a_body(self, jira: JiraEmulator, where: str) -> None:
        for name in ("one", "two"):
            jira.people_create(name)
        verb, path = where.split()
        for wrong in WRONG:
            bodies = [wrong, *({**VALID.get(where, {}), name: wrong} for name in WRITES[where])]
            for body in bodies:
                assert call(jira, verb, path, json=body).status_code < 500, body
        assert call(jira, "GET", "issue/10101").status_code == 200
        assert jira.page("FL-1")

    @given(st.dictionaries(st.sampled_from(list(FIELDS)), ANY_JSON, max_size=3))
    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_of_a_field(self, jira: JiraEmulator, values: dict[str, Any]) -> None:
        body = {"fields": {**fields(), **values}}
        if finite(body):
            assert call(jira, "POST", "issue", json=body).status_code in (201, 400)

    @given(st.text() | st.lists(st.sampled_from(JQL), max_size=8).map(" ".join))
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_of_a_query(self, jira: JiraEmulator, jql: str) -> None:
        if not jira.issues:
            jira.people_create("x", labels=["a"])
        path = "search/jql" if is_cloud(jira) else "search"
        text = jql.encode("utf-8", "replace").decode()
        assert call(jira, "GET", path, params={"jql": text, "fields": "*all"}).status_code in (200, 400)


class TestTheRest:
    def test_uploads(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        path, token = "issue/FL-1/attachments", {"X-Atlassian-Token": "no-check"}
        file = ("a.png", b"x")
        assert call(jira, "POST", path, files={"file": file}).status_code == 403
        assert call(jira, "POST", path, files={"upload": file}, headers=token).status_code == 400
        assert call(jira, "POST", path, files={"file": ("", b"x")}, headers=token).status_code == 400
        assert call(jira, "POST", path, json={}, headers=token).status_code == 415
        big = ("a.png", b"x" * (10 * 1024 * 1024 + 1))
        too_big = call(jira, "POST", path, files={"file": big}, headers=token)
        assert (too_big.status_code, too_big.text[:6]) == (413, "<html>")
        assert (len(jira.refused), jira.issues[0].attachments) == (5, [])

    def test_properties(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        refusal(call(jira, "PUT", f"issue/FL-1/properties/{'k' * 256}", json=1), jira)
        refusal(call(jira, "PUT", "issue/FL-1/properties/k", data=b""), jira)
        refusal(call(jira, "PUT", "issue/FL-1/properties/k", json="x" * 32_768), jira)
        assert jira.issues[0].properties == {}

    def test_transitions(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        for wrong in (
            {"transition": {"id": "41"}},
            {"transition": {"id": "999"}},
            {"transition": {"name": "Done"}},
            {},
        ):
            refusal(call(jira, "POST", "issue/FL-1/transitions", json=wrong), jira)
        done, start = {"transition": {"id": "31"}}, {"transition": {"id": "11"}}
        resolution: dict[str, Any] = {"fields": {"resolution": {"name": "Never"}}}
        refusal(call(jira, "POST", "issue/FL-1/transitions", json=done | resolution), jira)
        resolution["fields"]["resolution"]["name"] = "Done"
        refusal(call(jira, "POST", "issue/FL-1/transitions", json=start | resolution), jira)
        assert jira.issues[0].fields["status"] == "To Do"

    def test_links(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        refusal(call(jira, "POST", "issue/FL-1/remotelink", json={"globalId": "g", "object": {"title": "t"}}), jira)
        ends = {"inwardIssue": {"key": "FL-1"}, "outwardIssue": {"key": "FL-2"}}
        assert call(jira, "POST", "issueLink", json={"type": {"name": "Relates"}} | ends).status_code == 404
        assert call(jira, "POST", "issueLink", json={"type": {"name": "Sibling"}} | ends).status_code == 404
        assert len(jira.refused) == 3

    def test_the_bot_may_not_delete(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        assert call(jira, "DELETE", "issue/FL-1").status_code == 403
        assert len(jira.issues) == 1
