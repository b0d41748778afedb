"""One call of the API as its handlers see it.

Belongs here: reading paths, queries and bodies, with the refusals that go with that. Does not belong here: routes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from feedback_loop.testing.jira_emulator.catalogue import BOT
from feedback_loop.testing.jira_emulator.records import Issue
from feedback_loop.testing.jira_emulator.refusals import not_found, refuse
from feedback_loop.testing.jira_emulator.shapes import Shapes
from feedback_loop.testing.jira_emulator.state import State
from feedback_loop.testing.jira_emulator.wire import Reply


@dataclass(frozen=True)
class Call:
    """A request that may be answered.

    Attributes:
        json: the parsed body; None where there was none.
        raw: the body as it came.
    """

    state: State
    request: Request
    json: Any
    raw: bytes
    shapes: Shapes

    @property
    def author(self) -> str:
        """Account of who asks."""
        return BOT

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the body.

        Raises:
            RefusedError: it is anything else.
        """
        if not isinstance(self.json, dict):
            raise refuse(400, "There was an error parsing JSON. Check that your request body is valid.")
        return self.json

    def part(self, name: str) -> dict[str, Any]:
        """An object in the body; empty where there is none.

        Raises:
            RefusedError: it is no object.
        """
        found = self.body.get(name)
        if found is not None and not isinstance(found, dict):
            raise refuse(400, f"'{name}' is no object.")
        return found or {}

    def listed(self, name: str) -> list[Any]:
        """A list in the body; empty where there is none.

        Raises:
            RefusedError: it is no list.
        """
        found = self.body.get(name)
        if found is not None and not isinstance(found, list):
            raise refuse(400, f"'{name}' is no list.")
        return found or []

    @property
    def issue(self) -> Issue:
        """The issue of the path.

        Raises:
            RefusedError: 404; none, or hidden.
        """
        found = self.state.visible(self.path("issue"))
        if found is None:
            raise not_found()
        return found

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def text(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.request.query_params.get(name, default)

    def texts(self, name: str) -> list[str]:
        """Every value of one, also those joined by commas."""
        given = self.request.query_params.getlist(name)
        return [part.strip() for value in given for part in value.split(",") if part.strip()]

    def number(self, name: str, default: int, at_most: int = 10**6) -> int:
        """A whole number from 0 on.

        Raises:
            RefusedError: it is none.
        """
        text = self.text(name)
        if not text:
            return default
        if not text.isdecimal():
            raise refuse(400, f"The value '{text}' of '{name}' is not a number.")
        return min(int(text), at_most)

    def page(self, items: list[Any], default: int, at_most: int = 10**6) -> tuple[list[Any], dict[str, Any]]:
        """The part of a list that `startAt` and `maxResults` ask for, and what the API says about it."""
        start, size = self.number("startAt", 0), self.number("maxResults", default, at_most)
        about = {"startAt": start, "maxResults": size, "total": len(items)}
        return items[start : start + size], about


Handle = Callable[[Call], Reply]
