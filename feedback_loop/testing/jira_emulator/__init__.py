"""Jira on loopback, Cloud or Data Center: it files, finds, moves, refuses and fails as the real one does.

    request -> app.py (who asks? recorded) -> faults.py (fails?)
            -> issue_routes.py, hanging_routes.py, project_routes.py
            -> checks.py, adf.py (refused?) -> changes.py (done, written down) -> shapes.py (said)
            -> faults.py (fails after?) -> wire.py
    search  -> search_routes.py -> jql.py over the index of state.py, which lags behind
    people  -> people.py, by the same changes as the bot
    page    -> page.py, adf_html.py, wiki.py: the issue as a person reads it

Belongs here: a service faithful enough to build and test a client against without a Jira, and to run the demo. Does not
belong here: the client (`feedback_loop.clients`), what a ticket says.
"""

from feedback_loop.testing.jira_emulator.faults import FAULT_NAMES, FAULTS, ROUTES, Fault, FaultName, Route
from feedback_loop.testing.jira_emulator.records import (
    Attachment,
    Change,
    Comment,
    Issue,
    Link,
    RecordedRequest,
    RemoteLink,
)
from feedback_loop.testing.jira_emulator.server import JiraEmulator

__all__ = [
    "FAULTS",
    "FAULT_NAMES",
    "ROUTES",
    "Attachment",
    "Change",
    "Comment",
    "Fault",
    "FaultName",
    "Issue",
    "JiraEmulator",
    "Link",
    "RecordedRequest",
    "RemoteLink",
    "Route",
]
