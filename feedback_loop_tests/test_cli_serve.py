"""`feedback-loop keys` and `feedback-loop serve`, as a terminal sees them."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from feedback_loop.cli import cli

Call = Callable[..., Result]


@pytest.fixture
def call(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(tmp_path / "home"))
    return lambda *arguments: CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_keys_are_made_shown_once_listed_and_revoked(call: Call) -> None:
    made = call("keys", "create", "--application", "shop")
    assert re.fullmatch(r"fls_[0-9a-f]{12}_[\w-]{43}\n", made.stdout)
    assert "cannot be shown again" in made.stderr
    page = call("keys", "create", "--application", "shop", "--widget", "--origin", "https://Shop.example.com/")
    assert page.stdout.startswith("flw_")
    rows = json.loads(call("keys", "list", "--json").stdout)
    assert [(row["kind"], row["origins"], row["revoked_at"]) for row in rows] == [
        ("server", [], None),
        ("widget", ["https://shop.example.com"], None),
    ]
    assert made.stdout.split("_")[2].strip() not in call("keys", "list").stdout
    assert call("keys", "revoke", rows[0]["key_id"]).exit_code == 0
    assert json.loads(call("keys", "list", "--json", "--application", "shop").stdout)[0]["revoked_at"]
    assert call("keys", "revoke", "none").exit_code == 1
    assert "origins" in call("keys", "create", "--application", "shop", "--widget").stderr


def test_serve_takes_a_record_and_stops_when_told(call: Call, tmp_path: Path) -> None:
    key = call("keys", "create", "--application", "shop").stdout.strip()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    command = [sys.executable, "-m", "feedback_loop.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        body = b'{"interaction_id": "i1", "occurred_at": "2026-01-05T09:31:00Z", "signal": "copied"}'
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/feedback", body, headers)
        until = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:
                    assert json.loads(reply.read())["n_new"] == 1
                break
            except urllib.error.URLError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
