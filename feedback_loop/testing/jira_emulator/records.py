"""What an emulated Jira holds: issues with all that hangs on them, and requests as they came in.

Belongs here: these nouns. Does not belong here: what changes them (`changes.py`), how the API says them (`shapes.py`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Comment:
    """One comment.

    Attributes:
        body: wiki markup or an ADF document.
    """

    id: str
    author: str
    body: str | dict[str, Any]
    created: datetime
    updated: datetime
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attachment:
    """One file.

    Attributes:
        media_id: what a media node of an ADF document names it by.
    """

    id: str
    filename: str
    content: bytes = field(repr=False)
    mime_type: str
    author: str
    created: datetime
    media_id: str


@dataclass
class RemoteLink:
    """A link to somewhere else.

    Attributes:
        target: its `object`: `url`, `title`, perhaps `summary`, `icon`, `status`.
    """

    id: int
    global_id: str | None
    target: dict[str, Any]
    application: dict[str, Any] = field(default_factory=dict)
    relationship: str | None = None


@dataclass(frozen=True)
class Link:
    """Issue `source` does to issue `target` what the outward name of the type says: it duplicates it.

    Attributes:
        type: `Duplicate`, `Relates` or `Blocks`.
        source: issue id; the API calls it the inward issue.
        target: issue id; the API calls it the outward issue.
    """

    id: str
    type: str
    source: str
    target: str


@dataclass(frozen=True)
class Change:
    """One entry of the history: everything one write changed.

    Attributes:
        items: `{"field", "fieldtype", "fieldId", "from", "fromString", "to", "toString"}`.
    """

    id: str
    author: str
    created: datetime
    items: tuple[dict[str, Any], ...]


@dataclass
class Issue:
    """One issue, as the emulator holds it.

    Attributes:
        id: numeric; never changes.
        key: changes when it is moved.
        old_keys: go on leading here.
        fields: plain values: `status`, `priority`, `resolution`, `issuetype` by name; `labels`, `components` and
            `fixVersions` as lists of names; `summary`; `description` as wiki markup or ADF; `created`, `updated`,
            `resolutiondate`, `statuscategorychangedate` as datetime or None; `assignee`, `reporter` by account id;
            custom fields by their id, as the API was given them.
        links: those it is the source or the target of.
        watchers: account ids.
        is_hidden: nobody but people sees it.
    """

    id: str
    key: str
    project: str
    fields: dict[str, Any]
    old_keys: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    remote_links: list[RemoteLink] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    changelog: list[Change] = field(default_factory=list)
    watchers: list[str] = field(default_factory=list)
    is_hidden: bool = False


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it came in, and what it was given.

    Attributes:
        query: every value of every parameter.
        body: the parsed JSON; the file's name and size for an upload; None where there was none.
        status: of the response; None where none was sent, as after a reset.
        route: its name in `faults.py`; None where there is no such route.
        fault: name of the ordered failure it met.
        at: the virtual time.
        headers: names in lower case. The token is in it: never log it.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    status: int | None
    route: str | None
    fault: str | None
    at: datetime
    headers: dict[str, str] = field(repr=False)

    @property
    def is_refused(self) -> bool:
        """Whether the service itself said no; a GET that finds nothing (404) is an answer, not a refusal."""
        absent = self.status == 404 and self.method == "GET" and self.route is not None
        return self.fault is None and self.status is not None and 400 <= self.status < 500 and not absent
