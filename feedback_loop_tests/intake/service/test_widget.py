"""The feedback widget in a real browser, on a page with a strict Content-Security-Policy, against the real service."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.sync.client import ClientConnection

from feedback_loop_tests.factories import rows
from feedback_loop_tests.intake.service.browser import Page, find_program, open_page, running_browser, wait
from feedback_loop_tests.intake.service.world import Service, running
from feedback_loop_tests.intake.service.world import service as running_service

PROGRAM = find_program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")

REASONS = {"wrong_information", "incomplete", "off_topic", "outdated", "too_long", "wrong_tone"}
SCRIPT = """
window.violations = []; window.events = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
for (const name of ["feedback-sent", "feedback-failed"])
  addEventListener(name, (event) => events.push([name, event.detail.signal, event.detail.error]));
window.widget = (n = 0) => document.querySelectorAll("feedback-widget")[n];
window.find = (selector, n = 0) => widget(n).shadowRoot.querySelector(selector);
window.texts = (n = 0) => [...widget(n).shadowRoot.querySelectorAll(".choices button")].map((b) => b.textContent);
window.focused = () => widget().shadowRoot.activeElement?.ariaLabel || widget().shadowRoot.activeElement?.textContent;
"""


class Site:
    """The application's own pages, and a service that fails as it is told."""

    def __init__(self) -> None:
        self.html = ""
        self.service = ""
        self.failures: list[tuple[int, dict[str, Any]]] = []
        self.received: list[dict[str, Any]] = []
        routes = [
            Route("/", self.page),
            Route("/page.js", lambda _request: Response(SCRIPT, media_type="text/javascript")),
            Route("/v1/feedback", self.fail, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def page(self, _request: Request) -> Response:
        policy = (
            f"default-src 'none'; script-src 'self' {self.service}; style-src 'self';"
            f" connect-src 'self' {self.service}; require-trusted-types-for 'script'"
        )
        return Response(self.html, headers={"Content-Security-Policy": policy}, media_type="text/html")

    async def fail(self, request: Request) -> Response:
        record = await request.json()
        self.received.append(record)
        status, body = self.failures.pop(0) if self.failures else (200, {})
        return JSONResponse(body, status)


@dataclass
class World:
    """A browser, a site and the service of its widget."""

    browser: ClientConnection
    site: Site
    service: Service
    url: str

    def open(self, attributes: str = "", more: str = "", *, fails: bool = False) -> Page:
        """A page with a widget; on a service that fails as `site.failures` say, or the real one."""
        endpoint = self.url if fails else self.site.service
        self.site.html = (
            f'<!doctype html><html lang="en"><title>t</title><script src="/page.js"></script>'
            f'<script src="{self.site.service}/widget.js" defer></script><body>'
            f'<feedback-widget interaction-id="i1" endpoint="{endpoint}" key="{self.service.widget}" {attributes}>'
            f"</feedback-widget>{more}"
        )
        page = open_page(self.browser, self.url)
        page.wait("widget()?.shadowRoot != null")
        return page

    def wait_for(self, n: int) -> list[tuple[str, str | None, str | None]]:
        """The same once there are n records."""
        wait(lambda: len(self.feedback()) >= n, f"{n} records")
        return self.feedback()

    def feedback(self) -> list[tuple[str, str | None, str | None]]:
        """What is stored, in the order in which it was said."""
        stored = sorted(rows(self.service.engine, "feedback"), key=lambda row: row["occurred_at"])
        return [(row["signal"], row["reason"], row["comment"]) for row in stored]


@pytest.fixture(scope="module")
def browser() -> Iterator[ClientConnection]:
    assert PROGRAM
    with running_browser(PROGRAM) as connection:
        yield connection


@pytest.fixture
def world(browser: ClientConnection, engine: Engine) -> Iterator[World]:
    with ExitStack() as stack:
        site = Site()
        url = f"http://127.0.0.1:{stack.enter_context(running(site.app))}"
        now = lambda: datetime.now(UTC)  # noqa: E731
        service = stack.enter_context(running_service(engine, origins=[url], now=now))
        site.service = f"http://127.0.0.1:{service.port}"
        yield World(browser, site, service, url)


SHOWN = ("shown", None, None)
DOWN = ("thumbs_down", None, None)


def test_by_mouse_a_thumb_down_its_reason_and_words(world: World) -> None:
    page = world.open('user-id="u1"')
    page.click("find('.thumb[part~=down]')")
    choices = page.wait("texts().length && texts()")
    assert choices[-2:] == ["Something else", "Skip"]
    page.click("find('[data-reason=off_topic]')")
    page.call("Input.insertText", text="<img src=x onerror=alert(1)> me@example.com")
    page.click("find('[part=send]')")
    page.wait("find('[role=status]').textContent === 'Thank you for your feedback.'")
    said = "<img src=x onerror=alert(1)> <email>"
    assert world.wait_for(3) == [SHOWN, DOWN, ("comment", "off_topic", said)]
    assert len({row["user_hash"] for row in rows(world.service.engine, "feedback")} - {None, "u1"}) == 1
    assert page.run("violations") == []
    page.wait("events.length === 3")
    assert page.run("events.map((e) => e[0] + e[1]).sort()") == [
        "feedback-sentcomment",
        "feedback-sentshown",
        "feedback-sentthumbs_down",
    ]
    assert page.run("find('.thumb[part~=down]').ariaPressed") == "true"


def test_by_keyboard_alone(world: World) -> None:
    page = world.open('reasons="one=First <b>;two=Second"')
    page.tab()
    assert page.run("focused()") == "Helpful"
    assert page.run("getComputedStyle(widget().shadowRoot.activeElement).outlineWidth") == "3px"
    page.enter()
    page.wait("find('[role=status]').textContent")
    page.tab()
    page.enter()
    assert page.wait("texts().length && focused()") in ("First <b>", "Second")
    page.press("Escape", 27)
    assert page.run("[find('.panel').hidden, focused()]") == [True, "Not helpful"]
    page.enter()
    page.tab()
    page.tab()
    assert page.run("focused()") == "Something else"
    page.enter()
    page.wait("find('textarea') === widget().shadowRoot.activeElement")
    page.call("Input.insertText", text="too short")
    page.tab()
    page.enter()
    assert world.wait_for(4) == [SHOWN, ("thumbs_up", None, None), DOWN, ("comment", "other", "too short")]
    assert page.run("[focused(), violations.length]") == ["Not helpful", 0]


def test_reasons_come_in_random_order_and_skip_says_nothing(world: World) -> None:
    page = world.open()
    orders = set()
    for _ in range(12):
        page.run("find('.thumb[part~=down]').click()")
        orders.add(
            tuple(page.run("[...widget().shadowRoot.querySelectorAll('[data-reason]')].map(b => b.dataset.reason)"))
        )
    assert len(orders) > 1
    assert {order[-1] for order in orders} == {"other"}
    assert {frozenset(order[:-1]) for order in orders} == {frozenset(REASONS)}
    page.click("find('[part~=skip]')")
    page.wait("find('[role=status]').textContent")
    assert world.wait_for(2) == [SHOWN, DOWN]


def test_a_reason_is_kept_when_the_page_is_left(world: World) -> None:
    page = world.open()
    page.click("find('.thumb[part~=down]')")
    page.click("find('[data-reason=outdated]')")
    world.wait_for(2)
    page.call("Page.navigate", url="about:blank")
    wait(lambda: ("comment", "outdated", None) in world.feedback(), "stored")


def test_shown_is_when_it_is_seen(world: World) -> None:
    page = world.open(more='<p id="far"></p><feedback-widget interaction-id="far"></feedback-widget>')
    page.run("document.querySelector('#far').style.height = '5000px'")
    world.wait_for(1)
    page.run("widget(1).scrollIntoView()")  # without a key: its endpoint is where the script came from
    page.wait("events.some((event) => event[0] === 'feedback-failed' && event[1] === 'shown')")
    page.run("document.body.append(widget(0))")
    time.sleep(0.2)
    assert world.feedback() == [SHOWN]


def test_screen_readers_hear_what_it_is(world: World) -> None:
    page = world.open('label-group="Bewertung" label-up="Hilfreich"')
    page.click("find('.thumb[part~=down]')")
    page.wait("texts().length")
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    assert named >= {
        ("group", "Bewertung"), ("button", "Hilfreich"), ("button", "Not helpful"), ("group", "What went wrong?"),
        ("button", "It is outdated"), ("button", "Something else"), ("button", "Skip"),
    }  # fmt: skip
    assert any(node["role"]["value"] == "status" for node in tree)
    page.click("find('[data-reason=other]')")
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    assert ("textbox", "Anything to add? (optional)") in {
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]
    }
    assert page.run("find('.thumb').getBoundingClientRect().width") >= 44


def test_it_tries_again_with_the_same_id_and_takes_the_services_time(world: World) -> None:
    ahead = {"error": "field 'occurred_at' is too far in the future", "server_time": "2026-01-06T12:00:00+00:00"}
    world.site.failures = [(503, {"error": "away"}), (422, ahead), (200, {}), (400, {"error": "no"})]
    page = world.open(fails=True)
    page.wait("events.length === 1")
    sent = world.site.received
    assert len({record["feedback_id"] for record in sent}) == 1
    assert sent[-1]["occurred_at"] == "2026-01-06T12:00:00+00:00"
    assert len(sent) == 3
    page.click("find('.thumb[part~=up]')")
    page.wait("events.length === 2")
    assert page.run("events[1]") == ["feedback-failed", "thumbs_up", "no"]
    assert page.run("[find('.thumb').ariaPressed, find('[role=status]').textContent]") == [
        "false",
        "Your feedback could not be sent. Please try again.",
    ]
    assert page.run("violations") == []
