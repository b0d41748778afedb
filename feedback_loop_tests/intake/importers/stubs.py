"""The HTTP APIs of Langfuse, LangSmith and Phoenix on loopback, as far as their SDKs are used here.

They page, filter by time, check the key, replace what is written again, and fail on request. Records are those of
`exports/`. Does not belong here: anything a test asserts.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from feedback_loop.testing.loopback import Loopback
from feedback_loop_tests.intake.importers.calls import EXPORTS

PAGE = 2
PROJECT = "11111111-2222-3333-4444-555555555555"
KEYS = {"langfuse": "pk-lf-1:sk-lf-1", "langsmith": "lsv2-key", "phoenix": "px-key"}


def load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EXPORTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@dataclass
class Stub:
    """What a tool holds, what it was asked, and how it fails next.

    Attributes:
        observations, scores: records as its API names them.
        written: scores that were written, by id.
        requests: (method, path) so far.
        refused: traces or spans that nothing may be written to.
        faults: answers given instead of the next ones.
    """

    tool: str
    observations: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    faults: list[Response] = field(default_factory=list)
    url: str = ""


@contextmanager
def open_stub(tool: str) -> Iterator[Stub]:
    names = {
        "langfuse": ("langfuse_api_observations", "langfuse_api_scores"),
        "langsmith": ("langsmith_runs", "langsmith_feedback"),
        "phoenix": ("phoenix_spans", "phoenix_annotations"),
    }[tool]
    stub = Stub(tool, load(names[0]), load(names[1]))
    crashes: list[BaseException] = []
    routes = {"langfuse": _langfuse, "langsmith": _langsmith, "phoenix": _phoenix}[tool](stub)
    app = Starlette(routes=[_guarded(stub, route, crashes) for route in routes])
    loopback = Loopback(f"{tool} stub")
    stub.url = loopback.start(app)
    error: BaseException | None = None
    try:
        yield stub
    except BaseException as caught:
        error = caught
        raise
    finally:
        loopback.stop(crashes, error)


def _guarded(stub: Stub, route: tuple[str, str, Callable[..., Any]], crashes: list[BaseException]) -> Route:
    method, path, answer = route

    async def endpoint(request: Request) -> Response:
        stub.requests.append((request.method, request.url.path))
        if stub.faults:
            return stub.faults.pop(0)
        if not _is_known(stub.tool, request):
            return JSONResponse({"message": "invalid credentials"}, 401)
        try:
            body = await request.json() if request.method == "POST" else None
            result = answer(request, body)
        except Exception as error:
            crashes.append(error)
            raise
        return result if isinstance(result, Response) else JSONResponse(result)

    return Route(path, endpoint, methods=[method])


def _is_known(tool: str, request: Request) -> bool:
    if tool == "langfuse":
        return request.headers.get("authorization") == "Basic " + base64.b64encode(KEYS[tool].encode()).decode()
    if tool == "langsmith":
        return request.headers.get("x-api-key") == KEYS[tool]
    return request.headers.get("authorization") == f"Bearer {KEYS[tool]}"


def _page(records: list[dict[str, Any]], cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
    start = int(cursor or 0)
    return records[start : start + PAGE], str(start + PAGE) if start + PAGE < len(records) else None


def _between(records: list[dict[str, Any]], name: str, start: Any, end: Any) -> list[dict[str, Any]]:
    first, last = (datetime.fromisoformat(str(value)) for value in (start, end))
    return [one for one in records if first <= datetime.fromisoformat(one[name]) < last]


def _langfuse(stub: Stub) -> list[tuple[str, str, Callable[..., Any]]]:
    def page(records: list[dict[str, Any]], request: Request) -> dict[str, Any]:
        data, cursor = _page(records, request.query_params.get("cursor"))
        return {"data": data, "meta": {"limit": PAGE} | ({"cursor": cursor} if cursor else {})}

    def observations(request: Request, _: Any) -> Any:
        asked = request.query_params
        assert {"core", "io", "usage", "prompt"} <= set(asked["fields"].split(","))
        return page(_between(stub.observations, "startTime", asked["fromStartTime"], asked["toStartTime"]), request)

    def scores(request: Request, _: Any) -> Any:
        asked = request.query_params
        held = stub.scores + list(stub.written.values())
        if "fromTimestamp" in asked:
            held = _between(held, "timestamp", asked["fromTimestamp"], asked["toTimestamp"])
        return page(held, request)

    def create(_: Request, body: Any) -> Any:
        wrong = [one for one in body if one["traceId"] in stub.refused]
        if wrong:
            counts = {"accepted": len(body) - len(wrong), "rejected": len(wrong)}
            return JSONResponse(counts | {"errors": [{"message": "no such trace"}]}, 207)
        for one in body:
            assert one["dataType"] == "CATEGORICAL"
            now = one["timestamp"]
            about = {"subject": {"kind": "trace", "id": one["traceId"]}, "source": "API", "projectId": "p1"}
            stub.written[one["id"]] = one | about | {"createdAt": now, "updatedAt": now, "environment": "default"}
        return JSONResponse({"message": "Accepted"}, 202)

    return [
        ("GET", "/api/public/v2/observations", observations),
        ("GET", "/api/public/v3/scores", scores),
        ("POST", "/api/public/scores", create),
    ]


def _langsmith(stub: Stub) -> list[tuple[str, str, Callable[..., Any]]]:
    def sessions(request: Request, _: Any) -> Any:
        if request.query_params.get("name") != "shop":
            return []
        return [{"id": PROJECT, "name": "shop", "tenant_id": PROJECT, "start_time": "2026-01-01T00:00:00Z",
                 "reference_dataset_id": None}]  # fmt: skip

    def query(_: Request, body: Any) -> Any:
        assert body["project_ids"] == [PROJECT]
        runs = _between(stub.observations, "start_time", body["min_start_time"], body["max_start_time"])
        items, cursor = _page(runs, body.get("cursor"))
        return {"items": items, "next_cursor": cursor}

    def feedback(request: Request, _: Any) -> Any:
        asked = request.query_params
        held = stub.scores + list(stub.written.values())
        if "min_created_at" in asked:
            assert asked["session"] == PROJECT
            held = _between(held, "created_at", asked["min_created_at"], asked["max_created_at"])
        start = int(asked.get("offset", 0))
        return held[start : start + int(asked["limit"])]

    def create(_: Request, body: Any) -> Any:
        assert body["session_id"] == PROJECT
        if body["run_id"].replace("-", "") in stub.refused:
            return JSONResponse({"detail": "Run not found"}, 404)
        stub.written[body["id"]] = body | {"trace_id": body["run_id"]}
        return body

    def info(_: Request, __: Any) -> Any:
        return {"version": "0.16.3", "batch_ingest_config": {"use_multipart_endpoint": True}}

    return [
        ("GET", "/info", info),
        ("GET", "/sessions", sessions),
        ("POST", "/api/v2/runs/query", query),
        ("POST", "/v2/runs/query", query),
        ("GET", "/feedback", feedback),
        ("POST", "/feedback", create),
    ]


def _phoenix(stub: Stub) -> list[tuple[str, str, Callable[..., Any]]]:
    def spans(request: Request, _: Any) -> Any:
        asked = request.query_params
        held = _between(stub.observations, "start_time", asked["start_time"], asked["end_time"])
        data, cursor = _page(held, asked.get("cursor"))
        return {"data": data, "next_cursor": cursor}

    def annotations(request: Request, _: Any) -> Any:
        wanted = set(request.query_params.getlist("span_ids"))
        held = [one for one in [*stub.scores, *stub.written.values()] if one["span_id"] in wanted]
        data, cursor = _page(held, request.query_params.get("cursor"))
        return {"data": data, "next_cursor": cursor}

    def create(_: Request, body: Any) -> Any:
        if any(one["span_id"] in stub.refused for one in body["data"]):
            return PlainTextResponse("Spans with IDs ... do not exist.", 404)
        for one in body["data"]:
            at = "2026-01-20T00:00:00+00:00"
            about = {
                "id": f"a{len(stub.written)}",
                "created_at": at,
                "updated_at": at,
                "source": "API",
                "user_id": None,
            }
            stub.written[f"{one['span_id']}/{one['name']}/{one['identifier']}"] = about | one
        return {"data": [{"id": one["identifier"]} for one in body["data"]]}

    def version(_: Request, __: Any) -> Any:
        return PlainTextResponse("19.6.0")

    return [
        ("GET", "/arize_phoenix_version", version),
        ("GET", "/v1/projects/{project}/spans", spans),
        ("GET", "/v1/projects/{project}/span_annotations", annotations),
        ("POST", "/v1/span_annotations", create),
    ]
