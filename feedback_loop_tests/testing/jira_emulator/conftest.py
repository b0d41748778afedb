"""An emulated Jira of each personality, and the real client pointed at it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from jira import JIRA, JIRAError

from feedback_loop.testing.jira_emulator import JiraEmulator

TOKEN = "jira-token"


@pytest.fixture(autouse=True)
def _hermetic_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the developer's own stands between."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(scope="session")
def _clouds() -> Iterator[JiraEmulator]:
    with JiraEmulator("cloud") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def _centers() -> Iterator[JiraEmulator]:
    with JiraEmulator("dc") as emulator:
        yield emulator


@pytest.fixture
def cloud(_clouds: JiraEmulator) -> JiraEmulator:
    """Jira Cloud; one server for all tests, that remembers nothing of the test before."""
    _clouds.reset()
    return _clouds


@pytest.fixture
def dc(_centers: JiraEmulator) -> JiraEmulator:
    """Jira Data Center, likewise."""
    _centers.reset()
    return _centers


@pytest.fixture(params=["cloud", "dc"])
def jira(request: pytest.FixtureRequest) -> JiraEmulator:
    """Each of both."""
    emulator: JiraEmulator = request.getfixturevalue(request.param)
    return emulator


def is_cloud(emulator: JiraEmulator) -> bool:
    return emulator.personality == "cloud"


def connect(emulator: JiraEmulator, api: str | None = None, **options: Any) -> JIRA:
    """The client without retries; v3 on Cloud, v2 on Data Center, unless `api` says."""
    version = api or ("3" if is_cloud(emulator) else "2")
    given: dict[str, Any] = {"basic_auth": ("bot@example.com", TOKEN)} if is_cloud(emulator) else {"token_auth": TOKEN}
    given |= {"options": {"rest_api_version": version}, "max_retries": 0, "timeout": 5.0, "get_server_info": True}
    return JIRA(server=emulator.base_url, **given | options)


def call(emulator: JiraEmulator, verb: str, path: str, *, api: str | None = None, **how: Any) -> requests.Response:
    """A plain request with the bot's credentials; `path` as after `/rest/api/3/`, or from the root with a slash."""
    version = api or ("3" if is_cloud(emulator) else "2")
    url = emulator.base_url + (path if path.startswith("/") else f"/rest/api/{version}/{path}")
    if is_cloud(emulator):
        how.setdefault("auth", ("bot@example.com", TOKEN))
    else:
        how["headers"] = {"authorization": f"Bearer {TOKEN}"} | how.get("headers", {})
    return requests.request(verb, url, timeout=5, **how)


def answer(error: JIRAError) -> requests.Response:
    """The response an error of the client carries."""
    assert error.response is not None
    return error.response


def doc(*paragraphs: str) -> dict[str, Any]:
    """A document of plain paragraphs."""
    content = [{"type": "paragraph", "content": [{"type": "text", "text": words}]} for words in paragraphs]
    return {"type": "doc", "version": 1, "content": content}


def said(emulator: JiraEmulator, text: str) -> Any:
    """A text as this personality takes it: a document on Cloud (v3), wiki markup on Data Center."""
    return doc(text) if is_cloud(emulator) else text


def fields(**more: Any) -> dict[str, Any]:
    """Of a small issue."""
    return {"project": {"key": "FL"}, "issuetype": {"name": "Bug"}, "summary": "Refunds are wrong"} | more
