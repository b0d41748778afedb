"""The issue as a person reads it: one HTML page with its images inside, no scripts, nothing loaded from anywhere.

Belongs here: `/browse/KEY`, the list at `/`, and what of an issue is active. Does not belong here: how the two formats
are rendered (`wiki.py`, `adf_html.py`), how it looks (`style.py`).
"""

from base64 import b64encode
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from feedback_loop.testing.jira_emulator.adf_html import adf_html
from feedback_loop.testing.jira_emulator.catalogue import DEPLOYED_AT, LINK_TYPES, STATUSES, STORY_POINTS, USER_NAMES
from feedback_loop.testing.jira_emulator.markup import Canvas, element, figure, text
from feedback_loop.testing.jira_emulator.records import Change, Issue
from feedback_loop.testing.jira_emulator.state import State
from feedback_loop.testing.jira_emulator.style import CSS
from feedback_loop.testing.jira_emulator.wiki import wiki_html
from feedback_loop.testing.jira_emulator.wire import Reply

_STYLE_HASH = b64encode(sha256(CSS.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'"
_HEADERS = {
    "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def routes(state: State) -> list[Route]:
    """`/` and `/browse/KEY`, without a token; hidden issues too: a person looks."""

    def page(draw: Callable[[Request], str | None]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Reply:
            with state.lock:
                try:
                    html = draw(request)
                except Exception as error:
                    state.crashes.append(error)  # raised again when the emulator is closed
                    raise
            body = html or _document("Not found", element("h1", "There is no such issue."))
            return Reply(200 if html else 404, body.encode(), "text/html;charset=UTF-8", _HEADERS)

        return endpoint

    def one(request: Request) -> str | None:
        issue = state.find(request.path_params["key"])
        return issue_page(state, issue) if issue else None

    return [
        Route("/", page(lambda _: list_page(state)), methods=["GET"]),
        Route("/browse/{key}", page(one), methods=["GET"]),
    ]


def active_content(issue: Issue, allowed_hosts: Collection[str]) -> list[str]:
    """Mentions, remote images, and links but to these hosts, in the description and then the comments."""
    canvas = Canvas(issue.attachments)
    for body in (issue.fields.get("description"), *(comment.body for comment in issue.comments)):
        _body(canvas, body)
    return [f"{each.kind}: {each.target}" for each in canvas.active if not each.leads_to(allowed_hosts)]


def issue_page(state: State, issue: Issue) -> str:
    """The whole page of one issue."""
    canvas = Canvas(issue.attachments, state.trusted_hosts)
    heading = element("p", f"{text(issue.project)} project / {text(issue.key)}", kind="path")
    main = [
        heading,
        element("h1", text(issue.fields["summary"])),
        _section("Description", element("div", _body(canvas, issue.fields["description"]), kind="body")),
        _section("Attachments", "".join(figure(each) for each in issue.attachments)),
        _section("Linked issues", _links(state, issue)),
        _section("Links elsewhere", _remote_links(canvas, issue)),
        _section("Comments", "".join(_comments(canvas, issue))),
        _section("History", _history(issue.changelog)),
    ]
    columns = element("main", "".join(main)) + element("aside", _details(issue))
    return _document(f"[{issue.key}] {issue.fields['summary']}", element("div", columns, kind="columns"))


def list_page(state: State) -> str:
    """Every issue, the latest first."""
    titles = ("Key", "Summary", "Status", "Resolution", "Priority", "Labels", "Updated")
    rows = [element("tr", "".join(element("th", title) for title in titles))]
    for issue in reversed(state.issues.values()):
        fields = issue.fields
        cells = (
            element("a", text(issue.key), href=f"/browse/{issue.key}"),
            text(fields["summary"]),
            _lozenge(fields["status"]),
            text(fields["resolution"] or "Unresolved"),
            text(fields["priority"]),
            _labels(fields["labels"]),
            text(_when(fields["updated"])),
        )
        rows.append(element("tr", "".join(element("td", cell) for cell in cells)))
    return _document("Issues", element("main", element("h1", "Issues") + element("table", "".join(rows))))


def _document(title: str, body: str) -> str:
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{CSS}</style>"
    )
    bar = element("header", element("strong", "Jira") + " emulated for feedback-loop")
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{bar}{body}</body></html>'


def _body(canvas: Canvas, body: Any) -> str:
    if not body:
        return element("p", "None", kind="faint")
    return adf_html(canvas, body) if isinstance(body, dict) else wiki_html(canvas, body)


def _section(title: str, inner: str) -> str:
    return element("section", element("h2", title) + inner) if inner else ""


def _when(moment: datetime | str | None) -> str:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return f"{moment:%d %b %Y, %H:%M} UTC" if moment else "None"


def _lozenge(status: str) -> str:
    return element("span", text(status), kind=f"lozenge {STATUSES[status].category}")


def _labels(labels: Iterable[str]) -> str:
    return " ".join(element("span", text(label), kind="label") for label in labels) or "None"


def _details(issue: Issue) -> str:
    fields = issue.fields
    points = fields.get(STORY_POINTS)
    rows = [
        ("Status", _lozenge(fields["status"])),
        ("Resolution", text(fields["resolution"] or "Unresolved")),
        ("Type", text(fields["issuetype"])),
        ("Priority", text(fields["priority"])),
        ("Labels", _labels(fields["labels"])),
        ("Components", text(", ".join(fields["components"]) or "None")),
        ("Fix versions", text(", ".join(fields["fixVersions"]) or "None")),
        ("Assignee", text(USER_NAMES.get(fields["assignee"], "Unassigned"))),
        ("Reporter", text(USER_NAMES.get(fields["reporter"], "None"))),
        ("Created", text(_when(fields["created"]))),
        ("Updated", text(_when(fields["updated"]))),
        ("Resolved", text(_when(fields["resolutiondate"]))),
        ("Deployed at", text(_when(fields.get(DEPLOYED_AT)))),
        ("Story points", text("None" if points is None else points)),
    ]
    return element("dl", "".join(element("dt", name) + element("dd", value) for name, value in rows))


def _links(state: State, issue: Issue) -> str:
    lines = []
    for link in issue.links:
        is_source = link.source == issue.id
        other = state.find(link.target if is_source else link.source)
        if other is None:
            continue
        said = element("span", LINK_TYPES[link.type][2 if is_source else 1], kind="faint")
        key = element("a", text(other.key), href=f"/browse/{other.key}")
        summary = text(other.fields["summary"])
        lines.append(element("li", f"{said} {key} {summary} {_lozenge(other.fields['status'])}"))
    return element("ul", "".join(lines)) if lines else ""


def _remote_links(canvas: Canvas, issue: Issue) -> str:
    lines = [canvas.link(str(link.target["url"]), text(link.target["title"])) for link in issue.remote_links]
    return element("ul", "".join(element("li", line) for line in lines)) if lines else ""


def _comments(canvas: Canvas, issue: Issue) -> Iterable[str]:
    for comment in issue.comments:
        head = f"{element('strong', text(USER_NAMES[comment.author]))} {text(_when(comment.created))}"
        body = element("div", _body(canvas, comment.body), kind="body")
        yield element("article", element("p", head, kind="byline") + body)


def _history(changes: list[Change]) -> str:
    lines = []
    for change in changes:
        byline = f"{text(USER_NAMES[change.author])}, {text(_when(change.created))}"
        for item in change.items:
            said = f"{text(item['fromString'] or 'None')} → {text(item['toString'] or 'None')}"
            lines.append(f"{element('strong', text(item['field']))}: {said} {element('span', byline, kind='faint')}")
    return element("ul", "".join(element("li", line) for line in lines)) if lines else ""
