"""The same three calls, as each tool exports them with the types of its SDK, become the same rows."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.intake.importers.policy import SourcePolicy, Tool
from feedback_loop.intake.importers.running import SourceSummary, import_files
from feedback_loop.redaction import hash_user
from feedback_loop_tests.intake.importers.calls import CALLS, EXPORTS, MODEL, PROMPT, SYSTEM
from feedback_loop_tests.intake.records import KEY

FILES: dict[Tool, list[str]] = {
    "langfuse": ["langfuse_observations_v2", "langfuse_scores"],
    "langsmith": ["langsmith_runs", "langsmith_feedback"],
    "phoenix": ["phoenix_spans", "phoenix_annotations"],
    "otel": ["otel"],
}
SHARED = """
select i.interaction_id, i.occurred_at, i.application, i.session_id, i.user_hash, i.prompt_name, i.prompt_version,
       i.model, i.system_prompt, i.user_input, i.output, i.input_tokens, i.output_tokens, i.latency_ms, i.error
from feedback_loop.interactions i order by i.occurred_at
"""


def run(engine: Engine, tool: Tool, *paths: Path, **fields: Any) -> SourceSummary:
    policy = SourcePolicy(name=tool, tool=tool, **({"application": "shop"} | fields))
    return import_files(engine, [str(path) for path in paths], policy, hash_key=KEY)


def rows(engine: Engine, query: str) -> list[dict[str, Any]]:
    with engine.connect() as conn:
        return [dict(row) for row in conn.execute(sa.text(query)).mappings()]


def exports(tool: Tool) -> list[Path]:
    return [EXPORTS / f"{name}.jsonl" for name in FILES[tool]]


def plain_id(row: dict[str, Any]) -> dict[str, Any]:
    """LangSmith writes ids as UUIDs."""
    return row | {"interaction_id": row["interaction_id"].replace("-", "")}


def expected() -> Iterator[dict[str, Any]]:
    for call in CALLS:
        yield {
            "interaction_id": call.trace_id,
            "occurred_at": call.started_at,
            "application": "shop",
            "session_id": f"s{call.number}",
            "user_hash": hash_user(call.user, KEY),
            "prompt_name": PROMPT,
            "prompt_version": call.version,
            "model": MODEL,
            "system_prompt": SYSTEM,
            "user_input": call.question,
            "output": call.answer,
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "latency_ms": 1500.0,
            "error": None,
        }


def check_rows(engine: Engine) -> None:
    """What every tool's export of the three calls has to become."""
    assert [plain_id(row) for row in rows(engine, SHARED)] == list(expected())
    said = rows(engine, "select interaction_id, signal, comment, occurred_at from feedback_loop.feedback")
    assert sorted((plain_id(r)["interaction_id"], r["signal"], r["comment"], r["occurred_at"]) for r in said) == [
        (call.trace_id, "thumbs_up" if call.is_up else "thumbs_down", call.comment, call.judged_at)
        for call in CALLS
        if call.is_up is not None
    ]
    judged = rows(engine, "select interaction_id, evaluator, score, occurred_at from feedback_loop.evaluations")
    assert sorted((plain_id(r)["interaction_id"], r["evaluator"], r["score"], r["occurred_at"]) for r in judged) == [
        (call.trace_id, "correctness", call.correctness, call.judged_at) for call in CALLS
    ]


@pytest.mark.parametrize("tool", FILES)
def test_every_tool_gives_the_same_rows_and_again_adds_none(engine: Engine, tool: Tool) -> None:
    first = run(engine, tool, *exports(tool))
    assert (first.n_new, first.has_rejected) == ({"interaction": 3, "feedback": 2, "evaluation": 3}, False)
    assert not first.n_parked_feedback
    check_rows(engine)
    again = run(engine, tool, *exports(tool))
    assert (again.n_new.total(), again.n_duplicate.total(), again.has_rejected) == (0, 8, False)


@pytest.mark.parametrize("tool", FILES)
def test_scores_may_come_before_their_traces(engine: Engine, tool: Tool) -> None:
    assert not run(engine, tool, *reversed(exports(tool))).has_rejected
    check_rows(engine)


def test_what_only_some_tools_know_is_taken_too(engine: Engine) -> None:
    run(engine, "langfuse", *exports("langfuse"))
    (row, *_) = rows(engine, "select * from feedback_loop.interactions order by occurred_at")
    assert (row["time_to_first_token_ms"], row["cost_usd"]) == (700.0, 0.001)
    facts = {"environment": "production", "trace_name": "ask", "tags": ["shop"]}
    assert row["metadata"] == {"source": "langfuse", "root": f"x{CALLS[0].root_id}"} | facts


def test_the_api_s_spelling_is_read_as_well(engine: Engine) -> None:
    run(engine, "langfuse", EXPORTS / "langfuse_api_observations.jsonl", EXPORTS / "langfuse_api_scores.jsonl")
    check_rows(engine)


def as_csv(source: Path, target: Path) -> Path:
    """A CSV as the tools write it: objects and lists as JSON, null as nothing."""
    records = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for one in records for name in one)))
        writer.writeheader()
        for one in records:
            writer.writerow({k: json.dumps(v) if isinstance(v, dict | list | bool) else v for k, v in one.items()})
    return target


@pytest.mark.parametrize("tool", ["langfuse", "langsmith", "phoenix"])
def test_csv_gives_the_same_rows(engine: Engine, tool: Tool, tmp_path: Path) -> None:
    assert not run(engine, tool, *(as_csv(path, tmp_path / f"{path.stem}.csv") for path in exports(tool))).has_rejected
    check_rows(engine)


@pytest.mark.parametrize("tool", ["langfuse", "langsmith", "phoenix"])
def test_parquet_gives_the_same_rows(engine: Engine, tool: Tool, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow (feedback-loop[parquet]) is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = []
    for path in exports(tool):
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        names = dict.fromkeys(name for one in records for name in one)
        columns = {name: [as_column(one.get(name)) for one in records] for name in names}
        paths.append(tmp_path / f"{path.stem}.parquet")
        parquet.write_table(pyarrow.table(columns), paths[-1])
    assert not run(engine, tool, *paths).has_rejected
    check_rows(engine)


def as_column(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def test_json_documents_gzip_and_directories(engine: Engine, tmp_path: Path) -> None:
    runs = [json.loads(line) for line in (EXPORTS / "langsmith_runs.jsonl").read_text().splitlines()]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "all.json").write_text(json.dumps({"runs": runs}))
    feedback = (EXPORTS / "langsmith_feedback.jsonl").read_bytes()
    (tmp_path / "feedback.jsonl.gz").write_bytes(gzip.compress(feedback))
    assert not run(engine, "langsmith", tmp_path).has_rejected
    check_rows(engine)


def dataframe_row(span: dict[str, Any]) -> dict[str, Any]:
    """A span as `get_spans_dataframe` has it: columns with dots, messages as lists of dotted objects."""
    attributes, row = span["attributes"], {k: v for k, v in span.items() if k not in ("context", "attributes")}
    row |= {f"context.{name}": value for name, value in span["context"].items()}
    for side in ("llm.input_messages", "llm.output_messages"):
        texts = [attributes.get(f"{side}.{n}.message.content") for n in range(2)]
        roles = [attributes.get(f"{side}.{n}.message.role") for n in range(2)]
        pairs = [{"message.role": r, "message.content": t} for r, t in zip(roles, texts, strict=True) if r]
        if pairs:
            row[f"attributes.{side}"] = pairs
    rest = {k: v for k, v in attributes.items() if "_messages." not in k}
    return row | {f"attributes.{name}": value for name, value in rest.items()}


def test_a_dataframe_of_phoenix_is_read_as_its_api_is(engine: Engine, tmp_path: Path) -> None:
    spans = [json.loads(line) for line in (EXPORTS / "phoenix_spans.jsonl").read_text().splitlines()]
    annotations = [json.loads(line) for line in (EXPORTS / "phoenix_annotations.jsonl").read_text().splitlines()]
    frame = [dataframe_row(span) for span in spans]
    flat = [
        {k: v for k, v in a.items() if k not in ("name", "result")}
        | {"annotation_name": a["name"]}
        | {f"result.{name}": value for name, value in a["result"].items()}
        for a in annotations
    ]
    for name, records in (("spans", frame), ("annotations", flat)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    assert not run(engine, "phoenix", tmp_path).has_rejected
    check_rows(engine)


def test_what_is_committed_is_what_the_sdks_types_make() -> None:
    for module in ("langfuse", "langsmith", "phoenix.client", "openinference.semconv", "opentelemetry.sdk"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    from feedback_loop_tests.intake.importers.make_exports import every_export

    for name, records in every_export().items():
        committed = [json.loads(line) for line in (EXPORTS / f"{name}.jsonl").read_text().splitlines()]
        assert committed == json.loads(json.dumps(records)), name
