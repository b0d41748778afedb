"""`feedback-loop import --from`: export files without any setting, sources of the settings, and clear refusals."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine

from feedback_loop.cli import cli
from feedback_loop_tests.intake.importers.calls import EXPORTS
from feedback_loop_tests.intake.importers.test_same_rows import rows

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", database_url.render_as_string(hide_password=False))
    return lambda *arguments: CliRunner().invoke(cli, ["import", *map(str, arguments)])


def test_export_files_need_no_setting(run: Run, engine: Engine) -> None:
    paths = [EXPORTS / "langfuse_observations_v2.jsonl", EXPORTS / "langfuse_scores.jsonl"]
    result = run("--from", "langfuse", "--application", "shop", *paths)
    assert (result.exit_code, "8 records" in result.output) == (0, True)
    assert {one["application"] for one in rows(engine, "select application from feedback_loop.interactions")} == {
        "shop"
    }


def test_rejected_records_set_the_exit_status(run: Run) -> None:
    result = run("--from", "phoenix", EXPORTS / "phoenix_annotations.jsonl")
    assert result.exit_code == 1
    assert "import both together" in " ".join(result.output.split())


def test_what_was_left_out_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "1"}]}]}]}\n')
    result = run("--from", "otel", tmp_path)
    assert (result.exit_code, "1 left out: a log record that is no GenAI event" in result.output) == (0, True)


def test_what_is_wrong_is_said_plainly(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "neither a source of the settings nor one of langfuse" in run("--from", "helicone").output
    assert "no source of langfuse is in the settings" in run("--from", "langfuse").output
    assert "Missing argument 'PATH...'" in run().output
    assert "go with --from" in run("--application", "x", tmp_path).output
    assert "--mapping" in run("--from", "tables", EXPORTS).output
    settings = tmp_path / "settings.yaml"
    settings.write_text("sources: [{name: lf-eu, tool: langfuse}]")
    monkeypatch.setenv("FEEDBACK_LOOP_CONFIG", str(settings))
    result = run("--from", "lf-eu")
    assert (result.exit_code, "FEEDBACK_LOOP_SOURCE_LF_EU" in result.output) == (1, True)
