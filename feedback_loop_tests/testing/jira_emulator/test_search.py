"""JQL, pages, and an index that lags behind."""

from typing import Any

import pytest
from jira import JIRAError
from jira.client import ResultList

from feedback_loop.testing.jira_emulator import JiraEmulator
from feedback_loop_tests.testing.jira_emulator.conftest import call, connect, fields

DAY = 86_400


@pytest.fixture
def filed(jira: JiraEmulator) -> JiraEmulator:
    """FL-1, 2 and 3 and MODEL-1, a day apart; FL-1 is done, FL-2 in progress."""
    jira.people_create("Refund wrong", labels=["feedback-loop", "a"], priority="Low")
    jira.advance(DAY)
    jira.people_create("Link broken", labels=["feedback-loop"], priority="Highest")
    jira.advance(DAY)
    jira.people_create("Third", customfield_10042="2026-11-10T00:00:00.000+0000", customfield_10016=5)
    jira.advance(DAY)
    jira.people_create("Model", project="MODEL", labels=["feedback-loop", "b"], assignee="5b10ac8d82e05b22cc7d4ef5")
    jira.people_transition("FL-1", "Done")
    jira.people_transition("FL-2", "In Progress")
    return jira


def keys(jira: JiraEmulator, jql: str) -> str:
    return " ".join(issue.key for issue in connect(jira).search_issues(jql))


class TestQueries:
    @pytest.mark.parametrize(
        ("jql", "found"),
        [
            ("project = FL", "FL-3 FL-2 FL-1"),
            ("project in (FL, 'MODEL project') ORDER BY key", "FL-1 FL-2 FL-3 MODEL-1"),
            ('labels = "feedback-loop" order by created asc', "FL-1 FL-2 MODEL-1"),
            ("labels in (a, b)", "MODEL-1 FL-1"),
            ("labels not in (a)", "MODEL-1 FL-2"),  # what has no label is not found
            ("labels = none-has-it", ""),
            ("labels is EMPTY", "FL-3"),
            ("labels = feedback-loop AND statusCategory != Done ORDER BY priority DESC, created DESC", "FL-2 MODEL-1"),
            ('statusCategory = "In Progress"', "FL-2"),
            ("status = Done OR status = 'In Progress'", "FL-2 FL-1"),
            ("project = FL AND (status = Done OR labels is EMPTY)", "FL-3 FL-1"),
            ("NOT project = FL", "MODEL-1"),
            ("key in (FL-1, FL-3)", "FL-3 FL-1"),
            ("id = 10102", "FL-2"),
            ("resolution is EMPTY AND project = FL", "FL-3 FL-2"),
            ("resolution = Unresolved AND project = FL", "FL-3 FL-2"),
            ("resolution = Done", "FL-1"),
            ("assignee is EMPTY AND labels = feedback-loop", "FL-2 FL-1"),
            ("assignee is not EMPTY", "MODEL-1"),
            ("created >= -2d", "MODEL-1 FL-3 FL-2"),
            ("created >= 2026-11-22 AND created < '2026/11/23 00:00'", "FL-3"),
            ("updated >= -1h", "MODEL-1 FL-2 FL-1"),
            ("resolved >= -1d", "FL-1"),
            ('"Deployed at" <= "2026-11-10 00:00"', "FL-3"),
            ("cf[10016] > 4", "FL-3"),
            ("summary ~ 'broken link'", "FL-2"),
            ("created <= now() AND priority = Highest", "FL-2"),
        ],
    )
    def test_found(self, filed: JiraEmulator, jql: str, found: str) -> None:
        assert keys(filed, jql) == found

    @pytest.mark.parametrize(
        ("jql", "message"),
        [
            ("project = NOPE", "The value 'NOPE' does not exist for the field 'project'."),
            ("colour = red", "Field 'colour' does not exist"),
            ("status = Open", "The value 'Open' does not exist for the field 'status'."),
            ("key = FL-99", "does not exist for field 'key'"),
            ("labels = a#b", "reserved JQL character"),
            ("created >= soon", "Date value 'soon'"),
            ("labels = a AND", "Expecting a value but got the end"),
            ("labels = a labels = b", "Expecting 'order'"),
            ("(labels = a", "Expecting ')'"),
            ("summary = x", "operator '=' is not supported"),
            ("labels >= a", "operator '>=' is not supported"),
            ("created >= startOfEpoch()", "JQL function"),
        ],
    )
    def test_refused(self, jira: JiraEmulator, jql: str, message: str) -> None:
        with pytest.raises(JIRAError) as caught:
            connect(jira).search_issues(jql)
        assert caught.value.status_code == 400
        assert message in str(caught.value.text)
        assert len(jira.refused) == 1

    def test_unbounded_on_cloud(self, cloud: JiraEmulator, dc: JiraEmulator) -> None:
        with pytest.raises(JIRAError, match="Unbounded JQL"):
            connect(cloud).search_issues("ORDER BY created")
        assert keys(dc, "ORDER BY created") == ""


class TestPages:
    def test_cloud_by_token_without_a_total(self, cloud: JiraEmulator) -> None:
        for i in range(5):
            cloud.people_create(str(i))
        client = connect(cloud)
        page = client.enhanced_search_issues("project = FL", maxResults=2, fields="key")
        assert isinstance(page, ResultList)
        assert [issue.key for issue in page] == ["FL-5", "FL-4"]
        assert len(client.enhanced_search_issues("project = FL", maxResults=False)) == 5
        raw = call(cloud, "GET", "search/jql?jql=project=FL&maxResults=2").json()
        assert raw.keys() == {"issues", "nextPageToken", "isLast"}
        assert raw["issues"][0] == {"id": "10105"}  # nothing else without `fields`
        wrong = call(cloud, "GET", "search/jql", params={"jql": "project=MODEL", "nextPageToken": raw["nextPageToken"]})
        assert wrong.status_code == 400
        body = {"jql": "project = FL", "fields": ["summary"], "expand": None, "properties": None, "maxResults": 10}
        assert len(call(cloud, "POST", "search/jql", json=body).json()["issues"]) == 5
        assert call(cloud, "POST", "search/approximate-count", json={"jql": "project = FL"}).json() == {"count": 5}

    def test_data_center_by_offset_with_a_total(self, dc: JiraEmulator) -> None:
        for i in range(5):
            dc.people_create(str(i))
        page = connect(dc).search_issues("project = FL", startAt=4, maxResults=2)
        assert isinstance(page, ResultList)
        assert ([issue.key for issue in page], page.total) == (["FL-1"], 5)
        assert len(connect(dc).search_issues("project = FL", maxResults=False)) == 5
        assert dc.refused == []

    def test_each_lacks_the_other_s_way(self, cloud: JiraEmulator, dc: JiraEmulator) -> None:
        assert call(cloud, "GET", "search?jql=project=FL").status_code == 410
        assert call(dc, "GET", "search/jql?jql=project=FL").status_code == 404
        assert (len(cloud.refused), len(dc.refused)) == (1, 1)


class TestIndex:
    @pytest.mark.parametrize("personality", ["cloud", "dc"])
    def test_a_search_sees_what_was(self, personality: Any) -> None:
        with JiraEmulator(personality, index_lag_seconds=60) as jira:
            connect(jira).create_issue(fields=fields(labels=["old"]))
            assert keys(jira, "labels = old") == ""
            jira.advance(60)
            assert keys(jira, "labels = old") == "FL-1"
            jira.people_set("FL-1", labels=["new"])
            assert (keys(jira, "labels = old"), keys(jira, "labels = new")) == ("FL-1", "")
            assert call(jira, "GET", "issue/FL-1").json()["fields"]["labels"] == ["new"]  # read directly
            jira.advance(60)
            assert (keys(jira, "labels = old"), keys(jira, "labels = new")) == ("", "FL-1")
            jira.people_delete("FL-1")
            assert keys(jira, "labels = new") == "FL-1"
            jira.advance(60)
            assert keys(jira, "labels = new") == ""

    def test_reconciled_ids_are_seen_at_once(self) -> None:
        with JiraEmulator(index_lag_seconds=60) as jira:
            made = [jira.people_create("x", labels=["a"]) for _ in range(2)]
            client = connect(jira)
            found = client.enhanced_search_issues("labels = a", reconcileIssues=[int(made[0].id)], fields="key")
            assert [issue.key for issue in found] == ["FL-1"]
            assert jira.refused == []
            many = [("reconcileIssues", str(i)) for i in range(51)]
            assert call(jira, "GET", "search/jql", params=[("jql", "labels=a"), *many]).status_code == 400
