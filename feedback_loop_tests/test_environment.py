"""What the environment says, and what it defaults to."""

import os
from pathlib import Path

import pytest

from feedback_loop.environment import Environment, export, read_environment


def test_defaults_lie_under_the_working_directory(tmp_path: Path) -> None:
    environment = read_environment({}, tmp_path)
    assert environment == Environment(home=tmp_path / ".feedback_loop")
    assert environment.postgres_dir == tmp_path / ".feedback_loop" / "postgres"
    assert environment.dagster_home == tmp_path / ".feedback_loop" / "dagster_home"
    assert environment.tickets_dir == tmp_path / ".feedback_loop" / "tickets"
    assert environment.waiting_dir == tmp_path / ".feedback_loop" / "waiting"


def test_empty_is_unset(tmp_path: Path) -> None:
    names = ["HOME", "DATABASE_URL", "DAGSTER_URL", "CONFIG", "HASH_KEY", "JIRA_EMAIL", "JIRA_TOKEN"]
    assert read_environment({f"FEEDBACK_LOOP_{name}": "" for name in names}, tmp_path) == read_environment({}, tmp_path)


def test_variables_win(tmp_path: Path) -> None:
    variables = {
        "FEEDBACK_LOOP_HOME": "data",
        "FEEDBACK_LOOP_DATABASE_URL": "postgresql://a/b",
        "FEEDBACK_LOOP_DAGSTER_URL": "postgresql://a/c",
        "FEEDBACK_LOOP_CONFIG": "mine.yaml",
        "FEEDBACK_LOOP_HASH_KEY": "k",
        "FEEDBACK_LOOP_JIRA_EMAIL": "bot@example.com",
        "FEEDBACK_LOOP_JIRA_TOKEN": "hidden-word",
    }
    environment = read_environment(variables, tmp_path)
    assert environment == Environment(
        tmp_path / "data",
        "postgresql://a/b",
        "postgresql://a/c",
        tmp_path / "mine.yaml",
        "k",
        jira_email="bot@example.com",
        jira_token="hidden-word",
    )
    assert "hidden-word" not in repr(environment)


def test_settings_file_in_the_working_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "feedback_loop.yaml").write_text("")
    assert read_environment({}, tmp_path).config_path == tmp_path / "feedback_loop.yaml"


def test_export_reaches_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEEDBACK_LOOP_HASH_KEY", raising=False)
    export({"FEEDBACK_LOOP_HASH_KEY": "x"})
    assert os.environ["FEEDBACK_LOOP_HASH_KEY"] == "x"
    monkeypatch.delenv("FEEDBACK_LOOP_HASH_KEY")
