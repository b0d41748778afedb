"""A SQL warehouse: rows of the user's own query, through an SQLAlchemy URL.

Belongs here: running the query. Does not belong here: what its rows mean (`tables.py`). The dialect's driver is the
user's to install (`snowflake-sqlalchemy`, `sqlalchemy-bigquery`, ...); PostgreSQL and SQLite need none more.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from feedback_loop.errors import ConfigurationError, SourceRefused, SourceUnavailable

_ROWS = 2_000  # fetched at a time


def read_rows(url: str, query: str, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """The rows of a query, as objects by column, a few thousand held at a time.

    Args:
        url: of SQLAlchemy; `postgresql://` uses the driver that is here.
        query: a SELECT; `:since` and `:until` bound its time, half-open.
        since: with a time zone.
        until: with a time zone.

    Raises:
        ConfigurationError: the URL is none, or its driver is not installed.
        SourceRefused: the database refuses the query.
        SourceUnavailable: it cannot be reached, or broke off.
    """
    engine = _engine(url)
    bound = {name: at for name, at in (("since", since), ("until", until)) if f":{name}" in query}
    try:
        with engine.connect().execution_options(stream_results=True, max_row_buffer=_ROWS) as conn:
            for row in conn.execute(sa.text(query), bound).mappings():
                yield dict(row)
    except (exc.OperationalError, exc.InterfaceError) as error:
        if isinstance(error, exc.OperationalError) and not error.connection_invalidated and _is_sqlite(engine):
            raise SourceRefused(f"the warehouse refuses the query: {error.orig}") from error
        raise SourceUnavailable(f"the warehouse cannot be reached or broke off: {error.orig}") from error
    except exc.SQLAlchemyError as error:
        raise SourceRefused(f"the warehouse refuses the query: {getattr(error, 'orig', None) or error}") from error
    finally:
        engine.dispose()


def _is_sqlite(engine: sa.Engine) -> bool:
    """SQLite calls a wrong query operational."""
    return engine.dialect.name == "sqlite"


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg2")
        return sa.create_engine(parsed)
    except ImportError as error:
        raise ConfigurationError(f"the warehouse's driver is not installed: pip install {error.name}") from error
    except exc.NoSuchModuleError as error:
        raise ConfigurationError(
            f"the warehouse's dialect is not installed ({error}); install the package that brings it, such as"
            " snowflake-sqlalchemy or sqlalchemy-bigquery"
        ) from error
    except (exc.ArgumentError, ValueError) as error:
        raise ConfigurationError("the warehouse's URL is none that SQLAlchemy knows") from error
