"""Files become facts: once, completely, without personal data, and what cannot be taken is kept with its reason."""

import gzip
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from feedback_loop.errors import ConfigurationError, DatabaseUnavailable, InputError
from feedback_loop.intake.importing import ImportSummary, Progress, import_paths
from feedback_loop.redaction import hash_user
from feedback_loop.store import facts, tables
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.intake.records import KEY, deployment, evaluation, feedback, interaction, line, write


def run(engine: Engine, *paths: object, **options: Any) -> ImportSummary:
    return import_paths(engine, [str(path) for path in paths], hash_key=KEY, **options)


def stored(engine: Engine, table: sa.Table) -> list[Any]:
    with engine.connect() as conn:
        return list(conn.execute(sa.select(table).order_by(*table.primary_key.columns)))


def test_every_type_is_stored_and_a_second_import_adds_nothing(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", interaction(), feedback(), evaluation(), deployment(fixes=["FL-1"]))
    first = run(engine, path)
    assert first.n_new == {"interaction": 1, "feedback": 1, "evaluation": 1, "deployment": 1}
    assert not first.has_rejected
    tables_of_facts = (tables.interactions, tables.feedback, tables.evaluations, tables.deployments)
    rows = [stored(engine, table) for table in tables_of_facts]
    again = run(engine, path)
    assert again.n_new.total() == 0
    assert again.n_duplicate.total() == 4
    assert [stored(engine, table) for table in tables_of_facts] == rows


def test_another_spelling_of_the_same_record_is_a_duplicate(engine: Engine, tmp_path: Path) -> None:
    record = interaction(metadata={"a": 1, "b": 2})
    spelt = {"occurred_at": "2026-01-05T10:30:00+01:00", "metadata": {"b": 2, "a": 1}, "turn": None}
    defaults = {"application": "default", "sample_rate": 1}
    same = [
        dict(reversed(record.items())) | spelt,
        record | defaults,
        deployment(),
        deployment(fixes=[], rollout_share=1),
    ]
    summary = run(engine, write(tmp_path / "a.jsonl", record, *same))
    assert (summary.n_new.total(), summary.n_duplicate.total(), summary.has_rejected) == (2, 3, False)


def test_personal_data_is_not_stored_anywhere(engine: Engine, tmp_path: Path) -> None:
    mail = "jo.doe@mail.example.com"
    path = write(
        tmp_path / "a.jsonl",
        interaction(
            user_id=mail, session_id=mail, user_input=f"I am {mail}", metadata={"contact": [mail]}, system_prompt=mail,
            retrieved_documents=[{"id": "d", "title": mail}], error=mail, model_parameters={"user": mail}, tools=[mail],
        ),
        feedback(user_id=mail, comment="call 416-555-0142", reason=mail, edited_output=mail, preferred_output=mail),
        evaluation(explanation=mail, label=mail),
        deployment(rationale=f"asked by {mail}"),
        interaction("i2", user_id=mail, user_input=mail, colour=mail),
        interaction("i1", user_id=mail, user_input="other content"),
        interaction(mail, occurred_at=mail),
        line(interaction("i3", user_id=mail))[:-40],
        line(interaction("i4", user_id="person-77", metadata={"a": "b"}))[:-1] + b",}",
    )  # fmt: skip
    assert run(engine, path).n_rejected.total() == 5
    with engine.connect() as conn:
        dump = "".join(
            conn.exec_driver_sql(f"select coalesce(string_agg(t::text, ''), '') from {table} t").scalar_one()
            for table in sa.inspect(conn).get_table_names("feedback_loop")
            for table in [f"feedback_loop.{table}"]
        )
    assert "i4" in dump
    for leak in ("jo.doe", "mail.example", "555-0142", "person-77"):
        assert leak not in dump
    (first,) = stored(engine, tables.interactions)
    assert first.user_hash == hash_user(mail, KEY)
    assert first.metadata == {"contact": ["<email>"]}


def test_a_user_id_that_was_hashed_in_the_application_is_the_same_person(engine: Engine, tmp_path: Path) -> None:
    hashed = f"hmac:{hash_user('ann', KEY)}"
    records = [interaction(f"i{n}", user_id=user) for n, user in enumerate(("ann", hashed, "hmac:ann", hashed[:-1]))]
    run(engine, write(tmp_path / "a.jsonl", *records, feedback("i0", user_id=hashed)))
    users = [row.user_hash for row in stored(engine, tables.interactions)]
    assert users == [hash_user("ann", KEY)] * 2 + [hash_user("hmac:ann", KEY), hash_user(hashed[:-1], KEY)]
    assert [row.user_hash for row in stored(engine, tables.feedback)] == [hash_user("ann", KEY)]


def test_a_bad_line_is_kept_with_place_and_reason_and_the_rest_goes_on(engine: Engine, tmp_path: Path) -> None:
    lines = (interaction("i1"), b"{oops", b"", interaction("i2", sample_rate=0), interaction("i3"))
    path = write(tmp_path / "bad.jsonl", *lines)
    summary = run(engine, path)
    assert summary.n_new == {"interaction": 2}
    assert summary.n_rejected == {"unreadable": 1, "interaction": 1}
    assert [(one.source, one.line_number) for one in summary.examples] == [(path, 2), (path, 4)]
    rows = stored(engine, tables.rejected_records)
    assert [(row.line_number, row.record_type, row.record_key) for row in rows] == [
        (2, None, None),
        (4, "interaction", "i2"),
    ]
    assert rows[0].record == "{oops"
    assert "sample_rate" in rows[1].reason
    run(engine, path)
    assert stored(engine, tables.rejected_records) == rows


def test_other_content_under_a_known_id_is_rejected(engine: Engine, tmp_path: Path) -> None:
    run(engine, write(tmp_path / "a.jsonl", interaction("i1"), feedback(user_id="u")))
    changed = [interaction("i1", output="Changed."), feedback(user_id="u", comment="Changed."), interaction("i2")]
    summary = run(engine, write(tmp_path / "b.jsonl", *changed))
    assert summary.n_new == {"interaction": 1, "feedback": 0}
    assert summary.n_rejected == {"interaction": 1, "feedback": 1}
    assert "interaction_id 'i1' was imported before with other content" in summary.reasons
    assert stored(engine, tables.interactions)[0].output == "Restart the app."


def test_feedback_may_come_before_its_interaction(engine: Engine, tmp_path: Path) -> None:
    early = write(tmp_path / "early.jsonl", feedback("i1"), feedback("never"))
    assert run(engine, early).n_parked_feedback == 2
    late = write(tmp_path / "late.jsonl", interaction("i1"))
    assert run(engine, late, early).n_parked_feedback == 1
    assert run(engine, early, batch_rows=1).n_parked_feedback == 1
    assert len(stored(engine, tables.feedback)) == 2


def test_a_line_that_is_too_long_is_rejected_and_the_next_is_read(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", interaction("big", output="x" * 5_000_000), interaction("i2"))
    assert run(engine, path).n_new == {"interaction": 1}
    (row,) = stored(engine, tables.rejected_records)
    assert row.n_bytes > 5_000_000
    assert len(row.record) <= 4_000
    assert "more than 4,194,304" in row.reason


def test_gzip_is_recognised_by_its_content(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(line(interaction("i1")) + b"\n") + gzip.compress(line(interaction("i2"))))
    assert run(engine, path).n_new == {"interaction": 2}


def test_a_truncated_gzip_keeps_what_could_be_read_and_the_files_after_it(engine: Engine, tmp_path: Path) -> None:
    lines = b"".join(line(interaction(f"i{n}", output=os.urandom(200).hex())) + b"\n" for n in range(500))
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(lines)[:-2_000])
    whole = write(tmp_path / "whole.jsonl", interaction("last"))
    with pytest.raises(InputError, match=r"broken\.jsonl\.gz: the compressed data break off .* new"):
        run(engine, broken, whole)
    ids = {row.interaction_id for row in stored(engine, tables.interactions)}
    assert "last" in ids
    assert len(ids) > 400


def test_directories_patterns_and_standard_input(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.jsonl", interaction("i1"))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(line(interaction("i2"))))
    write(tmp_path / "notes.txt", b"no records")
    assert run(engine, tmp_path, tmp_path / "*.jsonl").n_new == {"interaction": 2}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(line(interaction("i3"))))))
    assert run(engine, "-").n_new == {"interaction": 1}


@pytest.mark.parametrize("path", ["missing.jsonl", "*.jsonl", "."])
def test_a_path_that_names_nothing_is_an_error(
    engine: Engine, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        run(engine, path)


def test_another_hash_key_is_refused_before_anything_is_stored(engine: Engine, tmp_path: Path) -> None:
    run(engine, write(tmp_path / "a.jsonl", interaction("i1")))
    with pytest.raises(ConfigurationError):
        import_paths(engine, [write(tmp_path / "b.jsonl", interaction("i2"))], hash_key=b"x" * 32)
    assert len(stored(engine, tables.interactions)) == 1


def test_an_unreachable_database_is_said_to_be_that(database_url: URL, tmp_path: Path) -> None:
    engine = create_engine(database_url.set(host="127.0.0.1", port=1, query={}))
    with pytest.raises(DatabaseUnavailable):
        run(engine, write(tmp_path / "a.jsonl", interaction()))


def test_a_lost_database_says_what_is_stored_and_a_second_import_completes_it(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *(interaction(f"i{n}") for n in range(100)))

    def cut_connections(progress: Progress) -> None:
        if progress.n_records == 40:
            with engine.connect() as conn:
                conn.exec_driver_sql(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )

    with pytest.raises(DatabaseUnavailable, match="40 new, 0 known, 0 rejected"):
        run(engine, path, batch_rows=20, on_progress=cut_connections)
    assert len(stored(engine, tables.interactions)) == 40
    summary = run(engine, path)
    assert (summary.n_new.total(), summary.n_duplicate.total()) == (60, 40)


def test_progress_ends_at_the_size_of_all_files(engine: Engine, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.jsonl", interaction(f"i{n}"), b"{bad") for n in range(3)]
    seen: list[Progress] = []
    run(engine, *paths, batch_rows=2, on_progress=seen.append)
    assert [(one.n_records, one.n_rejected) for one in seen] == [(2, 1), (4, 2), (6, 3)]
    assert seen[-1].bytes_read == seen[-1].bytes_total == sum(os.path.getsize(path) for path in paths)


def test_columns_of_every_fact_are_filled_in_their_order(engine: Engine, tmp_path: Path) -> None:
    full = interaction(
        application="support", session_id="s", turn=2, user_id="u", cohort="web", prompt_name="p", model="m",
        model_parameters={"t": 0.5}, tools=["search"], system_prompt="Be kind.", input_tokens=1, output_tokens=2,
        retrieved_documents=[{"id": "d", "title": "T"}], time_to_first_token_ms=3.5, latency_ms=4.5, cost_usd=0.25,
        error="E", safety_level="low", experiment="x", variant="b", sample_rate=0.5, metadata={"k": 1},
    )  # fmt: skip
    run(engine, write(tmp_path / "a.jsonl", full))
    (row,) = stored(engine, tables.interactions)
    names = facts.COLUMNS["interaction"]
    for name in set(names) - {"user_hash", "content_hash", "occurred_at"}:
        assert getattr(row, name) == full[name], name
    assert row.occurred_at.isoformat() == "2026-01-05T09:30:00+00:00"
