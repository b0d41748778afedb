"""Tables by a mapping file, and warehouses by a query: the same mapping, typed as fields want it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError, InputError, SourceRefused, SourceUnavailable
from feedback_loop.intake.importers.opening import open_reader
from feedback_loop.intake.importers.policy import RecordMapping, SourcePolicy, choose_source
from feedback_loop.intake.importers.running import SourceSummary, import_files, import_source
from feedback_loop.intake.importers.tables import load_mapping
from feedback_loop_tests.intake.importers.test_same_rows import rows
from feedback_loop_tests.intake.records import KEY

MAPPING = """
records:
  - type: interaction
    fields: {interaction_id: id, occurred_at: created, user_input: question, output: answer, prompt_version: prompt,
             input_tokens: tokens, cost_usd: cost, metadata: extra, user_id: account}
    constants: {application: shop}
    time_zone: Europe/Berlin
  - type: feedback
    fields: {interaction_id: id, occurred_at: rated, signal: thumb, comment: said}
    values: {signal: {"1": thumbs_up, "0": thumbs_down}}
    only_if: thumb
"""
CSV = """id,created,question,answer,prompt,tokens,cost,extra,account,rated,thumb,said
7,2026-01-05 09:30:00,Where?,Here.,v1,12,0.5,"{""shop"": ""eu""}",u-1,2026-01-05T09:31:00Z,0,no
8,2026-01-05 09:40:00,When?,Soon.,v1,13,,,u-2,,,
9,2026-01-05 09:50:00,Who?,Us.,v1,many,,,u-3,,,
10,today,Why?,So.,v1,1,,,person-77,2026-01-05T09:51:00Z,maybe,
"""


def files(engine: Engine, tmp_path: Path, table: str = CSV, mapping: str = MAPPING) -> SourceSummary:
    (tmp_path / "map.yaml").write_text(mapping)
    (tmp_path / "table.csv").write_text(table)
    policy = SourcePolicy(name="tables", tool="tables", records=load_mapping(tmp_path / "map.yaml"))
    return import_files(engine, [str(tmp_path / "table.csv")], policy, hash_key=KEY)


def test_a_row_becomes_the_records_of_the_mapping(engine: Engine, tmp_path: Path) -> None:
    summary = files(engine, tmp_path)
    assert summary.n_new == {"interaction": 2, "feedback": 1}
    (first, second) = rows(engine, "select * from feedback_loop.interactions order by occurred_at")
    assert first["occurred_at"] == datetime(2026, 1, 5, 8, 30, tzinfo=UTC)  # Berlin is an hour ahead
    assert (first["interaction_id"], first["application"], first["input_tokens"]) == ("7", "shop", 12)
    assert (first["cost_usd"], first["metadata"]) == (0.5, {"shop": "eu"})
    assert second["cost_usd"] is None
    (said,) = rows(engine, "select * from feedback_loop.feedback")
    assert (said["interaction_id"], said["signal"], said["comment"]) == ("7", "thumbs_down", "no")


def test_a_bad_cell_rejects_its_record_only(engine: Engine, tmp_path: Path) -> None:
    files(engine, tmp_path)
    found = rows(engine, "select * from feedback_loop.rejected_records order by line_number, reason")
    assert [(one["line_number"], one["record_key"], one["reason"]) for one in found] == [
        (3, "9", "field 'input_tokens' must be a number, got 'many'"),
        (4, "10", "field 'occurred_at' is no time: 'today'"),
        (4, "10", "field 'signal': unknown value 'maybe' (expected one of thumbs_up, thumbs_down, rating, comment, "
                  "report, correction, preference, accepted, edited, regenerated, abandoned, copied, follow_up, "
                  "retried, dwell, shown, task_succeeded, task_failed, resolved, reopened, escalated, converted)"),
    ]  # fmt: skip
    assert "person-77" not in str(found)


def test_a_column_that_is_not_there_is_named(engine: Engine, tmp_path: Path) -> None:
    summary = files(engine, tmp_path, "id,created\n1,2026-01-05\n")
    assert list(summary.reasons) == [
        "the table has no column 'question', 'answer', 'prompt', 'tokens', 'cost', 'extra', 'account'"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("records: []", "must have the one key `records`"),
        ("columns: {}", "must have the one key `records`"),
        ("records: [{type: interaction, fields: {}, colour: red}]", "unknown key colour"),
        ("records: [{type: score, fields: {}}]", "type must be interaction, feedback"),
        ("records: [{type: feedback}]", "fields"),
        ("records: [", "is no YAML"),
    ],
)
def test_a_mapping_file_that_is_wrong_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_mapping(tmp_path / "map.yaml")


def test_tables_need_a_mapping(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--mapping"):
        import_files(engine, [str(tmp_path)], SourcePolicy(name="tables", tool="tables"), hash_key=KEY)


QUERY = "select id, at, question, answer, score from calls where at >= :since and at < :until order by id"
RECORDS = (
    RecordMapping(
        type="interaction",
        fields={"interaction_id": "id", "occurred_at": "at", "user_input": "question", "output": "answer"},
        constants={"prompt_version": "v1"},
    ),
    RecordMapping(
        type="evaluation",
        fields={"interaction_id": "id", "score": "score", "occurred_at": "at"},
        constants={"evaluator": "judge"},
        only_if="score",
    ),
)
DAY = datetime(2026, 1, 5, tzinfo=UTC)


def warehouse(engine: Engine, n: int) -> None:
    with engine.begin() as conn:
        conn.execute(
            sa.text(
                "create table if not exists calls (id int, at timestamptz, question text, answer text, score numeric)"
            )
        )
        for number in range(n):
            row: dict[str, Any] = {"n": number, "at": DAY + timedelta(hours=number), "s": 0.5 if number % 2 else None}
            conn.execute(sa.text("insert into calls values (:n, :at, 'q', 'a', :s)"), row)


def read(engine: Engine, environment: Environment, now: datetime, query: str = QUERY) -> SourceSummary:
    policy = SourcePolicy(name="wh", tool="warehouse", query=query, records=RECORDS, since=DAY, settle_minutes=0)
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    secret = Environment(home=environment.home, source_secrets={"WH": url})
    with open_reader(policy, secret, lambda _: None) as reader:
        return import_source(engine, reader, policy, hash_key=KEY, now=now)


def test_a_warehouse_is_read_by_a_query_from_where_it_ended(engine: Engine, environment: Environment) -> None:
    warehouse(engine, 30)
    first = read(engine, environment, DAY + timedelta(hours=10))
    assert first.n_new == {"interaction": 10, "evaluation": 5}
    second = read(engine, environment, DAY + timedelta(hours=40))
    assert (second.n_new["interaction"], second.n_duplicate["interaction"]) == (20, 10)  # the overlap was known
    (row,) = rows(engine, "select * from feedback_loop.evaluations where interaction_id = '1'")
    assert (row["score"], row["occurred_at"]) == (0.5, DAY + timedelta(hours=1))


def test_a_query_that_is_wrong_is_refused_and_a_database_that_is_away_may_come_back(
    engine: Engine, environment: Environment
) -> None:
    with pytest.raises(SourceRefused, match=r"refuses the query.*calls"):
        read(engine, environment, DAY + timedelta(hours=1))
    policy = SourcePolicy(name="wh", tool="warehouse", query=QUERY, records=RECORDS, since=DAY)
    for url, error in (
        ("postgresql://nobody@127.0.0.1:9/none", SourceUnavailable),
        ("nonsense", ConfigurationError),
        ("snowflake://a/b", ConfigurationError),
    ):
        there = Environment(home=environment.home, source_secrets={"WH": url})
        with pytest.raises(error), open_reader(policy, there, lambda _: None) as reader:
            import_source(engine, reader, policy, hash_key=KEY, now=DAY + timedelta(days=1))


def test_which_source_is_meant() -> None:
    eu, us = (SourcePolicy(name=name, tool="langfuse") for name in ("eu", "us"))
    assert choose_source([eu, us], "us", is_for_files=False) == us
    assert choose_source([eu], "langfuse", is_for_files=False) == eu
    assert choose_source([], "nobody", is_for_files=True) is None
    named = choose_source([], "otel", is_for_files=True)
    assert named is not None
    assert named.tool == "otel"
    with pytest.raises(InputError, match="several sources of langfuse: name one of eu, us"):
        choose_source([eu, us], "langfuse", is_for_files=True)
    with pytest.raises(InputError, match="no source of langfuse"):
        choose_source([], "langfuse", is_for_files=False)
