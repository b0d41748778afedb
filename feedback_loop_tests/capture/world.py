"""A sink that keeps what it gets, an ASGI request by hand, and a stub of the ingest service with a will of its own.

Belongs here: what several tests of capture use. Does not belong here: what they assert.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from feedback_loop.capture import Capture, Receipt, SamplingPolicy, SinkUnavailable

KEY = b"k" * 32
ALL = SamplingPolicy(rate=1)


class MemorySink:
    """Takes everything, unless it is told to be down."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.is_down = False
        self.n_asked = 0

    def send(self, lines: Sequence[bytes]) -> Receipt:
        self.n_asked += 1
        if self.is_down:
            raise SinkUnavailable("down")
        self.lines += lines
        return Receipt(len(lines))

    def close(self) -> None: ...

    def forget(self) -> None: ...

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def make_capture(sink: Any, **options: Any) -> Capture:
    """Everything is kept, and nothing waits for long."""
    return Capture("shop", sink, **{"policy": ALL, "hash_key": KEY, "interval_s": 0.01, **options})


async def ask(
    app: Any, headers: Iterable[tuple[bytes, bytes]] = (), kind: str = "http", **more: Any
) -> list[dict[str, Any]]:
    """One request to an ASGI application; the messages it sends."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asked = iter((True,))

    async def receive() -> dict[str, Any]:
        if not next(asked, False):
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": kind, "method": "POST", "path": "/chat", "headers": list(headers), "query_string": b"", **more}
    await app(scope, receive, send)
    return sent


class Service:
    """A stub that follows the contract of the ingest service, stores by id, and fails as `chaos` says.

    Args:
        chaos: called per request; 'ok', 'before' (the connection breaks, nothing stored), 'after' (stored, no answer),
            'busy' (503), 'garbage' (200 with a proxy's page).
    """

    def __init__(self, chaos: Callable[[], str] = lambda: "ok", port: int = 0) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.n_stored_twice: Counter[str] = Counter()
        self.chaos = chaos
        self.refuse: Callable[[int], int | None] = lambda n_lines: None
        self._lock = threading.Lock()
        self.port = port

    def start(self) -> "Service":
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                service.answer(self)

            def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

        class Server(ThreadingHTTPServer):
            daemon_threads, allow_reuse_address, block_on_close = True, True, False

            def handle_error(self, request: Any, client_address: Any) -> None: ...

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        lines = request.rfile.read(int(request.headers["Content-Length"])).splitlines()
        what = self.chaos()
        if what == "before":
            request.connection.close()
            request.close_connection = True
            return
        status = 401 if request.headers["Authorization"] != "Bearer secret" else self.refuse(len(lines))
        status = 503 if what == "busy" else status
        answer = {} if status else self._store([json.loads(line) for line in lines])
        if what == "after":
            request.connection.close()
            request.close_connection = True
            return
        body = b"<html>sign in</html>" if what == "garbage" else json.dumps(answer).encode()
        request.send_response(status or 200)
        if status == 503:
            request.send_header("Retry-After", "1")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _store(self, records: list[dict[str, Any]]) -> dict[str, Any]:
        n_new = n_duplicate = 0
        rejected = []
        with self._lock:
            for index, record in enumerate(records):
                key = record["type"] + record.get("feedback_id", record["interaction_id"])
                known = self.stored.get(key)
                if known is None:
                    self.stored[key] = record
                    n_new += 1
                elif known == record:
                    n_duplicate += 1
                else:
                    rejected.append({"index": index, "id": key, "reason": "known with other content"})
        return {"n_new": n_new, "n_duplicate": n_duplicate, "rejected": rejected}


def moods(seed: int) -> Callable[[], str]:
    """A service that mostly works, by chance."""
    chance = random.Random(seed)
    return lambda: chance.choices(("ok", "before", "after", "busy", "garbage"), (6, 1, 1, 0.2, 0.5))[0]
