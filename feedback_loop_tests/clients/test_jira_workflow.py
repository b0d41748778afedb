"""Which transition is taken."""

from typing import Any

import pytest

from feedback_loop.clients.jira_policy import JiraPolicy
from feedback_loop.clients.jira_workflow import choose_transition
from feedback_loop.errors import TicketRefused


def way(number: str, to: str, category: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": f"Way {number}", "to": {"name": to, "statusCategory": {"key": category}}} | more


def resolution(*names: str, required: bool = True) -> dict[str, Any]:
    allowed = [{"name": name} for name in names]
    return {"resolution": {"required": required, "name": "Resolution", "allowedValues": allowed}}


def choose(*offered: dict[str, Any], closes: bool = True, **policy: Any) -> dict[str, Any]:
    return choose_transition(offered, JiraPolicy(**policy), closes=closes, where="FL-1")


def test_the_category_decides_and_never_the_name() -> None:
    offered = (way("1", "Done", "indeterminate"), way("2", "Shipped", "done"))
    assert choose(*offered) == {"transition": {"id": "2"}}
    assert choose(*offered, closes=False) == {"transition": {"id": "1"}}


def test_among_several_the_preferred_status_wins() -> None:
    offered = (way("1", "Released", "done"), way("2", "Closed", "done"), way("3", "done", "done"))
    assert choose(*offered) == {"transition": {"id": "3"}}
    assert choose(*offered, close_statuses=("Released",)) == {"transition": {"id": "1"}}
    assert choose(*offered, close_statuses=("Elsewhere",)) == {"transition": {"id": "1"}}


def test_nothing_is_closed_as_not_done() -> None:
    offered = (way("1", "Won't Do", "done"), way("2", "Duplicate", "done"))
    with pytest.raises(TicketRefused, match=r"FL-1 cannot be closed.*'Way 1' to \"Won't Do\""):
        choose(*offered)
    assert choose(*offered, way("3", "Complete", "done")) == {"transition": {"id": "3"}}


def test_a_screen_that_asks_for_a_resolution_gets_one() -> None:
    assert choose(way("1", "Done", "done", fields=resolution("Won't Do", "Anders", "Fixed"))) == {
        "transition": {"id": "1"},
        "fields": {"resolution": {"name": "Fixed"}},
    }
    only = choose(way("1", "Done", "done", fields=resolution("Duplicate", "Anders", required=False)))
    assert only["fields"] == {"resolution": {"name": "Anders"}}


def test_what_only_a_person_can_fill_in_is_left_to_a_person() -> None:
    asks = {"customfield_1": {"required": True, "name": "Root cause"}}
    defaulted = {"customfield_1": {"required": True, "name": "Root cause", "hasDefaultValue": True}}
    with pytest.raises(TicketRefused, match="'Way 1' asks for Root cause"):
        choose(way("1", "Done", "done", fields=asks))
    assert choose(way("1", "Done", "done", fields=asks), way("2", "Shut", "done"))["transition"] == {"id": "2"}
    assert choose(way("1", "Done", "done", fields=defaulted)) == {"transition": {"id": "1"}}
    with pytest.raises(TicketRefused, match="asks for Resolution"):
        choose(way("1", "Done", "done", fields=resolution("Duplicate")))


def test_what_is_not_available_is_not_taken() -> None:
    with pytest.raises(TicketRefused, match="cannot be reopened"):
        choose(way("1", "To Do", "new", isAvailable=False), closes=False)
    with pytest.raises(TicketRefused, match="Transitions: none"):
        choose(closes=False)
