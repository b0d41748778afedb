"""All that an emulated Jira remembers, its virtual clock, and the index that searches see.

Belongs here: issues, versions, ids, requests, what is to fail, and what of it a search may see yet. Does not belong
here: HTTP (`app.py`), how an issue changes (`changes.py`).

The index lags behind as Jira Cloud's does: a search finds what issues were `index_lag` ago, with what they said then.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import RLock
from typing import Any, Literal

from feedback_loop.testing.jira_emulator.catalogue import ALWAYS_ON_SCREEN, FIELDS, SETTABLE
from feedback_loop.testing.jira_emulator.faults import FaultPlan
from feedback_loop.testing.jira_emulator.records import Issue, RecordedRequest

Personality = Literal["cloud", "dc"]
_FIRST_IDS = {"issue": 10100, "comment": 10200, "attachment": 10300, "change": 10400, "link": 10500, "remote": 10600}


@dataclass
class Version:
    """A release of one project."""

    id: str
    name: str
    project: str
    release_date: str | None
    is_released: bool


@dataclass
class State:
    """One emulated Jira. Every access from outside the server's thread holds `lock`."""

    personality: Personality
    projects: tuple[str, ...]
    email: str
    token: str
    start: datetime
    index_lag: timedelta
    fields_on_screen: frozenset[str] | None
    attachment_limit: int
    trusted_hosts: frozenset[str]
    base_url: str = ""
    lock: RLock = field(default_factory=RLock)
    crashes: list[BaseException] = field(default_factory=list)  # faults of the emulator itself

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Back to the start."""
        self.now = self.start
        self.requests: list[RecordedRequest] = []
        self.faults = FaultPlan()
        self.issues: dict[str, Issue] = {}
        self.versions: list[Version] = []
        self._ids_by_key: dict[str, str] = {}
        self._n_ids: Counter[str] = Counter()
        self._index: dict[str, list[tuple[datetime, Issue | None]]] = {}

    @property
    def is_cloud(self) -> bool:
        """The personality."""
        return self.personality == "cloud"

    def new_id(self, kind: str) -> str:
        """Numeric, and in order of birth."""
        self._n_ids[kind] += 1
        return str(_FIRST_IDS.get(kind, 10000) + self._n_ids[kind])

    def new_key(self, project: str) -> str:
        """The next of a project; keys are never used again."""
        self._n_ids[project] += 1
        return f"{project}-{self._n_ids[project]}"

    def on_screen(self) -> list[str]:
        """Ids of the fields that create and edit may set, in the order of the screen."""
        shown = SETTABLE if self.fields_on_screen is None else self.fields_on_screen | ALWAYS_ON_SCREEN
        return [name for name in FIELDS if name in shown & SETTABLE]

    def find(self, id_or_key: object) -> Issue | None:
        """By id, key or a key it had; hidden ones too."""
        text = str(id_or_key)
        return self.issues.get(text) or self.issues.get(self._ids_by_key.get(text.upper(), ""))

    def visible(self, id_or_key: object) -> Issue | None:
        """What the bot may see."""
        issue = self.find(id_or_key)
        return None if issue is None or issue.is_hidden else issue

    def record(self, issue: Issue) -> None:
        """Take in a new issue, or one that changed: its key leads here, and the index will learn of it."""
        self.issues[issue.id] = issue
        self._ids_by_key[issue.key] = issue.id
        self._note(issue.id, _copy(issue))

    def drop(self, issue: Issue) -> None:
        """Delete; its key leads nowhere."""
        del self.issues[issue.id]
        for key in (issue.key, *issue.old_keys):
            self._ids_by_key.pop(key, None)
        self._note(issue.id, None)

    def _note(self, issue_id: str, snapshot: Issue | None) -> None:
        known = self._index.setdefault(issue_id, [])
        if self.index_lag == timedelta(0):
            known.clear()
        known.append((self.now, snapshot))

    def indexed(self, fresh: frozenset[str] = frozenset()) -> list[Issue]:
        """What a search sees: issues as the index has them, but those with ids in `fresh` as they are now."""
        seen = []
        for issue_id, snapshots in self._index.items():
            due = [found for at, found in snapshots if issue_id in fresh or at + self.index_lag <= self.now]
            hidden = issue_id in self.issues and self.issues[issue_id].is_hidden
            if due and due[-1] is not None and not hidden:
                seen.append(due[-1])
        return seen

    def version(self, project: str, name: str) -> Version | None:
        """A release by its name."""
        return next((found for found in self.versions if (found.project, found.name) == (project, name)), None)


def _copy(issue: Issue) -> Issue:
    fields = {name: list(value) if isinstance(value, list) else value for name, value in issue.fields.items()}
    return replace(issue, fields=fields, properties=dict(issue.properties))


def by_name(items: Mapping[str, Any], name: object) -> str | None:
    """The name as it is written there, whatever its case."""
    return next((known for known in items if known.lower() == str(name).lower()), None)
