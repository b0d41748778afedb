"""How the emulated Jira is set up: its workflow, fields, priorities, people. The same for every project.

Belongs here: constants and the nouns for them. Does not belong here: anything that changes (`state.py`).
"""

from dataclasses import dataclass
from typing import Literal

BOT, PERSON = "5b10a2844c20165700ede21g", "5b10ac8d82e05b22cc7d4ef5"
USER_NAMES = {BOT: "feedback-loop bot", PERSON: "A colleague"}
USER_LOGINS = {BOT: "bot", PERSON: "colleague"}

Category = Literal["new", "indeterminate", "done"]
CATEGORIES: dict[Category, tuple[int, str, str]] = {
    "new": (2, "To Do", "blue-gray"),
    "indeterminate": (4, "In Progress", "yellow"),
    "done": (3, "Done", "green"),
}


@dataclass(frozen=True)
class Status:
    """A step of the workflow."""

    id: str
    name: str
    category: Category


@dataclass(frozen=True)
class Transition:
    """A way from some statuses to another; its name is not the status's."""

    id: str
    name: str
    sources: tuple[str, ...]
    to: str


STATUSES = {
    status.name: status
    for status in (
        Status("10000", "To Do", "new"),
        Status("3", "In Progress", "indeterminate"),
        Status("10001", "In Review", "indeterminate"),
        Status("10002", "Done", "done"),
        Status("10003", "Released", "done"),
    )
}
TRANSITIONS = (
    Transition("11", "Start progress", ("To Do",), "In Progress"),
    Transition("21", "Ask for review", ("In Progress",), "In Review"),
    Transition("31", "Mark as done", ("To Do", "In Progress", "In Review"), "Done"),
    Transition("41", "Reopen issue", ("Done", "Released"), "To Do"),
    Transition("51", "Ship it", ("Done",), "Released"),
    Transition("61", "Send back", ("In Review",), "In Progress"),
    Transition("71", "Stop progress", ("In Progress", "In Review"), "To Do"),
)
RESOLUTIONS = {
    "Done": "10000",
    "Won't Do": "10001",
    "Duplicate": "10002",
    "Cannot Reproduce": "10003",
    "Cancelled": "10004",
}
PRIORITIES = {"Highest": "1", "High": "2", "Medium": "3", "Low": "4", "Lowest": "5"}
ISSUE_TYPES = {"Bug": "10001", "Task": "10002", "Story": "10003"}
LINK_TYPES = {
    "Blocks": ("10000", "is blocked by", "blocks"),
    "Duplicate": ("10002", "is duplicated by", "duplicates"),
    "Relates": ("10003", "relates to", "relates to"),
}
COMPONENTS = {"Chat": "10010", "Search": "10011"}

DEPLOYED_AT, STORY_POINTS = "customfield_10042", "customfield_10016"


@dataclass(frozen=True)
class Field:
    """A field: its type in schemas, the name in the history, and whether create and edit may set it."""

    id: str
    name: str
    type: str
    items: str | None = None
    is_settable: bool = False
    clauses: tuple[str, ...] = ()

    @property
    def is_custom(self) -> bool:
        """Made by an administrator."""
        return self.id.startswith("customfield_")


_FIELDS = (
    Field("project", "Project", "project", is_settable=True, clauses=("project",)),
    Field("issuetype", "Issue Type", "issuetype", is_settable=True, clauses=("issuetype", "type")),
    Field("summary", "Summary", "string", is_settable=True, clauses=("summary",)),
    Field("description", "Description", "string", is_settable=True, clauses=("description",)),
    Field("environment", "Environment", "string", is_settable=True, clauses=("environment",)),
    Field("labels", "Labels", "array", "string", is_settable=True, clauses=("labels",)),
    Field("priority", "Priority", "priority", is_settable=True, clauses=("priority",)),
    Field("components", "Components", "array", "component", is_settable=True, clauses=("component",)),
    Field("fixVersions", "Fix versions", "array", "version", is_settable=True, clauses=("fixVersion",)),
    Field("versions", "Affects versions", "array", "version", is_settable=True, clauses=("affectedVersion",)),
    Field("assignee", "Assignee", "user", is_settable=True, clauses=("assignee",)),
    Field("reporter", "Reporter", "user", is_settable=True, clauses=("reporter",)),
    Field("duedate", "Due date", "date", is_settable=True, clauses=("due", "duedate")),
    Field(STORY_POINTS, "Story Points", "number", is_settable=True, clauses=("Story Points", "cf[10016]")),
    Field(DEPLOYED_AT, "Deployed at", "datetime", is_settable=True, clauses=("Deployed at", "cf[10042]")),
    Field("status", "Status", "status", clauses=("status",)),
    Field("resolution", "Resolution", "resolution", clauses=("resolution",)),
    Field("resolutiondate", "Resolved", "datetime", clauses=("resolved", "resolutiondate")),
    Field("created", "Created", "datetime", clauses=("created", "createdDate")),
    Field("updated", "Updated", "datetime", clauses=("updated", "updatedDate")),
    Field("statuscategorychangedate", "Status Category Changed", "datetime", clauses=("statusCategoryChangedDate",)),
    Field("creator", "Creator", "user", clauses=("creator",)),
    Field("attachment", "Attachment", "array", "attachment"),
    Field("comment", "Comment", "comments-page", clauses=("comment",)),
    Field("issuelinks", "Linked Issues", "array", "issuelinks"),
    Field("watches", "Watchers", "watches"),
)
FIELDS = {each.id: each for each in _FIELDS}
SETTABLE = frozenset(each.id for each in _FIELDS if each.is_settable)
ALWAYS_ON_SCREEN = frozenset({"project", "issuetype", "summary"})
