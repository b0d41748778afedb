"""Every failure that can be ordered, as the real client meets it, and whether the write was done."""

import time
from typing import Any

import pytest
import requests
from jira import JIRAError

from feedback_loop.testing.jira_emulator import FAULT_NAMES, FAULTS, ROUTES, Fault, JiraEmulator
from feedback_loop.testing.jira_emulator.faults import OF_SEARCHES
from feedback_loop_tests.testing.jira_emulator.conftest import answer, call, connect, fields, is_cloud, said

LATE = ("timeout_before", "timeout_after", "slow")
BROKEN = (JIRAError, requests.RequestException, KeyError, ValueError, TypeError, AttributeError)


def order(jira: JiraEmulator, label: str, **more: Any) -> Fault:
    """One of the list, that lets a test wait no longer than it must."""
    late: dict[str, Any] = {"seconds": 0.5} if FAULTS[label]["name"] in LATE else {}
    return jira.fail(**FAULTS[label], **more, **late)


class TestList:
    def test_it_has_every_kind(self) -> None:
        assert {how["name"] for how in FAULTS.values()} == set(FAULT_NAMES)
        for how in FAULTS.values():
            Fault(**how)

    @pytest.mark.parametrize("label", [label for label, how in FAULTS.items() if how["name"] not in OF_SEARCHES])
    def test_a_creation_fails_and_is_done_or_not(self, jira: JiraEmulator, label: str) -> None:
        client = connect(jira)
        hasty = connect(jira, timeout=0.3) if FAULTS[label]["name"] in LATE else client
        fault = order(jira, label, route="create")
        with pytest.raises(requests.ReadTimeout if fault.name in LATE else BROKEN):
            hasty.create_issue(fields=fields(), prefetch=False)
        assert len(jira.issues) == (fault.place == "after")
        assert [request.fault for request in jira.requests if request.route == "create"] == [fault.name]
        assert jira.refused == []
        client.create_issue(fields=fields(), prefetch=False)  # once only
        assert len(jira.issues) == 1 + (fault.place == "after")


class TestWire:
    @pytest.mark.parametrize("name", ["reset_before", "reset_after"])
    def test_reset(self, jira: JiraEmulator, name: Any) -> None:
        client = connect(jira)
        jira.fail(name, "create")
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            client.create_issue(fields=fields())
        assert jira.requests[-1].status is None

    def test_truncated(self, jira: JiraEmulator) -> None:
        jira.fail("truncated", "myself")
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            connect(jira).myself()
        connect(jira).create_issue(fields=fields())
        jira.fail("truncated", "transition.do", after=True)  # 204 has no body to cut, but something is sent and cut
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            call(jira, "POST", "issue/FL-1/transitions", json={"transition": {"id": "31"}})
        assert jira.issues[0].fields["status"] == "Done"

    def test_a_login_page_and_nothing_at_all(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        jira.fail("html_200", "myself")
        with pytest.raises(requests.JSONDecodeError):
            client.myself()
        jira.fail("empty_200", "search")
        with pytest.raises(KeyError):
            client.search_issues("project = FL")

    def test_slow_is_late_but_whole(self, jira: JiraEmulator) -> None:
        jira.fail("slow", "myself", seconds=0.1)
        began = time.monotonic()
        assert connect(jira).myself()["displayName"] == "feedback-loop bot"
        assert time.monotonic() - began >= 0.1

    def test_it_stops_while_somebody_still_waits(self) -> None:
        with JiraEmulator() as jira:
            jira.fail("timeout_after", "create", seconds=60)
            with pytest.raises(requests.ReadTimeout):
                connect(jira, timeout=0.1).create_issue(fields=fields())
            assert len(jira.issues) == 1


class TestStatuses:
    @pytest.mark.parametrize("value", [0, 7, 300, 1.5, "Fri, 20 Nov 2026 00:00:05 GMT", None])
    def test_429(self, jira: JiraEmulator, value: Any) -> None:
        client = connect(jira)
        jira.fail("status", "create", status=429, retry_after=value, reason="jira-per-issue-on-write")
        with pytest.raises(JIRAError) as caught:
            client.create_issue(fields=fields())
        headers = answer(caught.value).headers
        assert headers.get("Retry-After") == (None if value is None else str(value))
        assert headers["RateLimit-Reason"] == "jira-per-issue-on-write"
        assert headers["X-RateLimit-Remaining"] == "0"

    def test_captcha(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        jira.fail("captcha", "myself")
        with pytest.raises(JIRAError) as caught:
            client.myself()
        assert (caught.value.status_code, answer(caught.value).content) == (403, b"")
        assert str(caught.value.text).startswith("CAPTCHA_CHALLENGE; login-url=")

    def test_json_or_a_proxy_s_page(self, jira: JiraEmulator) -> None:
        jira.fail("status", "myself", status=503, is_html=True, retry_after=2)
        jira.fail("status", "myself", status=503, nth=2)
        page, plain = (call(jira, "GET", "myself") for _ in range(2))
        assert (page.headers["Retry-After"], page.text[:6]) == ("2", "<html>")
        assert ("Retry-After" in plain.headers, plain.json().keys()) == (False, {"errorMessage"})

    def test_401_in_the_middle(self, jira: JiraEmulator) -> None:
        client = connect(jira)
        issue = client.create_issue(fields=fields())
        jira.fail("status", status=401, nth=2, count=None)
        client.issue(issue.key)
        for _ in range(2):
            with pytest.raises(JIRAError, match="must be authenticated"):
                client.add_comment(issue, said(jira, "x"))
        assert jira.refused == []


class TestSearch:
    def test_a_token_that_leads_nowhere_else(self, cloud: JiraEmulator) -> None:
        for _ in range(3):
            cloud.people_create("x")
        cloud.fail("repeat_page_token", "search", nth=2, count=None)
        asked = {"jql": "project = FL", "maxResults": "1", "fields": "key"}
        tokens, seen = [], []
        for _ in range(4):
            page = call(cloud, "GET", "search/jql", params=asked).json()
            asked["nextPageToken"] = page["nextPageToken"]
            tokens.append(page["nextPageToken"])
            seen.append(page["issues"][0]["key"])
        assert seen == ["FL-3", "FL-2", "FL-2", "FL-2"]
        assert len(set(tokens)) == 1

    def test_pages_that_never_end_on_data_center(self, dc: JiraEmulator) -> None:
        dc.people_create("x")
        dc.fail("repeat_page_token", "search")
        page = call(dc, "GET", "search?jql=project=FL&startAt=1").json()
        assert (page["issues"], page["startAt"], page["total"] > 10**6) == ([], 0, True)

    def test_the_same_issue_twice(self, jira: JiraEmulator) -> None:
        jira.people_create("x")
        jira.fail("duplicate_hits", "search")
        path = "search/jql" if is_cloud(jira) else "search"
        hits = call(jira, "GET", path, params={"jql": "project = FL", "fields": "key"}).json()["issues"]
        assert [hit["key"] for hit in hits] == ["FL-1", "FL-1"]
        assert jira.requests[-1].fault == "duplicate_hits"

    def test_they_wait_for_a_search(self, jira: JiraEmulator) -> None:
        jira.fail("duplicate_hits")
        client = connect(jira)
        client.create_issue(fields=fields())
        assert len(client.search_issues("project = FL")) == 2
        with pytest.raises(ValueError, match="is one of searches, not of create"):
            jira.fail("duplicate_hits", "create")


class TestPlan:
    def test_route_nth_and_count(self, jira: JiraEmulator) -> None:
        jira.fail("status", "myself", nth=2, count=2, status=500)
        assert [call(jira, "GET", "myself").status_code for _ in range(4)] == [200, 500, 500, 200]
        jira.fail("status", "field", count=None, status=502)
        assert call(jira, "GET", "myself").status_code == 200
        assert [call(jira, "GET", "field").status_code for _ in range(2)] == [502, 502]

    def test_what_was_refused_is_not_failed_after_it_was_done(self, jira: JiraEmulator) -> None:
        jira.fail("reset_after", "create")
        assert call(jira, "POST", "issue", json={"fields": {}}).status_code == 400
        with pytest.raises(requests.ConnectionError):
            call(jira, "POST", "issue", json={"fields": fields()})
        assert len(jira.issues) == 1

    def test_every_route_can_fail(self, jira: JiraEmulator) -> None:
        for verb, path, route in (
            ("GET", "serverInfo", "serverinfo"),
            ("GET", "issue/FL-1", "get"),
            ("PUT", "issue/FL-1", "edit"),
            ("POST", "issue/FL-1/comment", "comment.add"),
            ("GET", "issue/FL-1/comment", "comment.list"),
            ("GET", "issue/FL-1/transitions", "transition.list"),
            ("POST", "issue/FL-1/transitions", "transition.do"),
            ("POST", "issue/FL-1/attachments", "attachment"),
            ("POST", "issue/FL-1/remotelink", "remotelink"),
            ("PUT", "issue/FL-1/properties/k", "property.put"),
            ("GET", "issue/FL-1/properties/k", "property.get"),
            ("POST", "issueLink", "link"),
            ("GET", "field", "field"),
            ("GET", "issue/createmeta/FL/issuetypes", "createmeta"),
        ):
            jira.fail("status", route, status=504)
            assert call(jira, verb, path).status_code == 504, route

    def test_no_such_name_route_count_or_place(self, jira: JiraEmulator) -> None:
        with pytest.raises(ValueError, match="there is no fault 'nonsense'; there are reset_before, "):
            jira.fail("nonsense")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="there is no route 'comment'"):
            jira.fail("reset_before", "comment")
        with pytest.raises(ValueError, match="cannot strike after"):
            jira.fail("captcha", after=True)
        with pytest.raises(ValueError, match="start at 1"):
            jira.fail("slow", nth=0)
        with pytest.raises(ValueError, match="200 is no status of an error"):
            jira.fail("status", status=200)
        assert "comment.add" in ROUTES
