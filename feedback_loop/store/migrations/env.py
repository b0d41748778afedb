"""Runs the migrations on the connection that `schema.py` hands over. Does not belong here: any configuration."""

from typing import Any

from alembic import context

from feedback_loop.store.schema import VERSION_TABLE
from feedback_loop.store.tables import SCHEMA, metadata


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Look at our own schema only: in one's own database there may be others, Dagster's among them."""
    return name == SCHEMA if kind == "schema" else True


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=include_name,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
