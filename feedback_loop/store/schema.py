"""Which version of the schema a database has, and how it gets the newest.

Belongs here: revisions and upgrades. Does not belong here: the tables (`tables/`) and the steps between versions
(`migrations/versions/NNNN_*.py`, whose revision id is that NNNN, so that the newest is known without loading Alembic).

After a change of `tables/`, `pytest feedback_loop_tests/store/test_schema.py` says what the migrations lack.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from feedback_loop.errors import SchemaError
from feedback_loop.store.tables import SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "schema_version"
_LOCK = 0x6665656462616B  # any constant of our own: one upgrade at a time, across processes


def revisions() -> list[str]:
    """Every revision this code knows, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def current_revision(connection: Connection) -> str | None:
    """The database's revision; None where it has no schema of ours."""
    if not sa.inspect(connection).has_table(VERSION_TABLE, schema=SCHEMA):
        return None
    version = sa.table(VERSION_TABLE, sa.column("version_num"), schema=SCHEMA)
    return connection.scalar(sa.select(version.c.version_num))


def ensure(engine: Engine, *, upgrade_older: bool) -> None:
    """Bring a new database to the newest schema; check any other.

    Args:
        engine: the database.
        upgrade_older: also upgrade a schema that is older than this code.

    Raises:
        SchemaError: the schema is newer than this code, or older and `upgrade_older` is false.
    """
    with engine.connect() as connection:
        current = current_revision(connection)
    newest = revisions()[-1]
    if current == newest:
        return
    if current is not None:
        _refuse_newer(current)
        if not upgrade_older:
            raise SchemaError(
                f"the database has schema {current}, this version of feedback-loop needs {newest}: make a backup, then "
                "run `feedback-loop db upgrade`"
            )
    upgrade(engine)


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema to the newest revision, in one transaction; others that try at the same time wait.

    Returns:
        The revision before (None: a new database) and after.

    Raises:
        SchemaError: the schema is newer than this code.
    """
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        before, newest = current_revision(connection), revisions()[-1]
        if before != newest:
            if before is not None:
                _refuse_newer(before)
            from alembic import command  # half a second, which only an upgrade pays

            create_schema(connection, SCHEMA)
            command.upgrade(alembic_config(connection), "head")
    return before, newest


def alembic_config(connection: Connection) -> "Config":
    """Configuration for Alembic's commands on an open connection; no alembic.ini is needed."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def create_schema(connection: Connection, name: str) -> None:
    """Create a PostgreSQL schema where missing; asks first, for `if not exists` wants the right to create anyway."""
    if not sa.inspect(connection).has_schema(name):
        connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))


def _refuse_newer(current: str) -> None:
    known = revisions()
    if current not in known:
        raise SchemaError(
            f"the database has schema {current}, this version of feedback-loop knows up to {known[-1]}: install the "
            "version that made it, or a newer one"
        )
