"""Tickets in Jira, Cloud and Data Center: made once, found again, and never against people's will."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from feedback_loop.clients.jira import JiraTracker
from feedback_loop.clients.jira_fields import label_of, reference_of
from feedback_loop.documents import Heading, Quote, plain
from feedback_loop.errors import TicketRefused, TrackerRefused, TrackerUnavailable
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import Applied, TicketRef, Tracker
from feedback_loop_tests.clients.jira_world import ASSET_URL, CHART, TICKET, World, fetched, open_world, said, writes


def text_of(body: Any) -> str:
    return json.dumps(body)


def test_it_is_a_tracker(tracker: JiraTracker) -> None:
    as_protocol: Tracker = tracker
    assert as_protocol.settles_after.total_seconds() == 15 * 60


class TestMaking:
    def test_one_request_makes_it_with_the_label_it_is_found_by(self, world: World, tracker: JiraTracker) -> None:
        ref = tracker.create(TICKET)
        assert writes(world) == ["create"]
        issue = world.issue(ref)
        assert (ref.issue_id, ref.ticket_key) == (issue.id, issue.key)
        assert issue.fields["labels"] == ["feedback-loop", label_of(TICKET)]
        assert (issue.fields["summary"], issue.fields["priority"]) == ("Broken links", "High")
        assert isinstance(issue.fields["description"], dict if world.is_cloud else str)

    def test_each_route_has_its_place(self, world: World) -> None:
        place = RouteTarget("MODEL", "Story", ("model",), ("Chat",), {2: "Low"})
        with world.connect(targets={"triage": place}) as tracker:
            issue = world.issue(tracker.create(TICKET))
        assert (issue.project, issue.fields["issuetype"], issue.fields["components"]) == ("MODEL", "Story", ["Chat"])
        assert (issue.fields["priority"], issue.fields["labels"][2]) == ("Low", "model")

    def test_whatever_users_wrote_is_taken_and_does_nothing(self, world: World, tracker: JiraTracker) -> None:
        hostile = "{code}[~admin] !http://x.example/p.png! [a|http://x.example] @bob \u202e\u200b😀 \ud800 {noformat}"
        body = (Heading(hostile), Quote(hostile * 600), *plain(*[hostile * 20] * 60))
        ref = tracker.create(replace(TICKET, title=f"{hostile}\n{hostile}" * 9, body=body))
        tracker.apply(ref, replace(said(), body=body))
        assert world.jira.active_content(ref.ticket_key) == []
        assert reference_of(said()) in text_of(world.issue(ref).comments[0].body)

    @pytest.mark.parametrize("text", ["\u202e\u05d0" * 20_000, "[" * 40_000, "a@b.example " * 4_000, "😀" * 24_000])
    def test_forty_thousand_characters_are_cut(self, world: World, tracker: JiraTracker, text: str) -> None:
        body = (Quote(text), *plain(text, text))
        ref = tracker.create(replace(TICKET, title=text, body=body))
        tracker.apply(ref, replace(said(), body=body))
        assert reference_of(said()) in text_of(world.issue(ref).comments[0].body)
        assert world.jira.active_content(ref.ticket_key) == []

    def test_fields_that_this_jira_lacks_are_left_out(self, personality: str, caplog: pytest.LogCaptureFixture) -> None:
        with (
            open_world(personality, fields_on_screen={"description", "labels"}) as world,
            world.connect(targets={"triage": RouteTarget(labels=("x",), components=("Chat",))}) as tracker,
            caplog.at_level(logging.WARNING, "feedback_loop"),
        ):
            issue = world.issue(tracker.create(TICKET))
        assert [request.status for request in world.jira.requests if request.route == "create"] == [400, 201]
        assert issue.fields["labels"] == ["feedback-loop", label_of(TICKET), "x"]
        assert "components, priority" in caplog.text

    def test_without_labels_there_is_no_ticket(self, personality: str) -> None:
        screen = {"description", "priority"}
        with open_world(personality, fields_on_screen=screen) as world, world.connect() as tracker:
            with pytest.raises(TicketRefused, match="labels"):
                tracker.create(TICKET)
            assert world.jira.issues == []

    @pytest.mark.parametrize("place", [RouteTarget("NOPE"), RouteTarget(issue_type="Nope")])
    def test_a_place_that_is_not_there_is_named(self, world: World, place: RouteTarget) -> None:
        with (
            world.connect(targets={"triage": place}) as tracker,
            pytest.raises(TicketRefused, match=r"project|issuetype"),
        ):
            tracker.create(TICKET)
        assert world.jira.issues == []


class TestFinding:
    def test_wherever_people_moved_it_oldest_first(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        world.jira.advance(60)
        clone = world.jira.people_create("Clone", labels=world.issue(ref).fields["labels"])
        world.jira.people_create("Other", labels=["feedback-loop"])
        key = world.jira.people_move(ref.ticket_key, "MODEL")
        assert tracker.find(TICKET) == [TicketRef(ref.issue_id, key), TicketRef(clone.id, clone.key)]

    def test_more_than_a_page_of_them(self, world: World, tracker: JiraTracker) -> None:
        made = [world.jira.people_create(f"n{n}", labels=[label_of(TICKET)]).id for n in range(230)]
        assert [found.issue_id for found in tracker.find(TICKET)] == made

    def test_the_same_hit_twice_is_one(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        world.jira.fail("duplicate_hits", "search")
        assert tracker.find(TICKET) == [ref]

    def test_a_search_ends(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        world.jira.fail("repeat_page_token", "search", count=None)
        if world.is_cloud:
            with pytest.raises(TrackerUnavailable, match="a page of its search twice"):
                tracker.find(TICKET)
        else:
            assert tracker.find(TICKET) == [ref]
        assert len(world.jira.requests) < 10

    def test_one_that_is_known_is_found_before_the_index_has_it(self, personality: str) -> None:
        with open_world(personality, index_lag_seconds=60) as world, world.connect() as tracker:
            ref = tracker.create(TICKET)
            assert tracker.find(TICKET) == []
            if world.is_cloud:
                assert tracker.find(replace(TICKET, issue_id=ref.issue_id)) == [ref]
            world.jira.advance(60)
            assert tracker.find(TICKET) == [ref]
            assert world.jira.refused == []


class TestCompleting:
    def test_each_part_is_there_once_however_often_it_is_asked_for(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        for _ in range(3):
            tracker.complete(ref, TICKET, [CHART])
        issue = world.issue(ref)
        assert issue.properties["feedback-loop.pattern"] == {
            "application": "shop",
            "pattern_id": "p1",
            "fingerprint": label_of(TICKET)[-12:],
            "ticket_number": 1,
        }
        assert [(a.filename, a.content) for a in issue.attachments] == [(CHART.name, CHART.png)]
        [link] = issue.remote_links
        assert link.global_id == f"feedback-loop:pattern:{label_of(TICKET)[-12:]}"
        assert link.target["url"] == f"{ASSET_URL}?partition=2026-01-05"
        assert "applinks" not in {request.route for request in world.jira.requests}

    def test_what_people_attached_under_the_same_name_is_not_ours(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        world.jira.people_attach(ref.ticket_key, CHART.name, b"theirs")
        tracker.complete(ref, TICKET, [CHART])
        assert [a.content for a in world.issue(ref).attachments] == [b"theirs", CHART.png]

    def test_a_picture_that_is_too_large_is_refused(self, personality: str) -> None:
        with open_world(personality, attachment_limit=4) as world, world.connect() as tracker:
            ref = tracker.create(TICKET)
            with pytest.raises(TicketRefused, match="413"):
                tracker.complete(ref, TICKET, [CHART])


class TestSaying:
    def test_a_comment_is_posted_once_even_among_hundreds(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        for n in range(130):
            world.jira.people_comment(ref.ticket_key, f"n{n}")
        tracker.apply(ref, said())
        for n in range(130):
            world.jira.people_comment(ref.ticket_key, f"n{n}")
        tracker.apply(ref, said())
        ours = [c for c in world.issue(ref).comments if reference_of(said()) in text_of(c.body)]
        assert len(ours) == 1
        assert text_of(ours[0].body).index("Said.") < text_of(ours[0].body).index(reference_of(said()))

    def test_a_picture_comes_with_it_once(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        for _ in range(2):
            tracker.apply(ref, said(), [CHART])
        assert len(world.issue(ref).attachments) == 1

    def test_closing_gives_the_resolution_that_the_screen_asks_for(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        tracker.apply(ref, said("close"))
        assert (world.issue(ref).fields["status"], world.issue(ref).fields["resolution"]) == ("Done", "Done")
        tracker.apply(ref, said("reopen", "e2"))
        assert (world.issue(ref).fields["status"], world.issue(ref).fields["resolution"]) == ("To Do", None)

    @pytest.mark.parametrize(("kind", "status"), [("close", "Released"), ("reopen", "In Review")])
    def test_what_is_so_already_is_only_said(
        self, world: World, tracker: JiraTracker, ref: TicketRef, kind: Any, status: str
    ) -> None:
        world.jira.people_transition(ref.ticket_key, status)
        tracker.apply(ref, said(kind))
        assert writes(world) == ["create", "comment.add"]
        assert world.issue(ref).fields["status"] == status

    @pytest.mark.parametrize("status", ["In Progress", "In Review", "To Do"])
    def test_what_people_work_on_is_not_closed(
        self, world: World, tracker: JiraTracker, ref: TicketRef, status: str
    ) -> None:
        world.jira.people_transition(ref.ticket_key, "In Progress")
        if status != "In Progress":
            world.jira.people_transition(ref.ticket_key, status)
        for _ in range(2):
            assert tracker.apply(ref, said("close")) == Applied()
        assert (world.issue(ref).fields["status"], len(world.issue(ref).comments)) == (status, 1)

    def test_what_waits_for_its_verdict_is_closed_whoever_said_so(self, world: World, ref: TicketRef) -> None:
        world.jira.people_transition(ref.ticket_key, "In Review")
        with world.connect(verdict_statuses=("in review",)) as tracker:
            assert fetched(tracker, ref).is_set_by_people is False
            assert tracker.apply(ref, said("close")).is_moved
        assert world.issue(ref).fields["status"] == "Done"

    @pytest.mark.parametrize(
        ("kind", "before", "people"), [("close", None, "In Review"), ("reopen", "Done", "Released")]
    )
    def test_what_people_undid_stays_undone(
        self, world: World, tracker: JiraTracker, ref: TicketRef, kind: Any, before: str | None, people: str
    ) -> None:
        if before:
            world.jira.people_transition(ref.ticket_key, before)
        tracker.apply(ref, said(kind))
        world.jira.advance(60)
        world.jira.people_transition(ref.ticket_key, people)
        tracker.apply(ref, said(kind))
        assert world.issue(ref).fields["status"] == people
        assert writes(world) == ["create", "comment.add", "transition.do"]

    def test_what_people_did_before_it_was_said_is_no_answer_to_it(
        self, world: World, tracker: JiraTracker, ref: TicketRef
    ) -> None:
        for status in ("Done", "In Progress", "Done"):
            world.jira.people_transition(ref.ticket_key, status)
        world.jira.advance(60)
        world.jira.fail("status", "transition.list", status=401)
        with pytest.raises(TrackerRefused):
            tracker.apply(ref, said("reopen"))
        world.jira.advance(60)
        world.jira.people_transition(ref.ticket_key, "Released")
        assert tracker.apply(ref, said("reopen")).is_moved
        assert world.issue(ref).fields["status"] == "To Do"

    @pytest.mark.parametrize("resolution", ["Won't Do", "Duplicate", "Cancelled"])
    def test_what_people_decided_is_not_reopened(
        self, world: World, tracker: JiraTracker, ref: TicketRef, resolution: str
    ) -> None:
        world.jira.people_transition(ref.ticket_key, "Done", resolution)
        tracker.apply(ref, said("reopen"))
        assert world.issue(ref).fields["resolution"] == resolution
        assert len(world.issue(ref).comments) == 1

    @pytest.mark.parametrize("away", ["people_delete", "people_hide"])
    def test_nothing_is_said_where_it_is_gone(
        self, world: World, tracker: JiraTracker, ref: TicketRef, away: str
    ) -> None:
        getattr(world.jira, away)(ref.ticket_key)
        with pytest.raises(TicketRefused, match=f"{ref.ticket_key} is gone"):
            tracker.apply(ref, said())


class TestDuplicates:
    def test_ours_is_linked_and_told_once(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        extra = tracker.create(TICKET)
        for _ in range(2):
            tracker.link_duplicate(extra, ref, said())
        [link] = world.issue(extra).links
        assert (link.type, link.source, link.target) == ("Duplicate", extra.issue_id, ref.issue_id)
        assert len(world.issue(extra).comments) == 1
        assert fetched(tracker, extra).duplicate_of == ref.ticket_key
        assert fetched(tracker, ref).duplicate_of is None

    def test_another_kind_of_link_is_not_enough(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        extra = tracker.create(TICKET)
        world.jira.people_link(extra.ticket_key, "Relates", ref.ticket_key)
        tracker.link_duplicate(extra, ref, said())
        assert [link.type for link in world.issue(extra).links] == ["Relates", "Duplicate"]

    def test_a_copy_that_a_person_made_is_left_alone(self, world: World, tracker: JiraTracker, ref: TicketRef) -> None:
        clone = world.jira.people_create("Clone", labels=world.issue(ref).fields["labels"])
        tracker.link_duplicate(TicketRef(clone.id, clone.key), ref, said())
        assert writes(world) == ["create"]

    def test_a_jira_without_the_link_type_is_told(self, world: World) -> None:
        with world.connect(link_type="Doppelgänger") as tracker:
            first, second = tracker.create(TICKET), tracker.create(TICKET)
            with pytest.raises(TicketRefused, match="'Doppelgänger'; it has Blocks, Duplicate, Relates"):
                tracker.link_duplicate(second, first, said())
        assert len(world.issue(second).comments) == 1
