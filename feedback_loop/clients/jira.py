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
from feedback_loop.clients.jira_errors import FieldsRefused, NotAllowed
from feedback_loop.clients.jira_fields import DUPLICATE, PROPERTY, STATE_FIELDS
from feedback_loop.clients.jira_policy import JiraPolicy, plain_name
from feedback_loop.clients.jira_wire import JiraWire, everywhere, there
from feedback_loop.clients.jira_workflow import choose_transition, is_moved
from feedback_loop.documents import Block, Document, Paragraph, Text
from feedback_loop.errors import NotFoundError, TicketRefused, TrackerRefused, TrackerUnavailable
from feedback_loop.rendering import MAX_CHARS, adf, fit, wiki
from feedback_loop.route.policy import RouteTarget
from feedback_loop.tracker import Applied, Attachment, Finding, Ticket, TicketEvent, TicketRef, TrackerState

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
        with _reading("its setup"), everywhere():
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
            issue = self._own(ref, (ticket.application, ticket.pattern_id), {"fields": "labels,attachment"})
            self._wire.put(f"{_path(ref)}/properties/{PROPERTY}", note)
            if self.asset_url:
                page = f"{self.asset_url}?partition={ticket.created_week}"
                link = {"url": page, "title": f"The pattern and its numbers, week of {ticket.created_week}"}
                body = {"globalId": f"feedback-loop:pattern:{fingerprint}", "object": link}
                self._wire.post(f"{_path(ref)}/remotelink", body, "id", is_repeatable=True)  # replaced by its globalId
            self._attach(ref, issue, attachments)

    def apply(self, ref: TicketRef, event: TicketEvent, attachments: Sequence[Attachment] = ()) -> Applied:
        """Comment, then reopen or close, then attach; what is there already, or what people did since, stays.

        Raises:
            OutcomeUnknown: something may have been done; calling again finds out.
            TicketRefused: the issue is gone or another pattern's, or Jira does not take the comment.
        """
        closes, fields = event.kind == "close", {"fields": "labels,attachment"}
        if event.kind != "comment":
            fields = self._with_changelog("labels,attachment,status,resolution")
        with self._writing(ref):
            issue = self._own(ref, (event.application, event.pattern_id), fields)
            said_at = self._said_at(ref, jira_fields.reference_of(event))
            is_moved: bool | None = False
            if event.kind != "comment":
                is_moved = self._is_moved(ref, issue, said_at, closes=closes)
            if said_at is None:
                self._say(ref, event)
            problem = self._move(ref, closes=closes) if is_moved is None else None
            unattached = self._try_to_attach(ref, issue, attachments)
        is_moved = problem is None if is_moved is None else is_moved
        return Applied(is_moved, "; ".join(filter(None, (problem, unattached))) or None)

    def link_duplicate(self, extra: TicketRef, kept: TicketRef, event: TicketEvent) -> bool:
        """Say on an issue that we made twice which one counts, and link the two: once, and noted on the issue.

        People's copies are left alone, and so is what they deleted of it since.

        Raises:
            TicketRefused: it is gone, or this Jira has no such link.
        """
        note = {"counts": kept.issue_id}
        with self._writing(extra), _reading(extra.ticket_key):
            asked = {"fields": "creator,issuelinks", "properties": DUPLICATE}
            issue = self._wire.get(_path(extra), "fields", asked)
            if (issue.get("properties") or {}).get(DUPLICATE) == note:
                return False
            if jira_fields.account_id(issue["fields"].get("creator")) != self._wire.account:
                _log.warning("%s has the label of %s but is not ours: left alone", extra.ticket_key, kept.ticket_key)
                return False
            if self._said_at(extra, jira_fields.reference_of(event)) is None:
                self._say(extra, event)
            if not jira_fields.duplicates(issue["fields"], kept.issue_id, self.policy.link_type):
                link = {
                    "type": {"name": self._duplicate_type()},
                    "inwardIssue": {"id": extra.issue_id},  # Jira's word for the one that duplicates
                    "outwardIssue": {"id": kept.issue_id},
                }
                self._wire.post("issueLink", link, None)
            self._wire.put(f"{_path(extra)}/properties/{DUPLICATE}", note)
        return True

    def fetch(self, ref: TicketRef) -> TrackerState | None:
        """What the issue says now; None only where Jira, asked as us, does not know it.

        Raises:
            TrackerUnavailable, TrackerRefused: it cannot be said.
            TicketRefused: it is another pattern's.
            InputError: the field for the deployment holds no time.
        """
        fields = ",".join(filter(None, (STATE_FIELDS, self.policy.deployed_field)))
        try:
            asked = self._with_changelog(fields)
            issue = self._own(ref, ref.pattern, asked) if ref.pattern else self._wire.get(_path(ref), "fields", asked)
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

    def _own(self, ref: TicketRef, pattern: tuple[str, str], params: Mapping[str, str]) -> dict[str, Any]:
        """The issue, where it is of this pattern; nothing is written to another."""
        with _reading(ref.ticket_key):
            issue = self._wire.get(_path(ref), "fields", {**params, "properties": PROPERTY})
            jira_fields.check_pattern(issue, pattern, ref.ticket_key)
        return issue

    def _attach(self, ref: TicketRef, issue: Mapping[str, Any], attachments: Sequence[Attachment]) -> None:
        with _reading(ref.ticket_key):
            files = issue["fields"].get("attachment") or []
            there = {a["filename"] for a in files if jira_fields.account_id(a.get("author")) == self._wire.account}
        for picture in attachments:
            if picture.name not in there:
                self._wire.attach(f"{_path(ref)}/attachments", picture.name, picture.png)

    def _try_to_attach(self, ref: TicketRef, issue: Mapping[str, Any], attachments: Sequence[Attachment]) -> str | None:
        """Attach; returns why Jira refuses, for words count more than the picture with them."""
        try:
            self._attach(ref, issue, attachments)
        except (TicketRefused, NotFoundError) as error:
            return f"a picture was not taken: {error}"
        return None

    def _say(self, ref: TicketRef, event: TicketEvent) -> None:
        body = self._render(event.body, Paragraph((Text(jira_fields.reference_of(event), "em"),)))
        self._wire.post(f"{_path(ref)}/comment", {"body": body}, "id")

    def _said_at(self, ref: TicketRef, reference: str) -> datetime | None:
        """When the comment with this reference was posted."""
        mark = reference.rpartition(" ")[2]  # markup may change the words, not this
        with _reading(f"comments of {ref.ticket_key}"):
            for comment in self._wire.get_pages(f"{_path(ref)}/comment", "comments"):
                if mark in str(comment["body"]):
                    return jira_fields.read_time(comment["created"])
        return None

    def _is_moved(
        self, ref: TicketRef, issue: dict[str, Any], said_at: datetime | None, *, closes: bool
    ) -> bool | None:
        """As `jira_workflow.is_moved`."""
        with _reading(ref.ticket_key):
            moves = jira_fields.read_moves(self._changelog(ref, issue), self._status_categories())
            return is_moved(issue["fields"], moves, said_at, self._wire.account, self.policy, closes=closes)

    def _move(self, ref: TicketRef, *, closes: bool) -> str | None:
        """Reopen or close; returns why the workflow does not let us. Asking it again would hold back all that follows.

        Raises:
            TicketRefused: not now, or not this account.
        """
        with _reading(ref.ticket_key):
            offered = self._wire.get(f"{_path(ref)}/transitions", "transitions", {"expand": "transitions.fields"})
            try:
                body = choose_transition(offered["transitions"], self.policy, closes=closes, where=ref.ticket_key)
            except TicketRefused as error:
                return str(error)
        try:
            self._wire.post(f"{_path(ref)}/transitions", body, None)
        except NotAllowed:
            raise
        except TicketRefused as error:
            return f"{ref.ticket_key} was not {'closed' if closes else 'reopened'}: {error}"
        return None

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
