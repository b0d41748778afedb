"""Sources by their API: the real SDKs against the tools' APIs on loopback. Rows, pages, waits, errors, the cursor."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from starlette.responses import JSONResponse

from feedback_loop.clients import phoenix
from feedback_loop.clients.source_calls import status_error
from feedback_loop.clients.sources import SourceClient
from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError, SourceRefused, SourceUnavailable
from feedback_loop.intake.importers.opening import open_reader, open_source
from feedback_loop.intake.importers.policy import SourcePolicy, Tool
from feedback_loop.intake.importers.running import SourceSummary, import_source
from feedback_loop.store import sources
from feedback_loop_tests.intake.importers.calls import CALLS, START
from feedback_loop_tests.intake.importers.stubs import KEYS, PAGE, Stub, open_stub
from feedback_loop_tests.intake.importers.test_same_rows import check_rows, rows
from feedback_loop_tests.intake.records import KEY

MODULES = {"langfuse": "langfuse", "langsmith": "langsmith", "phoenix": "phoenix.client"}
NOW = START + timedelta(hours=12)


@dataclass
class Source:
    """A stub, how to ask it, and the waits that were asked for."""

    stub: Stub
    policy: SourcePolicy
    environment: Environment
    waits: list[float] = field(default_factory=list)

    def run(self, engine: Engine, now: datetime = NOW) -> SourceSummary:
        with open_reader(self.policy, self.environment, self.waits.append) as reader:
            return import_source(engine, reader, self.policy, hash_key=KEY, now=now)

    @contextmanager
    def client(self) -> Iterator[SourceClient]:
        with open_source(self.policy, self.environment, self.waits.append) as client:
            yield client


@contextmanager
def open_tool(tool: Tool, environment: Environment, **fields: Any) -> Iterator[Source]:
    pytest.importorskip(MODULES[tool], reason=f"{tool}'s SDK is not installed")
    with open_stub(tool) as stub:
        project = None if tool == "langfuse" else "shop"
        given = {"name": tool, "application": "shop", "since": START - timedelta(days=1)} | fields
        policy = SourcePolicy(tool=tool, url=stub.url, project=project, **given)
        secrets = {policy.name.upper().replace("-", "_"): KEYS[tool]}
        yield Source(stub, policy, Environment(home=environment.home, source_secrets=secrets))


@pytest.fixture(params=["langfuse", "langsmith", "phoenix"])
def source(request: pytest.FixtureRequest, environment: Environment) -> Iterator[Source]:
    with open_tool(request.param, environment) as opened:
        yield opened


def cursor(engine: Engine, name: str) -> datetime | None:
    with engine.connect() as conn:
        return sources.load_cursor(conn, name)


def test_the_same_rows_as_from_files_and_again_adds_none(engine: Engine, source: Source) -> None:
    first = source.run(engine)
    assert (first.n_new, first.has_rejected) == ({"interaction": 3, "feedback": 2, "evaluation": 3}, False)
    check_rows(engine)
    settled = NOW - timedelta(minutes=source.policy.settle_minutes)
    assert cursor(engine, source.policy.name) == settled == first.imported_to
    again = source.run(engine)
    assert (again.n_new.total(), again.has_rejected) == (0, False)
    assert source.waits == []


def test_every_page_is_read(engine: Engine, source: Source) -> None:
    assert len(source.stub.observations) > 2 * PAGE
    source.run(engine)
    queries = [path for _, path in source.stub.requests if "observations" in path or "query" in path or "spans" in path]
    assert len(queries) >= len(source.stub.observations) / PAGE


def test_many_spans_are_asked_for_by_halves(
    engine: Engine, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phoenix, "_MOST", 1)  # two spans of a trace lie 200 ms apart: less than a window can be halved
    with open_tool("phoenix", environment) as source:
        assert not source.run(engine).has_rejected
    check_rows(engine)


def test_a_busy_tool_is_asked_again_after_the_time_that_it_names_capped(engine: Engine, source: Source) -> None:
    source.stub.faults = [
        JSONResponse({}, 429, {"Retry-After": "7"}),
        JSONResponse({}, 503, {"Retry-After": "86400"}),
        JSONResponse({}, 500),
        JSONResponse({}, 429),
    ]
    assert not source.run(engine).has_rejected
    assert source.waits == [7.0, 60.0, 4.0, 8.0]
    check_rows(engine)


def test_retry_after_may_be_a_date_and_nonsense_is_nothing() -> None:
    answered = {"Date": "Tue, 06 Jan 2026 00:00:00 GMT"}
    for said, seconds in (("Tue, 06 Jan 2026 00:00:09 GMT", 9.0), ("soon", None), ("-5", 0.0), ("1.5", 1.5)):
        error = status_error("Langfuse", 429, "slow down", answered | {"retry-after": said})
        assert isinstance(error, SourceUnavailable)
        assert error.retry_after == seconds


def test_a_tool_that_stays_busy_is_transient_and_keeps_the_cursor(engine: Engine, environment: Environment) -> None:
    with open_tool("phoenix", environment) as source:
        source.stub.faults = [JSONResponse({}, 503) for _ in range(5)]
        with pytest.raises(SourceUnavailable, match="Phoenix answers 503"):
            source.run(engine)
        assert source.waits == [1.0, 2.0, 4.0, 8.0]
        assert cursor(engine, "phoenix") is None
        source.run(engine)
    check_rows(engine)


def test_wrong_credentials_are_permanent_and_show_no_key(engine: Engine, source: Source) -> None:
    name = source.policy.name.upper()
    source.environment.source_secrets[name] = "pk-lf-secret:sk-lf-secret"  # type: ignore[index]
    with pytest.raises(SourceRefused) as caught:
        source.run(engine)
    assert "401" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert source.waits == []


def test_a_tool_that_is_gone_is_transient(engine: Engine, source: Source) -> None:
    with open_stub(source.stub.tool) as other:
        gone = other.url
    policy = source.policy
    source.policy = SourcePolicy(**{**vars(policy), "url": gone})
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        source.run(engine)
    assert len(source.waits) == 4


def test_an_unknown_project_is_named(engine: Engine, environment: Environment) -> None:
    with open_tool("langsmith", environment) as source:
        source.policy = SourcePolicy(**{**vars(source.policy), "project": "other"})
        with pytest.raises(SourceRefused, match="does not know it: Project other not found"):
            source.run(engine)


def test_a_missing_secret_names_the_variable(engine: Engine, environment: Environment) -> None:
    policy = SourcePolicy(name="langfuse-prod", tool="langfuse")
    with (
        pytest.raises(ConfigurationError, match="FEEDBACK_LOOP_SOURCE_LANGFUSE_PROD"),
        open_reader(policy, environment, lambda _: None),
    ):
        pass


def test_what_came_late_is_found_within_the_overlap(engine: Engine, source: Source) -> None:
    late = source.stub.scores.pop()
    source.run(engine)
    source.stub.scores.append(late)
    found = source.run(engine, NOW + timedelta(hours=1))
    assert (+found.n_new, found.has_rejected) == ({"evaluation": 1}, False)
    check_rows(engine)


def test_a_trace_is_taken_once_it_has_settled_and_whole(engine: Engine, environment: Environment) -> None:
    """The import runs while the third call is answered: its model call is not there yet."""
    with open_tool("langfuse", environment) as source:
        generation = source.stub.observations.pop()
        now = CALLS[2].started_at + timedelta(minutes=1)
        first = source.run(engine, now)
        assert first.n_new["interaction"] == 2
        source.stub.observations.append(generation)
        second = source.run(engine, now + timedelta(hours=1))
        assert (second.n_new["interaction"], second.has_rejected) == (1, False)
        check_rows(engine)


def test_days_are_stored_one_by_one_and_a_failure_keeps_those_before(engine: Engine, environment: Environment) -> None:
    with open_tool("langfuse", environment, since=START - timedelta(days=3), overlap_hours=0.0) as source:
        real, seen = source.stub.scores, []

        class Scores(list[dict[str, Any]]):
            def __add__(self, other: Any) -> Any:
                seen.append(1)
                if len(seen) == 3:
                    source.stub.faults = [JSONResponse({"message": "no"}, 403)] * 2
                return list(self) + other

        source.stub.scores = Scores(real)
        with pytest.raises(SourceRefused, match="403"):
            source.run(engine)
        assert cursor(engine, "langfuse") == START  # three of four days
        source.stub.faults = []
        source.run(engine)
    check_rows(engine)


def test_the_cursor_never_moves_back(engine: Engine) -> None:
    with engine.begin() as conn:
        sources.save_cursor(conn, "a", NOW)
        sources.save_cursor(conn, "a", NOW - timedelta(days=1))
    assert cursor(engine, "a") == NOW


def test_the_cursor_and_the_rows_come_together(engine: Engine, environment: Environment) -> None:
    """A cursor that cannot be stored leaves no rows behind either."""
    with open_tool("phoenix", environment) as source:
        with engine.begin() as conn:
            conn.execute(sa.text("alter table feedback_loop.import_cursors rename to elsewhere"))
            conn.execute(sa.text("create view feedback_loop.import_cursors as select * from feedback_loop.elsewhere"))
            conn.execute(sa.text("create rule no as on insert to feedback_loop.import_cursors do instead select 1/0"))
        with pytest.raises(sa.exc.DBAPIError):
            source.run(engine)
    assert rows(engine, "select 1 from feedback_loop.interactions") == []
