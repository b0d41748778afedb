"""What each path of the ingest service does.

Belongs here: one function per path, from request to answer. Does not belong here: the rules it asks for (`access.py`,
`limits.py`, `bodies.py`, `reading.py`) and what holds for every answer (`edge.py`).
"""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response

from feedback_loop.errors import FeedbackLoopError
from feedback_loop.intake.service import bodies
from feedback_loop.intake.service.access import KeyRing, check_may_read, check_may_send
from feedback_loop.intake.service.answers import Refused, answer
from feedback_loop.intake.service.limits import Buckets, Held, Memory
from feedback_loop.intake.service.policy import ServePolicy
from feedback_loop.intake.service.reading import Reader, Received
from feedback_loop.intake.service.writing import Stored, Writer
from feedback_loop.redaction import protect_id
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.store import schema
from feedback_loop.store.facts import FactKind
from feedback_loop.store.summaries import load_summary
from feedback_loop.store.write_keys import WriteKey, load_keys

MAX_ID = 512
HEALTH_S = 2.0
"""Seconds that an answer about health is remembered: nobody can keep the database busy by asking."""

_PARSERS = 4  # threads at once: parsing keeps the interpreter busy, more would only wait for one another


@dataclass(frozen=True)
class _Health:
    checked_at_s: float
    status: int
    content: dict[str, Any]


class Endpoints:
    """The paths, and what they share.

    Args:
        engine: a database with the current schema.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        policy: how much is taken.
        now: the time, with a zone.
        tick: seconds of a clock that never goes back.
        writer: that stores; one of its own where None.
        redactor: takes personal data and secrets out of texts.
    """

    def __init__(
        self,
        engine: Engine,
        hash_key: bytes,
        policy: ServePolicy,
        now: Callable[[], datetime],
        tick: Callable[[], float],
        writer: Writer | None = None,
        redactor: Redactor = PATTERNS,
    ) -> None:
        self._engine, self._hash_key, self._policy, self._now, self._tick = engine, hash_key, policy, now, tick
        self._redactor = redactor
        self.writer = writer or Writer(engine, hash_key)
        self.ring = KeyRing(self._load_keys, tick)
        self._keys = {
            "server": Buckets(policy.server_key, policy.max_tracked),
            "widget": Buckets(policy.widget_key, policy.max_tracked),
        }
        self._clients = Buckets(policy.client, policy.max_tracked)
        self._users = Buckets(policy.user, policy.max_tracked)
        self._memory = Memory(int(policy.max_waiting_mb * (1 << 20)))
        self._parsers = CapacityLimiter(_PARSERS)
        self._health: _Health | None = None
        self._health_lock = asyncio.Lock()

    async def post_interactions(self, request: Request) -> Response:
        """Take interactions."""
        return await self._post("interaction", request)

    async def post_feedback(self, request: Request) -> Response:
        """Take feedback; or tell a browser which pages may send it."""
        if request.method == "OPTIONS":
            return await self._preflight(request)
        return await self._post("feedback", request)

    async def post_deployments(self, request: Request) -> Response:
        """Take deployments."""
        return await self._post("deployment", request)

    async def get_summary(self, request: Request) -> Response:
        """The feedback on one interaction."""
        key = await self.ring.find(request.headers.get("authorization"))
        check_may_read(key)
        self._check_rate(key, request)
        self._keys[key.kind].take(key.key_id, 1, self._tick())
        interaction_id = request.path_params["interaction_id"]
        summary = None
        if len(interaction_id) <= MAX_ID and "\0" not in interaction_id:
            stored_id = protect_id(interaction_id, self._hash_key)
            summary = await to_thread.run_sync(self._load_summary, key.application, stored_id)
        if summary is None:
            raise Refused(404, f"application '{key.application}' has no such interaction (yet)")
        return answer(summary)

    async def get_health(self, _request: Request) -> Response:
        """Whether facts can be stored now."""
        async with self._health_lock:
            health = self._health
            if health is None or self._tick() - health.checked_at_s >= HEALTH_S:
                status, content = await to_thread.run_sync(self._examine)
                self._health = health = _Health(self._tick(), status, content)
        return answer(health.content, health.status)

    async def _post(self, kind: FactKind, request: Request) -> Response:
        key = await self.ring.find(request.headers.get("authorization"))
        request.scope["feedback_loop.key_id"] = key.key_id
        check_may_send(key, kind, request.headers.get("origin"))
        self._check_rate(key, request)
        max_bytes = self._max_bytes(key)
        form = bodies.read_form(request)
        with Held(self._memory) as held:
            body = await bodies.read_body(request, max_bytes, self._policy.body_timeout_s, held)
            now_s = self._tick()
            reader = Reader(kind, key, self._policy, self._users, self._now(), now_s)

            def parse() -> tuple[Received, bool]:
                records = bodies.split(body, form, max_bytes, self._policy.max_records, held)
                self._charge(key, request, len(records.texts), now_s)
                return reader.receive(records.texts, self._hash_key, self._redactor), records.is_single

            received, is_single = await to_thread.run_sync(parse, limiter=self._parsers)
            if is_single and received.wait_s:
                raise Refused(429, received.rejected[0]["reason"], retry_after_s=received.wait_s)
            stored = await self._store(received)
        return self._report(stored, is_single=is_single, is_forbidden=received.is_forbidden)

    async def _store(self, received: Received) -> Stored:
        try:
            async with asyncio.timeout(self._policy.store_timeout_s):
                return await asyncio.wrap_future(self.writer.store(received))
        except TimeoutError:
            message = "the database is slow; send it again, what is stored already counts once"
            raise Refused(503, message, retry_after_s=5) from None

    def _report(self, stored: Stored, *, is_single: bool, is_forbidden: bool) -> Response:
        rejected = sorted(
            (
                {"index": row["line_number"] - 1, "id": row["record_key"], "reason": row["reason"]}
                for row in stored.rejected
            ),
            key=lambda row: row["index"],
        )
        content: dict[str, Any] = {"n_new": stored.n_new, "n_duplicate": stored.n_duplicate, "rejected": rejected}
        if not (is_single and rejected):
            return answer(content)
        error = {"error": rejected[0]["reason"], "server_time": self._now().astimezone(UTC).isoformat()}
        return answer(error | content, 403 if is_forbidden else 422)

    async def _preflight(self, request: Request) -> Response:
        await self.ring.refresh()
        origin = request.headers.get("origin")
        if origin is None or origin.lower() not in self.ring.origins:
            raise Refused(403, "no widget key may be used from this page", headers={"Vary": "Origin"})
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "600",
        }
        return Response(None, 204, headers)

    def _max_bytes(self, key: WriteKey) -> int:
        if key.kind == "widget":
            return int(self._policy.max_widget_body_kb * (1 << 10))
        return int(self._policy.max_body_mb * (1 << 20))

    def _check_rate(self, key: WriteKey, request: Request) -> None:
        now_s = self._tick()
        wait_s = self._keys[key.kind].wait_s(key.key_id, now_s)
        if wait_s:
            raise Refused(429, "this key sends too much; send more slowly", retry_after_s=wait_s, closes=True)
        if key.kind == "widget" and (wait_s := self._clients.wait_s(client_of(request), now_s)):
            raise Refused(429, "this address sends too much; send more slowly", retry_after_s=wait_s, closes=True)

    def _charge(self, key: WriteKey, request: Request, n_records: int, now_s: float) -> None:
        self._keys[key.kind].take(key.key_id, n_records, now_s)
        if key.kind == "widget":
            self._clients.take(client_of(request), n_records, now_s)

    def _load_keys(self) -> dict[str, WriteKey]:
        with self._engine.connect() as conn:
            return load_keys(conn)

    def _load_summary(self, application: str, interaction_id: str) -> dict[str, Any] | None:
        with self._engine.connect() as conn:
            return load_summary(conn, application, interaction_id)

    def _examine(self) -> tuple[int, dict[str, Any]]:
        newest = schema.revisions()[-1]
        try:
            with self._engine.connect() as conn:
                current = schema.current_revision(conn)
        except FeedbackLoopError:
            return 503, {"status": "the database cannot be reached"}
        if current != newest:
            return 503, {"status": f"the database has schema {current}, this service needs {newest}"}
        return 200, {"status": "ok", "schema": newest}


def client_of(request: Request) -> str:
    """Who counts as one sender: an IPv4 address, or the network that one household has of IPv6 (64 bits)."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    return host if address.version == 4 else address.exploded[:19]
