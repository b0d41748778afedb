"""Requests to Jira when it fails: what is sent again and when, what is not, and that recovery does nothing twice."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from feedback_loop.clients.jira import JiraTracker
from feedback_loop.clients.jira_fields import reference_of
from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.clients.jira_wire import JiraWire
from feedback_loop.errors import OutcomeUnknown, TicketRefused, TrackerRefused, TrackerUnavailable, TransientError
from feedback_loop.testing.jira_emulator import FAULTS
from feedback_loop.testing.loopback import Loopback
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.clients.jira_world import CHART, TICKET, World, open_world, said

WRITES = ("create", "property.put", "remotelink", "attachment", "comment.add", "transition.do", "link")
READS = ("search", "get", "changelog", "comment.list", "transition.list", "priority", "link.get")
GENERAL = {label: how for label, how in FAULTS.items() if how["name"] not in ("repeat_page_token", "duplicate_hits")}
PASSING = {
    "reset, before": [1.0],
    "read timeout, before": [1.0],
    "429": [1.0],
    "429, Retry-After: 0": [1.0],
    "429, Retry-After: 1": [1.0],
    "429, Retry-After: 1.5": [1.5],
    "429, Retry-After: a date": [5.0],
    "500, before": [1.0],
    "502, HTML, before": [1.0],
    "503, before": [1.0],
    "503, Retry-After: 2, HTML": [2.0],
    "504, before": [1.0],
    "200, HTML, before": [1.0],
    "200, empty, before": [1.0],
    "truncated body, before": [1.0],
    "slow": [],
}
"""Failures that a read survives, with the pauses."""


@pytest.fixture(scope="module", params=["cloud", "dc"])
def shared_world(request: pytest.FixtureRequest) -> Iterator[World]:
    with open_world(request.param) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.reset()
    return shared_world


@pytest.fixture
def tracker(world: World) -> Iterator[JiraTracker]:
    with world.connect() as tracker:
        yield tracker


def sent(world: World, route: str) -> int:
    return sum(request.route == route for request in world.jira.requests)


class TestReading:
    @pytest.mark.parametrize("label", list(PASSING))
    def test_a_failure_that_passes_costs_a_pause(self, world: World, tracker: JiraTracker, label: str) -> None:
        ref = tracker.create(TICKET)
        world.jira.fail(**{**FAULTS[label], "route": "search"})
        assert tracker.find(TICKET) == [ref]
        assert world.slept == PASSING[label]

    def test_one_that_does_not_pass_is_given_up(self, world: World, tracker: JiraTracker) -> None:
        world.jira.fail("status", "search", count=None, status=503)
        with pytest.raises(TrackerUnavailable, match="HTTP 503"):
            tracker.find(TICKET)
        assert (sent(world, "search"), world.slept) == (4, [1.0, 2.0, 4.0])

    @pytest.mark.parametrize("told", [300, "Fri, 20 Nov 2026 00:05:00 GMT"])
    def test_a_pause_that_is_too_long_is_told_and_not_waited_for(
        self, world: World, tracker: JiraTracker, told: Any
    ) -> None:
        world.jira.fail("status", "search", status=429, retry_after=told, reason="jira-quota-global-based")
        with pytest.raises(TrackerUnavailable, match=r"jira-quota-global-based.* 300 s.*max_retry_after_s = 120"):
            tracker.find(TICKET)
        assert (sent(world, "search"), world.slept) == (1, [])

    @pytest.mark.parametrize(
        ("name", "how"), [("status", {"status": 401}), ("status", {"status": 410}), ("captcha", {})]
    )
    def test_a_refusal_is_final(self, world: World, tracker: JiraTracker, name: Any, how: dict[str, Any]) -> None:
        world.jira.fail(name, "search", **how)
        with pytest.raises(TrackerRefused):
            tracker.find(TICKET)
        assert (sent(world, "search"), world.slept) == (1, [])

    @pytest.mark.parametrize(
        ("route", "status"), [("get", 500), ("get", 401), ("get", 429), ("priority", 404), ("changelog", 404)]
    )
    def test_failed_is_not_gone(self, world: World, tracker: JiraTracker, route: Any, status: int) -> None:
        ref = tracker.create(TICKET)
        world.jira.fail(
            "status", route if world.is_cloud or route != "changelog" else "priority", count=None, status=status
        )
        with pytest.raises((TrackerUnavailable, TrackerRefused)):
            tracker.fetch(ref)

    def test_a_search_that_is_not_there_is_not_nothing_found(self, world: World, tracker: JiraTracker) -> None:
        world.jira.fail("status", "search", status=404)
        with pytest.raises(TrackerUnavailable, match="its search"):
            tracker.find(TICKET)


class TestMaking:
    @pytest.mark.parametrize("label", [label for label in GENERAL if "after" in label])
    def test_what_may_have_been_done_is_not_sent_again(self, world: World, tracker: JiraTracker, label: str) -> None:
        world.jira.fail(**{**GENERAL[label], "route": "create"})
        with pytest.raises(OutcomeUnknown):
            tracker.create(TICKET)
        assert (sent(world, "create"), len(world.jira.issues), world.slept) == (1, 1, [])

    @pytest.mark.parametrize("label", [label for label in GENERAL if label.startswith("429") and "300" not in label])
    def test_what_was_turned_away_is_sent_again(self, world: World, tracker: JiraTracker, label: str) -> None:
        world.jira.fail(**{**GENERAL[label], "route": "create"})
        tracker.create(TICKET)
        assert (sent(world, "create"), len(world.jira.issues), world.slept) == (2, 1, PASSING[label])

    def test_a_pause_that_is_too_long_leaves_nothing_made(self, world: World, tracker: JiraTracker) -> None:
        world.jira.fail(**{**FAULTS["429, Retry-After: 300"], "route": "create"})
        with pytest.raises(TrackerUnavailable, match="300 s"):
            tracker.create(TICKET)
        assert (sent(world, "create"), world.jira.issues) == (1, [])

    @pytest.mark.parametrize("route", ["property.put", "remotelink"])
    @pytest.mark.parametrize("name", ["reset_after", "timeout_after", "status"])
    def test_what_is_the_same_twice_is_sent_again(
        self, world: World, tracker: JiraTracker, route: str, name: Any
    ) -> None:
        ref = tracker.create(TICKET)
        world.jira.fail(name, route)
        tracker.complete(ref, TICKET, [])
        assert sent(world, route) == 2
        assert len(world.issue(ref).remote_links) == 1


_TELLING = ("reset, after", "429", "500, after", "401", "404", "200, HTML, after", "200, empty, before")
_LABELS = [pytest.param(name, marks=() if name in _TELLING else pytest.mark.exhaustive) for name in GENERAL]


def work(tracker: JiraTracker) -> None:
    """A ticket's whole life, as the ledger asks for it again after a failure."""
    found = tracker.find(TICKET)
    ref = found[0] if found else tracker.create(TICKET)
    tracker.complete(ref, TICKET, [CHART])
    tracker.apply(ref, said("comment", "e1"), [CHART])
    tracker.apply(ref, said("close", "e2"))
    other = tracker.locate("FL-1")
    assert other == ref
    assert tracker.fetch(ref) is not None


@pytest.mark.parametrize("route", [*WRITES[:-1], *READS[:-1]])
@pytest.mark.parametrize("label", _LABELS)
def test_after_any_failure_anywhere_everything_is_there_once(
    world: World, tracker: JiraTracker, label: str, route: str
) -> None:
    world.jira.fail(**{**GENERAL[label], "route": route})
    for _ in range(3):
        try:
            work(tracker)
            break
        except (TransientError, TrackerRefused, TicketRefused):
            continue
    else:
        raise AssertionError("did not recover")
    [issue] = world.jira.issues
    assert len(issue.attachments) == len(issue.remote_links) == 1
    assert issue.fields["status"] == "Done"
    bodies = [str(comment.body) for comment in issue.comments]
    assert [sum(reference_of(said(key=key)) in body for body in bodies) for key in ("e1", "e2")] == [1, 1]
    assert len(bodies) == 2
    assert sum(item["field"] == "status" for change in issue.changelog for item in change.items) == 1


@pytest.mark.parametrize("label", _LABELS)
@pytest.mark.parametrize("route", ["link", "link.get"])
def test_a_duplicate_is_linked_once_whatever_fails(world: World, label: str, route: str) -> None:
    with world.connect() as tracker:
        kept, extra = tracker.create(TICKET), tracker.create(TICKET)
        world.jira.fail(**{**GENERAL[label], "route": route})
        for _ in range(2):
            try:
                tracker.link_duplicate(extra, kept, said())
            except (TransientError, TrackerRefused, TicketRefused):
                tracker.link_duplicate(extra, kept, said())
    assert (len(world.issue(extra).links), len(world.issue(extra).comments)) == (1, 1)


class Pages(JiraWire):
    """A wire that gives the pages it is given."""

    def __init__(self, answer: Callable[[int], dict[str, Any]]) -> None:
        self._answer = answer

    def get(
        self, path: str, expected: str | tuple[str, ...], params: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """The page from an offset on."""
        return self._answer(int((params or {})["startAt"]))


class TestPages:
    @pytest.mark.parametrize("about", [{"total": 250}, {}, {"isLast": None}])
    def test_all_are_read_whatever_jira_says_of_them(self, about: dict[str, Any]) -> None:
        rows = [{"id": n} for n in range(250)]
        wire = Pages(lambda start: {"values": rows[start : start + 100], **about})
        assert wire.get_pages("x", "values") == rows

    def test_a_server_that_gives_less_than_was_asked_for_is_asked_on(self) -> None:
        rows = [{"id": n} for n in range(7)]
        wire = Pages(lambda start: {"values": rows[start : start + 2], "total": 7})
        assert wire.get_pages("x", "values") == rows

    def test_the_last_page_says_so(self) -> None:
        rows = [{"id": n} for n in range(100)]
        wire = Pages(lambda start: {"values": rows if start == 0 else 1 / 0, "isLast": True})
        assert wire.get_pages("x", "values") == rows

    def test_the_same_page_again_is_an_error(self) -> None:
        wire = Pages(lambda _: {"values": [{"id": 1}], "total": 9})
        with pytest.raises(TrackerUnavailable, match="again and again"):
            wire.get_pages("x", "values")

    def test_a_list_without_end_is_an_error(self) -> None:
        wire = Pages(lambda start: {"values": [{"id": start}], "total": 10**9})
        with pytest.raises(TrackerUnavailable, match="does not end"):
            wire.get_pages("x", "values")


def test_a_reference_is_all_that_is_needed(world: World, tracker: JiraTracker) -> None:
    ref = tracker.create(TICKET)
    assert tracker.fetch(TicketRef(ref.ticket_key, ref.ticket_key)) is not None


@contextmanager
def pretender(*routes: Route) -> Iterator[str]:
    """Something that answers as a Jira does when one signs in, and otherwise with `routes`."""
    about = {"baseUrl": "https://team.example.com/", "versionNumbers": [1001], "deploymentType": "Cloud"}
    answers = {"serverInfo": about, "myself": {"accountId": "5b", "displayName": "bot"}}
    known = [
        Route(f"/ex/jira/7/rest/api/{api}/{path}", partial(lambda answer, _: JSONResponse(answer), answer))
        for api in (2, 3)
        for path, answer in answers.items()
    ]
    loopback = Loopback("pretender")
    url = loopback.start(Starlette(routes=[*routes, *known]))
    try:
        yield f"{url}/ex/jira/7"
    finally:
        loopback.stop([], None)


def connect(server: str) -> JiraTracker:
    policy = JiraPolicy(server, project="FL")
    return JiraTracker(policy, "secret", "bot@example.com", now=lambda: datetime(2026, 11, 20, tzinfo=UTC), sleep=print)


class TestElsewhere:
    def test_a_scoped_token_asks_in_one_place_and_people_read_in_another(self) -> None:
        with pretender() as server, connect(server) as tracker:
            assert tracker.page(TicketRef("1", "FL-1")) == "https://team.example.com/browse/FL-1"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_request_is_not_led_elsewhere(self, method: str) -> None:
        def lead_on(_: Request) -> Response:
            return RedirectResponse("https://login.example.com/?token=x", 302)

        path = "/ex/jira/7/rest/api/3/issue" if method == "POST" else "/ex/jira/7/rest/api/3/search/jql"
        with (
            pretender(Route(path, lead_on, methods=[method])) as server,
            connect(server) as tracker,
            pytest.raises(TrackerRefused, match=r"leads on to https://login\.example\.com/: "),
        ):
            tracker.create(TICKET) if method == "POST" else tracker.find(TICKET)

    @pytest.mark.parametrize("answer", [{}, [], {"key": "FL-1"}, {"id": "1"}, None, "made"])
    def test_an_answer_without_id_and_key_does_not_say_that_it_was_made(self, answer: Any) -> None:
        made = Route("/ex/jira/7/rest/api/3/issue", lambda _: JSONResponse(answer, 201), methods=["POST"])
        with pretender(made) as server, connect(server) as tracker, pytest.raises(OutcomeUnknown):
            tracker.create(TICKET)

    @pytest.mark.parametrize("answer", [{"issues": None}, {"issues": [{}]}, {"issues": [[]]}, {"issues": {"a": 1}}])
    def test_a_search_of_another_shape_is_not_nothing_found(self, answer: Any) -> None:
        found = Route("/ex/jira/7/rest/api/3/search/jql", lambda _: JSONResponse(answer))
        with pretender(found) as server, connect(server) as tracker, pytest.raises(TrackerUnavailable):
            tracker.find(TICKET)


def test_a_netrc_does_not_stand_in_for_the_token(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password wrong\n", encoding="utf-8")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    world.connect().close()
    assert world.jira.refused == []
