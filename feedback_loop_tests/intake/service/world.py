"""A running ingest service on loopback, and a client of it.

Belongs here: what every test of this room starts from. Does not belong here: what is tested.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

import uvicorn
from sqlalchemy import Engine
from starlette.types import ASGIApp

from feedback_loop.intake.service.app import build_app
from feedback_loop.intake.service.policy import ServePolicy
from feedback_loop.intake.service.writing import Writer
from feedback_loop.store.write_keys import create_key
from feedback_loop_tests.intake.records import KEY

NOW = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
PAGE = "https://app.example.com"
JSON, LINES = "application/json", "application/x-ndjson"


@contextmanager
def running(app: ASGIApp) -> Iterator[int]:
    """The port on which an application answers, with its start and end."""
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, ws="none", server_header=False)
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(False)
    ready = threading.Event()

    async def serve() -> None:
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not (server.started or task.done()):
            await asyncio.sleep(0.005)
        ready.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """A running service with a server key `server` and a widget key `widget` of the application `shop`."""

    port: int
    engine: Engine
    server: str
    widget: str

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request as it is."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(
        self,
        kind: str,
        body: object,
        *,
        key: str | None = None,
        form: str = JSON,
        origin: str | None = None,
        **more: str,
    ) -> Reply:
        """Records to `/v1/<kind>`: bytes as they are, a list of lines with `form=LINES`, anything else as JSON."""
        if isinstance(body, bytes):
            data = body
        elif form == LINES and isinstance(body, Sequence):
            data = b"".join(one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in body)
        else:
            data = json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key or self.server}", "Content-Type": form}
        headers |= {"Origin": origin} if origin else {}
        return self.send("POST", f"/v1/{kind}", data, headers | {k.replace("_", "-"): v for k, v in more.items()})

    def from_page(self, body: object, origin: str | None = PAGE, **more: str) -> Reply:
        """Feedback as the widget sends it."""
        return self.post("feedback", body, key=self.widget, origin=origin, **more)

    def get(self, path: str, key: str | None = None) -> Reply:
        return self.send("GET", path, headers={"Authorization": f"Bearer {key or self.server}"})


@contextmanager
def service(
    engine: Engine,
    policy: ServePolicy | None = None,
    *,
    origins: Sequence[str] = (PAGE,),
    now: Callable[[], datetime] = lambda: NOW,
    writer: Writer | None = None,
    hash_key: bytes = KEY,
) -> Iterator[Service]:
    """A service on a database, with fresh keys."""
    keys: dict[str, str] = {}
    with engine.begin() as conn:
        for kind in ("server", "widget"):
            shown = origins if kind == "widget" else ()
            keys[kind] = create_key(conn, application="shop", kind=kind, origins=shown, created_at=NOW)
    app = build_app(engine, hash_key=hash_key, policy=policy or ServePolicy(), now=now, writer=writer)
    with running(app) as port:
        yield Service(port, engine, keys["server"], keys["widget"])
