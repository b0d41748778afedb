"""A deployment recorded by hand is the one an import would have stored."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.errors import InputError
from feedback_loop.intake.deployments import record_deployment
from feedback_loop.intake.importing import import_paths
from feedback_loop.store import tables
from feedback_loop_tests.intake.records import KEY, deployment, write

TIME = datetime(2026, 1, 6, tzinfo=UTC)


def test_recording_twice_and_importing_the_same_is_one_deployment(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as conn:
        first = record_deployment(conn, hash_key=KEY, deployed_at=TIME, prompt_version="v2", fixes=["NO-SUCH-TICKET"])
    with engine.begin() as conn:
        again = record_deployment(conn, hash_key=KEY, deployed_at=TIME, prompt_version="v2", fixes=["NO-SUCH-TICKET"])
    path = write(tmp_path / "d.jsonl", deployment(fixes=["NO-SUCH-TICKET"]))
    assert import_paths(engine, [path], hash_key=KEY).n_duplicate == {"deployment": 1}
    with engine.connect() as conn:
        (row,) = conn.execute(sa.select(tables.deployments))
    assert first == again == row.deployment_id
    assert (row.fixes, row.deployed_at) == (["NO-SUCH-TICKET"], TIME)


def test_other_content_and_wrong_fields_are_errors(engine: Engine) -> None:
    with engine.begin() as conn:
        record_deployment(conn, hash_key=KEY, deployed_at=TIME, prompt_version="v2", deployment_id="d1")
    with engine.begin() as conn, pytest.raises(InputError, match="'d1' was recorded before with other content"):
        record_deployment(conn, hash_key=KEY, deployed_at=TIME, prompt_version="v3", deployment_id="d1")
    with engine.begin() as conn, pytest.raises(InputError, match="has no time zone"):
        record_deployment(conn, hash_key=KEY, deployed_at=TIME.replace(tzinfo=None), prompt_version="v3")
    with engine.begin() as conn, pytest.raises(InputError, match="needs 'prompt_version' or 'fixes'"):
        record_deployment(conn, hash_key=KEY, deployed_at=TIME)
