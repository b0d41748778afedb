"""The issue as a person reads it: `/browse/KEY`. Not written yet: nothing is shown, nothing is found active."""

from collections.abc import Collection

from starlette.routing import Route

from feedback_loop.testing.jira_emulator.records import Issue
from feedback_loop.testing.jira_emulator.state import State


def routes(_: State) -> list[Route]:
    """None yet."""
    return []


def issue_page(_: State, __: Issue, *, is_inlined: bool) -> str:
    """Nothing yet."""
    del is_inlined
    raise NotImplementedError


def active_content(_: Issue, __: Collection[str]) -> list[str]:
    """Nothing yet."""
    raise NotImplementedError
