"""Sources as Dagster assets: made from the settings, scheduled, materialised for real, failing as what they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import yaml
from sqlalchemy import Engine
from starlette.responses import JSONResponse

from feedback_loop.definitions import build_definitions
from feedback_loop.defs.importing import build_sources
from feedback_loop.defs.resources import Database
from feedback_loop.intake.importers.policy import SourcePolicy
from feedback_loop.redaction.ner import PrivacyPolicy
from feedback_loop_tests.intake.importers.stubs import KEYS, Stub, open_stub
from feedback_loop_tests.intake.importers.test_same_rows import rows
from feedback_loop_tests.intake.importers.test_sources import MODULES


def job_of(definitions: dg.Definitions, engine: Engine, name: str) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)


@contextmanager
def installation(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, tool: str = "langfuse"
) -> Iterator[tuple[dg.Definitions, Stub]]:
    pytest.importorskip(MODULES[tool], reason=f"{tool}'s SDK is not installed")
    with open_stub(tool) as stub:
        source = {"name": f"{tool}-prod", "tool": tool, "url": stub.url, "write_back": True}
        source |= {"application": "shop", "since": "2026-01-05T00:00:00Z", "schedule": "5 * * * *"}
        settings = folder / "feedback_loop.yaml"
        settings.write_text(yaml.safe_dump({"sources": [source | ({} if tool == "langfuse" else {"project": "shop"})]}))
        monkeypatch.setenv("FEEDBACK_LOOP_CONFIG", str(settings))
        monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(folder / "home"))
        monkeypatch.setenv(f"FEEDBACK_LOOP_SOURCE_{tool.upper()}_PROD", KEYS[tool])
        url = engine.url.render_as_string(hide_password=False)
        yield build_definitions({"database": Database(url=url)}), stub


def test_a_source_has_assets_jobs_and_schedules() -> None:
    made = build_sources(
        [SourcePolicy(name="lf-eu", tool="langfuse", schedule="5 * * * *", write_back=True)], PrivacyPolicy()
    )
    assert [spec.key.to_user_string() for asset in made.assets for spec in asset.specs] == [
        "imported_lf_eu",
        "written_back_lf_eu",
    ]
    assert [(s.name, s.cron_schedule, s.default_status) for s in made.schedules] == [
        ("import_lf_eu_schedule", "5 * * * *", dg.DefaultScheduleStatus.RUNNING),
        ("write_back_lf_eu_schedule", "30 6 * * *", dg.DefaultScheduleStatus.RUNNING),
    ]
    assert len(build_sources([SourcePolicy(name="a", tool="langfuse")], PrivacyPolicy()).assets) == 1
    assert build_sources([SourcePolicy(name="files", tool="otel")], PrivacyPolicy()).assets == []


def test_the_asset_imports_and_says_how_many(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with installation(engine, tmp_path, monkeypatch) as (definitions, stub):
        dg.Definitions.validate_loadable(definitions)
        stub.scores.append(stub.scores[0] | {"id": "odd", "name": "tone", "dataType": "CATEGORICAL", "value": "warm"})
        result = job_of(definitions, engine, "import_langfuse_prod")
        assert result.success
        (event,) = result.get_asset_materialization_events()
        said = {name: value.value for name, value in event.materialization.metadata.items()}
        assert said["dagster/partition_row_count"] == 8
        assert (said["interaction_new"], said["feedback_new"], said["rejected"]) == (3, 2, 1)
        assert "score 'tone' has only the label 'warm'" in str(said["rejected_because"])
        assert job_of(definitions, engine, "write_back_langfuse_prod").success
    kept = rows(engine, "select source, record_key, reason from feedback_loop.rejected_records")
    assert [(one["source"], one["record_key"]) for one in kept] == [("langfuse:langfuse-prod", "odd")]


def test_a_refusal_fails_for_good_and_says_why(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with installation(engine, tmp_path, monkeypatch) as (definitions, stub):
        stub.faults = [JSONResponse({"message": "no such project"}, 404)]
        result = job_of(definitions, engine, "import_langfuse_prod")
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        assert "Langfuse refuses (404): {'message': 'no such project'}" in str(failure.step_failure_data)
        assert len(stub.requests) == 1
