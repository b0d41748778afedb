"""Jira as the tracker: Cloud (API v3, documents) and Data Center (API v2, wiki markup).

Belongs here: the verbs of `tracker.Tracker`, each a few requests of which every one may be lost and repeated. Does not
belong here: the ledger that makes a ticket once (`store/tickets.py`), single requests (`jira_wire.py`).

Jira has no idempotency keys. So an issue carries a label from its first moment on by which it is found again, a comment
ends with a reference that is looked for before it is posted, and everything else is looked at before it is done.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

from feedback_loop.clients import jira_check, jira_fields
from feedback_loop.clients.jira_errors import FieldsRefused
from feedback_loop.clients.jira_fields import PROPERTY, STATE_FIELDS
from feedback_loop.clients.jira_policy import JiraPolicy, plain_name
from feedback_loop.clients.jira_wire import JiraWire, there
from feedback_loop.clients.jira_workflow import choose_transition
from feedback_loop.documents import Block, Document, Paragraph, Text
from feedback_loop.errors import NotFoundError, TicketRefused, TrackerRefused, TrackerUnavailable
from feedback_loop.rendering import MAX_CHARS, adf, fit, wiki
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import Attachment, Finding, Ticket, TicketEvent, TicketRef, TrackerState

_log = logging.getLogger(__name__)
_MAX_SEARCH_PAGES = 50
_LAST_CHARS = 500  # kept for what may not be cut, in any markup


class JiraTracker:
    """Tickets as issues of one Jira. Signs in at once.

    Args:
        policy: which Jira, and what its words mean.
        token: API token (Cloud, with `email`) or personal access token (Data Center); sent to `policy.server` only.
        email: of the account; None: the token is a personal access token.
        targets: route -> where its tickets go; one without a target goes to the policy's project.
        asset_url: page in Dagster that tickets link to; None: they have no link.
        now, sleep, jitter: the clock and chance, 0 <= jitter() < 1.

    Raises:
        ConfigurationError: no server, project or token.
        TrackerRefused: wrong credentials, or what answers leads elsewhere.
        TrackerUnavailable: no Jira answers.
    """

    name = "jira"

    def __init__(
        self,
        policy: JiraPolicy,
        token: str,
        email: str | None = None,
        *,
        targets: Mapping[str, RouteTarget] | None = None,
        asset_url: str | None = None,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.policy, self.targets, self.asset_url = policy, dict(targets or {}), asset_url
        self.settles_after = timedelta(minutes=policy.quiet_minutes)
        self._wire = JiraWire(policy, token, email, now=now, sleep=sleep, jitter=jitter)
        self._categories: dict[str, str] = {}
        self._link_type: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def check(self) -> list[Finding]:
        """What would keep tickets from being made, or made whole; raises only where Jira does not answer."""
        with _reading("its setup"):
            return jira_check.find_problems(self._wire, self.policy, self.targets.values())

    def find(self, ticket: Ticket) -> list[TicketRef]:
        """Every issue with the pattern's label, in whichever project, oldest first; search lags behind on Cloud."""
        label = jira_fields.label_of(ticket)
        jql = f'labels = "{label}" ORDER BY created ASC'
        with there("its search"), _reading(f"issues with the label {label}"):
            return jira_fields.read_hits(self._search(jql, ticket.issue_id), label)

    def create(self, ticket: Ticket) -> TicketRef:
        """Make the issue: one attempt, and a second where Jira refuses a field that it can do without.

        Raises:
            OutcomeUnknown: it may have been made.
            TrackerRefused, TicketRefused, TrackerUnavailable: it was not.
        """
        target = self.targets.get(ticket.route, RouteTarget())
        fields = jira_fields.new_issue(ticket, self._render(ticket.body), self.policy, target)
        try:
            made = self._create(fields)
        except FieldsRefused as refused:
            fewer = jira_fields.without_refused(fields, refused.fields)
            if fewer is None:
                raise
            _log.warning("ticket of pattern %s goes without what Jira does not take: %s", ticket.pattern_id, refused)
            made = self._create(fewer)
        return jira_fields.read_ref(made)

    def complete(self, ref: TicketRef, ticket: Ticket, attachments: Sequence[Attachment]) -> None:
        """Note on the issue which pattern it is, link it to the pattern's page, attach the pictures."""
        fingerprint = jira_fields.fingerprint(ticket.application, ticket.pattern_id)
        note = {
            "application": ticket.application,
            "pattern_id": ticket.pattern_id,
            "fingerprint": fingerprint,
            "ticket_number": ticket.ticket_number,
        }
        with self._writing(ref):
            self._wire.put(f"{_path(ref)}/properties/{PROPERTY}", note)
            if self.asset_url:
                page = f"{self.asset_url}?partition={ticket.created_week}"
                link = {"url": page, "title": f"The pattern and its numbers, week of {ticket.created_week}"}
                body = {"globalId": f"feedback-loop:pattern:{fingerprint}", "object": link}
                self._wire.post(f"{_path(ref)}/remotelink", body, "id", is_repeatable=True)  # replaced by its globalId
            self._attach(ref, attachments)

    def apply(self, ref: TicketRef, event: TicketEvent, attachments: Sequence[Attachment] = ()) -> None:
        """Attach, comment, then reopen or close; what is there already, or what people did since, stays.

        Raises:
            OutcomeUnknown: something may have been done; calling again finds out.
            TicketRefused: the issue is gone, or its workflow has no such way.
        """
        reference = jira_fields.reference_of(event)
        with self._writing(ref):
            self._attach(ref, attachments)
            said_at = self._said_at(ref, reference)
            if said_at is None:
                body = self._render(event.body, Paragraph((Text(reference, "em"),)))
                self._wire.post(f"{_path(ref)}/comment", {"body": body}, "id")
            if event.kind != "comment":
                self._move(ref, said_at, closes=event.kind == "close")

    def link_duplicate(self, extra: TicketRef, kept: TicketRef, event: TicketEvent) -> None:
        """Say on an issue that we made twice which one counts, and link the two; people's copies are left alone.

        Raises:
            TicketRefused: it is gone, or this Jira has no such link.
        """
        with self._writing(extra), _reading(extra.ticket_key):
            fields = self._wire.get(_path(extra), "fields", {"fields": "creator,issuelinks"})["fields"]
            if jira_fields.account_id(fields.get("creator")) != self._wire.account:
                _log.warning("%s has the label of %s but is not ours: left alone", extra.ticket_key, kept.ticket_key)
                return
            self.apply(extra, event)
            if not jira_fields.duplicates(fields, kept.issue_id, self.policy.link_type):
                link = {
                    "type": {"name": self._duplicate_type()},
                    "inwardIssue": {"id": extra.issue_id},  # Jira's word for the one that duplicates
                    "outwardIssue": {"id": kept.issue_id},
                }
                self._wire.post("issueLink", link, None)

    def fetch(self, ref: TicketRef) -> TrackerState | None:
        """What the issue says now; None only where Jira, asked as us, does not know it.

        Raises:
            TrackerUnavailable, TrackerRefused: it cannot be said.
            InputError: the field for the deployment holds no time.
        """
        fields = ",".join(filter(None, (STATE_FIELDS, self.policy.deployed_field)))
        try:
            issue = self._wire.get(_path(ref), "fields", self._with_changelog(fields))
        except NotFoundError:
            self._wire.check_account()  # to wrong credentials every issue is unknown
            return None
        with there(f"the history of {ref.ticket_key}"), _reading(ref.ticket_key):
            histories = self._changelog(ref, issue)
            categories = self._status_categories()
            return jira_fields.read_state(issue, histories, categories, self.policy, self._wire.account)

    def locate(self, ticket_key: str) -> TicketRef | None:
        """The issue that has or had this key."""
        if not jira_fields.is_key(ticket_key):
            return None
        try:
            return jira_fields.read_ref(self._wire.get(f"issue/{ticket_key}", ("id", "key"), {"fields": "status"}))
        except NotFoundError:
            self._wire.check_account()
            return None

    def page(self, ref: TicketRef) -> str:
        """Address of the issue in a browser."""
        return f"{self._wire.base_url}/browse/{ref.ticket_key}"

    @contextmanager
    def _writing(self, ref: TicketRef) -> Iterator[None]:
        """A write to an issue that is not there is refused."""
        try:
            yield
        except NotFoundError as error:
            self._wire.check_account()
            raise TicketRefused(f"{ref.ticket_key} is gone, or hidden from us: {error}") from error

    def _render(self, document: Document, *last: Block) -> Any:
        """The document as this Jira takes it: cut where it is too long, but for its last blocks."""
        whole = (*fit(document, MAX_CHARS - _LAST_CHARS), *last)
        return adf.render(whole) if self._wire.is_cloud else wiki.render(whole)

    def _create(self, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._wire.post("issue", {"fields": fields}, ("id", "key"))
        except NotFoundError as error:
            raise TrackerRefused(f"no issue can be made in project {fields['project']['key']}: {error}") from error

    def _search(self, jql: str, known_id: str | None) -> list[dict[str, Any]]:
        params: dict[str, str | int] = {"jql": jql, "fields": "labels,created"}
        if not self._wire.is_cloud:
            return self._wire.get_pages("search", "issues", params)
        if known_id and known_id.isdecimal():
            params["reconcileIssues"] = known_id
        issues: list[dict[str, Any]] = []
        seen: set[str] = set()
        for _ in range(_MAX_SEARCH_PAGES):
            page = self._wire.get("search/jql", "issues", params | {"maxResults": 100})
            issues += page["issues"]
            token = page.get("nextPageToken")
            if not token:
                return issues
            if token in seen:
                raise TrackerUnavailable(f"Jira sends a page of its search twice ({jql}): its results have no end")
            seen.add(token)
            params["nextPageToken"] = token
        raise TrackerUnavailable(f"Jira's search does not end after {_MAX_SEARCH_PAGES} pages ({jql})")

    def _attach(self, ref: TicketRef, attachments: Sequence[Attachment]) -> None:
        if not attachments:
            return
        with _reading(ref.ticket_key):
            fields = self._wire.get(_path(ref), "fields", {"fields": "attachment"})["fields"]
            files = fields.get("attachment") or []
            there = {a["filename"] for a in files if jira_fields.account_id(a.get("author")) == self._wire.account}
        for picture in attachments:
            if picture.name not in there:
                self._wire.attach(f"{_path(ref)}/attachments", picture.name, picture.png)

    def _said_at(self, ref: TicketRef, reference: str) -> datetime | None:
        """When the comment with this reference was posted."""
        mark = reference.rpartition(" ")[2]  # markup may change the words, not this
        with _reading(f"comments of {ref.ticket_key}"):
            for comment in self._wire.get_pages(f"{_path(ref)}/comment", "comments"):
                if mark in str(comment["body"]):
                    return jira_fields.read_time(comment["created"])
        return None

    def _move(self, ref: TicketRef, said_at: datetime | None, *, closes: bool) -> None:
        """Reopen or close, unless it is so, a person decided otherwise, or it was done and undone since `said_at`."""
        with _reading(ref.ticket_key):
            issue = self._wire.get(_path(ref), "fields", self._with_changelog("status,resolution"))
            fields, histories = issue["fields"], self._changelog(ref, issue)
            moves = jira_fields.read_moves(histories, self._status_categories())
            status, resolution = fields["status"], (fields.get("resolution") or {}).get("name")
            if (status["statusCategory"]["key"] == "done") == closes:
                return
            if said_at and any(m.change.at >= said_at and m.is_done == closes != m.was_done for m in moves):
                _log.info("%s was %s and people undid it", ref.ticket_key, "closed" if closes else "reopened")
                return
            if not closes and self.policy.meaning(resolution, status["name"]) != "done":
                _log.info("%s is %s: people's decision stays", ref.ticket_key, resolution or status["name"])
                return
            offered = self._wire.get(f"{_path(ref)}/transitions", "transitions", {"expand": "transitions.fields"})
            body = choose_transition(offered["transitions"], self.policy, closes=closes, where=ref.ticket_key)
        self._wire.post(f"{_path(ref)}/transitions", body, None)

    def _with_changelog(self, fields: str) -> dict[str, str]:
        """Data Center tells the changelog with the issue, whole; Cloud tells it apart, and cuts the other."""
        return {"fields": fields} | ({} if self._wire.is_cloud else {"expand": "changelog"})

    def _changelog(self, ref: TicketRef, issue: dict[str, Any]) -> list[dict[str, Any]]:
        if self._wire.is_cloud:
            return self._wire.get_pages(f"{_path(ref)}/changelog", "values")
        return list(issue["changelog"]["histories"])

    def _status_categories(self) -> dict[str, str]:
        """Status id -> `new`, `indeterminate` or `done`; asked once."""
        if not self._categories:
            with there("its statuses"), _reading("its statuses"):
                known = self._wire.get_list("status")
                self._categories = {str(s["id"]): str(s["statusCategory"]["key"]) for s in known}
        return self._categories

    def _duplicate_type(self) -> str:
        """The link type as this Jira writes it; asked once."""
        if self._link_type is None:
            with there("its link types"):
                known = jira_check.link_types(self._wire)
            wanted = plain_name(self.policy.link_type)
            self._link_type = next((name for name in known if plain_name(name) == wanted), None)
            if self._link_type is None:
                raise TicketRefused(f"Jira has no link type {self.policy.link_type!r}; it has {', '.join(known)}")
        return self._link_type


def _path(ref: TicketRef) -> str:
    return f"issue/{quote(ref.issue_id, safe='')}"


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """An answer that is JSON but not what Jira says is no answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TrackerUnavailable(
            f"what Jira says of {what} cannot be read ({type(error).__name__}: {error}); what answers may be no Jira"
        ) from error
