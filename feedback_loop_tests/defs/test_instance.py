"""Dagster's instance lies on PostgreSQL, in a home of its own, and starts safely."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import URL

import feedback_loop
from feedback_loop.defs.instance import open_instance
from feedback_loop.environment import Environment
from feedback_loop.errors import DatabaseUnavailable
from feedback_loop.store.engine import create_engine, open_database

PACKAGE = Path(feedback_loop.__file__).parent


@pytest.fixture(autouse=True)
def _exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `prepare_dagster_home` exports ends with the test."""
    for name in ("DAGSTER_HOME", "FEEDBACK_LOOP_DAGSTER_URL"):
        monkeypatch.setenv(name, "")


def test_the_package_carries_the_top_level_file() -> None:
    assert (PACKAGE / "dagster.yaml").read_text() == (PACKAGE.parent / "dagster.yaml").read_text()


def test_instance_on_the_embedded_server(environment: Environment) -> None:
    with open_database(environment) as engine, open_instance(environment, engine) as instance:
        assert instance.get_runs_count() == 0
        assert not instance.telemetry_enabled
        assert os.environ["DAGSTER_HOME"] == str(environment.dagster_home)
        assert "feedback_loop_dagster" in os.environ["FEEDBACK_LOOP_DAGSTER_URL"]
        with engine.connect() as connection:
            assert sa.inspect(connection).get_table_names(schema="public") == []  # in a database of its own


def test_instance_in_ones_own_database_has_its_own_schema(environment: Environment, database_url: URL) -> None:
    own = replace(environment, database_url=database_url.render_as_string(hide_password=False))
    with open_database(own) as engine, open_instance(own, engine) as instance:
        instance.optimize_for_webserver(1000, 60, 2)  # as the web server reads it: with the same search path
        assert instance.get_runs_count() == 0
        with engine.connect() as connection:
            inspector = sa.inspect(connection)
            assert "runs" in inspector.get_table_names(schema="feedback_loop_dagster")
            assert inspector.get_table_names(schema="public") == []


def test_unreachable_storage_is_ours_to_say(environment: Environment, engine: sa.Engine) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1"):
        open_instance(replace(environment, dagster_url="postgresql://u@127.0.0.1:1/d"), engine)


FIRST = """
import sys
from feedback_loop.defs.instance import open_instance
from feedback_loop.environment import Environment
from feedback_loop.store.engine import create_engine
from pathlib import Path
environment = Environment(home=Path(sys.argv[1]), database_url=sys.argv[2])
with open_instance(environment, create_engine(sys.argv[2])) as instance:
    print(instance.get_runs_count())
"""


def test_four_first_starts_at_once(environment: Environment, database_url: URL) -> None:
    url = database_url.render_as_string(hide_password=False)

    def start(_: int) -> tuple[str, str]:
        command = [sys.executable, "-c", FIRST, str(environment.home), url]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        return result.stdout, result.stderr

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [("0\n", "")] * 4
    engine = create_engine(database_url)
    with engine.connect() as connection:
        versions = connection.execute(sa.text("select version_num from feedback_loop_dagster.alembic_version")).all()
    engine.dispose()
    assert len(versions) == 1
