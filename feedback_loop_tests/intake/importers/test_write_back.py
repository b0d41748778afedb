"""Patterns and verdicts written back: readable through the tool's own SDK, once, and never read back as feedback."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.clients.source_calls import Outcome
from feedback_loop.clients.sources import SourceClient
from feedback_loop.environment import Environment
from feedback_loop.errors import SourceLocked, SourceUnavailable
from feedback_loop.intake.importers.opening import Written, write_back
from feedback_loop.records import SourceScore
from feedback_loop.store import sources, tables
from feedback_loop_tests.intake.importers.calls import CALLS, START
from feedback_loop_tests.intake.importers.stubs import Stub
from feedback_loop_tests.intake.importers.test_same_rows import rows
from feedback_loop_tests.intake.importers.test_sources import NOW, Source, open_tool

WEEK = date(2026, 1, 5)
HOSTILE = "Ignores the question <script>alert(1)</script>\u202e\n# and answers another"


@pytest.fixture(params=["langfuse", "langsmith", "phoenix"])
def source(request: pytest.FixtureRequest, environment: Environment, engine: Engine) -> Iterator[Source]:
    """Three imported calls, of which the first two are in a pattern; an interaction from elsewhere is in it too."""
    with open_tool(request.param, environment, write_back=True) as opened:
        opened.run(engine)
        place(engine)
        yield opened


def place(engine: Engine) -> None:
    state: dict[str, Any] = {
        "application": "shop", "week": WEEK, "pattern_id": "p-1", "name": HOSTILE, "description": "d",
        "likely_cause": "prompt", "severity": 2, "suggested_fix": "f", "status": "confirmed", "first_seen_week": WEEK,
        "last_seen_week": WEEK, "n_silent_weeks": 0, "n_occurrences": 2, "threshold": 0.5, "exemplars": [],
        "detector_version": "v", "policy_version": "v",
    }  # fmt: skip
    with engine.begin() as conn:
        conn.execute(sa.insert(tables.pattern_states).values(state))
        ids = conn.scalars(sa.select(tables.interactions.c.interaction_id).order_by("occurred_at")).all()
        for name in [*ids[:2], "from-elsewhere"]:
            row = {"application": "shop", "week": WEEK, "interaction_id": name, "pattern_id": "p-1", "similarity": 0.9}
            conn.execute(sa.insert(tables.pattern_memberships).values(row))


def judge(engine: Engine, look_day: int, verdict: str) -> None:
    with engine.begin() as conn:
        conn.execute(
            sa.insert(tables.verifications).values(
                application="shop", fix_id="f-1", look_day=look_day, method_version="m", pattern_id="p-1",
                verdict=verdict, reason=f"because of day {look_day}", as_of=START + timedelta(days=20 + look_day),
            )
        )  # fmt: skip


def run(engine: Engine, source: Source) -> Written:
    with source.client() as client:
        return write_back(engine.begin, client, source.policy.name)


def read(source: Source) -> list[tuple[str, str, str, str | None]]:
    """(trace, name, value, comment) of what we wrote, through the tool's SDK."""
    read_by = {"langfuse": _langfuse, "langsmith": _langsmith, "phoenix": _phoenix}[source.policy.tool]
    with source.client() as client:
        return sorted(row for row in read_by(client) if row[1].startswith("feedback_loop_"))


def _langfuse(client: SourceClient) -> Iterator[tuple[str, str, str, str | None]]:
    cursor = None
    while True:
        page = client._api.scores.get_many(fields="details,subject", cursor=cursor)  # type: ignore[union-attr]
        yield from ((one.subject.id, one.name, str(one.value), one.comment) for one in page.data)
        cursor = page.meta.cursor
        if cursor is None:
            return


def _langsmith(client: SourceClient) -> Iterator[tuple[str, str, str, str | None]]:
    for one in client._client.list_feedback():  # type: ignore[union-attr]
        yield one.run_id.hex, one.key, str(one.value), one.comment


def _phoenix(client: SourceClient) -> Iterator[tuple[str, str, str, str | None]]:
    traces = {call.root_id: call.trace_id for call in CALLS}
    asked: dict[str, Any] = {"span_ids": list(traces), "project_identifier": "shop"}
    for one in client._client.spans.get_span_annotations(**asked):  # type: ignore[union-attr]
        result = one["result"]
        yield traces[one["span_id"]], one["name"], str(result.get("label")), result.get("explanation")


def test_patterns_and_verdicts_are_readable_through_the_sdk(engine: Engine, source: Source) -> None:
    judge(engine, 14, "inconclusive")
    judge(engine, 28, "effective")
    assert run(engine, source) == Written(n_patterns=2, n_verdicts=2)
    shown = "Ignores the question <script>alert(1)</script> # and answers another"
    assert read(source) == [
        row
        for call in CALLS[:2]
        for row in (
            (call.trace_id, sources.PATTERN, "p-1", shown),
            (call.trace_id, sources.VERDICT, "effective", "because of day 28"),
        )
    ]


def test_nothing_is_written_twice_and_a_new_verdict_replaces_the_old(engine: Engine, source: Source) -> None:
    judge(engine, 14, "inconclusive")
    run(engine, source)
    before = len(source.stub.requests)
    assert run(engine, source) == Written(0, 0)
    assert [r for r in source.stub.requests[before:] if r[0] == "POST"] == []
    judge(engine, 28, "worse")
    assert run(engine, source) == Written(n_patterns=0, n_verdicts=2)
    assert [row[2] for row in read(source) if row[1] == sources.VERDICT] == ["worse", "worse"]


def test_what_was_written_is_never_read_as_feedback(engine: Engine, source: Source) -> None:
    judge(engine, 14, "worse")
    run(engine, source)
    for one in source.stub.written.values():  # the overlap of the next import reaches them
        if source.policy.tool == "langsmith":
            one |= {"created_at": CALLS[0].judged_at.isoformat(), "modified_at": CALLS[0].judged_at.isoformat()}
    again = source.run(engine, NOW + timedelta(hours=1))
    assert (again.n_new.total(), again.has_rejected) == (0, False)
    assert again.n_left_out["a score that feedback-loop wrote"] == 4


def test_a_tool_that_breaks_off_gets_the_rest_next_time(engine: Engine, source: Source) -> None:
    class Breaking:
        def write(self, scores: list[SourceScore]) -> Iterator[Outcome]:
            yield [scores[0]], None
            raise SourceUnavailable("gone")

    with pytest.raises(SourceUnavailable):
        write_back(engine.begin, Breaking(), source.policy.name)  # type: ignore[arg-type]
    assert run(engine, source) == Written(n_patterns=1, n_verdicts=0)


def test_what_the_tool_refuses_is_noted_and_the_rest_is_written(engine: Engine, source: Source) -> None:
    source.stub.refused = {CALLS[0].trace_id, CALLS[0].root_id}
    written = run(engine, source)
    assert (written.n_patterns, written.refused.total()) == (1, 1)
    kept = rows(engine, "select interaction_id, problem from feedback_loop.written_scores order by interaction_id")
    assert [(one["interaction_id"].replace("-", ""), bool(one["problem"])) for one in kept] == [
        (CALLS[0].trace_id, True),
        (CALLS[1].trace_id, False),
    ]
    assert run(engine, source) == Written(0, 0)  # not asked again every day
    judge(engine, 14, "worse")
    source.stub.refused = set()
    assert run(engine, source) == Written(n_patterns=0, n_verdicts=2)


def test_a_wrong_key_notes_nothing(engine: Engine, source: Source) -> None:
    secrets = dict.fromkeys(source.environment.source_secrets, "pk:other")
    source.environment = replace(source.environment, source_secrets=secrets)
    with pytest.raises(SourceLocked):
        run(engine, source)
    assert rows(engine, "select 1 from feedback_loop.written_scores") == []


def test_the_stub_holds_one_score_per_trace_and_name(engine: Engine, source: Source) -> None:
    judge(engine, 14, "worse")
    stub: Stub = source.stub
    run(engine, source)
    with engine.begin() as conn:
        conn.execute(sa.delete(tables.written_scores))  # the ledger is lost: ids still say what is the same
    run(engine, source)
    assert len(stub.written) == 4
