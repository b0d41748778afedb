"""What cannot be mapped is kept with its own id and reason, without whose it is; the rest goes on."""

import importlib
import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from feedback_loop.clients.sources import open_client
from feedback_loop.errors import ConfigurationError, InputError
from feedback_loop.intake.importers import files
from feedback_loop.intake.importers.mapped import Mapper, Refused
from feedback_loop.intake.importers.policy import SourcePolicy
from feedback_loop_tests.intake.importers.calls import EXPORTS
from feedback_loop_tests.intake.importers.test_same_rows import FILES, exports, rows, run
from feedback_loop_tests.intake.records import KEY

OBSERVATION: dict[str, Any] = {
    "id": "o1", "trace_id": "t1", "type": "GENERATION", "start_time": "2026-01-05 09:30:00.000000", "input": "q",
    "output": "a", "user_id": "person-77",
}  # fmt: skip
SCORE: dict[str, Any] = {
    "id": "s1", "trace_id": "t1", "name": "user-feedback", "data_type": "BOOLEAN", "value": 0,
    "timestamp": "2026-01-05 09:35:00.000000",
}  # fmt: skip


def write(path: Path, *records: Any) -> Path:
    path.write_bytes(b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records))
    return path


def rejected(engine: Engine) -> list[tuple[int, str | None, str]]:
    found = rows(engine, "select * from feedback_loop.rejected_records order by line_number")
    return [(one["line_number"], one["record_key"], one["reason"]) for one in found]


def test_each_bad_record_is_kept_with_line_id_and_reason_and_the_rest_goes_on(engine: Engine, tmp_path: Path) -> None:
    path = write(
        tmp_path / "export.jsonl",
        OBSERVATION,
        b"{broken",
        b'"just text"',
        OBSERVATION | {"id": "o2", "start_time": "yesterday"},
        OBSERVATION | {"id": "o3", "trace_id": None},
        OBSERVATION | {"id": "o4", "trace_id": "t4", "usage_details": {"input": "many"}},
        {"id": "x1", "colour": "red", "user_id": "person-77"},
        SCORE,
        SCORE | {"id": "s2", "name": "quality", "data_type": "NUMERIC", "value": 7},
        SCORE | {"id": "s3", "name": "tone", "data_type": "CATEGORICAL", "value": 2, "string_value": "warm"},
        SCORE | {"id": "s4", "timestamp": None},
        OBSERVATION | {"id": "o5", "trace_id": "t5", "input": "", "output": ""},
        OBSERVATION | {"id": "o6", "trace_id": "t6", "start_time": "1989-01-05 09:30:00"},
    )
    summary = run(engine, "langfuse", path)
    assert summary.n_new == {"interaction": 1, "feedback": 1}
    assert rejected(engine) == [
        (2, None, "not valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (3, None, "not an object"),
        (4, "o2", "field 'start_time' is no time: 'yesterday'"),
        (5, "o3", "field 'trace_id' is missing"),
        (6, "o4", "field 'usage_details.input' must be a number, got 'many'"),
        (7, "x1", "neither an observation (`type`, `start_time`) nor a score (`data_type`) of Langfuse"),
        (9, "s2", "score 'quality' has the value 7, outside 0 to 1; give `min` and `max` under `scores`"),
        (10, "s3", "score 'tone' has only the label 'warm'; give its labels values under `scores`, or ignore it"),
        (11, "s4", "field 'timestamp' is missing"),
        (12, "t5", "the trace has neither input nor output (exported without its texts?)"),
        (13, "t6", "field 'occurred_at' is outside the years 2000 to 2100: 1989-01-05T09:30:00+00:00"),
    ]
    assert {one["source"] for one in rows(engine, "select source from feedback_loop.rejected_records")} == {
        f"langfuse:{path}"
    }
    again = run(engine, "langfuse", path)
    assert (again.n_new.total(), len(rejected(engine))) == (0, 11)


@pytest.mark.parametrize("tool", FILES)
def test_no_user_stands_in_a_rejected_record(engine: Engine, tool: Any, tmp_path: Path) -> None:
    """Every record of the export, broken in its time: their users are in many places."""
    broken = []
    for path in exports(tool):
        text = path.read_text(encoding="utf-8").replace("user-1", "person-77").replace("user-2", "p77@mail.example.com")
        broken += [text.replace('"2026-01-05', '"day-05').replace('"17676', '"x')]
    (tmp_path / "broken.jsonl").write_text("".join(broken), encoding="utf-8")
    summary = run(engine, tool, tmp_path)
    assert summary.n_rejected.total() >= 5
    kept = "".join(str(one) for one in rows(engine, "select * from feedback_loop.rejected_records"))
    assert "person-77" not in kept
    assert "mail.example" not in kept


def test_a_changed_record_is_a_conflict_and_what_is_stored_stays(engine: Engine, tmp_path: Path) -> None:
    run(engine, "langfuse", write(tmp_path / "a.jsonl", OBSERVATION, SCORE))
    changed = run(engine, "langfuse", write(tmp_path / "b.jsonl", OBSERVATION | {"output": "b"}, SCORE | {"value": 1}))
    assert changed.n_rejected.total() == 2
    assert all("was imported before with other content" in reason for _, _, reason in rejected(engine))
    (row,) = rows(engine, "select output from feedback_loop.interactions")
    assert row["output"] == "a"


def test_what_the_rules_leave_out_is_counted_by_rule(engine: Engine, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        OBSERVATION,
        OBSERVATION | {"id": "o2", "trace_id": "t2", "type": "SPAN", "input": None},
        SCORE | {"id": "s1", "trace_id": None, "session_id": "s"},
        SCORE | {"id": "s2", "name": "escalated", "value": 0},
        SCORE | {"id": "s3", "name": "noise"},
    )
    summary = run(engine, "langfuse", path, scores={"noise": "ignore"})
    assert not summary.has_rejected
    assert summary.n_left_out == {
        "a trace without a model call": 1,
        "a score of a session or an experiment, not of a trace": 1,
        "'escalated' that did not happen": 1,
        "scores named 'noise' are ignored by the settings": 1,
    }


def test_an_annotation_without_its_span_says_what_to_do(engine: Engine) -> None:
    summary = run(engine, "phoenix", EXPORTS / "phoenix_annotations.jsonl")
    assert summary.n_rejected.total() == 5
    assert all("import both together" in reason for reason in summary.reasons)


def test_files_that_cannot_be_read_do_not_stop_the_others(engine: Engine, tmp_path: Path) -> None:
    good = write(tmp_path / "a.jsonl", OBSERVATION)
    (tmp_path / "b.jsonl.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(InputError, match=r"b\.jsonl\.gz.*what could be read was imported: 1 new"):
        run(engine, "langfuse", good, tmp_path / "b.jsonl.gz")
    with pytest.raises(InputError, match="no such file"):
        run(engine, "langfuse", tmp_path / "missing.jsonl")


def missing(name: str) -> None:
    raise ImportError(name)


def test_parquet_without_pyarrow_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib, "import_module", missing)
    (tmp_path / "a.parquet").write_bytes(b"PAR1....")
    with pytest.raises(ConfigurationError, match=r"pip install 'feedback-loop\[parquet\]'"):
        list(files.read_file(tmp_path / "a.parquet"))


def test_a_missing_sdk_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", missing)
    for tool, extra in (("langfuse", "langfuse"), ("langsmith", "langsmith"), ("phoenix", "phoenix")):
        with (
            pytest.raises(ConfigurationError, match=rf"pip install 'feedback-loop\[{extra}\]'"),
            open_client(tool, None, "shop", ("VARIABLE", "a:b"), lambda _: None),  # type: ignore[arg-type]
        ):
            pass


def test_nesting_without_end_is_refused() -> None:
    deep: Any = "end"
    for _ in range(3_000):
        deep = {"message": [deep]}
    mapper = Mapper(SourcePolicy(name="px", tool="phoenix"), KEY)
    span = {"start_time": "2026-01-05T09:30:00Z", "context": {"trace_id": "t", "span_id": "s"}, "attributes": deep}
    (one,) = mapper.add("f", 1, span)
    assert isinstance(one, Refused)
    assert one.reason == "lists or objects are nested too deeply"


def test_many_open_traces_are_closed_early_and_nothing_is_lost() -> None:
    mapper = Mapper(SourcePolicy(name="lf", tool="langfuse"), KEY, max_open=3)
    given = [line for n in range(10) for line in mapper.add("f", n, OBSERVATION | {"id": f"o{n}", "trace_id": f"t{n}"})]
    assert len(given) == 7
    assert len([*given, *mapper.finish()]) == 10


TEXT = st.text(st.characters(codec=None), max_size=20)  # with halves of surrogate pairs, as JSON may escape them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = """
id trace_id type start_time end_time input output metadata usage_details subject data_type value string_value name
timestamp tags run_type key score extra inputs outputs parent_run_ids feedback_source correction context attributes
annotator_kind result span_id created_at resourceSpans resourceLogs status model_parameters
"""
NAMES = st.sampled_from(_FIELDS.split())


@pytest.mark.parametrize("tool", FILES)
@hypothesis.settings(max_examples=60)
@given(record=st.dictionaries(NAMES, JSON, max_size=12))
def test_whatever_a_record_holds_it_is_mapped_refused_or_left_out(tool: Any, record: dict[str, Any]) -> None:
    mapper = Mapper(SourcePolicy(name="any", tool=tool), KEY)
    for one in [*mapper.add("f", 1, record), *mapper.finish()]:
        assert not isinstance(one, Refused) or one.reason


@pytest.mark.parametrize("tool", FILES)
@hypothesis.settings(max_examples=30)
@given(data=st.data())
def test_whatever_a_field_of_a_real_record_becomes(tool: Any, data: st.DataObject) -> None:
    mapper = Mapper(SourcePolicy(name="any", tool=tool), KEY)
    for path in exports(tool):
        for number, raw in files.read_file(path):
            changed = raw | {data.draw(st.sampled_from(sorted(raw))): data.draw(JSON)}
            for one in mapper.add("f", number, changed):
                assert not isinstance(one, Refused) or one.reason
    list(mapper.finish())
