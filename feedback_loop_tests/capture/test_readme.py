"""The README's five lines do what it says: run as they stand, against a stub of the ingest service."""

import asyncio
import re
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from feedback_loop_tests.capture.test_anthropic import ASKED, api
from feedback_loop_tests.capture.world import Service, ask

README = Path(__file__).parents[2] / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="the README is in the repository only")


def five_lines() -> list[str]:
    section = README.read_text(encoding="utf-8").partition("## Instrument your app in five lines")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    return [line for line in code[1].splitlines() if line]


def test_the_five_lines_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    service = Service().start()
    *setup, feedback = five_lines()
    assert len([*setup, feedback]) == 5

    async def chat(request: Request) -> JSONResponse:
        return JSONResponse(names["client"].messages.create(**ASKED).content[0].text)

    with anthropic.Anthropic(api_key="k", http_client=httpx2.Client(transport=httpx2.MockTransport(api))) as client:
        app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
        names: dict[str, Any] = {"app": app, "client": client, "write_key": "secret"}
        exec("\n".join(setup).replace("https://feedback.example.com", service.url), names)
        sent = asyncio.run(ask(app, [(b"x-session-id", b"s1")]))
        names["interaction_id"] = dict(sent[0]["headers"])[b"x-interaction-id"].decode()
        exec(feedback, names)
        assert names["capture"].close()
    service.stop()
    interaction, given = service.stored.values()
    assert (interaction["interaction_id"], given["interaction_id"]) == (names["interaction_id"],) * 2
    assert (interaction["session_id"], interaction["model"], given["signal"]) == ("s1", ASKED["model"], "thumbs_down")
    assert "sample_rate" not in interaction  # feedback came: kept for certain
