"""Our words in Jira's fields, and what an issue says of itself."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.clients import jira_fields
from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.errors import InputError
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import TicketEvent, TicketStatus, TrackerState
from feedback_loop_tests.store.test_tickets import event, ticket

POLICY = JiraPolicy(project="FL", deployed_field="customfield_10042")
CATEGORIES = {"1": "new", "3": "indeterminate", "5": "done", "6": "done"}
AT = "2026-11-19T10:00:00.000+0000"
TEXTS = st.text(max_size=20)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_every_pattern_has_a_label_of_its_own(a: str, b: str, c: str, d: str) -> None:
    one, other = jira_fields.fingerprint(a, b), jira_fields.fingerprint(c, d)
    assert (one == other) == ((a, b) == (c, d))
    assert len(one) == 12


def test_references_differ_by_event_and_pattern() -> None:
    events: list[TicketEvent] = [event("a"), event("b"), event("a", "p2"), replace(event("a"), application="x")]
    assert len({jira_fields.reference_of(e) for e in events}) == 4
    assert jira_fields.reference_of(event("a")) == jira_fields.reference_of(replace(event("a"), kind="close"))


def test_a_new_issue_has_what_it_is_found_by_among_its_fields() -> None:
    target = RouteTarget("UX", "Bug", ("chat",), ("Chat",), {2: "High"})
    made = jira_fields.new_issue(ticket(title="Broken\nlinks"), "said", POLICY, target)
    assert made == {
        "project": {"key": "UX"},
        "issuetype": {"name": "Bug"},
        "summary": "Broken links",
        "description": "said",
        "labels": ["feedback-loop", jira_fields.label_of(ticket()), "chat"],
        "priority": {"name": "High"},
        "components": [{"name": "Chat"}],
    }


def test_what_the_target_leaves_out_is_not_sent() -> None:
    made = jira_fields.new_issue(ticket(priority=3), "said", POLICY, RouteTarget(priorities={2: "High"}))
    assert (made["project"], made["issuetype"]) == ({"key": "FL"}, {"name": "Task"})
    assert not {"priority", "components"} & made.keys()


@given(st.text(max_size=400))
def test_a_summary_is_one_line_that_jira_takes(title: str) -> None:
    summary = jira_fields.new_issue(ticket(title=title), "", POLICY, RouteTarget())["summary"]
    assert 0 < len(summary.encode("utf-16-le", "surrogatepass")) // 2 <= 255
    assert not set(summary) & set("\n\r\t\0")


def test_an_issue_does_without_the_fields_it_can_do_without() -> None:
    fields = jira_fields.new_issue(ticket(), "said", POLICY, RouteTarget(labels=("chat",), components=("Chat",)))
    fewer = jira_fields.without_refused(fields, {"priority": "no", "components": "no", "labels": "no"})
    assert fewer is not None
    assert not {"priority", "components"} & fewer.keys()
    assert fewer["labels"] == fields["labels"][:2]


@pytest.mark.parametrize("refused", [{"summary": "no"}, {"priority": "no", "project": "no"}, {}])
def test_it_does_not_do_without_others(refused: dict[str, str]) -> None:
    fields = jira_fields.new_issue(ticket(), "said", POLICY, RouteTarget())
    assert jira_fields.without_refused(fields, refused) is None


def test_it_never_goes_without_its_own_labels() -> None:
    fields = jira_fields.new_issue(ticket(), "said", POLICY, RouteTarget())
    assert jira_fields.without_refused(fields, {"labels": "not on the screen"}) is None


def hit(issue_id: str, created: str, *labels: str) -> dict[str, Any]:
    return {"id": issue_id, "key": f"FL-{issue_id}", "fields": {"created": created, "labels": list(labels)}}


def test_hits_are_ours_alone_each_once_oldest_first() -> None:
    later, earlier = "2026-11-20T10:00:00.000+0000", "2026-11-20T10:00:00.000+0100"
    hits = [
        hit("9", later, "l"),
        hit("10", later, "l"),
        hit("10", later, "l"),
        hit("30", earlier, "l", "feedback-loop"),
        hit("1", earlier, "L"),
    ]
    assert [ref.issue_id for ref in jira_fields.read_hits(hits, "l")] == ["30", "9", "10"]


@pytest.mark.parametrize(
    "value", ["2026-11-19T10:00:00.000+0000", "2026-11-19T11:00:00.000+0100", 1795082400, 1795082400000]
)
def test_times_come_in_three_forms(value: object) -> None:
    assert jira_fields.read_time(value) == datetime(2026, 11, 19, 10, tzinfo=UTC)


@pytest.mark.parametrize("value", ["soon", None, True, {}, ""])
def test_what_is_no_time_is_an_error(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whoever reads says which issue)
        jira_fields.read_time(value)


@given(st.integers(10**9, 4 * 10**9))
def test_seconds_and_milliseconds_are_told_apart(seconds: int) -> None:
    assert jira_fields.read_time(seconds) == jira_fields.read_time(1000 * seconds)
    assert jira_fields.read_time(seconds).timestamp() == seconds


def issue(status: str = "5", name: str = "Done", **fields: Any) -> dict[str, Any]:
    shown = {"id": status, "name": name, "statusCategory": {"key": CATEGORIES[status]}}
    return {"id": "7", "key": "FL-7", "fields": {"status": shown, "resolution": None} | fields}


def history(created: str, before: str, after: str, author: str = "ann") -> dict[str, Any]:
    item = {"field": "status", "from": before, "fromString": f"s{before}", "to": after, "toString": f"s{after}"}
    return {
        "created": created,
        "author": {"key": author},
        "items": [{"field": "labels", "from": None, "to": None}, item],
    }


def read(given: dict[str, Any], *histories: dict[str, Any]) -> TrackerState:
    return jira_fields.read_state(given, histories, CATEGORIES, POLICY, "bot")


@pytest.mark.parametrize(
    ("resolution", "status"),
    [
        ("Done", "done"),
        ("Fixed", "done"),
        (None, "done"),
        ("Won't Do", "wont_do"),
        ("won’t fix", "wont_do"),
        ("DUPLICATE", "duplicate"),
        ("Cannot Reproduce", "cancelled"),
        ("Canceled", "cancelled"),
    ],
)
def test_a_resolution_means_what_it_says(resolution: str | None, status: TicketStatus) -> None:
    given = issue(resolution={"name": resolution} if resolution else None)
    assert (read(given).status, read(given).resolution) == (status, resolution)


def test_a_status_means_it_where_the_workflow_has_no_resolutions() -> None:
    assert read(issue(name="Won't do")).status == "wont_do"
    assert read(issue("1", name="Won't do")).status == "open"


def test_open_after_done_is_reopened() -> None:
    assert read(issue("3"), history(AT, "1", "3")).status == "open"
    assert read(issue("3"), history(AT, "1", "5"), history(AT, "5", "3")).status == "reopened"
    assert read(issue("6"), history(AT, "1", "5"), history(AT, "5", "6")).status == "done"


def test_it_left_done_when_no_status_counted_as_done_any_more() -> None:
    days = [f"2026-11-{day}T10:00:00.000+0000" for day in (10, 11, 12, 13)]
    steps = [
        history(day, *move) for day, move in zip(days, [("1", "5"), ("5", "6"), ("6", "1"), ("1", "3")], strict=True)
    ]
    assert read(issue("3"), *steps[::-1]).left_done_at == datetime(2026, 11, 12, 10, tzinfo=UTC)
    assert read(issue("6"), *steps[:2]).left_done_at is None


@pytest.mark.parametrize(
    ("name", "authors", "is_theirs"),
    [
        ("In Progress", [], False),  # as it was made
        ("In Progress", ["ann"], True),
        ("In Progress", ["ann", "bot"], False),
        ("In Progress", ["bot", "ann"], True),
        ("In Progress", ["bot", ""], True),  # of nobody that we know
        ("ready for verification", ["bot", "ann"], False),  # there they wait for the verdict
    ],
)
def test_the_last_to_move_it_set_its_status(name: str, authors: list[str], is_theirs: bool) -> None:
    steps = [history(f"2026-11-{day}T10:00:00.000+0000", "1", "3", who) for day, who in enumerate(authors, start=10)]
    assert read(issue("3", name=name), *steps[::-1]).is_set_by_people is is_theirs


def test_what_the_loop_closed_itself_is_no_word_of_people() -> None:
    ours, theirs = history(AT, "1", "5", "bot"), history("2026-11-20T10:00:00.000+0000", "5", "6")
    assert read(issue(), ours).status == "closed"
    assert read(issue("6"), ours, theirs).status == "closed"  # it was done before people moved it on
    assert read(issue(resolution={"name": "Duplicate"}), ours).status == "duplicate"
    again = history("2026-11-20T10:00:00.000+0000", "5", "1"), history("2026-11-21T10:00:00.000+0000", "1", "5")
    assert read(issue(), ours, *again).status == "done"


def test_changes_are_told_oldest_first_and_done_since_is_its_last_beginning() -> None:
    days = [f"2026-11-{day}T10:00:00.000+0000" for day in (10, 11, 12, 13)]
    steps = [
        history(days[3], "5", "6"),
        history(days[2], "1", "5"),
        history(days[1], "5", "1"),
        history(days[0], "1", "5"),
    ]
    state = read(issue("6"), *steps)
    assert [(c.before, c.after) for c in state.changes] == [("s1", "s5"), ("s5", "s1"), ("s1", "s5"), ("s5", "s6")]
    assert state.done_since == datetime(2026, 11, 12, 10, tzinfo=UTC)


def test_changes_of_one_moment_are_told_in_the_order_of_their_numbers() -> None:
    steps = [history(AT, "1", "5") | {"id": "9"}, history(AT, "5", "3", "bot") | {"id": "10"}]
    for told in (steps, steps[::-1]):
        state = read(issue("3"), *told)
        assert ([c.after for c in state.changes], state.is_set_by_people) == (["s5", "s3"], False)


def test_the_date_of_the_category_counts_only_while_it_is_done() -> None:
    assert read(issue(statuscategorychangedate=AT)).done_since == datetime(2026, 11, 19, 10, tzinfo=UTC)
    assert read(issue("1", statuscategorychangedate=AT)).done_since is None


def test_versions_count_once_released_and_dated() -> None:
    versions = [
        {"name": "4.3", "released": True, "releaseDate": "2026-12-01"},
        {"name": "4.2", "released": True, "releaseDate": "2026-11-18"},
        {"name": "4.1", "released": False, "releaseDate": "2026-11-01"},
        {"name": "4.0", "released": True},
    ]
    assert read(issue(fixVersions=versions)).released == (("4.2", date(2026, 11, 18)), ("4.3", date(2026, 12, 1)))


def test_a_duplicate_is_of_the_issue_it_points_at() -> None:
    def link(kind: str, end: str, key: str) -> dict[str, Any]:
        return {"type": {"name": kind}, end: {"id": key[3:], "key": key}}

    links = [link("Relates", "outwardIssue", "FL-1"), link("Duplicate", "inwardIssue", "FL-2")]
    assert read(issue(issuelinks=links)).duplicate_of is None
    links.append(link("duplicate", "outwardIssue", "FL-3"))
    assert read(issue(issuelinks=links)).duplicate_of == "FL-3"
    assert jira_fields.duplicates(issue(issuelinks=links)["fields"], "3", "Duplicate")
    assert not jira_fields.duplicates(issue(issuelinks=links)["fields"], "1", "Duplicate")


def test_a_person_may_say_when_it_was_deployed() -> None:
    assert read(issue(customfield_10042="2026-11-18T09:30:00.000+0100")).deployed_at == datetime(
        2026, 11, 18, 8, 30, tzinfo=UTC
    )
    with pytest.raises(InputError, match=r"FL-7.*customfield_10042.*'last week'"):
        read(issue(customfield_10042="last week"))


@pytest.mark.parametrize(
    ("text", "is_key"),
    [("FL-1", True), ("fl2-30", True), ("FL-0", False), ("FL-1/../2", False), ("", False), ("1-2", False)],
)
def test_only_what_can_be_a_key_is_asked_for(text: str, is_key: bool) -> None:
    assert jira_fields.is_key(text) is is_key
