"""The life of an issue with the real client, on Cloud and on Data Center."""

import io
import json
from typing import Any

import pytest
import requests
from jira import JIRA, JIRAError

from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop_tests.testing.jira_emulator.conftest import answer, call, connect, doc, fields, is_cloud, said

PNG = b"\x89PNG\r\n\r\n--not-the-boundary\r\n\x00\xff"


class TestIssue:
    def test_what_is_filed_can_be_read_by_id_and_key(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        text = said(jira, "It forgets the tax.")
        given = fields(
            description=text,
            labels=["feedback-loop", "feedback-loop-abc"],
            priority={"name": "High"},
            components=[{"name": "Chat"}],
            customfield_10042="2026-11-19T10:00:00.000+0000",
            customfield_10016=3,
        )
        made = client.create_issue(fields=given)
        assert (made.key, made.id, made.self.startswith(jira.base_url)) == ("FL-1", "10101", True)
        for name in ("FL-1", "10101"):
            raw = client.issue(name).raw["fields"]
            assert raw["description"] == text
            assert (raw["labels"], raw["priority"]["name"]) == (["feedback-loop", "feedback-loop-abc"], "High")
            assert (raw["status"]["statusCategory"]["key"], raw["resolution"]) == ("new", None)
            assert (raw["created"], raw["customfield_10016"]) == ("2026-11-20T00:00:00.000+0000", 3)
            assert ("statuscategorychangedate" in raw) == is_cloud(jira)
        assert client.issue("FL-1", fields="summary").raw["fields"].keys() == {"summary"}
        assert jira.refused == []

    def test_edits_set_add_and_remove(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        issue = client.create_issue(fields=fields(labels=["a"]))
        issue.update(fields={"summary": "Another", "priority": {"name": "Low"}}, notify=False)
        issue.update(update={"labels": [{"add": "b"}, {"remove": "a"}]})
        held = jira.find("FL-1")
        assert held is not None
        assert (held.fields["summary"], held.fields["labels"]) == ("Another", ["b"])
        names = [item["field"] for change in held.changelog for item in change.items]
        assert names == ["summary", "priority", "labels"]
        assert jira.refused == []

    def test_v2_of_cloud_takes_wiki_markup_and_v3_shows_it_as_a_document(self, cloud: JiraEmulator) -> None:
        connect(cloud, "2").create_issue(fields=fields(description="two\nlines"))
        assert call(cloud, "GET", "issue/FL-1").json()["fields"]["description"] == doc("two", "lines")
        connect(cloud).create_issue(fields=fields(description=doc("inert")))
        assert call(cloud, "GET", "issue/FL-2", api="2").json()["fields"]["description"] == "inert"

    def test_properties_come_with_the_creation_or_after(self, jira: JiraEmulator) -> None:
        body = {"fields": fields(), "properties": [{"key": "feedback-loop.pattern", "value": {"fp": "abc"}}]}
        assert call(jira, "POST", "issue", json=body).status_code == 201
        client = connect(jira)
        assert client.issue_property("FL-1", "feedback-loop.pattern").value.fp == "abc"
        assert call(jira, "PUT", "issue/FL-1/properties/feedback-loop.pattern", json={"fp": "d"}).status_code == 200
        assert call(jira, "PUT", "issue/FL-1/properties/other", json=[1]).status_code == 201
        assert client.issue_properties("FL-1")[1].key == "other"
        raw = call(jira, "GET", "issue/FL-1?properties=*all").json()["properties"]
        assert raw == {"feedback-loop.pattern": {"fp": "d"}, "other": [1]}
        assert call(jira, "GET", "issue/FL-1/properties/none").status_code == 404
        assert jira.refused == []  # a GET that finds nothing is an answer


class TestWorkflow:
    def test_done_sets_resolution_and_dates_and_reopening_clears_them(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        issue = client.create_issue(fields=fields())
        open_now = {each["name"]: each["to"]["statusCategory"]["key"] for each in client.transitions(issue)}
        assert open_now == {"Start progress": "indeterminate", "Mark as done": "done"}
        jira.advance(3600)
        client.transition_issue(issue, "31", fields={"resolution": {"name": "Won't Do"}})
        done = client.issue("FL-1").raw["fields"]
        assert (done["status"]["name"], done["resolution"]["name"]) == ("Done", "Won't Do")
        assert done["resolutiondate"] == "2026-11-20T01:00:00.000+0000"
        jira.advance(3600)
        client.transition_issue(issue, "51")  # to another status of the category done
        assert client.issue("FL-1").raw["fields"]["resolutiondate"] == "2026-11-20T01:00:00.000+0000"
        client.transition_issue(issue, "Reopen issue")
        again = client.issue("FL-1").raw["fields"]
        assert (again["status"]["name"], again["resolution"], again["resolutiondate"]) == ("To Do", None, None)
        changed = again.get("statuscategorychangedate")
        assert changed == ("2026-11-20T02:00:00.000+0000" if is_cloud(jira) else None)

    def test_a_comment_may_come_with_it(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        body = {"transition": {"id": "31"}, "update": {"comment": [{"add": {"body": said(jira, "done")}}]}}
        assert call(jira, "POST", "issue/FL-1/transitions", json=body).status_code == 204
        assert [comment.body for comment in jira.issues[0].comments] == [said(jira, "done")]
        assert jira.issues[0].fields["resolution"] == "Done"

    def test_the_screen_of_a_transition_names_the_resolutions(self, jira: JiraEmulator) -> None:
        connect(jira).create_issue(fields=fields())
        listed = call(jira, "GET", "issue/FL-1/transitions?expand=transitions.fields").json()["transitions"]
        allowed = {each["name"]: [r["name"] for r in each["fields"].get("resolution", {}).get("allowedValues", [])]
                   for each in listed}  # fmt: skip
        everything = ["Done", "Won't Do", "Duplicate", "Cannot Reproduce", "Cancelled"]
        assert allowed == {"Start progress": [], "Mark as done": everything}

    def test_history_newest_first_with_the_issue_and_oldest_first_in_pages(self, cloud: JiraEmulator) -> None:
        client = connect(cloud)
        client.create_issue(fields=fields())
        for status in ("In Progress", "Done", "To Do"):
            cloud.advance(60)
            cloud.people_transition("FL-1", status)
        newest = client.issue("FL-1", expand="changelog").changelog.histories
        assert [history.items[0].toString for history in newest] == ["To Do", "Done", "In Progress"]
        page = call(cloud, "GET", "issue/FL-1/changelog?startAt=1&maxResults=1").json()
        assert (page["total"], page["isLast"], page["values"][0]["created"]) == (
            3,
            False,
            "2026-11-20T00:02:00.000+0000",
        )
        assert page["values"][0]["items"] == [
            {"field": "status", "fieldtype": "jira", "fieldId": "status", "from": "3", "fromString": "In Progress",
             "to": "10002", "toString": "Done"},
            {"field": "resolution", "fieldtype": "jira", "fieldId": "resolution", "from": None, "fromString": None,
             "to": "10000", "toString": "Done"},
        ]  # fmt: skip
        body = {"issueIdsOrKeys": ["FL-1", "10101", "FL-99"], "fieldIds": ["resolution"]}
        (log,) = call(cloud, "POST", "changelog/bulkfetch", json=body).json()["issueChangeLogs"]
        assert [h["created"] for h in log["changeHistories"]] == [1795132920000, 1795132980000]

    def test_data_center_has_the_history_with_the_issue_only(self, dc: JiraEmulator) -> None:
        connect(dc).create_issue(fields=fields())
        assert call(dc, "GET", "issue/FL-1/changelog").status_code == 404
        assert len(dc.refused) == 1  # no such route: a mistake, not an answer


class TestHangingOn:
    def test_comments_in_pages_and_both_orders(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        client.create_issue(fields=fields())
        for i in range(3):
            client.add_comment("FL-1", said(jira, f"c{i}"))
        ids = [comment.id for comment in client.comments("FL-1")]
        page = call(jira, "GET", "issue/FL-1/comment?startAt=1&maxResults=1&orderBy=-created").json()
        assert ([c["id"] for c in page["comments"]], page["total"], page["startAt"]) == ([ids[1]], 3, 1)
        first = client.comment("FL-1", ids[0])
        first.update(body=said(jira, "new"), notify=False)
        assert jira.issues[0].comments[0].body == said(jira, "new")
        assert jira.refused == []

    def test_a_file_comes_back_as_it_was(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        client.create_issue(fields=fields())
        made = client.add_attachment("FL-1", io.BytesIO(PNG), filename="trend é.png")
        assert (made.filename, made.size, made.mimeType) == ("trend é.png", len(PNG), "image/png")
        (listed,) = client.issue("FL-1").fields.attachment
        assert listed.get() == PNG  # type: ignore[no-untyped-call]
        assert jira.refused == []

    def test_a_remote_link_is_updated_by_its_global_id(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        client.create_issue(fields=fields())
        link = {"globalId": "feedback-loop:pattern:1", "object": {"url": "https://x.example/1", "title": "One"}}
        assert call(jira, "POST", "issue/FL-1/remotelink", json=link).status_code == 201
        link["object"] = {"url": "https://x.example/2", "title": "Two"}
        assert call(jira, "POST", "issue/FL-1/remotelink", json=link).status_code == 200
        (only,) = client.remote_links("FL-1")
        assert (only.object.title, only.globalId) == ("Two", "feedback-loop:pattern:1")
        found = call(jira, "GET", "issue/FL-1/remotelink", params={"globalId": "feedback-loop:pattern:1"})
        assert found.json()["id"] == only.id
        assert call(jira, "GET", "issue/FL-1/remotelink?globalId=none").status_code == 404

    def test_the_inward_issue_is_the_one_that_duplicates(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        for _ in range(2):
            client.create_issue(fields=fields())
        client.create_issue_link("Duplicate", inwardIssue="FL-2", outwardIssue="FL-1")
        (from_2,) = client.issue("FL-2").fields.issuelinks
        (from_1,) = client.issue("FL-1").fields.issuelinks
        assert (from_2.type.outward, from_2.outwardIssue.key) == ("duplicates", "FL-1")
        assert (from_1.type.inward, from_1.inwardIssue.key) == ("is duplicated by", "FL-2")
        assert jira.refused == []

    def test_watchers(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        client.create_issue(fields=fields())
        (person,) = client.search_users(query="colleague") if is_cloud(jira) else client.search_users("colleague")
        client.add_watcher("FL-1", "colleague")
        assert client.watchers("FL-1").watchCount == 2
        assert person.displayName == "A colleague"

    def test_the_client_s_own_remote_link_asks_what_it_may_not(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        issue = client.create_issue(fields=fields())
        with pytest.warns(Warning, match="applicationlinks"):
            client.add_remote_link(issue.key, {"url": "https://x.example", "title": "t"}, globalId="g")
        assert [request.path for request in jira.refused] == ["/rest/applinks/latest/listApplicationlinks"]

    def test_cloud_deletes_a_file_that_the_description_no_longer_shows(self, cloud: JiraEmulator) -> None:
        client = connect(cloud)
        client.create_issue(fields=fields())
        for name in ("shown.png", "other.png"):
            client.add_attachment("FL-1", io.BytesIO(PNG), filename=name)
        media = {
            "type": "media",
            "attrs": {"type": "file", "collection": "", "id": cloud.issues[0].attachments[0].media_id},
        }
        single = {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [media]}
        cloud.people_set("FL-1", description={"type": "doc", "version": 1, "content": [single]})
        assert len(cloud.issues[0].attachments) == 2
        client.issue("FL-1").update(fields={"description": doc("new numbers")})
        assert [each.filename for each in cloud.issues[0].attachments] == ["other.png"]


class TestSurroundings:
    def test_who_and_what(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        assert client.deploymentType == ("Cloud" if is_cloud(jira) else "Server")
        assert client.server_info()["baseUrl"] == jira.base_url
        assert ("accountId" in client.myself()) == is_cloud(jira)
        assert [each.name for each in client.priorities()] == ["Highest", "High", "Medium", "Low", "Lowest"]
        project = client.project("FL")
        assert [each.name for each in project.issueTypes] == ["Bug", "Task", "Story"]
        assert [each.name for each in client.project_components("FL")] == ["Chat", "Search"]
        assert {each.name for each in client.issue_link_types()} == {"Blocks", "Duplicate", "Relates"}
        jira.release_version("4.2", "2026-11-18")
        (version,) = client.project_versions("FL")
        assert (version.name, version.released, version.releaseDate) == ("4.2", True, "2026-11-18")
        granted: Any = client.my_permissions(projectKey="FL", permissions="CREATE_ISSUES,DELETE_ISSUES")["permissions"]
        assert {name: each["havePermission"] for name, each in granted.items()} == {
            "CREATE_ISSUES": True,
            "DELETE_ISSUES": False,
        }
        assert jira.refused == []

    @pytest.mark.parametrize("personality", ["cloud", "dc"])
    def test_fields_on_the_screen(self, personality: str) -> None:
        with JiraEmulator(personality, fields_on_screen=["labels"]) as jira:  # type: ignore[arg-type]
            name = "fields" if personality == "cloud" else "values"
            listed = call(jira, "GET", "issue/createmeta/FL/issuetypes/10001").json()[name]
            assert [each["fieldId"] for each in listed] == ["project", "issuetype", "summary", "labels"]
            with pytest.raises(JIRAError) as caught:
                connect(jira).create_issue(fields=fields(priority={"name": "High"}))
            message = "Field 'priority' cannot be set. It is not on the appropriate screen, or unknown."
            assert answer(caught.value).json()["errors"] == {"priority": message}

    def test_each_in_its_own_shape(self, cloud: JiraEmulator, dc: JiraEmulator) -> None:
        assert call(cloud, "GET", "issue/createmeta/FL/issuetypes").json()["issueTypes"][0]["name"] == "Bug"
        assert [each.name for each in connect(dc).project_issue_types("FL")] == ["Bug", "Task", "Story"]
        assert call(dc, "GET", "myself", api="3").status_code == 404
        assert call(cloud, "GET", "issue/createmeta").status_code == 404

    def test_no_credentials_no_entry_but_for_the_server_s_name(self, cloud: JiraEmulator, dc: JiraEmulator) -> None:
        stranger = JIRA(server=cloud.base_url, basic_auth=("bot@example.com", "wrong"), max_retries=0, timeout=5)
        with pytest.raises(JIRAError, match="authenticated") as caught:
            stranger.myself()
        assert caught.value.status_code == 401
        with pytest.raises(JIRAError, match="authenticated"):
            JIRA(server=dc.base_url, token_auth="wrong", max_retries=0, timeout=5)
        basic = requests.get(f"{dc.base_url}/rest/api/2/myself", auth=("bot", "password"), timeout=5)
        assert (basic.status_code, basic.text) == (401, "Basic auth with password is not allowed on this instance")


class TestControls:
    def test_other_processes_control_it_over_http(self, jira: JiraEmulator) -> None:
        def control(verb: str, **arguments: Any) -> Any:
            return requests.post(f"{jira.base_url}/__emu/{verb}", json=arguments, timeout=5).json()

        made = control("people_create", summary="By hand", labels=["a"])
        assert (made["key"], made["fields"]["reporter"]) == ("FL-1", "5b10ac8d82e05b22cc7d4ef5")
        control("people_transition", key="FL-1", status="Done")
        control("faults", name="status", route="get", status=500)
        assert call(jira, "GET", "issue/FL-1").status_code == 500
        assert call(jira, "GET", "issue/FL-1").json()["fields"]["status"]["name"] == "Done"
        assert control("advance", seconds=90) == {"now": "2026-11-20T00:01:30+00:00"}
        assert (
            requests.get(f"{jira.base_url}/__emu/advance?seconds=30", timeout=5).json()["now"].endswith("02:00+00:00")
        )
        recorded = control("requests")
        assert [(request["status"], request["fault"]) for request in recorded] == [(500, "status"), (200, None)]
        assert "uthorization" not in json.dumps(recorded)
        issues = control("issues")
        assert [issue["key"] for issue in issues] == ["FL-1"]
        control("reset")
        assert (jira.requests, jira.issues) == ([], [])
        assert "there is no 'dance'" in str(control("dance"))
        assert "there is no issue 'FL-9'" in str(control("people_delete", key="FL-9"))

    def test_a_failure_of_the_emulator_itself_is_not_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("feedback_loop.testing.jira_emulator.shapes.Shapes.user", broken)
        jira = JiraEmulator("dc").__enter__()
        assert call(jira, "GET", "myself").status_code == 500
        with pytest.raises(RuntimeError, match="the emulator itself failed 1 times, first: ZeroDivisionError"):
            jira.__exit__(None, None, None)
