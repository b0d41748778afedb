"""What people do, as the bot then meets it."""

import pytest
from jira import JIRAError

from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop_tests.testing.jira_emulator.conftest import call, connect, fields, is_cloud

PERSON = "5b10ac8d82e05b22cc7d4ef5"


class TestPeople:
    def test_a_moved_issue_keeps_its_id_and_its_old_key_leads_to_it(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        made = client.create_issue(fields=fields(labels=["a"]))
        assert jira.people_move("FL-1", "MODEL") == "MODEL-1"
        for name in ("FL-1", "MODEL-1", made.id):
            assert (client.issue(name).key, client.issue(name).id) == ("MODEL-1", made.id)
        assert [issue.key for issue in client.search_issues("labels = a AND project = MODEL")] == ["MODEL-1"]
        assert client.search_issues("project = FL") == []
        (held,) = jira.issues
        assert (held.old_keys, held.project) == (["FL-1"], "MODEL")
        items = {item["field"]: (item["fromString"], item["toString"]) for item in held.changelog[0].items}
        assert items == {"project": ("FL", "MODEL"), "Key": ("FL-1", "MODEL-1")}
        assert client.create_issue(fields=fields()).key == "FL-2"  # a key is never used again

    def test_a_deleted_issue_is_gone(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        client.create_issue(fields=fields(labels=["a"]))
        other = jira.people_create("other")
        jira.people_link("FL-1", "Duplicate", other.key)
        jira.people_delete("FL-1")
        with pytest.raises(JIRAError, match="does not exist or you do not have permission"):
            client.issue("FL-1")
        assert client.search_issues("labels = a") == []
        assert other.links == []
        assert jira.find("FL-1") is None

    def test_a_hidden_issue_is_there_for_people_only(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        made = client.create_issue(fields=fields(labels=["a"]))
        jira.people_hide("FL-1")
        for name in ("FL-1", made.id):
            assert call(jira, "GET", f"issue/{name}").status_code == 404
            assert call(jira, "POST", f"issue/{name}/comment", json={"body": "x"}).status_code == 404
        assert client.search_issues("labels = a") == []
        assert jira.find("FL-1") is not None
        jira.people_unhide("FL-1")
        assert len(client.search_issues("labels = a")) == 1

    def test_transitions_from_anywhere_with_a_resolution(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        client.create_issue(fields=fields())
        jira.people_transition("FL-1", "Released", "Duplicate")
        got = client.issue("FL-1").raw["fields"]
        assert (got["status"]["name"], got["resolution"]["name"]) == ("Released", "Duplicate")
        jira.people_transition("FL-1", "Done", "Cancelled")  # said better afterwards
        assert client.issue("FL-1").raw["fields"]["resolution"]["name"] == "Cancelled"
        jira.people_transition("FL-1", "In Review")
        assert client.issue("FL-1").raw["fields"]["resolution"] is None
        fields_changed = [item["field"] for change in jira.issues[0].changelog for item in change.items]
        assert fields_changed == ["status", "resolution", "status", "resolution", "status", "resolution"]

    def test_what_they_set_is_in_the_history_under_their_name(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        client.create_issue(fields=fields())
        jira.release_version("4.2", "2026-11-18")
        jira.people_set("FL-1", priority="Highest", fixVersions=["4.2"], labels=["x", "y"], assignee=PERSON)
        jira.people_set("FL-1", customfield_10042="2026-11-19T10:00:00.000+0000")
        history = client.issue("FL-1", expand="changelog").raw["changelog"]["histories"]
        items = {item["field"]: (item["from"], item["fromString"], item["to"], item["toString"])
                 for entry in history for item in entry["items"]}  # fmt: skip
        assert items == {
            "priority": ("3", "Medium", "1", "Highest"),
            "Fix Version": (None, None, "10001", "4.2"),
            "labels": (None, "", None, "x y"),
            "assignee": (None, None, PERSON, "A colleague"),
            "Deployed at": (None, None, None, "2026-11-19T10:00:00.000+0000"),
        }
        name = "accountId" if is_cloud(jira) else "name"
        assert {entry["author"][name] for entry in history} == {PERSON if is_cloud(jira) else "colleague"}
        (version,) = client.issue("FL-1").fields.fixVersions
        assert (version.released, version.releaseDate) == (True, "2026-11-18")
        jira.release_version("4.2", "2026-12-01", released=False)
        assert client.issue("FL-1").fields.fixVersions[0].released is False

    def test_the_bot_may_not_edit_their_comments(self, jira: JiraEmulator) -> None:
        jira.people_create("x")
        new_id = jira.people_comment("FL-1", "We will not do this.")
        assert call(jira, "GET", f"issue/FL-1/comment/{new_id}").json()["author"]["displayName"] == "A colleague"
        assert call(jira, "PUT", f"issue/FL-1/comment/{new_id}", json={"body": "x"}).status_code == 403

    def test_what_cannot_be(self, jira: JiraEmulator) -> None:
        jira.people_create("x")
        with pytest.raises(ValueError, match="there is no issue 'FL-9'"):
            jira.people_set("FL-9", summary="x")
        with pytest.raises(ValueError, match=r"people cannot set \['status'\]"):
            jira.people_set("FL-1", status="Done")
        with pytest.raises(ValueError, match="there is no priority 'Urgent'"):
            jira.people_set("FL-1", priority="Urgent")
        with pytest.raises(ValueError, match="there are statuses"):
            jira.people_transition("FL-1", "Closed")
        with pytest.raises(ValueError, match="there is no project 'X'"):
            jira.people_move("FL-1", "X")
        with pytest.raises(ValueError, match="there is no link type 'Sibling'"):
            jira.people_link("FL-1", "Sibling", "FL-1")
