"""The migrations make exactly what `tables/` says, once, whoever comes at the same time."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine

from feedback_loop.documents import from_json, plain
from feedback_loop.errors import SchemaError
from feedback_loop.store import schema
from feedback_loop.store.engine import create_engine
from feedback_loop.store.tables import SCHEMA, metadata


def differences(connection: sa.Connection) -> list[object]:
    options = {
        "compare_server_default": True,
        "include_schemas": True,
        "include_name": lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
        "version_table": schema.VERSION_TABLE,
        "version_table_schema": SCHEMA,
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def test_migrations_and_tables_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        assert differences(connection) == []  # else: python -m feedback_loop_tests.store.draft_migration


def test_comparison_sees_a_missing_column(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("alter table feedback_loop.feedback drop column reason"))
        connection.execute(sa.text("alter table feedback_loop.deployments alter rollout_share set default 2"))
        found = repr(differences(connection))
        assert "add_column" in found
        assert "modify_default" in found


def test_downgrade_then_upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(schema.alembic_config(connection), "base")
        assert set(sa.inspect(connection).get_table_names(schema=SCHEMA)) == {schema.VERSION_TABLE}
        assert schema.current_revision(connection) is None
    assert schema.upgrade(engine) == (None, schema.revisions()[-1])
    with engine.connect() as connection:
        assert differences(connection) == []


def test_file_names_carry_the_revisions(engine: Engine) -> None:
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(schema.alembic_config(connection))
    assert [step.revision for step in script.walk_revisions()][::-1] == schema.revisions()
    assert script.get_heads() == schema.revisions()[-1:]


def test_concurrent_first_use_upgrades_once(empty_database_url: URL) -> None:
    engine = create_engine(empty_database_url)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: schema.upgrade(engine), range(4)))
    engine.dispose()
    newest = schema.revisions()[-1]
    assert sorted(results, key=str) == [(newest, newest)] * 3 + [(None, newest)]


def test_newer_schema_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"update {SCHEMA}.{schema.VERSION_TABLE} set version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"schema 9999.*knows up to 0"):
        schema.ensure(engine, upgrade_older=True)
    with pytest.raises(SchemaError, match="schema 9999"):
        schema.upgrade(engine)


def test_older_schema_in_ones_own_database_is_left_to_its_owner(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.revisions()
    monkeypatch.setattr(schema, "revisions", lambda: [*known, "9998"])
    with pytest.raises(SchemaError, match="feedback-loop db upgrade"):
        schema.ensure(engine, upgrade_older=False)


def test_patterns_is_the_newest_state(engine: Engine) -> None:
    row = {
        "application": "a", "pattern_id": "p", "name": "n", "description": "d", "likely_cause": "prompt", "severity": 2,
        "suggested_fix": "", "status": "open", "first_seen_week": "2026-01-05", "last_seen_week": "2026-01-05",
        "n_silent_weeks": 0, "n_occurrences": 1, "threshold": 0.5, "exemplars": [], "detector_version": "v",
        "policy_version": "v",
    }  # fmt: skip
    states = metadata.tables[f"{SCHEMA}.pattern_states"]
    with engine.begin() as connection:
        weeks = ["2026-01-05", "2026-01-19", "2026-01-12"]
        connection.execute(states.insert(), [row | {"week": week, "name": week} for week in weeks])
        connection.execute(states.insert(), [row | {"week": "2026-01-05", "pattern_id": "q"}])
        found = connection.execute(sa.text("select pattern_id, name from feedback_loop.patterns order by 1")).all()
    assert [tuple(pattern) for pattern in found] == [("p", "2026-01-19"), ("q", "n")]


def test_tickets_of_before_become_documents_and_their_fixes_say_how_sure_they_are(engine: Engine) -> None:
    ticket = {
        "application": "a", "pattern_id": "p", "ticket_number": 1, "ticket_key": "FL-1", "tracker": "local",
        "status": "done", "route": "triage", "priority": 2, "title": "Links \\(all\\) \\& C:\\\\temp @\u2060team",
        "body": "## Impact\n\nIt hit \\*two\\* answers\nof @\u2060team.\n \n\n\n\\- none \\\\ a\n",
        "created_week": "2026-01-05", "created_at": "2026-01-12", "updated_at": "2026-01-12", "detector_version": "d",
    }  # fmt: skip
    fix = {"application": "a", "pattern_id": "p", "deployment_id": "", "deployed_at": "2026-01-20"}
    said = {"application": "a", "pattern_id": "p", "kind": "comment", "occurred_at": "2026-01-20"}
    with engine.begin() as connection:
        config = schema.alembic_config(connection)
        command.downgrade(config, "0002")
        _insert(connection, "tickets", ticket)
        for source in ("ticket", "deployment"):
            _insert(connection, "fixes", fix | {"fix_id": source, "source": source})
        for key, body in (("1", "Effective after 14 days\\."), ("2", "")):
            _insert(connection, "ticket_events", said | {"event_key": key, "body": body})
        command.upgrade(config, "0003")
        title, body = connection.execute(sa.text("select title, body from feedback_loop.tickets")).one()
        assert title == r"Links (all) & C:\temp @team"
        assert from_json(body) == plain("## Impact", "It hit *two* answers\nof @team.", "- none \\ a")
        events = connection.execute(
            sa.text("select body from feedback_loop.ticket_events order by event_key")
        ).scalars()
        assert [from_json(event) for event in events] == [plain("Effective after 14 days."), ()]
        query = "select source, origin, precision, confidence from feedback_loop.fixes order by 1"
        assert [tuple(row) for row in connection.execute(sa.text(query))] == [
            ("deployment", "", "instant", "high"),
            ("ticket", "the ticket", "instant", "low"),
        ]
        functions = "select count(*) from pg_proc where pronamespace = 'feedback_loop'::regnamespace"
        assert connection.execute(sa.text(functions)).scalar_one() == 0


def _insert(connection: sa.Connection, table: str, row: Mapping[str, object]) -> None:
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(sa.text(f"insert into feedback_loop.{table} ({names}) values ({values})"), dict(row))
