"""What tickets in Jira say of themselves, and signing in."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from feedback_loop.clients.jira import JiraTracker
from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.errors import ConfigurationError, InputError, TrackerRefused, TrackerUnavailable
from feedback_loop.tracker import TicketRef
from feedback_loop_tests.clients.jira_world import TICKET, World, fetched, open_world, said, writes


class TestReading:
    def test_a_moved_ticket_is_read_by_its_id_and_located_by_either_key(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        key = world.jira.people_move(ref.ticket_key, "MODEL")
        assert fetched(tracker, ref).ticket_key == key
        assert tracker.locate(ref.ticket_key) == tracker.locate(key) == TicketRef(ref.issue_id, key)

    @pytest.mark.parametrize("away", ["people_delete", "people_hide"])
    def test_gone_is_none(self, world: World, tracker: JiraTracker, ref: TicketRef, away: str) -> None:
        getattr(world.jira, away)(ref.ticket_key)
        assert tracker.fetch(ref) is None
        assert tracker.locate(ref.ticket_key) is None

    def test_a_token_that_was_taken_away_does_not_read_as_gone(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        world.jira.fail("status", "get", status=404)  # what Jira says to strangers
        world.jira.fail("status", "myself", status=401)
        with pytest.raises(TrackerRefused, match="credentials"):
            tracker.fetch(ref)

    def test_nor_does_a_write_say_that_the_ticket_is_gone(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        world.jira.fail("status", "comment.list", status=404)
        world.jira.fail("status", "myself", status=401)
        with pytest.raises(TrackerRefused, match="credentials"):
            tracker.apply(ref, said())

    def test_when_it_was_done_and_how(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        start = world.jira.now
        for status in ("In Progress", "Done", "To Do", "Done", "Released"):
            world.jira.advance(3600)
            world.jira.people_transition(ref.ticket_key, status)
        state = fetched(tracker, ref)
        assert [(c.before, c.after) for c in state.changes] == [
            ("To Do", "In Progress"),
            ("In Progress", "Done"),
            ("Done", "To Do"),
            ("To Do", "Done"),
            ("Done", "Released"),
        ]
        assert [(c.at - start).total_seconds() for c in state.changes] == [3600, 7200, 10800, 14400, 18000]
        assert state.done_since == state.resolved_at == state.changes[3].at
        assert (state.status, state.status_name, state.resolution) == ("done", "Released", "Done")

    def test_a_long_history_is_read_to_its_end(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        n = 130 if world.is_cloud else 45
        for _ in range(n):
            world.jira.people_transition(ref.ticket_key, "In Progress")
            world.jira.people_transition(ref.ticket_key, "To Do")
        assert len(fetched(tracker, ref).changes) == 2 * n

    @pytest.mark.parametrize(
        ("resolution", "status"),
        [("Done", "done"), ("Won't Do", "wont_do"), ("Duplicate", "duplicate"), ("Cannot Reproduce", "cancelled")],
    )
    def test_a_resolution_means_what_it_says(
        self, world: World, tracker: JiraTracker, ref: TicketRef, resolution: str, status: str
    ) -> None:
        world.jira.people_transition(ref.ticket_key, "Done", resolution)
        assert fetched(tracker, ref).status == status
        world.jira.people_transition(ref.ticket_key, "In Progress")
        assert fetched(tracker, ref).status == "reopened"

    def test_where_people_write_when_it_was_deployed(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        world.jira.release_version("4.2", "2026-11-18")
        world.jira.release_version("4.3", "2026-12-18", released=False)
        world.jira.people_set(ref.ticket_key, fixVersions=["4.2", "4.3"])
        world.jira.people_set(ref.ticket_key, customfield_10042="2026-11-18T09:30:00.000+0100")
        state = fetched(tracker, ref)
        assert state.released == (("4.2", date(2026, 11, 18)),)
        assert state.deployed_at == datetime(2026, 11, 18, 8, 30, tzinfo=UTC)

    def test_a_field_without_a_time_is_named(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        world.jira.people_set(ref.ticket_key, customfield_10042="last week")
        with pytest.raises(InputError, match=f"{ref.ticket_key}: the field customfield_10042"):
            tracker.fetch(ref)

    def test_a_page_is_on_the_address_that_people_use(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        assert tracker.page(ref) == f"{world.jira.base_url}/browse/{ref.ticket_key}"


class TestSigningIn:
    def test_wrong_credentials_show_at_once(self, world: World) -> None:
        with pytest.raises(TrackerRefused, match="FEEDBACK_LOOP_JIRA_EMAIL"):
            world.connect(token="wrong")
        assert writes(world) == []

    @pytest.mark.parametrize("route", ["serverinfo", "myself"])
    def test_an_account_that_may_do_nothing_shows_at_once(self, world: World, route: Any) -> None:
        world.jira.fail("status", route, status=403, count=None)
        with pytest.raises(TrackerRefused, match="does not allow this to the account"):
            world.connect()

    def test_the_token_goes_nowhere_else(self, world: World) -> None:
        with pytest.raises(TrackerRefused) as caught:
            world.connect(token="wrong-secret")
        assert "wrong-secret" not in repr(caught.value)
        assert caught.value.__context__ is None  # the library's error holds the request

    @pytest.mark.parametrize("policy", [{"server": ""}, {"project": ""}])
    def test_an_unfinished_setting_is_named(self, world: World, policy: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="`server` and `project`"):
            world.connect(**policy)

    def test_nobody_answers(self, world: World) -> None:
        with pytest.raises(TrackerUnavailable, match="cannot be reached"):
            world.connect(server="http://127.0.0.1:1")
        assert world.slept == [1.0, 2.0, 4.0]

    def test_a_login_page_is_no_jira(self, world: World) -> None:
        world.jira.fail("html_200", "serverinfo", count=None)
        with pytest.raises(TrackerUnavailable, match="login page"):
            world.connect()

    def test_the_kind_may_be_said(self) -> None:
        with open_world("cloud") as world, world.connect(kind="dc", link_type="x") as tracker:
            tracker.fetch(tracker.create(TICKET))
            assert {request.path.split("/")[3] for request in world.jira.requests} == {"2"}

    @pytest.mark.parametrize(
        "wrong",
        [{"server": "jira.example.com"}, {"quiet_minutes": -1}, {"read_timeout_s": 0}, {"max_retry_after_s": -1}],
    )
    def test_a_policy_checks_itself(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            JiraPolicy(**wrong)
