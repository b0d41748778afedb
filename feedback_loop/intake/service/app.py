"""The ingest service as one ASGI application.

Belongs here: which path is whose, start and end. Does not belong here: anything that a request meets on its way.
"""

import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from feedback_loop.intake.service.answers import Refused, answer
from feedback_loop.intake.service.edge import Edge, on_http_error, on_refused
from feedback_loop.intake.service.endpoints import Endpoints
from feedback_loop.intake.service.openapi import describe
from feedback_loop.intake.service.policy import ServePolicy
from feedback_loop.intake.service.writing import Writer
from feedback_loop.redaction.deep import PATTERNS, Redactor

WIDGET = Path(__file__).parent / "widget.js"
_WIDGET_SECONDS = 3_600


def build_app(
    engine: Engine,
    *,
    hash_key: bytes,
    policy: ServePolicy,
    now: Callable[[], datetime],
    tick: Callable[[], float] = time.monotonic,
    writer: Writer | None = None,
    redactor: Redactor = PATTERNS,
) -> Starlette:
    """The service; it connects when it starts and stores what is waiting when it ends.

    Args:
        engine: a database with the current schema.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        policy: how much is taken.
        now: the time, with a zone.
        tick: seconds of a clock that never goes back.
        writer: that stores; one of its own where None.
        redactor: takes personal data and secrets out of texts.
    """
    endpoints = Endpoints(engine, hash_key, policy, now, tick, writer, redactor)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        endpoints.writer.start()
        await endpoints.ring.refresh()
        yield
        endpoints.writer.close()

    routes = [
        Route("/v1/interactions", endpoints.post_interactions, methods=["POST"]),
        Route("/v1/feedback", endpoints.post_feedback, methods=["POST", "OPTIONS"]),
        Route("/v1/deployments", endpoints.post_deployments, methods=["POST"]),
        Route("/v1/interactions/{interaction_id:path}/feedback", endpoints.get_summary, methods=["GET"]),
        Route("/healthz", endpoints.get_health, methods=["GET"]),
        Route("/openapi.json", _document, methods=["GET"]),
        Route("/widget.js", _serve_widget(WIDGET.read_bytes()), methods=["GET"]),
    ]
    paths = [route.path for route in routes]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Edge, origins=lambda: endpoints.ring.origins, paths=paths)],
        exception_handlers={HTTPException: on_http_error, Refused: on_refused},
    )


async def _document(_request: Request) -> Response:
    return answer(describe(), headers={"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"})


def _serve_widget(script: bytes) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "Cache-Control": f"public, max-age={_WIDGET_SECONDS}",
        "ETag": f'"{hashlib.sha256(script).hexdigest()[:16]}"',
        "Access-Control-Allow-Origin": "*",  # or no page could have its integrity checked
        "Cross-Origin-Resource-Policy": "cross-origin",
    }

    async def get_widget(request: Request) -> Response:
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        return Response(script, headers=headers, media_type="text/javascript")

    return get_widget
