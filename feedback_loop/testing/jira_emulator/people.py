"""What people do in Jira while nobody tells the bot.

Belongs here: their verbs, in Python and (through `control.py`) over HTTP. Does not belong here: how an issue changes
(`changes.py`), the server (`server.py`).
"""

from typing import Any

from feedback_loop.testing.jira_emulator import changes
from feedback_loop.testing.jira_emulator.catalogue import FIELDS, LINK_TYPES, PERSON, PRIORITIES, RESOLUTIONS, STATUSES
from feedback_loop.testing.jira_emulator.records import Issue
from feedback_loop.testing.jira_emulator.state import State, Version


class People:
    """Verbs of people; the first argument of most is the key or the id of an issue."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _issue(self, key: str) -> Issue:
        found = self._state.find(key)
        if found is None:
            raise ValueError(f"there is no issue {key!r}")
        return found

    def people_create(self, summary: str, project: str | None = None, **fields: Any) -> Issue:
        """File an issue; `fields` as `Issue.fields` has them, as `labels=["a"]`, `priority="High"`."""
        with self._state.lock:
            wanted = project or self._state.projects[0]
            if wanted not in self._state.projects:
                raise ValueError(f"there is no project {wanted!r}; there are {self._state.projects}")
            values = {"issuetype": "Bug", "summary": summary, **fields}
            _check(values)
            return changes.create(self._state, PERSON, wanted, values)

    def people_transition(self, key: str, status: str, resolution: str | None = None) -> None:
        """Drag it to a status, by its name, from wherever it is; entering Done sets the resolution (default Done)."""
        if status not in STATUSES or (resolution is not None and resolution not in RESOLUTIONS):
            raise ValueError(f"there are statuses {list(STATUSES)} and resolutions {list(RESOLUTIONS)}")
        with self._state.lock:
            issue = self._issue(key)
            is_done = STATUSES[issue.fields["status"]].category == "done"
            changes.transition(self._state, issue, PERSON, status, resolution)
            if resolution is not None and is_done and issue.fields["resolution"] is not None:
                changes.edit(self._state, issue, PERSON, {"resolution": resolution})

    def people_set(self, key: str, **fields: Any) -> None:
        """Edit fields: plain values as `Issue.fields` has them; a custom field by its id."""
        _check(fields)
        with self._state.lock:
            changes.edit(self._state, self._issue(key), PERSON, fields)

    def people_comment(self, key: str, text: str | dict[str, Any]) -> str:
        """Comment, in wiki markup or ADF; the id of the comment."""
        with self._state.lock:
            return changes.comment(self._state, self._issue(key), PERSON, text).id

    def people_attach(self, key: str, filename: str, content: bytes, mime_type: str = "image/png") -> str:
        """Attach a file; its id."""
        with self._state.lock:
            return changes.attach(self._state, self._issue(key), PERSON, filename, content, mime_type).id

    def people_link(self, key: str, kind: str, other: str) -> None:
        """Say that the first does to the other what the outward name says: `("FL-2", "Duplicate", "FL-1")`."""
        if kind not in LINK_TYPES:
            raise ValueError(f"there is no link type {kind!r}; there are {list(LINK_TYPES)}")
        with self._state.lock:
            changes.link(self._state, PERSON, kind, self._issue(key), self._issue(other))

    def people_move(self, key: str, project: str) -> str:
        """Move it to another project; its new key."""
        if project not in self._state.projects:
            raise ValueError(f"there is no project {project!r}; there are {self._state.projects}")
        with self._state.lock:
            issue = self._issue(key)
            changes.move(self._state, issue, PERSON, project)
            return issue.key

    def people_delete(self, key: str) -> None:
        """Delete it for good."""
        with self._state.lock:
            changes.delete(self._state, self._issue(key))

    def people_hide(self, key: str) -> None:
        """Put it where the bot may not look: 404, and no search finds it."""
        with self._state.lock:
            self._issue(key).is_hidden = True

    def people_unhide(self, key: str) -> None:
        """Let the bot see it again."""
        with self._state.lock:
            self._issue(key).is_hidden = False

    def release_version(
        self, name: str, release_date: str | None = None, released: bool = True, project: str | None = None
    ) -> None:
        """Make or change a version, so that `people_set(key, fixVersions=[name])` may name it.

        Args:
            name: as `4.2`.
            release_date: `YYYY-MM-DD`.
            released: else it is planned for that day.
            project: default the first.
        """
        with self._state.lock:
            wanted = project or self._state.projects[0]
            found = self._state.version(wanted, name)
            if found is None:
                found = Version(self._state.new_id("version"), name, wanted, release_date, released)
                self._state.versions.append(found)
            found.release_date, found.is_released = release_date, released


def _check(fields: dict[str, Any]) -> None:
    unknown = sorted(
        fields.keys() - {name for name, field in FIELDS.items() if field.is_settable and name != "project"}
    )
    if unknown:
        raise ValueError(f"people cannot set {unknown}")
    if fields.get("priority", "High") not in PRIORITIES:
        raise ValueError(f"there is no priority {fields['priority']!r}; there are {list(PRIORITIES)}")
