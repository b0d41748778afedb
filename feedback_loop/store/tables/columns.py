"""What every table is made of: the metadata, column types with their units, keys. Does not belong here: a table."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

SCHEMA = "feedback_loop"

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)

Timestamp = TIMESTAMP(timezone=True)
Text, Integer, BigInteger, SmallInteger = sa.Text, sa.Integer, sa.BigInteger, sa.SmallInteger
Float, Boolean, Date = sa.Double, sa.Boolean, sa.Date


def column(
    name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]], *, null: bool = False, default: str | None = None
) -> sa.Column[Any]:
    """A column that must be filled unless `null`; `default` is SQL."""
    return sa.Column(name, type_, nullable=null, server_default=sa.text(default) if default else None)


def key(name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]] = Text) -> sa.Column[Any]:
    """A part of the primary key."""
    return sa.Column(name, type_, primary_key=True, autoincrement=False)
